// The ways in which a PDP, or what stands before it, can misbehave.
import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { Authority } from './certificates.js'
import { chunked, drip, pour, response, type Asked, type Fault, type HostilePdp, type ResponseOptions } from './hostile-pdp.js'
import type { Wire } from './wire.js'

export interface Surroundings {
  /** The URL of another server: nothing may ever get there. */
  readonly elsewhere: string
  /** Whom the app trusts. */
  readonly authority: Authority
  /** Whom it does not. */
  readonly stranger: Authority
}

/** A host name that is found only while its PDP is well; see the matrix. */
export const LOST_HOST = 'pdp.invalid'

const MIB = Buffer.alloc(1024 * 1024, 'x')
const HUNDRED = 100
const SLOWLY = 40

type Respond = NonNullable<Fault['respond']>

function refusing (name: string, respond: Respond, more: Partial<Fault> = {}): Fault {
  return { name, outcome: 'none', respond, ...more }
}

function harmless (name: string, fault: Omit<Fault, 'name' | 'outcome'>): Fault {
  return { name, outcome: 'truth', ...fault }
}

/** The answer that would let everybody in, in an envelope that makes it no answer. */
function enveloped (name: string, options: ResponseOptions | ((asked: Asked) => ResponseOptions)): Fault {
  return refusing(name, asked => asked.socket.write(response(asked.yes, typeof options === 'function' ? options(asked) : options)))
}

/** A body in a perfect envelope. */
function saying (name: string, body: (asked: Asked) => string | Buffer): Fault {
  return refusing(name, asked => asked.socket.write(response(body(asked))))
}

/** Bytes in place of an answer. */
function raw (name: string, bytes: (asked: Asked) => string | Buffer): Fault {
  return refusing(name, asked => asked.socket.write(bytes(asked)))
}

function silent (socket: Socket): void {
  socket.resume()
}

export function faultsOf (wire: Wire, { elsewhere, authority, stranger }: Surroundings): Fault[] {
  const answers = [
    ...statuses(elsewhere + wire.single),
    ...decisions(wire.field),
    ...texts(wire.field),
    ...bulkAnswers(wire)
  ]
  if (wire.answersOnly === true) return answers
  return [
    ...connections(),
    ...certificates(authority, stranger),
    ...lengths(),
    ...garbage(),
    ...envelopes(),
    ...answers,
    ...tooMuch(wire)
  ]
}

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n'

