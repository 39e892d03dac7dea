// Opens the sockets to a PDP, over TCP, TLS, a Unix socket or a proxy, and tracks them from the moment they are created, so that closing
// leaves none open, not even one that is connecting.
import type { Socket } from 'node:net'
import type { buildConnector, Pool } from 'undici'
import { openTunnel } from './proxy.js'
import type { Tls } from './tls.js'
import type { Undici } from './undici.js'

/** Each request's own deadline is the only timeout: undici's timers are coarse, and two timeouts would conflict. */
const SOCKET_SETTINGS = { headersTimeout: 0, bodyTimeout: 0 }

/** Also where NODE_TLS_REJECT_UNAUTHORIZED=0 turns it off for a whole process: whoever answers in the PDP's place would decide. */
export const VERIFIED = { rejectUnauthorized: true }

/** The settings of undici for connections of this kind. A connection of HTTP/2 takes many requests at a time. */
export function settingsFor ({ http2 = false }: Connection): Partial<Pool.Options> {
  return http2 ? { ...SOCKET_SETTINGS, allowH2: true } : { ...SOCKET_SETTINGS, pipelining: 1, allowH2: false }
}

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
  /** The URL of a proxy. */
  readonly proxy?: URL
  /** Whether HTTP/2 is spoken, and nothing else. */
  readonly http2?: boolean
}

/**
 * @param timeout how long connecting may take, including the TLS handshake, ms
 * @param onConnect called for each new connection, before a request is sent on it
 */
export function trackedSockets (
  { buildConnector }: Undici, timeout: number, { socketPath, tls, proxy, http2 = false }: Connection = {}, onConnect?: () => void
): Sockets {
  let context = tls?.context
  let connector = connectorWith()
  const sockets = new Set<Socket>()
  /** Ends the tunnels that are being opened. */
  const openings = new Set<() => void>()

  function track (socket: Socket): void {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  }

  function connectorWith (): buildConnector.connector {
    return buildConnector({
      timeout,
      allowH2: http2,
      ...VERIFIED,
      ...(socketPath === undefined ? {} : { socketPath }),
      ...(context === undefined ? {} : { secureContext: context }),
      ...(tls?.servername === undefined ? {} : { servername: tls.servername })
    })
  }

  function through (proxy: URL, options: buildConnector.Options, callback: buildConnector.Callback): void {
    const { hostname, protocol, port } = options
    const isEncrypted = protocol === 'https:'
    const target = { host: hostname, port: port === '' ? (isEncrypted ? 443 : 80) : Number(port) }
    const giveUp = openTunnel(proxy, target, timeout, (error, tunnel) => {
      openings.delete(giveUp)
      if (tunnel === undefined) return callback(error as Error, null)
      track(tunnel)
      if (!isEncrypted) return callback(null, tunnel)
      track(connector({ ...options, httpSocket: tunnel }, callback) as unknown as Socket)
    })
    openings.add(giveUp)
  }

  return {
    connect (options, given) {
      const told = onConnect === undefined ? given : telling(given, onConnect)
      const callback = http2 ? onlyHttp2(told) : told
      const current = tls?.context
      if (current !== context) {
        // Also drops the sessions that were agreed on with the earlier certificates.
        context = current
        connector = connectorWith()
      }
      // undici's connector returns the socket, but its types do not say so.
      if (proxy === undefined) track(connector(options, callback) as unknown as Socket)
      else through(proxy, options, callback)
    },
    destroy () {
      for (const giveUp of openings) giveUp()
      for (const socket of sockets) {
        // undici throws when a connection of HTTP/2 ends without an error.
        const hasListener = http2 && socket.listenerCount('error') > 0
        socket.destroy(hasListener ? new Error('the connection is closed') : undefined)
      }
    }
  }
}

function telling (callback: buildConnector.Callback, onConnect: () => void): buildConnector.Callback {
  return (...outcome) => {
    if (outcome[0] === null) onConnect()
    callback(...outcome)
  }
}

/** Refuses a PDP that speaks HTTP/1.1: its responses would be read by the rules of HTTP/2, where no length is needed. */
function onlyHttp2 (callback: buildConnector.Callback): buildConnector.Callback {
  return (...[error, socket]) => {
    if (error !== null) return callback(error, null)
    if ((socket as { alpnProtocol?: unknown }).alpnProtocol === 'h2') return callback(null, socket)
    socket.destroy()
    callback(new Error('the PDP does not speak HTTP/2: leave out the option "http2"'), null)
  }
}
