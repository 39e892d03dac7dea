// Every way to a PDP: a Unix socket, TLS, HTTP/2, a proxy, a dispatcher. Each carries decisions, and on each the same faults are no decision.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type AddressInfo, type Server as NetServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Agent } from 'undici'
import permit, { type PermitOptions } from '../../../src/index.js'
import { createAuthority } from '../../faults/certificates.js'
import { fastifyFor, logSink } from '../../support/app.js'

const TIMEOUT = 400

// Run by itself, without the runner, it would have less.
t.setTimeout(100_000)

const authority = createAuthority('ways')
const certificate = authority.issue({ name: 'pdp.internal', from: -1, to: 1 })
const tls = { ca: authority.cert, servername: 'pdp.internal' }

type Request = IncomingMessage | Http2ServerRequest
type Response = ServerResponse | Http2ServerResponse
type Answer = (text: string, response: Response, request: Request) => void

/** The truth: Ann may, others may not. In Permit's wire, and in that of AuthZEN. */
function truthOf (text: string): string {
  if (text === '') return '{"status":"ok"}'
  const body = JSON.parse(text) as { subject?: { id: string }, user?: { key: string }, evaluations?: { subject?: { id: string } }[] } | { user: { key: string } }[]
  if (Array.isArray(body)) return JSON.stringify({ allow: body.map(({ user }) => ({ allow: user.key === 'ann' })) })
  const evaluations = body.evaluations?.map(({ subject = body.subject }) => ({ decision: subject?.id === 'ann' }))
  return JSON.stringify({ evaluations, allow: body.user?.key === 'ann', decision: body.subject?.id === 'ann' })
}

const tell: Answer = (text, response) => {
  (response as ServerResponse).writeHead(200, { 'content-type': 'application/json' }).end(truthOf(text))
}

/** A PDP whose answer can be changed. */
class Pdp {
  answer: Answer = tell
  readonly seen: { readonly url: string, readonly headers: IncomingHttpHeaders }[] = []
  readonly sockets = new Set<Socket>()

  readonly listener = (request: Request, response: Response): void => {
    let text = ''
    this.seen.push({ url: request.url ?? '', headers: request.headers })
    request.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('end', () => this.answer(text, response, request)).on('error', () => {})
  }

  async listen (t: Test, server: NetServer | Server, path?: string): Promise<number> {
    // Of a TLS server the sockets below TLS, too.
    server.on('connection', (socket: Socket) => { this.sockets.add(socket.on('error', () => {})) })
    await new Promise<void>(resolve => { if (path === undefined) server.listen(0, '127.0.0.1', resolve); else server.listen(path, resolve) })
    t.teardown(() => {
      for (const socket of this.sockets) socket.destroy()
      server.close()
    })
    return path === undefined ? (server.address() as AddressInfo).port : 0
  }
}

/** A proxy that knows one host. */
async function proxyFor (t: Test, port: number) {
  const proxy = { asked: [] as { readonly target: string, readonly authorization: string | undefined }[], bytes: '', url: '', refuse: undefined as ((socket: Socket) => void) | undefined }
  const open = new Set<Socket>()
  const server = createServer((_, response) => { response.writeHead(405).end() })
  server.on('connection', socket => { open.add(socket) })
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    proxy.asked.push({ target: request.url ?? '', authorization: request.headers['proxy-authorization'] })
    socket.on('error', () => {})
    if (proxy.refuse !== undefined) return proxy.refuse(socket)
    const upstream = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      socket.on('data', chunk => { proxy.bytes += chunk.toString('latin1') })
      socket.pipe(upstream).pipe(socket)
    })
    open.add(upstream.on('error', () => socket.destroy()))
    socket.on('close', () => upstream.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return proxy
}

async function appFor (t: Test, options: Partial<PermitOptions>, logger?: object) {
  const app = fastifyFor(t, logger === undefined ? {} : { logger })
  const user = (request: { headers: IncomingHttpHeaders }) => request.headers['x-user'] as string
  await app.register(permit, { token: 'the-token', cache: false, timeout: TIMEOUT, user, ...options } as PermitOptions)
  app.get('/:id', { config: { permit: { action: 'read', resource: 'task:{id}' } } }, async () => 'in')
  await app.ready()
  let count = 0
  return { app, ask: async (user: string, headers = {}) => (await app.inject({ url: `/${++count}`, headers: { 'x-user': user, ...headers } })).statusCode }
}

interface Way {
  readonly options: Partial<PermitOptions>
  readonly pdp: Pdp
}