function connections (): Fault[] {
  return [
    { name: 'port closed', outcome: 'none', begin: pdp => pdp.stopListening(), end: pdp => pdp.listen() },
    { name: 'host name not found', outcome: 'none', host: LOST_HOST, accept: socket => { socket.destroy() } },
    { name: 'connection closed after accept', outcome: 'none', accept: socket => { socket.end() } },
    { name: 'connection reset after accept', outcome: 'none', accept: socket => { socket.resetAndDestroy() } },
    { name: 'accepts, but reads nothing', outcome: 'none', accept: socket => { socket.pause() } },
    refusing('reads the request, but never responds', () => {}),
    refusing('connection closed before the headers', ({ socket }) => { socket.end() }),
    refusing('connection reset before the headers', ({ socket }) => { socket.resetAndDestroy() }),
    refusing('connection closed within the status line', ({ socket }) => { socket.end('HTTP/1.1 20') }),
    refusing('connection closed within the headers', ({ socket }) => { socket.end(HEAD) }),
    refusing('connection reset within the headers', ({ socket }) => thenReset(socket, HEAD)),
    refusing('stalls within the headers', ({ socket }) => { socket.write(HEAD) }),
    refusing('connection closed after the headers', ({ socket }) => { socket.end(`${HEAD}content-length: 14\r\n\r\n`) }),
    refusing('connection reset after the headers', ({ socket }) => thenReset(socket, `${HEAD}content-length: 14\r\n\r\n`)),
    refusing('connection reset within the body', ({ socket, yes }) => thenReset(socket, response(yes).subarray(0, -1))),
    refusing('headers sent byte by byte', ({ socket, yes }) => drip(socket, response(yes), SLOWLY)),
    refusing('body sent byte by byte', ({ socket, yes }) => {
      socket.write(`${HEAD}content-length: ${yes.length}\r\n\r\n`)
      drip(socket, Buffer.from(yes), SLOWLY)
    }),
    harmless('idle connections closed', { begin: cutIdle, respond: tell }),
    harmless('connection reset on reuse', {
      begin: pdp => pdp.cut(),
      respond: asked => { if (asked.nth > 1) asked.socket.resetAndDestroy(); else tell(asked) }
    }),
    harmless('connection closed after each response, without Connection: close', { respond: asked => { asked.socket.end(response(asked.truth)) } }),
    harmless('connection reset after each response', { respond: asked => thenReset(asked.socket, response(asked.truth)) }),
    harmless('unsolicited response on an idle connection: an allow', { begin: pdp => interrupt(pdp, yesToOne(pdp.wire)), respond: tell }),
    harmless('unsolicited response on an idle connection: 408', {
      begin: pdp => interrupt(pdp, response('', { status: 408, headers: ['connection: close'] })), respond: tell
    }),
    harmless('unsolicited response on an idle connection: half an allow', { begin: pdp => interrupt(pdp, yesToOne(pdp.wire).subarray(0, -3)), respond: tell }),
    harmless('two responses to one request', { respond: asked => { asked.socket.write(Buffer.concat([response(asked.truth), yesToOne(asked.wire)])) } }),
    harmless('a hundred responses to one request', {
      respond: asked => { asked.socket.write(Buffer.concat([response(asked.truth), ...Array.from({ length: HUNDRED }, () => yesToOne(asked.wire))])) }
    }),
    harmless('extra bytes after the body', { respond: asked => { asked.socket.write(Buffer.concat([response(asked.truth), Buffer.from('}\r\n{"')])) } }),
    harmless('HTTP/1.0 with a length', { respond: asked => { asked.socket.end(response(asked.truth, { version: 'HTTP/1.0' })) } }),
    harmless('chunks of one byte', {
      respond: asked => { asked.socket.write(response(chunked(...asked.truth), { length: 'unsaid', headers: ['transfer-encoding: chunked'] })) }
    })
  ]
}

function tell (asked: Asked): void {
  asked.socket.write(response(asked.truth))
}

function yesToOne ({ field }: Wire): Buffer {
  return response(`{"${field}":true}`)
}

/** What was written before a reset may be lost with it, so it gets a moment. */
function thenReset (socket: Socket, bytes: string | Buffer): void {
  socket.write(bytes, () => { setImmediate(() => socket.resetAndDestroy()) })
}

async function cutIdle (pdp: HostilePdp): Promise<void> {
  await Promise.all([...pdp.open].map(socket => {
    socket.end()
    return closed(socket)
  }))
}

/** By whomever, and be it by an error. */
async function closed (socket: Socket): Promise<void> {
  await new Promise<void>(resolve => { socket.once('close', () => resolve()) })
}

/** Nobody has asked; whoever believes in HTTP lets go of the connection. */
async function interrupt (pdp: HostilePdp, bytes: Buffer): Promise<void> {
  await Promise.all([...pdp.open].map(socket => {
    socket.write(bytes)
    return closed(socket)
  }))
}

function certificates (authority: Authority, stranger: Authority): Fault[] {
  const address = '127.0.0.1'
  const certified = authority.issue({ name: address, from: -1, to: 1 })
  const tls = (name: string, accept: NonNullable<Fault['accept']>): Fault => ({ name: `TLS: ${name}`, outcome: 'none', certified, accept })
  const showing = (name: string, shown: ReturnType<Authority['issue']>) => tls(name, (socket, pdp) => pdp.handshake(socket, shown))
  return [
    showing('expired certificate', authority.issue({ name: address, from: -2, to: -1 })),
    showing('certificate not valid yet', authority.issue({ name: address, from: 1, to: 2 })),
    showing('certificate for another host', authority.issue({ name: 'pdp.example', from: -1, to: 1 })),
    showing('certificate of an unknown authority', stranger.issue({ name: address, from: -1, to: 1 })),
    tls('handshake without an answer', silent),
    tls('connection reset within the handshake', socket => { socket.once('data', () => socket.resetAndDestroy()) }),
    tls('handshake sent byte by byte', socket => { socket.resume(); drip(socket, Buffer.from('160303007a0200007603', 'hex'), SLOWLY) }),
    tls('plain HTTP on the TLS port', (socket, { wire }) => { socket.once('data', () => socket.write(yesToOne(wire))) })
  ]
}

