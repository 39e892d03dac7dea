// Which reply answers a request: Fastify tells its hooks, and nothing that a handler asks later with the request alone.
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'

const REPLY = Symbol('fastify-permit.reply')

/** The slot on a request, to be decorated, so that all requests keep one shape. */
export const REPLY_SLOT: symbol = REPLY

interface Answered { [REPLY]?: FastifyReply | null }

/** Remembers the reply of a request. */
export function keepReply (request: object, reply: FastifyReply): void {
  (request as Answered)[REPLY] = reply
}

/** The response that answers a request, once its `preHandler` hooks run. */
export function responseOf (request: object): ServerResponse | undefined {
  const { [REPLY]: reply } = request as Answered
  // What inherits from a request, or was copied from one, has another's reply.
  return reply?.request === request ? reply.raw : undefined
}
