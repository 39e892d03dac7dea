// Whoever waits for a request's answer.
import type { FastifyRequest } from 'fastify'
import type { Caller } from '../pdp/point.js'

/** A request that asks: gone when its connection is. Made only for a question that is not answered at once. */
export function callerOf (request: FastifyRequest): Caller {
  return new RequestCaller(request)
}

class RequestCaller implements Caller {
  readonly #request: FastifyRequest

  constructor (request: FastifyRequest) {
    this.#request = request
  }

  get destroyed (): boolean {
    const { raw } = this.#request
    // Over HTTP/2 a socket carries many requests; each has a stream of its own.
    return ((raw as { stream?: Caller }).stream ?? raw.socket).destroyed
  }

  get requestId (): string {
    return this.#request.id
  }
}
