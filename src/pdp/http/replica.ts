// One replica of the PDP: its connections, its circuit breaker and its counters.
import type { Pool } from 'undici'
import { PdpError } from '../../contract/errors.js'
import { Slots } from './concurrency-limit.js'
import type { WireDispatcher, WireOptions } from './dispatcher.js'
import { settingsFor, trackedSockets, type Connection, type Sockets } from './sockets.js'
import { Breaker, type BreakerOptions } from './breaker.js'
import { BreakerProbe } from './breaker-probe.js'
import type { Exchange } from './exchange.js'
import { HealthExchange } from './health-exchange.js'
import { framedClient } from './http2-client.js'
import { countsAgainstPdp, mayAnotherReplicaAnswer, toPdpError } from './failure.js'
import { Readiness, readHealth, type HealthAnswer } from './readiness.js'
import type { Token } from './token.js'
import type { Probe, TransportRequest } from './transport-request.js'
import type { Undici } from './undici.js'
import type { ReplicaStats } from '../../contract/point.js'

interface ReplicaOptions {
  readonly undici: Undici
  /** The PDP's base URL; a path in it is a prefix. With `unix:`, the path of a Unix socket. */
  readonly url: URL
  /** Sent as a bearer token to this host only. */
  readonly token: Token
  /** Sent with every request to this host. */
  readonly headers: Readonly<Record<string, string>>
  readonly connection: Omit<Connection, 'socketPath'>
  /** Sends the requests, in place of connections of its own. */
  readonly dispatcher: WireDispatcher | undefined
  /** The most sockets. */
  readonly connections: number
  /** The largest response, bytes. */
  readonly maxResponseSize: number
  /** How long connecting may take, ms. */
  readonly connectTimeout: number
  readonly probe: Probe | undefined
  readonly breaker: BreakerOptions | false
  /** The path that says whether the PDP is ready; undefined when it is not asked. */
  readonly readiness: string | undefined
  /** Called when the breaker opens, with the reason, and when it closes. */
  readonly onChange: (replica: Replica, reason: PdpError | undefined) => void
}

/** For this long after a failure a replica gets requests only when no other replica has a free connection, ms. */
const PENALTY = 250

export class Replica {
  /** Its URL, fit for logs. */
  readonly name: string
  readonly slots: Slots
  /** Undefined with a dispatcher of the app, which is not closed here. */
  readonly #pool: Pool | undefined
  readonly #dispatcher: WireDispatcher
  readonly #sockets: Sockets
  readonly #origin: string
  readonly #prefix: string
  readonly #token: Token
  readonly #extraHeaders: Readonly<Record<string, string>>
  /** The token that the headers below contain. */
  #headersFor: string | undefined
  #headers!: Readonly<Record<string, string>>
  #jsonHeaders!: Readonly<Record<string, string>>
  readonly #probe: BreakerProbe | undefined
  readonly #breaker: Breaker | undefined
  readonly #readiness: Readiness | undefined
  readonly #maxResponseSize: number
  readonly #isFramed: boolean
  readonly #healths = new Set<HealthExchange>()
  #requests = 0
  #failures = 0
  #inFlight = 0
  /** The sum of the times of all requests until `#counted`, a time of `performance.now()`. */
  #busy = 0
  #counted = 0
  /** Called when nothing is in flight any more. */
  #idle: (() => void) | undefined
  #penalizedUntil = -Infinity

  constructor (options: ReplicaOptions) {
    const { undici, url, token, headers, dispatcher, connections, maxResponseSize, connectTimeout, probe, breaker } = options
    const socketPath = socketPathOf(url)
    this.#origin = socketPath === undefined ? url.origin : 'http://localhost'
    this.#prefix = socketPath === undefined ? url.pathname.replace(/\/+$/, '') : ''
    this.name = socketPath === undefined ? this.#origin + this.#prefix : `unix:${socketPath}`
    this.#token = token
    this.#extraHeaders = headers
    this.#makeHeaders(token.current)
    const connection = { ...options.connection, ...(socketPath === undefined ? {} : { socketPath }) }
    const { readiness } = options
    this.#readiness = readiness === undefined ? undefined : new Readiness(readiness, timeout => this.#askHealth(readiness, timeout))
    this.#maxResponseSize = maxResponseSize
    this.#isFramed = connection.http2 === true
    this.#sockets = trackedSockets(undici, connectTimeout, connection, () => this.#readiness?.connected())
    this.#pool = dispatcher === undefined
      ? new undici.Pool(this.#origin, {
        ...settingsFor(connection),
        connect: this.#sockets.connect,
        connections,
        ...(this.#isFramed ? { factory: (origin, options) => framedClient(undici, origin, options) } : {})
      })
      : undefined
    this.#dispatcher = dispatcher ?? this.#pool as Pool
    this.slots = new Slots(connections)
    if (probe === undefined) return
    const breakerProbe = new BreakerProbe({
      undici,
      probe,
      origin: this.#origin,
      connection,
      dispatcher,
      token,
      maxResponseSize,
      connectTimeout,
      toWire: request => this.#toWire(request)
    })
    this.#probe = breakerProbe
    if (breaker !== false) {
      this.#breaker = new Breaker(breaker, suspected => breakerProbe.checkHealth(suspected), reason => options.onChange(this, reason))
    }
  }

  /** Whether a no of a request that is written now counts. */
  get ready (): boolean {
    return this.#readiness === undefined || this.#readiness.ready
  }

  /** Whether it may get requests: its breaker is closed. */
  get usable (): boolean {
    return this.#breaker === undefined || this.#breaker.usable
  }

  /** The breaker's current era; `succeeded` and `failed` take the era in which the attempt started. */
  get era (): number {
    return this.#breaker === undefined ? 0 : this.#breaker.era
  }

