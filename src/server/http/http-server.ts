// Creates the HTTP server of the local PDP, with limits on time and sockets, and restricted to the loopback without a token.
import { createServer } from 'node:http'
import type { FastifyServerOptions } from 'fastify'
import { closeLingering, refuseClient, untilLastAnswer } from './lingering-close.js'
import { LoopbackServer, type LoopbackReason } from './loopback.js'
import { oneAtATime } from './pipelining.js'

/** The limits of a server; times in ms. */
export interface ServerLimits {
  /** Time for a whole request to arrive, including its head. */
  readonly requestTimeout: number
  /** How often timeouts are checked. */
  readonly checkInterval: number
  /** How long the rest of a request is read after it was answered. */
  readonly lingerTimeout: number
  /** An idle connection is closed after this time. Longer than the clients' own timeouts, so that the client closes first. */
  readonly idleTimeout: number
  /** The most sockets at once. */
  readonly maxConnections: number
  /** The most bytes of a request's head. Set here, because Node's default can be raised for the whole process. */
  readonly maxHeaderSize: number
}

export const SERVER_LIMITS: ServerLimits = Object.freeze({
  requestTimeout: 10_000,
  checkInterval: 1_000,
  lingerTimeout: 5_000,
  idleTimeout: 75_000,
  maxConnections: 4_096,
  maxHeaderSize: 16 * 1024
})

type ServerOptions = Required<Pick<FastifyServerOptions, 'serverFactory' | 'clientErrorHandler'>>

/**
 * The options for `Fastify(…)`.
 * @param loopbackOnly - why it listens only on the loopback, if it does
 */
export function serverOptions (loopbackOnly: LoopbackReason | undefined, limits: ServerLimits = SERVER_LIMITS): ServerOptions {
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
      const server = loopbackOnly === undefined ? createServer(options, listener) : new LoopbackServer(options, listener, loopbackOnly)
      closeLingering(server, limits.lingerTimeout)
      server.maxConnections = limits.maxConnections
      server.setTimeout(limits.idleTimeout)
      return server
    },
    clientErrorHandler: refuseClient(limits.lingerTimeout)
  }
}