const ways: Record<string, (t: Test) => Promise<Way>> = {
  async TCP (t) {
    const pdp = new Pdp()
    return { pdp, options: { pdp: `http://127.0.0.1:${await pdp.listen(t, createServer(pdp.listener))}` } }
  },
  async 'a Unix socket' (t) {
    const pdp = new Pdp()
    const path = await socketPath(t)
    await pdp.listen(t, createServer(pdp.listener), path)
    return { pdp, options: { pdp: `unix:${path}` } }
  },
  async 'AuthZEN over a Unix socket' (t) {
    const { pdp, options } = await ways['a Unix socket']?.(t) as Way
    return { pdp, options: { ...options, protocol: 'authzen' } }
  },
  async TLS (t) {
    const pdp = new Pdp()
    return { pdp, options: { tls, pdp: `https://127.0.0.1:${await pdp.listen(t, createTlsServer(certificate, pdp.listener))}` } }
  },
  async 'HTTP/2' (t) {
    const pdp = new Pdp()
    return { pdp, options: { tls, http2: true, pdp: `https://127.0.0.1:${await pdp.listen(t, createSecureServer(certificate, pdp.listener))}` } }
  },
  async 'a proxy' (t) {
    const pdp = new Pdp()
    const proxy = await proxyFor(t, await pdp.listen(t, createTlsServer(certificate, pdp.listener)))
    return { pdp, options: { tls: { ca: authority.cert }, pdp: 'https://pdp.internal', proxy: proxy.url } }
  },
  async 'HTTP/2 through a proxy' (t) {
    const pdp = new Pdp()
    const proxy = await proxyFor(t, await pdp.listen(t, createSecureServer(certificate, pdp.listener)))
    return { pdp, options: { tls: { ca: authority.cert }, pdp: 'https://pdp.internal', proxy: proxy.url, http2: true } }
  },
  async 'a dispatcher' (t) {
    const { pdp, options } = await ways['TCP']?.(t) as Way
    const agent = new Agent({ pipelining: 1 })
    t.teardown(() => agent.destroy())
    return { pdp, options: { ...options, dispatcher: agent } }
  }
}

async function socketPath (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pdp-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'pdp.sock')
}

const YES = '{"allow":true,"decision":true}'
const head = (response: Response, more: Record<string, string | number> = {}) =>
  (response as ServerResponse).writeHead(200, { 'content-type': 'application/json', ...more })

/** Each would be a yes, if it were an answer. */
const faults: Record<string, Answer> = {
  'it says nothing' () {},
  'it resets' (_, response, request) { reset(response, request) },
  'it resets in the body' (_, response, request) {
    head(response, { 'content-length': YES.length }).write(YES.slice(0, -1))
    setTimeout(() => reset(response, request), 20)
  },
  'it stops in the body' (_, response) { head(response, { 'content-length': YES.length }).write(YES.slice(0, -1)) },
  'it sends a byte now and then' (_, response) {
    head(response, { 'content-length': YES.length })
    let sent = 0
    const timer = setInterval(() => { if (sent < YES.length) (response as ServerResponse).write(YES.slice(sent, ++sent)) }, 50)
    response.on('close', () => clearInterval(timer)).on('error', () => {})
  },
  'it says more than an answer may have' (_, response) { head(response).end(`{"allow":true,"decision":true,"more":"${'x'.repeat(2_000_000)}"}`) },
  'it says "true"' (_, response) { head(response).end('{"allow":"true","decision":"true"}') },
  'it says half of it' (_, response) { head(response).end(YES.slice(0, -1)) },
  'it sends elsewhere' (_, response) { (response as ServerResponse).writeHead(307, { location: 'http://127.0.0.1:1/allowed', 'content-type': 'application/json' }).end(YES) },
  'it fails' (_, response) { (response as ServerResponse).writeHead(500, { 'content-type': 'application/json' }).end(YES) },
  'it answers in HTML' (_, response) { (response as ServerResponse).writeHead(200, { 'content-type': 'text/html' }).end(YES) }
}

function reset (response: Response, request: Request): void {
  const { stream } = request as Http2ServerRequest
  // Of a stream of HTTP/2 the stream alone; see below for its connection.
  if (stream !== undefined) stream.close(8)
  else (response.socket as Socket).destroy()
}

