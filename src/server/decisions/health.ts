// Whether the PDP is there. No token: what asks is an orchestrator.
import Type from 'typebox'
import { ok, route, type Route } from '../http/route.js'

/** The version of the API between PDP and cloud that the container tells. */
const API_VERSION = 4

/** The routes for orchestrators. */
export const healthRoutes: readonly Route[] = ['/healthy', '/health', '/ready'].map(path => health(path))

/** What the container answers to whoever has the token. */
export const systemRoutes: readonly Route[] = [
  ...['/healthcheck', '/'].map(path => health(path)),
  route({
    method: 'GET',
    path: '/version',
    summary: 'The version of the PDP\'s API.',
    answer: Type.Object({ api_version: Type.Integer() }),
    handle: () => ok({ api_version: API_VERSION })
  })
]

function health (path: string): Route {
  return route({
    method: 'GET',
    path,
    summary: 'Whether decisions can be had. While the PDP starts or closes: 503, or no answer.',
    answer: Type.Object({ status: Type.String() }),
    // It listens only after policy and facts are loaded, and an invalid policy that comes later changes nothing: whoever is answered can ask.
    handle: () => ok({ status: 'ok' })
  })
}
