// A PDP on bare sockets, with no HTTP library that would keep it from lying: it answers truly until a fault takes over.
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import tls from 'node:tls'
import type { Certified } from './certificates.js'
import type { Wire } from './wire.js'

/** Who is allowed what: the number at the end of a resource's key is even. */
export function truth (key: string): boolean {
  return Number(/\d+$/.exec(key)?.[0]) % 2 === 0
}

/** One request, and what to answer it with. */
export interface Asked {
  readonly socket: Socket
  readonly bulk: boolean
  /** The keys of the resources that are asked about. */
  readonly keys: readonly string[]
  /** How many requests came on this connection, this one included. */
  readonly nth: number
  readonly wire: Wire
  /** The PDP's answer as it would be without faults, as JSON. */
  readonly truth: string
  /** Yes to everything, as JSON. */
  readonly yes: string
  /** An answer in which each decision is this JSON: of one question that alone, of many the list of them. */
  each (decision: string): string
}

export interface Fault {
  readonly name: string
  /** `none`: nobody gets a decision. `truth`: everybody gets the true one, or none. */
  readonly outcome: 'none' | 'truth'
  /** Much travels: it runs alone, and memory is watched. */
  readonly heavy?: boolean
  /** Bytes of its answer that the app may have taken at most, those in the buffers of both ends included. */
  readonly taken?: number
  /** The PDP is asked by this name instead of its address. */
  readonly host?: string
  /** What a connection gets in place of one that is served. Those that are open when the fault begins are cut. */
  readonly accept?: (socket: Socket, pdp: HostilePdp) => void
  /** What a request gets in place of the truth. */
  readonly respond?: (asked: Asked, pdp: HostilePdp) => void
  /** What happens when it begins; it lasts until `end`. */
  readonly begin?: (pdp: HostilePdp) => Promise<void> | void
  readonly end?: (pdp: HostilePdp) => Promise<void> | void
  /** TLS: what the PDP shows while it is well. */
  readonly certified?: Certified
}

export class HostilePdp {
  readonly wire: Wire
  readonly token = 'token-for-one-host'
  readonly fault: Fault
  /** The keys of every question, in the order of arrival. */
  readonly seen: string[] = []
  /** Requests in bulk. */
  bulks = 0
  /** Connections that are open. */
  readonly open = new Set<Socket>()
  /** Bytes that were handed to one socket at most. */
  mostWritten = 0
  #active = false
  #port = 0
  readonly #server: Server
  readonly #tls: tls.Server | undefined
  readonly #shown = new Map<Certified, tls.Server>()

  constructor (wire: Wire, fault: Fault) {
    this.wire = wire
    this.fault = fault
    this.#server = createServer({ noDelay: true }, socket => this.#accept(socket))
    if (fault.certified !== undefined) {
      this.#tls = this.#secured(fault.certified)
    }
  }

  get url (): string {
    return `${this.#tls === undefined ? 'http' : 'https'}://${this.fault.host ?? '127.0.0.1'}:${this.#port}`
  }