function lengths (): Fault[] {
  const chunks = ['transfer-encoding: chunked']
  const inChunks = (name: string, body: (yes: string) => string) =>
    refusing(`chunks: ${name}`, ({ socket, yes }) => { socket.write(response(body(yes), { length: 'unsaid', headers: chunks })) })
  return [
    enveloped('Content-Length: too short', ({ yes }) => ({ length: yes.length - 1 })),
    enveloped('Content-Length: 0', { length: 0 }),
    enveloped('Content-Length: too long, then silence', ({ yes }) => ({ length: yes.length + 1 })),
    refusing('Content-Length: too long, then closed', ({ socket, yes }) => { socket.end(response(yes, { length: yes.length + 1 })) }),
    enveloped('Content-Length: negative', { length: -1 }),
    enveloped('Content-Length: not a number', { length: 'long' }),
    enveloped('Content-Length: larger than any integer', { length: '99999999999999999999999' }),
    enveloped('Content-Length: twice, with different values', ({ yes }) => ({ headers: [`content-length: ${yes.length - 1}`] })),
    enveloped('Content-Length and chunked encoding', { headers: chunks }),
    refusing('no length, then closed', ({ socket, yes }) => { socket.end(response(yes, { length: 'unsaid' })) }),
    refusing('HTTP/1.0 without a length', ({ socket, yes }) => { socket.end(response(yes, { version: 'HTTP/1.0', length: 'unsaid' })) }),
    inChunks('without sizes', yes => yes),
    inChunks('a size that is not a number', yes => `zz\r\n${yes}\r\n0\r\n\r\n`),
    inChunks('a size that is too small', yes => `1\r\n${yes}\r\n0\r\n\r\n`),
    inChunks('a size larger than any integer', yes => `fffffffffffffffffff\r\n${yes}\r\n0\r\n\r\n`),
    inChunks('without the last chunk', yes => chunked(yes).slice(0, -5)),
    inChunks('last chunk without its end', yes => chunked(yes).slice(0, -2)),
    refusing('chunks: the last chunk in the middle', ({ socket, yes }) => { socket.end(response(chunked(yes).slice(0, -5), { length: 'unsaid', headers: chunks })) }),
    enveloped('Transfer-Encoding: identity', { length: 'unsaid', headers: ['transfer-encoding: identity'] }),
    refusing('Transfer-Encoding: gzip, chunked', ({ socket, yes }) => {
      socket.write(response(chunked(yes), { length: 'unsaid', headers: ['transfer-encoding: gzip, chunked', 'content-encoding: gzip'] }))
    })
  ]
}

function garbage (): Fault[] {
  return [
    raw('zeros', () => Buffer.alloc(64)),
    raw('all 256 byte values', () => Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))),
    raw("another protocol's greeting", () => 'SSH-2.0-OpenSSH_9.6\r\n'),
    raw('a TLS alert', () => Buffer.from('15030300020228', 'hex')),
    raw('HTTP/2', () => Buffer.from('000012040000000000000300000080000400010000000500ffffff', 'hex')),
    raw('the request echoed back', ({ wire }) => `POST ${wire.single} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n`),
    raw('JSON without HTTP headers', ({ yes }) => yes),
    raw('status line without a number', ({ yes }) => response(yes, { status: 'yes' })),
    raw('status line with two digits', ({ yes }) => response(yes, { status: 20 })),
    raw('unknown HTTP version', ({ yes }) => response(yes, { version: 'HTTP/9.9' })),
    raw('header without a name', ({ yes }) => response(yes, { headers: [': nameless'] })),
    raw('header with a NUL byte', ({ yes }) => response(yes, { headers: ['x-zero: \0'] })),
    raw('folded header line', ({ yes }) => response(yes, { type: undefined, headers: ['content-type: text/html;', ' application/json'] }))
  ]
}

