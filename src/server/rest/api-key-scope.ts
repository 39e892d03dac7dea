// Tells SDKs which environment the token belongs to.
import Type from 'typebox'
import { SCOPE } from './identity.js'
import { ok, route, type Route } from '../http/route.js'

const Scope = Type.Object({ organization_id: Type.String(), project_id: Type.String(), environment_id: Type.String() })

/** The route that SDKs call to find their environment. */
export const scopeRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v2/api-key/scope',
    summary: 'The organization, the project and the environment of the token.',
    answer: Scope,
    handle: () => ok(SCOPE)
  })
]
