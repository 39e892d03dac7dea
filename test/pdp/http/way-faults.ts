// The faults that are tried on every way to a PDP: answers, connections, and frames of HTTP/2. Most have a yes in them, to which somebody could listen.
import type { ServerResponse } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import type { Socket } from 'node:net'
import tls from 'node:tls'
import { createAuthority, type Certified } from '../../faults/certificates.js'
import { authority, certificate, type Answer, type Request, type Response } from './ways.js'

export interface WayFault {
  readonly name: string
  /** On which ways it is a fault; on the others it would be an answer, or have no meaning. */
  readonly only?: 'encrypted' | 'HTTP/2'
  /** What a request gets. */
  readonly answer?: Answer
  /** What a connection gets in place of a server. */
  readonly connection?: (socket: Socket) => void
}

export const YES = '{"allow":true,"decision":true}'

const SLOWLY = 50

/** The error code of HTTP/2 by which a stream is cancelled. */
const CANCEL = 8

function head (response: Response, more: Record<string, string | number> = {}): ServerResponse {
  return (response as ServerResponse).writeHead(200, { 'content-type': 'application/json', ...more })
}

/** Of a stream of HTTP/2 the stream alone; the faults of connections reset the rest. */
function reset (response: Response, request: Request): void {
  const { stream } = request as Http2ServerRequest
  if (stream !== undefined) stream.close(CANCEL)
  else (response.socket as Socket).destroy()
}

/** A Unix socket has no reset. */
function abort (socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy()
  else socket.resetAndDestroy()
}

function saying (name: string, text: string, more: Record<string, string> = {}): WayFault {
  return { name, answer: (_, response) => { head(response, more).end(text) } }
}

function withStatus (status: number, more: Record<string, string> = {}): WayFault {
  return { name: `status ${status}`, answer: (_, response) => { (response as ServerResponse).writeHead(status, { 'content-type': 'application/json', ...more }).end(YES) } }
}

const answers: WayFault[] = [
  { name: 'no answer', answer () {} },
  { name: 'a reset', answer: (_, response, request) => { reset(response, request) } },
  {
    name: 'a reset in the body',
    answer (_, response, request) {
      head(response, { 'content-length': YES.length }).write(YES.slice(0, -1))
      setTimeout(() => reset(response, request), 20)
    }
  },
  { name: 'a body that stops', answer: (_, response) => { head(response, { 'content-length': YES.length }).write(YES.slice(0, -1)) } },
  { name: 'a body without an end', answer: (_, response) => { head(response).write(YES) } },
  {
    name: 'a body byte by byte',
    answer (_, response) {
      head(response, { 'content-length': YES.length })
      let sent = 0
      const timer = setInterval(() => { if (sent < YES.length) (response as ServerResponse).write(YES.slice(sent, ++sent)) }, SLOWLY)
      response.on('close', () => clearInterval(timer)).on('error', () => {})
    }
  },
  saying('more than an answer may have', `{"allow":true,"decision":true,"more":"${'x'.repeat(2_000_000)}"}`),
  saying('"true" instead of true', '{"allow":"true","decision":"true"}'),
  saying('1 instead of true', '{"allow":1,"decision":1}'),
  saying('a list of a yes', `[${YES}]`),
  saying('half an answer', YES.slice(0, -1)),
  saying('two answers', YES + YES),
  saying('nothing', ''),
  saying('a yes that says that it is compressed', YES, { 'content-encoding': 'gzip' }),
  withStatus(307, { location: 'http://127.0.0.1:1/allowed' }),
  withStatus(201),
  withStatus(203),
  withStatus(206),
  withStatus(401),
  withStatus(500),
  { name: 'HTML', answer: (_, response) => { (response as ServerResponse).writeHead(200, { 'content-type': 'text/html' }).end(YES) } },
  { name: 'no content type', answer: (_, response) => { (response as ServerResponse).writeHead(200).end(YES) } }
]

function drip (socket: Socket, bytes: Buffer): void {
  let sent = 0
  const timer = setInterval(() => { socket.write(bytes.subarray(sent % bytes.length, ++sent % bytes.length || bytes.length)) }, SLOWLY)
  socket.on('close', () => clearInterval(timer))
}

