// The HTTP request of the message that is being handled. It is not the request that started the session.
import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyRequest } from 'fastify'
import type { RequestPermit } from '../app/request-permit.js'

const requests = new AsyncLocalStorage<RequestPermit<FastifyRequest>>()

/** Runs a function whose messages belong to a request. */
export function withRequest<T> (permit: RequestPermit<FastifyRequest>, run: () => T): T {
  return requests.run(permit, run)
}

/** The checks of the request that carried the current message; undefined without a request, for example over stdio. */
export function currentPermit (): RequestPermit<FastifyRequest> | undefined {
  return requests.getStore()
}
