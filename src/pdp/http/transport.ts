// The HTTP transport to a PDP or to its replicas: the one place where pool, queue, balancing, retries, hedging and breakers meet.
import { createHistogram, performance } from 'node:perf_hooks'
import { PdpError } from '../../contract/errors.js'
import { Deadlines } from '../../kit/deadlines.js'
import type { DecisionPointStats, FreeSlots } from '../../contract/point.js'
import { PendingRequest, type Alarm, type RequestHost } from './pending-request.js'
import { byLoad, inOrder, type Balance } from './load-balancing.js'
import type { BreakerOptions } from './breaker.js'
import { Budget } from './retry-budget.js'
import { circuitOpen, type FailedAttempt } from './failure.js'
import { Hedging, type HedgeOptions } from './hedging.js'
import type { WireDispatcher } from './dispatcher.js'
import { proxyFor } from './proxy.js'
import { Replica } from './replica.js'
import type { Probe, TransportRequest } from './transport-request.js'
import { Token } from './token.js'
import type { Tls } from './tls.js'
import { retryDelay } from './retry-delay.js'
import { loadUndici, type Undici } from './undici.js'

export type { Probe, Session, TransportRequest } from './transport-request.js'
export type { BreakerOptions } from './breaker.js'
export type { HedgeOptions } from './hedging.js'
export { Tls } from './tls.js'
export { Token } from './token.js'

type TransportOptions = {
  /** The base URL of the PDP, or of each replica; a path in it is a prefix. `unix:/path` is a Unix socket. */
  readonly url: URL | readonly URL[]
  /** Sent as a bearer token to these hosts only; default: no `authorization` header. */
  readonly token?: string | Token
  /** Sent with every request; default: none. */
  readonly headers?: Readonly<Record<string, string>>
  /** Certificates and keys for https; default: those of Node. */
  readonly tls?: Tls
  /** Whether HTTP/2 is spoken. Default: HTTP/1.1. */
  readonly http2?: boolean
  /** A proxy's URL, or `false` for none; default: by the environment. */
  readonly proxy?: string | false
  /** Sends all requests, in place of connections of this transport. */
  readonly dispatcher?: WireDispatcher
  /** The most sockets to each replica. */
  readonly connections: number
  /** The most requests that may wait for a socket; one more fails at once. */
  readonly maxQueue: number
  /** The largest response, bytes. */
  readonly maxResponseSize: number
  /** How long connecting may take, ms. */
  readonly connectTimeout: number
  /**
   * Whether requests may change data. A write goes to the first replica, and to the next one only when the replicas before it could not
   * be reached. It is never sent again when it may have arrived. Default: false, for checks, which are safe to repeat.
   */
  readonly writes?: boolean
  /** How often a request is retried on the same PDP after a temporary failure; default 0. Other replicas are tried in any case. */
  readonly retries?: number
  /** The path that says by its status whether the PDP is ready, so that a no counts. Default: every no counts. */
  readonly readiness?: string
  /** Default: no hedging. */
  readonly hedge?: HedgeOptions | false
  /** The first probes are sent at a random time within this many ms: the instances of a fleet may start together. Default: at once. */
  readonly probeWithin?: number
  /** Gets a log line when a breaker opens or closes. */
  readonly log?: TransportLog
} & (
  /** Checks whether a PDP is healthy. A breaker requires it. */
  | { readonly probe: Probe, readonly breaker?: BreakerOptions | false }
  | { readonly probe?: undefined, readonly breaker?: false })

/** The log of a transport, for example a pino logger. */
export interface TransportLog {
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}

/** Sends JSON and receives JSON, or rejects with a {@link PdpError}. */
export interface Transport {
  /** The URL of the PDP, or those of its replicas, without credentials. */
  readonly name: string
  /** The slots for requests in flight to all usable replicas. A request that is sent while none is free waits. */
  readonly slots: FreeSlots
  send<T> (request: TransportRequest<T>): Promise<T>
  stats (): NonNullable<DecisionPointStats['pdp']>
  close (deadline: number): Promise<void>
}

/** The result of probing one replica. */
export interface ProbeResult {
  /** The replica's URL without credentials. */
  readonly url: string
  /** Undefined when the replica is healthy. */
  readonly error: PdpError | undefined
}

/** A transport that can probe its replicas. */
export interface ProbingTransport extends Transport {
  /** The time in which the probes of a start begin, ms; 0 for at once. */
  readonly probeWithin: number
  /**
   * Probes each replica on a connection of its own, and reports each result as soon as it is known. Never rejects; resolves when all
   * results are known, within the connect timeout after `probeWithin`.
   */
  probe (onResult: (result: ProbeResult) => void): Promise<void>
}

/** The longest latency that is counted, µs: an hour. Node's default is centuries, and takes twice the memory. */
const MAX_LATENCY = 3_600_000_000

