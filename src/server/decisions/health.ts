// Whether the PDP is there. No token: what asks is an orchestrator.
import Type from 'typebox'
import { ok, route, type Route } from '../http/route.js'

/** The routes for orchestrators. */
export const healthRoutes: readonly Route[] = ['/healthy', '/health', '/ready'].map(path => route({
  method: 'GET',
  path,
  summary: 'Whether decisions can be had. While the PDP starts or closes: 503, or no answer.',
  answer: Type.Object({ status: Type.String() }),
  // It listens only after policy and facts are loaded, and an invalid policy that comes later changes nothing: whoever is answered can ask.
  handle: () => ok({ status: 'ok' })
}))
