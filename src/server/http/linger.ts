// Lets go of a connection in a way that lets the answer arrive: a system resets one that is closed with bytes unread, and the answer with it.
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** The last request of a connection. */
const exchanges = new WeakMap<Socket, Exchange>()

const lingering = new WeakSet<Socket>()

/**
 * A request may be refused before it has arrived as a whole: too large, without the token, or not HTTP at all. The rest of it is then read and
 * dropped for a while, so that a client which sends everything before it reads has its answer, too.
 *
 * @param timeout - ms after which a client that goes on sending is cut off
 */
export function letAnswersArrive (server: Server, timeout: number): void {
  server.on('connection', (socket: Socket) => {
    const { destroySoon } = socket
    // Node calls it after the last answer of a connection.
    socket.destroySoon = function () {
      if (exchanges.get(socket)?.request.complete === false) linger(socket, timeout)
      else destroySoon.call(socket)
    }
  })
}

/** The listener, which hears of no request behind the last answer of its connection: nothing could be said to it. It is told of a request when its turn comes. */
export function untilLastAnswer (listener: RequestListener): RequestListener {
  return (request, response) => {
    if (request.socket.writableEnded || request.socket.destroyed) return
    exchanges.set(request.socket, { request, response })
    listener(request, response)
  }
}

/** Statuses for what is no request; the others are 400. */
const STATUSES: Readonly<Record<string, readonly [status: string, detail: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the head of the request is too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Payload Too Large', 'the body is too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request took too long to arrive']
}

const MALFORMED = ['400 Bad Request', 'the request is malformed'] as const

/** For Fastify's `clientErrorHandler`: answers what is no request, and lets go of the connection. */
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
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`
}

/** Says that nothing more will be said, and drops what comes until the client has said so, too. */
function linger (socket: Socket, timeout: number): void {
  if (lingering.has(socket)) return
  lingering.add(socket)
  const timer = setTimeout(() => socket.destroy(), timeout)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
  socket.on('error', () => {})
  // The client may have said so already.
  if (socket.readableEnded) socket.end(() => socket.destroy())
  else socket.end().once('end', () => socket.destroy())
  // Node may have stopped reading, and goes on a tick after it is told to. From then on, what comes is for the parser no longer.
  socket.resume()
  setImmediate(() => socket.removeAllListeners('data').on('data', () => {}))
}
