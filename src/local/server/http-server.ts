// The HTTP server under Fastify: bounds on time and sockets, and without a token no address but the loopback.
import { createServer, type RequestListener, type Server } from 'node:http'
import { LoopbackServer } from './loopback.js'

/** Time for a request to arrive as a whole, ms. */
const REQUEST_TIMEOUT = 10_000

/** A connection on which nothing happens goes after this, ms. Longer than the clients' own, so that they let go first. */
const IDLE_TIMEOUT = 75_000

/** Sockets at once. */
const MAX_CONNECTIONS = 4_096

/** For Fastify's `serverFactory`. */
export function serverFactory (loopbackOnly: boolean): (handler: RequestListener) => Server {
  return handler => {
    const options = {
      requestTimeout: REQUEST_TIMEOUT,
      headersTimeout: REQUEST_TIMEOUT,
      keepAliveTimeout: IDLE_TIMEOUT,
      connectionsCheckingInterval: 1_000,
      noDelay: true
    }
    const server = loopbackOnly ? new LoopbackServer(options, handler) : createServer(options, handler)
    server.maxConnections = MAX_CONNECTIONS
    server.setTimeout(IDLE_TIMEOUT)
    return server
  }
}