function envelopes (): Fault[] {
  return [
    enveloped('content type: missing', { type: undefined }),
    enveloped('content type: text/html', { type: 'text/html' }),
    enveloped('content type: text/plain', { type: 'text/plain; x=application/json' }),
    enveloped('content type: application/jsonp', { type: 'application/jsonp' }),
    enveloped('content type: twice', { headers: ['content-type: text/html'] }),
    refusing('HTML with 200', ({ socket }) => { socket.write(response('<html><script>{"allow":true}</script></html>', { type: 'text/html; charset=utf-8' })) }),
    saying('HTML sent as JSON', () => '<!doctype html><title>Sign in</title>'),
    refusing('gzip without Accept-Encoding', ({ socket, yes }) => { socket.write(response(gzipSync(yes), { headers: ['content-encoding: gzip'] })) }),
    saying('gzip without Content-Encoding', ({ yes }) => gzipSync(yes)),
    enveloped('unknown content encoding', { headers: ['content-encoding: true'] })
  ]
}

function statuses (elsewhere: string): Fault[] {
  const redirects = [300, 301, 302, 303, 307, 308].map(status =>
    enveloped(`${status} to another host`, { status, headers: [`location: ${elsewhere}`] }))
  const others = [
    201, 202, 203, 206, 304, 400, 401, 403, 404, 405, 407, 408, 409, 413, 421, 422, 425, 429,
    ...Array.from({ length: 12 }, (_, index) => 500 + index), 599, 999
  ].map(status => enveloped(`status ${status}`, { status }))
  return [
    enveloped('200 with Refresh and Location to another host', { type: 'text/html', headers: [`location: ${elsewhere}`, `refresh: 0; url=${elsewhere}`] }),
    ...redirects,
    ...others,
    raw('status 204', () => 'HTTP/1.1 204 No Content\r\n\r\n'),
    raw('status 204 with a body', ({ yes }) => response(yes, { status: 204 })),
    enveloped('status 429 with Retry-After', { status: 429, headers: ['retry-after: 3600'] }),
    enveloped('status 503 with Retry-After', { status: 503, headers: ['retry-after: 3600'] }),
    raw('100 Continue, then silence', () => 'HTTP/1.1 100 Continue\r\n\r\n'),
    raw('101 Switching Protocols', ({ yes }) => `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n${yes}`),
    raw('103 Early Hints, then silence', () => 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n')
  ]
}

/** What stands in place of `true`. */
function decisions (field: string): Fault[] {
  const lies = [
    '"true"', '""', '1', '0', '1e999', 'null', '[]', '[true]', '{}', '{"allow":true}', '{"__proto__":true}'
  ]
  const shapes: [string, string][] = [
    ['missing', '{}'],
    ['nested in result', `{"result":{"${field}":true}}`],
    ['only in result', '{"result":true}'],
    ['in __proto__', `{"__proto__":{"${field}":true}}`],
    ['in constructor.prototype', `{"constructor":{"prototype":{"${field}":true}}}`],
    ['in upper case', `{"${field.toUpperCase()}":true}`],
    ['name with a space', `{"${field} ":true}`],
    ['name with an invisible character', `{"${field}\\u200b":true}`],
    ['in an array', `[{"${field}":true}]`],
    ['as a pair of name and value', `["${field}",true]`],
    ['as text', JSON.stringify(`{"${field}":true}`)],
    ['value without a name', 'true'],
    ['null instead of a decision', 'null'],
    ['twice, the last not a boolean', `{"${field}":true,"${field}":"true"}`]
  ]
  return [
    ...lies.map(lie => saying(`${field}: ${lie}`, ({ each }) => each(`{"${field}":${lie}}`))),
    ...shapes.map(([name, shape]) => saying(`${field}: ${name}`, ({ each }) => each(shape))),
    harmless(`${field}: twice, and the last counts`, {
      respond: ({ socket, truth }) => { socket.write(response(truth.replaceAll(`"${field}":false`, `"${field}":true,"${field}":false`))) }
    })
  ]
}

function texts (field: string): Fault[] {
  const deep = (depth: number, inside: string) => '['.repeat(depth) + inside + ']'.repeat(depth)
  return [
    saying('JSON: empty body', () => ''),
    saying('JSON: white space only', () => ' \r\n\t'),
    saying('JSON: cut in half', ({ yes }) => yes.slice(0, -1)),
    saying('JSON: trailing text', ({ yes }) => `${yes} x`),
    saying('JSON: trailing NUL byte', ({ yes }) => `${yes}\0`),
    saying('JSON: twice', ({ yes }) => yes + yes),
    saying('JSON: with a byte order mark', ({ yes }) => `\ufeff${yes}`),
    saying('JSON: with an anti-hijacking prefix', ({ yes }) => `)]}',\n${yes}`),
    saying('JSON: as JSONP', ({ yes }) => `callback(${yes})`),
    saying('JSON: with a comment', ({ yes }) => `${yes}//`),
    saying('JSON: with a trailing comma', ({ each }) => each(`{"${field}":true,}`)),
    saying('JSON: with single quotes', ({ yes }) => yes.replaceAll('"', "'")),
    saying('JSON: NaN', ({ each }) => each(`{"${field}":true,"debug":NaN}`)),
    saying('JSON: in UTF-16', ({ yes }) => Buffer.from(`\ufeff${yes}`, 'utf16le')),
    saying('JSON: invalid UTF-8', ({ each }) => Buffer.from(each(`{"${field}":true,"debug":"\u00ff\u00fe"}`), 'latin1')),
    saying('JSON: overlong UTF-8', ({ each }) => Buffer.from(each(`{"${field}":true,"debug":"\u00c0\u00ae"}`), 'latin1')),
    saying(`JSON: ${field} 100,000 deep`, ({ each, bulk }) => each(`{"${field}":${deep(bulk ? 1_000 : 100_000, 'true')}}`)),
    saying('JSON: 100,000 deep, not closed', ({ yes }) => '['.repeat(100_000) + yes)
  ]
}

/** One question is answered truly; many are answered with yes, in a way that is no answer to them. */
function bulkAnswers ({ field, list }: Wire): Fault[] {
  const yes = `{"${field}":true}`
  const lying = (name: string, body: (asked: Asked) => string): Fault =>
    harmless(`bulk: ${name}`, { respond: asked => { asked.socket.write(response(asked.bulk ? body(asked) : asked.truth)) } })
  const many = (count: number, item = yes) => `{"${list}":[${Array.from({ length: count }, () => item).join()}]}`
  return [
    lying('none', () => many(0)),
    lying('one too few', ({ keys }) => many(keys.length - 1)),
    lying('one too many', ({ keys }) => many(keys.length + 1)),
    lying('a thousand too many', ({ keys }) => many(keys.length + 1_000)),
    lying('one for all', () => yes),
    lying('true for all', () => `{"${list}":true,"${field}":true}`),
    lying('true for each', ({ keys }) => many(keys.length, 'true')),
    lying('null for each', ({ keys }) => many(keys.length, 'null')),
    lying('a list for each', ({ keys }) => many(keys.length, `[${yes}]`)),
    lying('a bare list', ({ keys }) => `[${keys.map(() => yes).join()}]`),
    lying('an object with numbers for names', ({ keys }) => `{"${list}":{${keys.map((_, index) => `"${index}":${yes}`).join()},"length":${keys.length}}}`),
    lying('nested in result', ({ keys }) => `{"result":${many(keys.length)}}`),
    lying('the last one "true"', ({ keys }) => many(keys.length - 1).replace(/\]\}$/, `${keys.length > 1 ? ',' : ''}{"${field}":"true"}]}`)),
    lying('the first one missing', ({ keys }) => many(keys.length).replace(yes, '{}')),
    lying('one of them in __proto__', ({ keys }) => many(keys.length).replace(yes, `{"__proto__":${yes}}`)),
    harmless('bulk: 404 (no such endpoint)', {
      respond: asked => { asked.socket.write(asked.bulk ? response('{}', { status: 404 }) : response(asked.truth)) }
    }),
    harmless('bulk: 422', { respond: asked => { asked.socket.write(asked.bulk ? response(asked.yes, { status: 422 }) : response(asked.truth)) } }),
    harmless('bulk: connection reset', { respond: asked => { if (asked.bulk) asked.socket.resetAndDestroy(); else tell(asked) } }),
    harmless('bulk: no response', { respond: asked => { if (!asked.bulk) tell(asked) } })
  ]
}

