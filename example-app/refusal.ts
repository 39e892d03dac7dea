// The body of every answer that is a refusal, as Fastify writes it: for the schemas of the routes.
import { Type } from '@fastify/type-provider-typebox'

export const Refusal = Type.Object({
  statusCode: Type.Integer(),
  code: Type.Optional(Type.String()),
  error: Type.String(),
  message: Type.String()
})

/** What each guarded route may answer instead of what was asked for. */
export const refusals = {
  401: Refusal,  // nobody is asking
  403: Refusal,  // the decision is no
  503: Refusal   // no decision could be had
}
