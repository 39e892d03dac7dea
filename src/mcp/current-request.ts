// The HTTP request whose messages are being handled. It is the one that has brought the message, whoever has begun the session.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyRequest } from 'fastify'
import type { RequestPermit } from '../app/request-permit.js'

const requests = new AsyncLocalStorage<RequestPermit<FastifyRequest>>()

/** Runs a function whose messages belong to a request. */
export function withRequest<T> (permit: RequestPermit<FastifyRequest>, run: () => T): T {
  return requests.run(permit, run)
}

/** The checks of the request that has brought the current message; undefined for one that came otherwise, such as over stdio. */
export function currentPermit (): RequestPermit<FastifyRequest> | undefined {
  return requests.getStore()
}