/** The most retries per request: retries must not double the load on an overloaded PDP. */
const RETRY_SHARE = 0.2
/** Enough for the requests that fail together when a PDP closes its connections. Also the most requests that wait for their retry. */
const RETRY_BURST = 100

const NO_REPLICA: readonly Replica[] = []

/** Creates a transport. Loads undici first. */
export async function httpTransport (options: TransportOptions): Promise<ProbingTransport> {
  return new HttpTransport(options, await loadUndici())
}

class HttpTransport implements ProbingTransport, RequestHost, FreeSlots {
  readonly name: string
  readonly slots: FreeSlots = this
  readonly balance: Balance
  readonly writes: boolean
  readonly connectTimeout: number
  readonly maxResponseSize: number
  readonly isFramed: boolean
  readonly deadlines = new Deadlines<Alarm>(expire)
  readonly token: Token
  readonly withoutToken = new Set<PendingRequest<unknown>>()
  readonly extraAttempts: Deadlines<Alarm> | undefined
  readonly hedging: Hedging | undefined
  readonly #replicas: readonly Replica[]
  readonly #maxQueue: number
  readonly #log: TransportLog | undefined
  readonly #retries: number
  readonly #retryBudget = new Budget(RETRY_SHARE, RETRY_BURST)
  readonly #latency = createHistogram({ highest: MAX_LATENCY })
  /** Requests that wait for a slot. undici's own queue stays empty, because a request in it could not be withdrawn. */
  readonly #waiting = new Set<PendingRequest<unknown>>()
  /** Requests that wait for their retry. */
  readonly #paused = new Set<PendingRequest<unknown>>()
  readonly #pauses = new Deadlines<Alarm>(expire)
  readonly #freeListeners: (() => void)[] = []
  #requests = 0
  #failures = 0
  #retried = 0
  #closed = false
  readonly probeWithin: number
  /** Ends the pause before the first probes. */
  #endPause = (): void => {}

