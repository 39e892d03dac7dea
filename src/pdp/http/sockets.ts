// The sockets to a PDP, known from their first moment: so that closing leaves none, not even one that is still connecting.
import type { Socket } from 'node:net'
import { buildConnector } from 'undici'

export interface Sockets {
  /** For undici: connects, and remembers the socket until it is closed. */
  readonly connect: buildConnector.connector
  /** Destroys what is still there. */
  destroy (): void
}

/** @param timeout how long connecting, the TLS handshake included, may take, ms. */
export function trackedSockets (timeout: number): Sockets {
  const connector = buildConnector({ timeout })
  const sockets = new Set<Socket>()
  return {
    connect (options, callback) {
      // undici's connector returns the socket that it connects, which its types do not say.
      const socket = connector(options, callback) as unknown as Socket
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    },
    destroy () {
      for (const socket of sockets) socket.destroy()
    }
  }
}