const plainYes = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${YES.length}\r\n\r\n${YES}`

/** Bytes as soon as the client has said something. */
function bytes (name: string, text: string | Buffer, only?: WayFault['only']): WayFault {
  return { name, ...(only === undefined ? {} : { only }), connection: socket => { socket.once('data', () => socket.resume().write(text)) } }
}

/** HTTP/1.1 and a yes to everything, over TLS that should not be believed. */
function believedBy (name: string, shown: Certified, more: tls.TlsOptions = {}): WayFault {
  const server = tls.createServer({ ...shown, ...more, ALPNProtocols: ['h2', 'http/1.1'] }, socket => {
    socket.on('error', () => {}).on('data', () => socket.write(plainYes))
  }).on('tlsClientError', () => {})
  return { name: `TLS: ${name}`, only: 'encrypted', connection: socket => { server.emit('connection', socket) } }
}

const stranger = createAuthority('stranger')
const NAME = 'pdp.internal'

const connections: WayFault[] = [
  { name: 'a connection that is not read', connection: socket => { socket.pause() } },
  { name: 'a connection that is read and gets nothing', connection: socket => { socket.resume() } },
  { name: 'a connection that is reset', connection: abort },
  { name: 'a connection that is closed', connection: socket => { socket.end() } },
  { name: 'a connection that is reset after the first bytes', connection: socket => { socket.once('data', () => abort(socket)) } },
  { name: 'a connection that drips zeros', connection: socket => drip(socket.resume(), Buffer.alloc(8)) },
  { name: 'a connection that drips the head of a response', connection: socket => drip(socket.resume(), Buffer.from('HTTP/1.1 200 OK\r\nx: y\r\n')) },
  bytes('a greeting of another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'),
  bytes('random bytes', Buffer.from(Array.from({ length: 4_096 }, (_, index) => (index * 131 + 7) % 256))),
  bytes('a yes without HTTP', YES),
  bytes('a TLS alert', Buffer.from('15030300020228', 'hex')),
  bytes('a TLS record without an end', Buffer.from('160303400002003ffc', 'hex')),
  bytes('a yes in HTTP/1.1 without TLS', plainYes, 'encrypted'),
  believedBy('a certificate of an unknown authority', stranger.issue({ name: NAME, from: -1, to: 1 })),
  believedBy('a certificate of another host', authority.issue({ name: 'other.internal', from: -1, to: 1 })),
  believedBy('an expired certificate', authority.issue({ name: NAME, from: -2, to: -1 })),
  believedBy('a client certificate of another authority is wanted', certificate, { ca: stranger.cert, requestCert: true, rejectUnauthorized: true })
]

const enum Kind { Data, Headers, Reset = 3, Settings = 4, Push = 5, Ping = 6, GoAway = 7, Window = 8, Continuation = 9 }

const END_STREAM = 1
const END_HEADERS = 4

function frame (kind: Kind, flags: number, stream: number, payload: Buffer | string = ''): Buffer {
  const body = Buffer.from(payload)
  const start = Buffer.alloc(9)
  start.writeUIntBE(body.length, 0, 3)
  start[3] = kind
  start[4] = flags
  start.writeUInt32BE(stream, 5)
  return Buffer.concat([start, body])
}

/** RFC 7541: a name of the static table, and a value as it is. */
function field (index: number, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40 | index, value.length]), Buffer.from(value)])
}

const OK = Buffer.from([0x88])
const CONTENT_TYPE = field(31, 'application/json')
const HEADERS = Buffer.concat([OK, CONTENT_TYPE])
const lengthIs = (length: number | string) => Buffer.concat([HEADERS, field(28, String(length))])
const settings = frame(Kind.Settings, 0, 0)
const many = (count: number, one: Buffer) => Buffer.concat(Array.from({ length: count }, () => one))
const int = (value: number) => { const bytes = Buffer.alloc(4); bytes.writeUInt32BE(value); return bytes }
const yesOn = (stream: number) => Buffer.concat([frame(Kind.Headers, END_HEADERS, stream, HEADERS), frame(Kind.Data, END_STREAM, stream, YES)])

const PREFACE = 24

/** Frames of our own for each request, after `first`, in place of a library that would keep to the rules. */
function frames (name: string, forRequest: (stream: number) => Buffer, first: Buffer = settings): WayFault {
  const server = tls.createServer({ ...certificate, ALPNProtocols: ['h2'] }, socket => {
    let rest = Buffer.alloc(0)
    let skipped = false
    socket.on('error', () => {}).on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      if (!skipped) {
        if (rest.length < PREFACE) return
        rest = rest.subarray(PREFACE)
        skipped = true
        socket.write(first)
      }
      while (rest.length >= 9) {
        const end = 9 + rest.readUIntBE(0, 3)
        if (rest.length < end) return
        if (rest[3] === Kind.Headers) socket.write(forRequest(rest.readUInt32BE(5)))
        rest = rest.subarray(end)
      }
    })
  }).on('tlsClientError', () => {})
  return { name: `HTTP/2: ${name}`, only: 'HTTP/2', connection: socket => { server.emit('connection', socket) } }
}

const http2: WayFault[] = [
  frames('no settings and no frames', () => Buffer.alloc(0), Buffer.alloc(0)),
  frames('HTTP/1.1 after the handshake', () => Buffer.from(plainYes), Buffer.alloc(0)),
  frames('the connection goes away', stream => frame(Kind.GoAway, 0, 0, Buffer.concat([int(stream), int(0)]))),
  frames('the connection goes away before the request', () => frame(Kind.GoAway, 0, 0, Buffer.concat([int(0), int(0)]))),
  frames('the stream is refused', stream => frame(Kind.Reset, 0, stream, int(7))),
  frames('a stream that was not asked for', stream => yesOn(stream + 100)),
  frames('a stream of the server', () => yesOn(2)),
  frames('a pushed response', stream => Buffer.concat([
    frame(Kind.Push, END_HEADERS, stream, Buffer.concat([int(2), Buffer.from([0x82, 0x87, 0x84]), field(1, NAME)])), yesOn(2)])),
  frames('data without headers', stream => frame(Kind.Data, END_STREAM, stream, YES)),
  frames('data that does not end', stream => Buffer.concat([frame(Kind.Headers, END_HEADERS, stream, HEADERS), frame(Kind.Data, 0, stream, YES)])),
  frames('headers that do not end', stream => frame(Kind.Headers, 0, stream, HEADERS)),
  frames('a flood of headers that do not end', stream => Buffer.concat([
    frame(Kind.Headers, 0, stream, HEADERS), many(2_000, frame(Kind.Continuation, 0, stream, field(31, 'x'.repeat(100))))])),
  frames('a thousand header fields', stream => Buffer.concat([
    frame(Kind.Headers, END_HEADERS, stream, Buffer.concat([HEADERS, many(1_000, field(31, 'x'))])), frame(Kind.Data, END_STREAM, stream, YES)])),
  frames('no status', stream => Buffer.concat([frame(Kind.Headers, END_HEADERS, stream, CONTENT_TYPE), frame(Kind.Data, END_STREAM, stream, YES)])),
  frames('the status after the data', stream => Buffer.concat([
    frame(Kind.Headers, END_HEADERS, stream, CONTENT_TYPE), frame(Kind.Data, 0, stream, YES), frame(Kind.Headers, END_HEADERS | END_STREAM, stream, OK)])),
  frames('less data than announced', stream => Buffer.concat([
    frame(Kind.Headers, END_HEADERS, stream, lengthIs(YES.length + 1)), frame(Kind.Data, END_STREAM, stream, YES)])),
  frames('more data than announced', stream => Buffer.concat([
    frame(Kind.Headers, END_HEADERS, stream, lengthIs(YES.length - 1)), frame(Kind.Data, END_STREAM, stream, YES)])),
  frames('a length that is not a number', stream => Buffer.concat([
    frame(Kind.Headers, END_HEADERS, stream, lengthIs('long')), frame(Kind.Data, END_STREAM, stream, YES)])),
  frames('headers that end the stream, with a yes in them', stream => frame(Kind.Headers, END_HEADERS | END_STREAM, stream, Buffer.concat([HEADERS, field(31, YES)]))),
  frames('a frame that is larger than allowed', stream => Buffer.concat([frame(Kind.Headers, END_HEADERS, stream, HEADERS), frame(Kind.Data, END_STREAM, stream, YES + ' '.repeat(20_000))])),
  frames('interim responses without an end', stream => many(200, frame(Kind.Headers, END_HEADERS, stream, Buffer.concat([Buffer.from([0x48, 3]), Buffer.from('103')])))),
  frames('no room for the request', () => Buffer.alloc(0), frame(Kind.Settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]))),
  frames('no stream is allowed', () => Buffer.alloc(0), frame(Kind.Settings, 0, 0, Buffer.from([0, 3, 0, 0, 0, 0]))),
  frames('a flood of settings', () => many(2_000, settings)),
  frames('a flood of pings', () => many(2_000, frame(Kind.Ping, 0, 0, Buffer.alloc(8)))),
  frames('a flood of empty data', stream => Buffer.concat([frame(Kind.Headers, END_HEADERS, stream, HEADERS), many(2_000, frame(Kind.Data, 0, stream))])),
  frames('a window that overflows', stream => Buffer.concat([frame(Kind.Window, 0, stream, int(0x7fffffff)), frame(Kind.Window, 0, stream, int(0x7fffffff))])),
  frames('padding that is longer than its frame', stream => Buffer.concat([
    frame(Kind.Headers, END_HEADERS, stream, HEADERS), frame(Kind.Data, END_STREAM | 8, stream, Buffer.concat([Buffer.from([255]), Buffer.from(YES)]))]))
]

export const wayFaults: readonly WayFault[] = [...answers, ...connections, ...http2]