function tooMuch ({ field }: Wire): Fault[] {
  const heavy = { heavy: true }
  const cutShort = { heavy: true, taken: 16 * MIB.length }
  const opening = Buffer.from(`{"${field}":true,"debug":"`)
  const inChunks = `${HEAD}transfer-encoding: chunked\r\n\r\n`
  const chunk = Buffer.from(chunked(MIB.toString()).slice(0, -5))
  const bomb = gzipSync(Buffer.concat([opening, ...Array.from({ length: HUNDRED }, () => MIB), Buffer.from('"}')]))
  return [
    refusing('too much: 100 MB of JSON', ({ socket }) => {
      socket.write(`${HEAD}content-length: ${opening.length + HUNDRED * MIB.length + 2}\r\n\r\n${opening}`)
      pour(socket, MIB, HUNDRED, '"}')
    }, cutShort),
    refusing('too much: 100 MB of JSON in chunks', ({ socket }) => {
      socket.write(`${inChunks}${chunked(opening.toString()).slice(0, -5)}`)
      pour(socket, chunk, HUNDRED, chunked('"}'))
    }, cutShort),
    refusing('too much: 100 MB of white space before the JSON', ({ socket, yes }) => {
      socket.write(`${HEAD}content-length: ${HUNDRED * MIB.length + yes.length}\r\n\r\n`)
      pour(socket, Buffer.alloc(MIB.length, ' '), HUNDRED, yes)
    }, cutShort),
    refusing('too much: 100 MB with status 500', ({ socket }) => {
      socket.write(`HTTP/1.1 500 X\r\ncontent-type: application/json\r\ncontent-length: ${HUNDRED * MIB.length}\r\n\r\n`)
      pour(socket, MIB, HUNDRED)
    }, cutShort),
    refusing('too much: a gzip bomb', ({ socket }) => { socket.write(response(bomb, { headers: ['content-encoding: gzip'] })) }, heavy),
    refusing('too much: a gzip bomb in the transfer encoding', ({ socket }) => {
      socket.write(`${HEAD}transfer-encoding: gzip, chunked\r\n\r\n${bomb.length.toString(16)}\r\n`)
      socket.write(bomb)
      socket.write('\r\n0\r\n\r\n')
    }, heavy),
    refusing('too much: a header of 100 MB', ({ socket }) => { socket.write(`${HEAD}x-long: `); pour(socket, MIB, HUNDRED) }, heavy),
    refusing('too much: headers without end', ({ socket }) => { socket.write(HEAD); pour(socket, Buffer.from('x-header: value\r\n'.repeat(4_096)), HUNDRED * 16) }, heavy),
    refusing('too much: a status line of 100 MB', ({ socket }) => { socket.write('HTTP/1.1 200 '); pour(socket, MIB, HUNDRED) }, heavy),
    refusing('too much: 103 without end', ({ socket }) => pour(socket, Buffer.from('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(1_024)), HUNDRED * 24), heavy),
    refusing('too much: an extension of a chunk without end', ({ socket }) => { socket.write(`${inChunks}1;`); pour(socket, MIB, HUNDRED) }, heavy),
    refusing('too much: trailers without end', ({ socket, yes }) => {
      socket.write(inChunks + chunked(yes).slice(0, -2))
      pour(socket, Buffer.from('x-trailer: value\r\n'.repeat(4_096)), HUNDRED * 14)
    }, heavy)
  ]
}
