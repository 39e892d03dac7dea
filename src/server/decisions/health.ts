// Health checks. They need no token, because orchestrators call them.
import Type from 'typebox'
import { ok, route, type Route } from '../http/route.js'

/** The version of the API between PDP and cloud, as the container reports it. */
const API_VERSION = 4

/** The routes for orchestrators. */
export const healthRoutes: readonly Route[] = ['/healthy', '/health', '/ready'].map(path => health(path))

/** Routes of the container that need the token. */
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
    summary: 'Whether the PDP is ready to decide. While it starts or closes: 503, or no answer.',
    answer: Type.Object({ status: Type.String() }),
    // The PDP listens only after the policy and the facts are loaded, and a later invalid policy is ignored. So it is ready if it answers.
    handle: () => ok({ status: 'ok' })
  })
}
