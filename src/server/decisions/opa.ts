// The OPA route that some SDKs call instead of the PDP.
import Type from 'typebox'
import { allowed } from './decisions.js'
import { ok, route, type Route } from '../http/route.js'
import { Allowed, AllowedQuery, toEngineQuery } from './wire.js'

/** OPA's route. */
export const opaRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/data/permit/root',
    summary: 'Decides one question, like OPA in the container.',
    body: Type.Object({ input: AllowedQuery }),
    answer: Type.Object({ result: Allowed }),
    handle: ({ body, decider, debug }) => ok({ result: allowed(decider, toEngineQuery(body.input), debug) })
  })
]
