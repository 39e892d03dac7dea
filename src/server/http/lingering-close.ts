// Closes connections without losing the answer. When a connection is closed with unread bytes, the system resets it, and the client may
// never see the answer.
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** The last request of each connection. */
const exchanges = new WeakMap<Socket, Exchange>()

const lingering = new WeakSet<Socket>()

/**
 * A request may be refused before all of it has arrived: because it is too large, has no token, or is not HTTP. The rest is then read and
 * dropped for some time, so that a client that sends everything before it reads still gets its answer.
 *
 * @param timeout - how long a client may go on sending before the connection is closed, ms
 */
export function closeLingering (server: Server, timeout: number): void {
  server.on('connection', (socket: Socket) => {
    const { destroySoon } = socket
    // Node calls this after the last answer of a connection.
    socket.destroySoon = function () {
      if (exchanges.get(socket)?.request.complete === false) linger(socket, timeout)
      else destroySoon.call(socket)
    }
  })
}

/**
 * Wraps a listener so that it does not get requests that follow the last answer of their connection, because they cannot be answered. The
 * listener gets a request only when the requests before it are answered.
 */
export function untilLastAnswer (listener: RequestListener): RequestListener {
  return (request, response) => {
    if (request.socket.writableEnded || request.socket.destroyed) return
    exchanges.set(request.socket, { request, response })
    listener(request, response)
  }
}

/** The statuses for input that is not a valid request; all others get 400. */
const STATUSES: Readonly<Record<string, readonly [status: string, detail: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the head of the request is too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Payload Too Large', 'the body is too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request took too long to arrive']
}

const MALFORMED = ['400 Bad Request', 'the request is malformed'] as const

/** For Fastify's `clientErrorHandler`: answers input that is not a valid request, and closes the connection. */
export function refuseClient (timeout: number): (error: NodeJS.ErrnoException, socket: Socket) => void {
  return (error, socket) => {
    if (error.code === 'ECONNRESET' || socket.destroyed) return
    if (lingering.has(socket)) return
    const response = exchanges.get(socket)?.response
    const answering = response !== undefined && response.headersSent && !response.writableEnded
    if (socket.writable && !answering) socket.write(answerOf(error.code))
    linger(socket, timeout)
  }
}

function answerOf (code = ''): string {
  const [status, detail] = STATUSES[code] ?? MALFORMED
  const body = JSON.stringify({ detail })
  const head = [
    `HTTP/1.1 ${status}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close'
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

/** Ends the sending side, and drops all input until the client ends its side, too. */
function linger (socket: Socket, timeout: number): void {
  if (lingering.has(socket)) return
  lingering.add(socket)
  const timer = setTimeout(() => socket.destroy(), timeout)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
  socket.on('error', () => {})
  // The client may have ended its side already.
  if (socket.readableEnded) socket.end(() => socket.destroy())
  else socket.end().once('end', () => socket.destroy())
  // Node may have paused the socket, and resumes it a tick later. After that, the HTTP parser must not get the input any more.
  socket.resume()
  setImmediate(() => socket.removeAllListeners('data').on('data', () => {}))
}
