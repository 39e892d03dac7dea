// Whoever waits for a request's answer.
import type { FastifyRequest } from 'fastify'
import type { Caller } from '../pdp/point.js'

/** The connection of a request: when it is gone, nobody waits for the decision any more. */
export function callerOf ({ raw }: FastifyRequest): Caller {
  // Over HTTP/2 a socket carries many requests; each has a stream of its own.
  return (raw as { stream?: Caller }).stream ?? raw.socket
}
