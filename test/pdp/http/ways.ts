// Every way to a PDP: plain, over a Unix socket, over TLS with and without a client certificate, HTTP/2, through a proxy, by a dispatcher.
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer as createNetServer, type AddressInfo, type Server as NetServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Agent } from 'undici'
import permit, { type PermitOptions } from '../../../src/index.js'
import { createAuthority } from '../../faults/certificates.js'
import { fastifyFor } from '../../support/app.js'

export const TIMEOUT = 400

export const authority = createAuthority('ways')
export const certificate = authority.issue({ name: 'pdp.internal', from: -1, to: 1 })
const clientCertificate = authority.issue({ name: 'app.internal', from: -1, to: 1 })
const tls = { ca: authority.cert, servername: 'pdp.internal' }

export type Request = IncomingMessage | Http2ServerRequest
export type Response = ServerResponse | Http2ServerResponse
export type Answer = (text: string, response: Response, request: Request) => void

/** The truth: Ann may, others may not. In Permit's wire, and in that of AuthZEN. */
function truthOf (text: string): string {
  if (text === '') return '{"status":"ok"}'
  const body = JSON.parse(text) as { subject?: { id: string }, user?: { key: string }, evaluations?: { subject?: { id: string } }[] } | { user: { key: string } }[]
  if (Array.isArray(body)) return JSON.stringify({ allow: body.map(({ user }) => ({ allow: user.key === 'ann' })) })
  const evaluations = body.evaluations?.map(({ subject = body.subject }) => ({ decision: subject?.id === 'ann' }))
  return JSON.stringify({ evaluations, allow: body.user?.key === 'ann', decision: body.subject?.id === 'ann' })
}

export const tell: Answer = (text, response) => {
  (response as ServerResponse).writeHead(200, { 'content-type': 'application/json' }).end(truthOf(text))
}

/** A PDP whose answers can be changed, and what a connection gets in place of a server. */
export class Pdp {
  answer: Answer = tell
  connection: ((socket: Socket) => void) | undefined
  readonly seen: { readonly url: string, readonly headers: IncomingHttpHeaders }[] = []
  /** Of a TLS server, the sockets below TLS. */
  readonly sockets = new Set<Socket>()

  readonly listener = (request: Request, response: Response): void => {
    let text = ''
    this.seen.push({ url: request.url ?? '', headers: request.headers })
    request.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('end', () => this.answer(text, response, request)).on('error', () => {})
  }

  /** Returns the port. */
  async listen (t: Test, server: NetServer, path?: string): Promise<number> {
    const front = createNetServer(socket => {
      this.sockets.add(socket.on('error', () => {}))
      if (this.connection === undefined) server.emit('connection', socket)
      else this.connection(socket)
    })
    server.on('tlsClientError', () => {})
    await new Promise<void>(resolve => { if (path === undefined) front.listen(0, '127.0.0.1', resolve); else front.listen(path, resolve) })
    t.teardown(() => {
      this.cut()
      front.close()
    })
    return path === undefined ? (front.address() as AddressInfo).port : 0
  }

  /** Ends all connections. */
  cut (): void {
    for (const socket of this.sockets) socket.destroy()
  }
}

/** A proxy that knows one host. */
export async function proxyFor (t: Test, port: number) {
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

export async function appFor (t: Test, options: Partial<PermitOptions>, logger?: object) {
  const app = fastifyFor(t, logger === undefined ? {} : { logger })
  const user = (request: { headers: IncomingHttpHeaders }) => request.headers['x-user'] as string
  await app.register(permit, { token: 'the-token', cache: false, timeout: TIMEOUT, user, ...options } as PermitOptions)
  app.get('/:id', { config: { permit: { action: 'read', resource: 'task:{id}' } } }, async () => 'in')
  await app.ready()
  let count = 0
  return { app, ask: async (user: string, headers = {}) => (await app.inject({ url: `/${++count}`, headers: { 'x-user': user, ...headers } })).statusCode }
}

export interface Way {
  readonly options: Partial<PermitOptions>
  readonly pdp: Pdp
  readonly isEncrypted?: boolean
}

export const ways: Record<string, (t: Test) => Promise<Way>> = {
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
    return { pdp, isEncrypted: true, options: { tls, pdp: `https://127.0.0.1:${await pdp.listen(t, createTlsServer(certificate, pdp.listener))}` } }
  },
  async 'TLS with a client certificate' (t) {
    const pdp = new Pdp()
    const server = createTlsServer({ ...certificate, ca: authority.cert, requestCert: true, rejectUnauthorized: true }, pdp.listener)
    return { pdp, isEncrypted: true, options: { tls: { ...tls, ...clientCertificate }, pdp: `https://127.0.0.1:${await pdp.listen(t, server)}` } }
  },
  async 'HTTP/2' (t) {
    const pdp = new Pdp()
    return { pdp, isEncrypted: true, options: { tls, http2: true, pdp: `https://127.0.0.1:${await pdp.listen(t, createSecureServer(certificate, pdp.listener))}` } }
  },
  async 'a proxy' (t) {
    const pdp = new Pdp()
    const proxy = await proxyFor(t, await pdp.listen(t, createTlsServer(certificate, pdp.listener)))
    return { pdp, isEncrypted: true, options: { tls: { ca: authority.cert }, pdp: 'https://pdp.internal', proxy: proxy.url } }
  },
  async 'a proxy, without TLS' (t) {
    const pdp = new Pdp()
    const proxy = await proxyFor(t, await pdp.listen(t, createServer(pdp.listener)))
    return { pdp, options: { pdp: 'http://pdp.internal', proxy: proxy.url } }
  },
  async 'HTTP/2 through a proxy' (t) {
    const pdp = new Pdp()
    const proxy = await proxyFor(t, await pdp.listen(t, createSecureServer(certificate, pdp.listener)))
    return { pdp, isEncrypted: true, options: { tls: { ca: authority.cert }, pdp: 'https://pdp.internal', proxy: proxy.url, http2: true } }
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