  async listen (): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async stopListening (): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    await this.cut()
    await closed
  }

  /** Closes what is open. The other side, in the same process, has heard of it a few turns of the loop later. */
  async cut (): Promise<void> {
    for (const socket of this.open) socket.destroy()
    for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
  }

  /** TLS with another certificate than its own. */
  handshake (socket: Socket, shown: Certified): void {
    let server = this.#shown.get(shown)
    if (server === undefined) this.#shown.set(shown, server = this.#secured(shown))
    server.emit('connection', socket)
  }

  async begin (): Promise<void> {
    this.#active = true
    if (this.fault.accept !== undefined) await this.cut()
    await this.fault.begin?.(this)
  }

  async end (): Promise<void> {
    this.#active = false
    await this.fault.end?.(this)
  }

  async close (): Promise<void> {
    if (this.#server.listening) await this.stopListening()
  }

  #secured (certified: Certified): tls.Server {
    const server = tls.createServer(certified, socket => this.#serve(socket.on('error', () => {})))
    return server.on('tlsClientError', () => {})
  }

  #accept (socket: Socket): void {
    this.open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.open.delete(socket)
      this.mostWritten = Math.max(this.mostWritten, socket.bytesWritten)
    })
    if (this.#active && this.fault.accept !== undefined) this.fault.accept(socket, this)
    else if (this.#tls !== undefined) this.#tls.emit('connection', socket)
    else this.#serve(socket)
  }

  #serve (socket: Socket): void {
    let buffer = Buffer.alloc(0)
    let nth = 0
    socket.on('data', (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk])
      for (;;) {
        const end = buffer.indexOf('\r\n\r\n')
        if (end === -1) return
        const head = buffer.subarray(0, end).toString('latin1')
        const next = end + 4 + Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
        if (buffer.length < next) return
        this.#ask(socket, head, buffer.subarray(end + 4, next).toString(), ++nth)
        buffer = buffer.subarray(next)
      }
    })
  }

  #ask (socket: Socket, head: string, body: string, nth: number): void {
    const [, path = ''] = head.split(' ')
    const { single, bulk: bulkPath, field, list, keysOf } = this.wire
    const bulk = path === bulkPath
    const asksForDecisions = bulk || path === single
    const keys = asksForDecisions ? keysOf(JSON.parse(body), bulk) : []
    this.seen.push(...keys)
    if (bulk) this.bulks++
    const listOf = (decisions: readonly string[]) => bulk ? `{"${list}":[${decisions.join()}]}` : decisions[0] ?? '{}'
    const each = (decision: string) => listOf(bulk ? keys.map(() => decision) : [decision])
    const asked: Asked = {
      socket,
      bulk,
      keys,
      nth,
      wire: this.wire,
      truth: asksForDecisions ? listOf(keys.map(key => `{"${field}":${truth(key)}}`)) : '{"status":"ok"}',
      yes: each(`{"${field}":true}`),
      each
    }
    if (this.#active && this.fault.respond !== undefined) this.fault.respond(asked, this)
    else socket.write(response(asked.truth))
  }
}

export interface ResponseOptions {
  readonly status?: number | string
  readonly version?: string
  /** Undefined for none. */
  readonly type?: string | undefined
  readonly headers?: readonly string[]
  /** What is said of the length of the body; default: the truth. */
  readonly length?: number | string | 'unsaid'
}

/** A response, byte by byte as it is told. */
export function response (body: string | Buffer, options: ResponseOptions = {}): Buffer {
  const { status = 200, version = 'HTTP/1.1', headers = [], length = Buffer.byteLength(body) } = options
  const type = 'type' in options ? options.type : 'application/json'
  const lines = [
    `${version} ${status} X`,
    ...(type === undefined ? [] : [`content-type: ${type}`]),
    ...(length === 'unsaid' ? [] : [`content-length: ${length}`]),
    ...headers
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), Buffer.from(body)])
}

/** A body in chunks, as HTTP has them. */
export function chunked (...chunks: readonly string[]): string {
  return [...chunks, ''].map(chunk => `${Buffer.byteLength(chunk).toString(16)}\r\n${chunk}\r\n`).join('')
}

/** Writes as fast as the other side reads, and no faster, until it is enough or the socket is gone. */
export function pour (socket: Socket, chunk: Buffer, count: number, last: string | Buffer = ''): void {
  let sent = 0
  const more = (): void => {
    while (sent < count) {
      if (socket.destroyed) return
      sent++
      if (!socket.write(chunk)) {
        socket.once('drain', more)
        return
      }
    }
    socket.write(last)
  }
  more()
}

/** Writes a byte now and then, until the socket is gone. */
export function drip (socket: Socket, bytes: Buffer, every: number): void {
  let sent = 0
  const timer = setInterval(() => {
    if (sent < bytes.length) socket.write(bytes.subarray(sent, ++sent))
  }, every)
  socket.on('close', () => clearInterval(timer))
}
