// Remembers the reply of a request. Fastify passes it to hooks, but a later `request.permit` call only has the request.
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'

const REPLY = Symbol('fastify-permit.reply')

/** The property of a request, decorated so that all requests have the same shape. */
export const REPLY_SLOT: symbol = REPLY

interface Answered { [REPLY]?: FastifyReply | null }

/** Remembers the reply of a request. */
export function keepReply (request: object, reply: FastifyReply): void {
  (request as Answered)[REPLY] = reply
}

/** The response that answers a request, once its `preHandler` hooks run. */
export function responseOf (request: object): ServerResponse | undefined {
  const { [REPLY]: reply } = request as Answered
  // An object that inherits from a request, or is a copy of one, would have the reply of another request.
  return reply?.request === request ? reply.raw : undefined
}
