// Opens the sockets to a PDP, over TCP, TLS or a Unix socket, and tracks them from the moment they are created, so that closing leaves none
// open, not even one that is connecting.
import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import type { Tls } from './tls.js'
import type { Undici } from './undici.js'

/** Each request's own deadline is the only timeout: undici's timers are coarse, and two timeouts would conflict. */
export const SOCKET_SETTINGS = { pipelining: 1, headersTimeout: 0, bodyTimeout: 0 }

export interface Sockets {
  /** For undici: connects, and tracks the socket until it is closed. */
  readonly connect: buildConnector.connector
  /** Destroys all sockets that are still open. */
  destroy (): void
}

/** How a PDP is connected to, where host and port of its URL do not say it all. */
export interface Connection {
  /** The path of a Unix socket, in place of host and port. */
  readonly socketPath?: string
  /** Certificates and keys for https. */
  readonly tls?: Tls
}

/** @param timeout how long connecting may take, including the TLS handshake, ms */
export function trackedSockets ({ buildConnector }: Undici, timeout: number, { socketPath, tls }: Connection = {}): Sockets {
  let context = tls?.context
  let connector = connectorWith()
  const sockets = new Set<Socket>()

  function connectorWith (): buildConnector.connector {
    return buildConnector({
      timeout,
      ...(socketPath === undefined ? {} : { socketPath }),
      ...(context === undefined ? {} : { secureContext: context }),
      ...(tls?.servername === undefined ? {} : { servername: tls.servername })
    })
  }

  return {
    connect (options, callback) {
      const current = tls?.context
      if (current !== context) {
        // Also drops the sessions that were agreed on with the earlier certificates.
        context = current
        connector = connectorWith()
      }
      // undici's connector returns the socket, but its types do not say so.
      const socket = connector(options, callback) as unknown as Socket
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    },
    destroy () {
      for (const socket of sockets) socket.destroy()
    }
  }
}