for (const [name, open] of Object.entries(ways)) {
  t.test(`by ${name}: the PDP decides, no fault of it lets anybody in or takes longer than the deadline, and closing leaves nothing`, async t => {
    const { pdp, options } = await open(t)
    const { app, ask } = await appFor(t, { ...options, breaker: false, retries: 0 })
    t.same(await Promise.all([...Array.from({ length: 20 }, () => ask('ann')), ask('eve')]), [...Array.from({ length: 20 }, () => 200), 403])
    t.match(await app.permit.health(), { ok: true })
    t.ok(pdp.seen.filter(({ url }) => /allowed|evaluation/.test(url)).every(({ headers }) => headers.authorization === 'Bearer the-token'))
    for (const [fault, answer] of Object.entries(faults)) {
      pdp.answer = answer
      const begun = performance.now()
      t.same(new Set(await Promise.all(['ann', 'eve', 'ann'].map(user => ask(user)))), new Set([503]), fault)
      t.ok(performance.now() - begun < TIMEOUT + 2_000, `${fault}: in time`)
    }
    pdp.answer = tell
    t.equal(await ask('ann'), 200, 'and well again')
    for (const socket of pdp.sockets) socket.destroy()
    let status = await ask('eve')
    for (let n = 0; status === 503 && n < 20; n++) status = await ask('eve')
    t.equal(status, 403, 'after its connections were cut')
    await app.close()
    if (name !== 'a dispatcher') for (const socket of pdp.sockets) while (!socket.destroyed) await delay(5)
  })
}

t.test('HTTP/2 has one connection for many checks, and is not mixed with HTTP/1.1', async t => {
  const { pdp, options } = await ways['HTTP/2']?.(t) as Way
  const { ask } = await appFor(t, { ...options, connections: 1, batch: 1 })
  await Promise.all(Array.from({ length: 50 }, () => ask('ann')))
  t.ok(pdp.sockets.size <= 3, 'that of the probe, and that of the checks')
  const old = await ways['TLS']?.(t) as Way
  const { ask: askOld } = await appFor(t, { ...old.options, http2: true })
  t.equal(await askOld('ann'), 503)
})

t.test('a proxy by the environment: https alone, unless it is excluded or turned off; it sees neither the token nor a question', async t => {
  const names = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'] as const
  const before = names.map(name => process.env[name])
  t.teardown(() => names.forEach((name, index) => { if (before[index] === undefined) delete process.env[name]; else process.env[name] = before[index] }))
  const pdp = new Pdp()
  const proxy = await proxyFor(t, await pdp.listen(t, createTlsServer(certificate, pdp.listener)))
  process.env['HTTPS_PROXY'] = proxy.url.replace('//', '//user:p%40ss@')
  process.env['HTTP_PROXY'] = proxy.url
  process.env['NO_PROXY'] = 'other.internal'
  const https = { tls: { ca: authority.cert }, pdp: 'https://pdp.internal' }
  const { ask } = await appFor(t, https)
  t.equal(await ask('ann'), 200)
  t.equal(await ask('eve'), 403)
  t.same(proxy.asked[0], { target: 'pdp.internal:443', authorization: `Basic ${Buffer.from('user:p@ss').toString('base64')}` })
  t.notMatch(proxy.bytes, /the-token|allowed|ann/)
  const asked = proxy.asked.length
  const { ask: off } = await appFor(t, { ...https, proxy: false, breaker: false })
  t.equal(await off('ann'), 503)
  process.env['NO_PROXY'] = 'other.internal,.internal'
  const { ask: excluded } = await appFor(t, { ...https, breaker: false })
  t.equal(await excluded('ann'), 503)
  process.env['NO_PROXY'] = ''
  const plain = await ways['TCP']?.(t) as Way
  const { ask: direct } = await appFor(t, plain.options)
  t.equal(await direct('ann'), 200)
  t.equal(proxy.asked.length, asked, 'the proxy was not asked')
})

