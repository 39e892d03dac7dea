// The schema of Fastify's error responses, for the schemas of the routes.
import { Type } from '@fastify/type-provider-typebox'

export const Refusal = Type.Object({
  statusCode: Type.Integer(),
  code: Type.Optional(Type.String()),
  error: Type.String(),
  message: Type.String()
})

/** The error responses of guarded routes. */
export const refusals = {
  401: Refusal,  // not authenticated
  403: Refusal,  // denied
  503: Refusal   // no decision
}
