// One replica of the PDP: its connections, its circuit breaker and its counters.
import { Client, Pool } from 'undici'
import { PdpError } from '../../contract/errors.js'
import { Slots } from './slots.js'
import { trackedSockets, type Sockets } from './sockets.js'
import { Breaker, type BreakerOptions } from './breaker.js'
import { Exchange } from './exchange.js'
import { countsAgainstPdp, mayAnotherReplicaAnswer } from './failure.js'
import { firstSuccess } from './first-success.js'
import type { Probe, TransportRequest } from './transport-request.js'
import type { ReplicaStats } from '../../contract/point.js'

export interface ReplicaOptions {
  /** The PDP's base URL; a path in it is a prefix. */
  readonly url: URL
  /** Sent as a bearer token to this host only; undefined for no `authorization` header. */
  readonly token: string | undefined
  /** The most sockets. */
  readonly connections: number
  /** The largest response, bytes. */
  readonly maxResponseSize: number
  /** How long connecting may take, ms. */
  readonly connectTimeout: number
  readonly probe: Probe | undefined
  readonly breaker: BreakerOptions | false
  /** Called when the breaker opens, with the reason, and when it closes. */
  readonly onChange: (replica: Replica, reason: PdpError | undefined) => void
}

/** How long a suspected PDP has to answer a probe, ms. A slower one gets no requests until it has answered a longer probe. */
const SUSPECT_TIMEOUT = 400

/**
 * The interval between two probes in flight to a PDP whose breaker is open, ms. With `halfOpenAfter` it bounds how long the recovery of
 * a PDP that hung goes unnoticed.
 */
const PROBE_EVERY = 400

/** The most probes in flight to a PDP. */
const MAX_PROBES = 5

/** For this long after a failure a replica gets requests only when no other replica has a free connection, ms. */
const PENALTY = 250

// Each request's own deadline is the only timeout: undici's timers are coarse, and two timeouts would conflict.
const SETTINGS = { pipelining: 1, headersTimeout: 0, bodyTimeout: 0 }

export class Replica {
  /** Its URL, fit for logs. */
  readonly name: string
  readonly slots: Slots
  readonly #pool: Pool
  readonly #sockets: Sockets
  readonly #origin: string
  readonly #prefix: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #jsonHeaders: Readonly<Record<string, string>>
  readonly #maxResponseSize: number
  readonly #connectTimeout: number
  readonly #probe: Probe | undefined
  readonly #breaker: Breaker | undefined
  readonly #probes = new Set<Exchange<unknown>>()
  #requests = 0
  #failures = 0
  #inFlight = 0
  #penalizedUntil = -Infinity

  constructor ({ url, token, connections, maxResponseSize, connectTimeout, probe, breaker, onChange }: ReplicaOptions) {
    this.#origin = url.origin
    this.#prefix = url.pathname.replace(/\/+$/, '')
    this.name = this.#origin + this.#prefix
    this.#headers = { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), accept: 'application/json' }
    this.#jsonHeaders = { ...this.#headers, 'content-type': 'application/json' }
    this.#maxResponseSize = maxResponseSize
    this.#connectTimeout = connectTimeout
    this.#sockets = trackedSockets(connectTimeout)
    this.#pool = new Pool(this.#origin, { ...SETTINGS, connect: this.#sockets.connect, connections })
    this.slots = new Slots(connections)
    this.#probe = probe
    if (breaker !== false && probe !== undefined) {
      this.#breaker = new Breaker(breaker, suspected => this.#checkHealth(suspected), reason => onChange(this, reason))
    }
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
  send (exchange: Exchange<unknown>): void {
    this.slots.take()
    this.#requests++
    this.#inFlight++
    this.#pool.dispatch(this.#toWire(exchange.request), exchange)
  }

  finished (): void {
    this.#inFlight--
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
    if (countsAgainstPdp(error)) this.#breaker?.failure(era)
  }

  /**
   * Sends the probe on a connection of its own: the pool's connections may all be in use, and only a new connection shows whether the
   * PDP can be reached now. Probes are not counted in the stats. Resolves within `timeout` ms, with the error or undefined.
   */
  probe (timeout: number): Promise<PdpError | undefined> {
    if (this.#probe === undefined) return Promise.resolve(undefined)
    const request = { ...this.#probe, deadline: performance.now() + timeout }
    return new Promise(resolve => {
      const sockets = trackedSockets(timeout)
      const client = new Client(this.#origin, { ...SETTINGS, connect: sockets.connect })
      const exchange = new ProbeExchange(request, this.#maxResponseSize, error => {
        clearTimeout(timer)
        this.#probes.delete(exchange)
        client.destroy().catch(() => {})
        sockets.destroy()
        resolve(error)
      })
      const timer = setTimeout(() => exchange.expire(), timeout)
      timer.unref()
      this.#probes.add(exchange)
      client.dispatch(this.#toWire(request), exchange)
    })
  }

  /** Rejects when the PDP is not healthy. A PDP that rejects the token or the probe is up, so that counts as healthy. */
  #checkHealth (suspected: boolean): Promise<void> {
    // A new TLS connection over a long distance takes several round trips, so a probe may take as long as a check.
    const timeout = suspected ? SUSPECT_TIMEOUT : Math.max(SUSPECT_TIMEOUT, this.#connectTimeout)
    return firstSuccess(async timeout => {
      const error = await this.probe(timeout)
      return error !== undefined && (countsAgainstPdp(error) || error.failure === 'closed') ? error : undefined
    }, timeout, Math.max(PROBE_EVERY, timeout / MAX_PROBES))
  }

  #toWire ({ method, path, body, headers }: TransportRequest<unknown>) {
    const own = body === undefined ? this.#headers : this.#jsonHeaders
    return { method, path: this.#prefix + path, headers: headers === undefined ? own : { ...own, ...headers }, body }
  }

  stats (): ReplicaStats {
    return {
      url: this.name,
      state: this.#breaker?.state ?? 'closed',
      requests: this.#requests,
      failures: this.#failures,
      inFlight: this.#inFlight
    }
  }

  /** Lets requests in flight finish until `deadline`, then closes all connections. */
  async close (deadline: number): Promise<void> {
    this.#breaker?.close()
    for (const probe of this.#probes) probe.fail(new PdpError('closed', 'the app is closing'))
    let timer: NodeJS.Timeout | undefined
    // `close` never settles once `destroy` was called, so the first of both ends the wait.
    const destroyed = new Promise<void>(resolve => {
      timer = setTimeout(() => { this.#pool.destroy().then(resolve, resolve) }, Math.max(0, deadline - performance.now()))
    })
    await Promise.race([this.#pool.close(), destroyed])
    clearTimeout(timer)
    this.#sockets.destroy()
  }
}

/** The exchange of a probe, which uses a connection of its own. */
class ProbeExchange extends Exchange<unknown> {
  readonly #done: (error: PdpError | undefined) => void

  constructor (request: TransportRequest<unknown>, maxSize: number, done: (error: PdpError | undefined) => void) {
    super(request, performance.now(), maxSize)
    this.#done = done
  }

  protected override settled (error: PdpError | undefined): void {
    this.#done(error)
  }

  protected override finished (): void {}
}