const unwell: Record<string, (socket: Socket) => void> = {
  'it wants a password': socket => { socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n') },
  'it fails': socket => { socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n') },
  'it resets': socket => { socket.resetAndDestroy() },
  'it says nothing': () => {},
  'it sends a byte now and then': socket => { const timer = setInterval(() => socket.write('H'), 50); socket.on('close', () => clearInterval(timer)) },
  'it answers in place of the PDP': socket => { socket.write(`HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${YES.length}\r\n\r\n${YES}`) },
  'it answers in place of TLS': socket => { socket.write('HTTP/1.1 200 OK\r\n\r\n'); socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${YES.length}\r\n\r\n${YES}`)) }
}

for (const [fault, refuse] of Object.entries(unwell)) {
  t.test(`a proxy is unwell: ${fault}`, async t => {
    const pdp = new Pdp()
    const proxy = await proxyFor(t, await pdp.listen(t, createTlsServer(certificate, pdp.listener)))
    proxy.refuse = refuse
    const { lines, logger, text } = logSink('debug')
    const secret = proxy.url.replace('//', '//user:5ecret@')
    const { app, ask } = await appFor(t, { tls: { ca: authority.cert }, pdp: 'https://pdp.internal', proxy: secret, breaker: false, retries: 0 }, logger)
    const begun = performance.now()
    t.same(await Promise.all(['ann', 'eve'].map(user => ask(user))), [503, 503])
    t.ok(performance.now() - begun < TIMEOUT + 2_000, 'in time')
    t.ok(lines.length > 0)
    t.notMatch(text(), '5ecret')
    proxy.refuse = undefined
    let status = await ask('ann')
    for (let n = 0; status === 503 && n < 20; n++) status = await ask('ann')
    t.equal(status, 200, 'and well again')
    await app.close()
  })
}

t.test('headers by request: those of the first in a batch, none for what is kept, and never one of the plugin\'s own', async t => {
  const { pdp, options } = await ways['TCP']?.(t) as Way
  const { lines, logger } = logSink('warn')
  const headers: NonNullable<PermitOptions['headers']> = ({ headers }) => {
    if (headers['x-fails'] !== undefined) throw new Error('no trace')
    if (headers['x-own'] !== undefined) return { Authorization: 'Bearer other' }
    return headers['traceparent'] === undefined ? undefined : { Traceparent: headers['traceparent'] as string }
  }
  const { app, ask } = await appFor(t, { ...options, headers, connections: 1, cache: { ttl: 60_000 } }, logger)
  const checks = () => pdp.seen.filter(({ url }) => url.startsWith('/allowed')).slice(-2)
  t.equal(await ask('ann', { traceparent: 'one' }), 200)
  t.equal(checks().at(-1)?.headers['traceparent'], 'one')
  t.same(await Promise.all([undefined, 'b', 'c'].map(id => ask('ann', id === undefined ? {} : { traceparent: id }))), [200, 200, 200])
  t.same(checks().map(({ url, headers }) => [url, headers['traceparent']]).at(-1), ['/allowed/bulk', 'b'])
  const count = pdp.seen.length
  t.equal((await app.inject({ url: '/1', headers: { 'x-user': 'ann', traceparent: 'kept' } })).statusCode, 200)
  t.equal(pdp.seen.length, count, 'a kept decision is not asked for')
  for (const name of ['x-own', 'x-fails', 'x-own']) {
    t.equal(await ask('ann', { [name]: '1' }), 200)
    t.equal(checks().at(-1)?.headers.authorization, 'Bearer the-token')
  }
  t.equal(lines.filter(({ msg }) => /option "headers" failed/.test(String(msg))).length, 1, 'logged once')
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
})

t.test('a dispatcher of the app gets all requests, and is not closed', async t => {
  const { options } = await ways['TCP']?.(t) as Way
  const agent = new Agent()
  t.teardown(() => agent.destroy())
  let count = 0
  const dispatcher = agent.compose(dispatch => (options, handler) => {
    count++
    return dispatch(options, handler)
  })
  const { app, ask } = await appFor(t, { ...options, dispatcher })
  t.equal(await ask('ann'), 200)
  t.ok(count >= 2, 'the probe and the check')
  await app.close()
  t.notOk(agent.destroyed || agent.closed)
})

t.test('ways that exclude each other are refused at the start', async t => {
  const dispatcher = new Agent()
  t.teardown(() => dispatcher.destroy())
  const refused: [object, RegExp][] = [
    [{ pdp: 'http://127.0.0.1:1', http2: true }, /"http2" is given.*https/],
    [{ pdp: 'https://127.0.0.1:1', dispatcher, http2: true }, /"dispatcher" is given with option "http2"/],
    [{ pdp: 'https://127.0.0.1:1', dispatcher, proxy: false }, /"dispatcher" is given with option "proxy"/],
    [{ pdp: 'unix:/run/pdp.sock', dispatcher }, /"dispatcher" is given with a Unix socket/],
    [{ pdp: 'https://127.0.0.1:1', dispatcher: {} }, /dispatcher/],
    [{ pdp: 'https://127.0.0.1:1', proxy: 'proxy:3128' }, /"proxy"/],
    [{ pdp: 'https://127.0.0.1:1', proxy: 'http://:5ecret@' }, /"proxy"/],
    [{ pdp: 'unix:/run/pdp.sock', protocol: 'authzen', authzen: { discovery: true } }, /"authzen\.discovery" is true/]
  ]
  for (const [options, message] of refused) {
    const error = await fastifyFor(t).register(permit, { token: 'x', ...options } as PermitOptions).ready().then(() => undefined, (error: Error) => error)
    t.match(error, { code: 'FST_PERMIT_OPTIONS', message }, String(message))
    t.notMatch(error?.message, '5ecret')
  }
})
