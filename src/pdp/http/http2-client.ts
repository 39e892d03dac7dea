// Connections of HTTP/2. An aborted request closes its connection with HTTP/1.1, and leaves it open with HTTP/2. So a dead connection would
// get all requests, until TCP gives it up after many minutes.
import type { Socket } from 'node:net'
import type { buildConnector, Client } from 'undici'
import type { FramedConnection, WireOptions } from './dispatcher.js'
import type { Undici } from './undici.js'

type Connect = (options: buildConnector.Options, callback: buildConnector.Callback) => void

/** One client of a pool of HTTP/2: all its requests are on one connection. */
export function framedClient ({ Client: UndiciClient }: Undici, origin: string | URL, options: Client.Options): Client {
  let socket: Socket | undefined
  let heardAt = -Infinity
  const connect = options.connect as Connect
  const client = new UndiciClient(origin, {
    ...options,
    connect (target, callback) {
      connect(target, (...outcome) => {
        socket = outcome[1] ?? undefined
        callback(...outcome)
      })
    }
  })
  const connection: FramedConnection = {
    heard: () => (heardAt = performance.now()),
    // With an error: without one, undici reads the address of a socket that it no longer has, and throws an uncaught error.
    silentSince (time) { if (heardAt <= time) socket?.destroy(new Error('the connection does not answer')) }
  }
  const dispatch = client.dispatch.bind(client)
  // The pool passes its options on, and wraps the handler.
  client.dispatch = (request, handler) => {
    const { carried } = request as WireOptions
    if (carried !== undefined) carried.connection = connection
    return dispatch(request, handler)
  }
  return client
}
