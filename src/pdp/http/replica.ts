// One PDP: its connections, its breaker and its counters.
import { Client, Pool } from 'undici'
import { PdpError } from '../../contract/errors.js'
import { Slots } from './slots.js'
import { trackedSockets, type Sockets } from './sockets.js'
import { Breaker, type BreakerOptions } from './breaker.js'
import { Exchange } from './exchange.js'
import { isAgainstPdp, mayAnotherAnswer } from './failure.js'
import { firstSuccess } from './probing.js'
import type { Probe, TransportRequest } from './request.js'
import type { ReplicaStats } from '../../contract/point.js'

export interface ReplicaOptions {
  /** The PDP's base URL; a path in it is a prefix. */
  readonly url: URL
  /** Sent as a bearer token to this host, and kept out of everything else; without one no such header is sent. */
  readonly token: string | undefined
  /** Sockets at most. */
  readonly connections: number
  /** Bytes of an answer at most. */
  readonly maxResponseSize: number
  /** How long connecting may take, ms. */
  readonly connectTimeout: number
  readonly probe: Probe | undefined
  readonly breaker: BreakerOptions | false
  /** Called when its breaker has opened, with the reason, and when it has closed. */
  readonly onChange: (replica: Replica, reason: PdpError | undefined) => void
}

/** Ms that a PDP under suspicion has to answer a probe. One that is slower is not asked until it has answered in its own time. */
const SUSPECT_TIMEOUT = 400

/**
 * Ms between two probes that are on their way to a PDP that is not asked. With `halfOpenAfter` it bounds how long one that
 * hung, and does so no more, is not noticed.
 */
const PROBE_EVERY = 400

/** Probes on their way to a PDP at a time. */
const MAX_PROBES = 5

/** Ms for which a replica that failed gets questions only when no other has a connection free. */
const SHUNNED_FOR = 250

// The deadline of each request is the only clock: undici's own timers are coarse, and two clocks disagree.
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
  #shunnedUntil = -Infinity

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
      this.#breaker = new Breaker(breaker, suspected => this.#look(suspected), reason => onChange(this, reason))
    }
  }

  /** Whether it may be asked: its breaker is not open. */
  get usable (): boolean {
    return this.#breaker === undefined || this.#breaker.usable
  }

  /** For `succeeded` and `failed`: when the attempt was started, as its breaker counts time. */
  get era (): number {
    return this.#breaker === undefined ? 0 : this.#breaker.era
  }

  /** Sends. Whoever calls has looked whether a slot is free, and calls `finished` when the exchange is. */
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
   * Whether others are to be preferred, because it failed a moment ago. One that fails fast always has connections free,
   * and would otherwise get most of the questions until its breaker opens.
   * @param now a time of `performance.now()`
   */
  isShunned (now: number): boolean {
    return now < this.#shunnedUntil
  }

  succeeded (era: number): void {
    this.#shunnedUntil = -Infinity
    this.#breaker?.success(era)
  }

  failed (era: number, error: PdpError): void {
    this.#failures++
    if (mayAnotherAnswer(error)) this.#shunnedUntil = performance.now() + SHUNNED_FOR
    if (isAgainstPdp(error)) this.#breaker?.failure(era)
  }

  /**
   * Sends the probe, on a connection of its own: the questions' connections may all be taken, and a new connection is
   * what tells whether the PDP can be reached now. Not counted. Resolves, in `timeout` ms at the latest, with what it
   * failed with, or undefined.
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

  /** Rejects with what is wrong with it. Whoever refuses the token, or the question, is there. */
  #look (suspected: boolean): Promise<void> {
    // Over TLS and a long way a new connection takes several round trips: a probe has as long as a question has.
    const timeout = suspected ? SUSPECT_TIMEOUT : Math.max(SUSPECT_TIMEOUT, this.#connectTimeout)
    return firstSuccess(async timeout => {
      const error = await this.probe(timeout)
      return error !== undefined && (isAgainstPdp(error) || error.failure === 'closed') ? error : undefined
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

  /** Lets what is on its way finish by `deadline`. */
  async close (deadline: number): Promise<void> {
    this.#breaker?.close()
    for (const probe of this.#probes) probe.fail(new PdpError('closed', 'the app is closing'))
    let timer: NodeJS.Timeout | undefined
    // A close that is overtaken by a destroy never settles: whichever comes first ends the wait.
    const destroyed = new Promise<void>(resolve => {
      timer = setTimeout(() => { this.#pool.destroy().then(resolve, resolve) }, Math.max(0, deadline - performance.now()))
    })
    await Promise.race([this.#pool.close(), destroyed])
    clearTimeout(timer)
    this.#sockets.destroy()
  }
}

/** The exchange of a probe, which has its connection for itself. */
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
