// The HTTP server under Fastify: bounds on time and sockets, and without a token no address but the loopback.
import { createServer } from 'node:http'
import type { FastifyServerOptions } from 'fastify'
import { letAnswersArrive, refuseClient, untilLastAnswer } from './linger.js'
import { LoopbackServer } from './loopback.js'
import { oneAtATime } from './one-at-a-time.js'

/** What a server bears; times in ms. */
export const SERVER_LIMITS: Readonly<Record<'requestTimeout' | 'checkInterval' | 'lingerTimeout' | 'idleTimeout' | 'maxConnections' | 'maxHeaderSize', number>> = Object.freeze({
  /** Time for a request to arrive as a whole, its head included. */
  requestTimeout: 10_000,
  /** How often it is looked whether a time is up. */
  checkInterval: 1_000,
  /** How long the rest of a request is read that is answered already. */
  lingerTimeout: 5_000,
  /** A connection on which nothing happens goes after this. Longer than the clients' own, so that they let go first. */
  idleTimeout: 75_000,
  /** Sockets at once. */
  maxConnections: 4_096,
  /** Bytes of a request's head. Said, because Node's own can be raised for the whole process. */
  maxHeaderSize: 16 * 1024
})

/** For `Fastify(…)`. */
export function serverOptions (loopbackOnly: boolean, limits: typeof SERVER_LIMITS = SERVER_LIMITS): Required<Pick<FastifyServerOptions, 'serverFactory' | 'clientErrorHandler'>> {
  return {
    serverFactory (handler) {
      const listener = oneAtATime(untilLastAnswer(handler))
      const options = {
        requestTimeout: limits.requestTimeout,
        headersTimeout: limits.requestTimeout,
        keepAliveTimeout: limits.idleTimeout,
        connectionsCheckingInterval: limits.checkInterval,
        maxHeaderSize: limits.maxHeaderSize,
        noDelay: true
      }
      const server = loopbackOnly ? new LoopbackServer(options, listener) : createServer(options, listener)
      letAnswersArrive(server, limits.lingerTimeout)
      server.maxConnections = limits.maxConnections
      server.setTimeout(limits.idleTimeout)
      return server
    },
    clientErrorHandler: refuseClient(limits.lingerTimeout)
  }
}