  /** Sends a request. The caller has checked that a slot is free, and calls `finished` when the exchange is finished. */
  send (request: TransportRequest<unknown>, exchange: Exchange<unknown>): void {
    this.slots.take()
    this.#requests++
    this.#count()
    this.#inFlight++
    this.#dispatch(request, exchange)
  }

  finished (): void {
    this.#count()
    this.#inFlight--
    if (this.#inFlight === 0) this.#idle?.()
    this.slots.release()
  }

  /**
   * Whether other replicas are preferred because this one failed a moment ago. A replica that fails fast always has free connections and
   * would otherwise get most of the requests until its breaker opens.
   * @param now a time of `performance.now()`
   */
  isPenalized (now: number): boolean {
    return now < this.#penalizedUntil
  }

  succeeded (era: number): void {
    this.#penalizedUntil = -Infinity
    this.#breaker?.success(era)
  }

  failed (era: number, error: PdpError): void {
    this.#failures++
    if (mayAnotherReplicaAnswer(error)) this.#penalizedUntil = performance.now() + PENALTY
    if (!countsAgainstPdp(error)) return
    this.#readiness?.failed()
    this.#breaker?.failure(era)
  }

  /** Finds out whether it is ready. Resolves with the error, or with undefined when a no counts that is given after this. */
  async confirmReady (timeout: number): Promise<PdpError | undefined> {
    const error = await this.#readiness?.confirm(timeout)
    if (error !== undefined) this.#penalizedUntil = performance.now() + PENALTY
    return error
  }

  /** Asks on one of the connections for checks, so that the first one is there, and in no doubt, before the first check. */
  #askHealth (path: string, timeout: number): Promise<HealthAnswer> {
    const request = { method: 'GET' as const, path, deadline: performance.now() + timeout, read: readHealth }
    return new Promise(resolve => {
      let doubts = -1
      const holdsSlot = this.slots.free > 0
      if (holdsSlot) this.slots.take()
      const exchange = new HealthExchange(request, this.#maxResponseSize, this.#isFramed, {
        token: this.#token,
        written: () => { doubts = this.#readiness?.doubts ?? -1 },
        finished: () => { if (holdsSlot) this.slots.release() },
        done: error => {
          clearTimeout(timer)
          this.#healths.delete(exchange)
          resolve({ error, doubts })
        }
      })
      const timer = setTimeout(() => exchange.expire(), timeout)
      timer.unref()
      this.#healths.add(exchange)
      const now = performance.now()
      const send = (): void => this.#dispatch(request, exchange)
      if (this.#token.isReady(now)) send()
      else this.#token.ready(now).then(send).catch((error: unknown) => exchange.fail(toPdpError(error)))
    })
  }

  /** Probes the PDP once, within `timeout` ms. Resolves with the error, or with undefined when the PDP is healthy and ready. */
  async probe (timeout: number): Promise<PdpError | undefined> {
    const ready = this.confirmReady(timeout)
    return await this.#probe?.send(timeout) ?? await ready
  }

  #dispatch (request: TransportRequest<unknown>, exchange: Exchange<unknown>): void {
    const wire = this.#toWire(request)
    this.#dispatcher.dispatch(this.#isFramed ? { ...wire, carried: exchange } : wire, exchange)
  }

  #toWire ({ method, path, body, headers }: TransportRequest<unknown>): WireOptions {
    if (this.#token.current !== this.#headersFor) this.#makeHeaders(this.#token.current)
    const own = body === undefined ? this.#headers : this.#jsonHeaders
    const wire = { method, path: this.#prefix + path, headers: headers === undefined ? own : { ...own, ...headers }, body }
    return this.#pool === undefined ? { ...wire, origin: this.#origin } : wire
  }

  /** Once for each token, not for each request. */
  #makeHeaders (token: string | undefined): void {
    this.#headersFor = token
    const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
    this.#headers = { ...this.#extraHeaders, ...authorization, accept: 'application/json' }
    this.#jsonHeaders = { ...this.#headers, 'content-type': 'application/json' }
  }

  /** Called before the number in flight changes. */
  #count (): void {
    const now = performance.now()
    this.#busy += this.#inFlight * (now - this.#counted)
    this.#counted = now
  }

  stats (): ReplicaStats {
    this.#count()
    return {
      url: this.name,
      state: this.#breaker?.state ?? 'closed',
      requests: this.#requests,
      failures: this.#failures,
      inFlight: this.#inFlight,
      busy: this.#busy
    }
  }

  /** Lets requests in flight finish until `deadline`, then closes all connections. */
  async close (deadline: number): Promise<void> {
    this.#breaker?.close()
    this.#probe?.close()
    for (const health of this.#healths) health.fail(new PdpError('closed', 'the app is closing'))
    let timer: NodeJS.Timeout | undefined
    // `close` never settles once `destroy` was called, so the first of both ends the wait.
    const destroyed = new Promise<void>(resolve => {
      timer = setTimeout(() => {
        if (this.#pool === undefined) resolve()
        else this.#pool.destroy().then(resolve, resolve)
      }, Math.max(0, deadline - performance.now()))
    })
    await Promise.race([this.#pool?.close() ?? this.#finished(), destroyed])
    clearTimeout(timer)
    this.#sockets.destroy()
  }

  async #finished (): Promise<void> {
    if (this.#inFlight > 0) await new Promise<void>(resolve => { this.#idle = resolve })
  }
}

/** The path of the Unix socket that a URL such as `unix:/run/pdp.sock` names; undefined for other URLs. */
function socketPathOf (url: URL): string | undefined {
  return url.protocol === 'unix:' ? decodeURIComponent(url.pathname) : undefined
}