  constructor (options: TransportOptions, undici: Undici) {
    const { url, writes = false, retries = 0, hedge = false, probe, breaker = false, log } = options
    const { connections, maxResponseSize, connectTimeout, headers = {}, tls, http2 = false, proxy, dispatcher, readiness } = options
    const token = options.token instanceof Token ? options.token : new Token(options.token)
    this.token = token
    const urls = url instanceof URL ? [url] : url
    this.#replicas = urls.map(url => new Replica({
      undici,
      url,
      token,
      headers,
      connection: { http2, ...(tls === undefined ? {} : { tls }), ...proxyOf(url, proxy) },
      dispatcher,
      connections,
      maxResponseSize,
      connectTimeout,
      probe,
      breaker,
      readiness,
      onChange: (replica, reason) => this.#onBreakerChange(replica, reason)
    }))
    this.name = this.#replicas.map(replica => replica.name).join(', ')
    // A single replica needs no balancing.
    this.balance = writes || urls.length === 1 ? inOrder(this.#replicas) : byLoad(this.#replicas)
    this.writes = writes
    this.connectTimeout = connectTimeout
    this.maxResponseSize = maxResponseSize
    this.isFramed = http2
    this.hedging = hedge === false || writes ? undefined : new Hedging(hedge)
    this.extraAttempts = (urls.length > 1 && !writes) || this.hedging !== undefined ? new Deadlines<Alarm>(expire) : undefined
    this.#maxQueue = options.maxQueue
    this.#log = log
    this.probeWithin = options.probeWithin ?? 0
    this.#retries = retries
    for (const replica of this.#replicas) replica.slots.onFree(() => this.#onSlotFree(replica))
  }

  send<T> (request: TransportRequest<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const now = performance.now()
      const refused = this.#refuse(request.deadline, now)
      if (refused !== undefined) {
        reject(refused)
        return
      }
      this.#requests++
      this.#retryBudget.earn()
      this.hedging?.earn()
      const pending = new PendingRequest<T>(request, now, this, resolve, reject)
      if (this.token.isReady(now)) pending.begin()
      else pending.beginAfter(this.token.ready(now))
      if (request.signal !== undefined) pending.endWhen(request.signal)
    })
  }

  #refuse (deadline: number, now: number): PdpError | undefined {
    if (this.#closed) return new PdpError('closed', 'the app is closing')
    if (this.#waiting.size >= this.#maxQueue && this.free === 0) {
      return new PdpError('overload', `the queue is full: ${this.#waiting.size} requests are waiting for a connection to the PDP`)
    }
    if (this.withoutToken.size >= this.#maxQueue && !this.token.isReady(now)) {
      return new PdpError('overload', `the queue is full: ${this.withoutToken.size} requests are waiting for a token`)
    }
    if (deadline <= now) return new PdpError('timeout', 'the deadline passed before the request could be sent to the PDP')
    // Not a request: nothing is sent.
    if (!this.#replicas.some(({ usable }) => usable)) return circuitOpen()
    return undefined
  }

  /** One is free when no replica is usable: a request then takes no slot, and fails at once instead of waiting for one. */
  get free (): number {
    let free = 0
    let usable = false
    for (const replica of this.#replicas) {
      if (replica.usable) {
        usable = true
        free += replica.slots.free
      }
    }
    return usable ? free : 1
  }

  onFree (listener: () => void): void {
    this.#freeListeners.push(listener)
  }

  othersThan (name: string | undefined): readonly Replica[] {
    return name === undefined ? NO_REPLICA : this.#replicas.filter(replica => replica.name !== name)
  }

  get closed (): boolean {
    return this.#closed
  }

  pauseBefore (retry: number, error: PdpError, failed: FailedAttempt, left: number): number | undefined {
    const delay = retryDelay(error, failed, retry, this.#retries, Math.random())
    if (delay === undefined || delay >= left || this.#paused.size >= RETRY_BURST || !this.#retryBudget.take()) return undefined
    this.#retried++
    return delay
  }

  pause (request: PendingRequest<unknown>, deadline: number): void {
    this.#paused.add(request)
    this.#pauses.add({
      deadline,
      expire: () => {
        this.#paused.delete(request)
        request.begin()
      }
    })
  }

  wait (request: PendingRequest<unknown>): boolean {
    if (this.#waiting.size >= this.#maxQueue) return false
    this.#waiting.add(request)
    this.deadlines.add(request)
    return true
  }

  stopWaiting (request: PendingRequest<unknown>): void {
    this.#waiting.delete(request)
    this.deadlines.delete(request)
  }

  done (request: PendingRequest<unknown>, failed: boolean): void {
    if (failed) this.#failures++
    else this.#latency.record(Math.max(1, Math.round((performance.now() - request.start) * 1000)))
  }

  /** Sends the longest waiting request that may go to this replica. */
  #onSlotFree (replica: Replica): void {
    for (const request of this.#waiting) {
      if (!this.balance.takes(replica, request.tried)) continue
      this.stopWaiting(request)
      request.go(replica)
      break
    }
    this.#notifyFree()
  }

  #notifyFree (): void {
    for (const listener of this.#freeListeners) {
      if (this.free === 0) return
      listener()
    }
  }

  /** A breaker opened, with a reason, or closed. */
  #onBreakerChange (replica: Replica, reason: PdpError | undefined): void {
    this.#logChange(replica, reason)
    // Waiting requests may have lost the last usable replica, or gained one.
    for (const request of [...this.#waiting]) {
      this.stopWaiting(request)
      request.begin()
    }
    this.#notifyFree()
  }

  #logChange ({ name }: Replica, reason: PdpError | undefined): void {
    if (reason === undefined) {
      this.#log?.info({ permit: { pdp: name } }, 'permit: the PDP has recovered and gets checks again')
      return
    }
    const details = { permit: { pdp: name, failure: reason.failure, reason: reason.message } }
    if (this.#replicas.some(replica => replica.usable)) {
      this.#log?.warn(details, 'permit: the PDP is failing and gets no checks until it recovers; the other replicas take over')
    } else {
      this.#log?.error(details, 'permit: the PDP is failing and gets no checks until it recovers; checks fail at once')
    }
  }

  async probe (onResult: (result: ProbeResult) => void): Promise<void> {
    if (this.probeWithin > 0) await this.#pause(Math.random() * this.probeWithin)
    if (this.#closed) return
    await Promise.all(this.#replicas.map(async replica => {
      onResult({ url: replica.name, error: await replica.probe(this.connectTimeout) })
    }))
  }

  #pause (ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms).unref()
      this.#endPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  stats (): NonNullable<DecisionPointStats['pdp']> {
    const { count, mean, max } = this.#latency
    const replicas = this.#replicas.map(replica => replica.stats())
    return {
      requests: this.#requests,
      failures: this.#failures,
      inFlight: replicas.reduce((sum, { inFlight }) => sum + inFlight, 0),
      latency: count === 0
        ? undefined
        : { mean: mean / 1000, p50: this.#latency.percentile(50) / 1000, p99: this.#latency.percentile(99) / 1000, max: max / 1000 },
      retries: this.#retried,
      hedges: this.hedging?.count ?? 0,
      replicas
    }
  }

  async close (deadline: number): Promise<void> {
    this.#closed = true
    this.#endPause()
    for (const request of [...this.#waiting, ...this.#paused, ...this.withoutToken]) {
      this.stopWaiting(request)
      request.end(new PdpError('closed', 'the app is closing'))
    }
    this.#paused.clear()
    this.withoutToken.clear()
    this.#pauses.clear()
    await Promise.all(this.#replicas.map(replica => replica.close(deadline)))
    this.deadlines.clear()
    this.extraAttempts?.clear()
  }
}

function expire (alarm: Alarm): void {
  alarm.expire()
}

function proxyOf (url: URL, option: string | false | undefined): { readonly proxy?: URL } {
  const proxy = proxyFor(url, option)
  return proxy === undefined ? {} : { proxy }
}
