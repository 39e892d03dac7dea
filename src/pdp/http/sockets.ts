// Tracks the sockets to a PDP from the moment they are created, so that closing leaves none open, not even one that is connecting.
import type { Socket } from 'node:net'
import { buildConnector } from 'undici'

/** Each request's own deadline is the only timeout: undici's timers are coarse, and two timeouts would conflict. */
export const SOCKET_SETTINGS = { pipelining: 1, headersTimeout: 0, bodyTimeout: 0 }

export interface Sockets {
  /** For undici: connects, and tracks the socket until it is closed. */
  readonly connect: buildConnector.connector
  /** Destroys all sockets that are still open. */
  destroy (): void
}

/** @param timeout how long connecting may take, including the TLS handshake, ms */
export function trackedSockets (timeout: number): Sockets {
  const connector = buildConnector({ timeout })
  const sockets = new Set<Socket>()
  return {
    connect (options, callback) {
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
