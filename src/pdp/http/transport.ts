// The way to a PDP over HTTP, or to several that are replicas of one another: the one place where its parts are put together.
import { createHistogram, performance } from 'node:perf_hooks'
import { PdpError } from '../../contract/errors.js'
import { Deadlines } from '../../kit/deadlines.js'
import type { DecisionPointStats, FreeSlots } from '../../contract/point.js'
import { Ask, type Alarm, type Desk } from './ask.js'
import { byLoad, inOrder, type Balance } from './balance.js'
import type { BreakerOptions } from './breaker.js'
import { Budget } from './budget.js'
import type { Failed } from './failure.js'
import { Hedging, type HedgeOptions } from './hedging.js'
import { Replica } from './replica.js'
import type { Probe, TransportRequest } from './request.js'
import { retryDelay } from './retry.js'

export type { Probe, TransportRequest } from './request.js'
export type { BreakerOptions } from './breaker.js'
export type { HedgeOptions } from './hedging.js'

export type TransportOptions = {
  /** The PDP's base URL, or those of its replicas; a path in it is a prefix. */
  readonly url: URL | readonly URL[]
  /** Sent as a bearer token to these hosts, and kept out of everything else; without one no such header is sent. */
  readonly token?: string
  /** Sockets to each replica at most. */
  readonly connections: number
  /** Requests that may wait for a socket; one more fails at once. */
  readonly maxQueue: number
  /** Bytes of an answer at most. */
  readonly maxResponseSize: number
  /** How long connecting may take, ms. */
  readonly connectTimeout: number
  /**
   * Whether what is sent may change something. A write goes to the first replica, to the next only where those before it
   * could not be reached, and is never sent again when any of it may have arrived. Default: false, questions, which may
   * be asked any number of times.
   */
  readonly writes?: boolean
  /** How often the same PDP is asked again after a failure that may pass; default 0. Other replicas are asked anyway. */
  readonly retries?: number
  /** Default: no hedging. */
  readonly hedge?: HedgeOptions | false
  /** Hears when a breaker opens or closes. */
  readonly log?: TransportLog
} & (
  /** Finds out whether a PDP is well. A breaker needs it. */
  | { readonly probe: Probe, readonly breaker?: BreakerOptions | false }
  | { readonly probe?: undefined, readonly breaker?: false })

/** Where a transport says what happened to it; a pino logger is one. */
export interface TransportLog {
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}

/** Sends JSON and gets JSON back, or rejects with a {@link PdpError}. */
export interface Transport {
  /** The PDP's URL, or those of its replicas, fit for logs. */
  readonly name: string
  /** The requests that may be on their way at a time, to all replicas that can be asked. Who sends while none is free, waits. */
  readonly slots: FreeSlots
  send<T> (request: TransportRequest<T>): Promise<T>
  stats (): NonNullable<DecisionPointStats['pdp']>
  close (deadline: number): Promise<void>
}

/** What a replica had to say to the probe. */
export interface ProbeResult {
  /** Its URL, fit for logs. */
  readonly url: string
  /** Undefined where all is well. */
  readonly error: PdpError | undefined
}

/** A transport that can be told to look whether the PDP is there. */
export interface ProbingTransport extends Transport {
  /**
   * Sends the probe to each replica, on connections of their own, and tells of each as soon as it has answered. Never
   * rejects; resolves when all have, within the connect timeout.
   */
  probe (hear: (result: ProbeResult) => void): Promise<void>
}

/** Retries for each request that was asked for, at most: a PDP that is overloaded must not be asked twice as much. */
const RETRY_SHARE = 0.2
/** As many may fail at once because one PDP closed its connections. No more wait for their retry at a time, either. */
const RETRY_BURST = 100

export function httpTransport (options: TransportOptions): ProbingTransport {
  return new HttpTransport(options)
}

class HttpTransport implements ProbingTransport, Desk, FreeSlots {
  readonly name: string
  readonly slots: FreeSlots = this
  readonly balance: Balance
  readonly writes: boolean
  readonly maxResponseSize: number
  readonly deadlines = new Deadlines<Alarm>(expire)
  readonly looks: Deadlines<Alarm> | undefined
  readonly hedging: Hedging | undefined
  readonly #replicas: readonly Replica[]
  readonly #maxQueue: number
  readonly #connectTimeout: number
  readonly #log: TransportLog | undefined
  readonly #retries: number
  readonly #retryBudget = new Budget(RETRY_SHARE, RETRY_BURST)
  readonly #latency = createHistogram()
  /** What waits for a slot. undici's own queue stays empty: nothing in it could be taken back. */
  readonly #waiting = new Set<Ask<unknown>>()
  /** What waits until it is time to ask again. */
  readonly #paused = new Set<Ask<unknown>>()
  readonly #pauses = new Deadlines<Alarm>(expire)
  readonly #freeListeners: (() => void)[] = []
  #requests = 0
  #failures = 0
  #retried = 0
  #closed = false

  constructor (options: TransportOptions) {
    const { url, writes = false, retries = 0, hedge = false, probe, breaker = false, log } = options
    const { token, connections, maxResponseSize, connectTimeout } = options
    const urls = url instanceof URL ? [url] : url
    this.#replicas = urls.map(url => new Replica({
      url, token, connections, maxResponseSize, connectTimeout, probe, breaker, onChange: (replica, reason) => this.#changed(replica, reason)
    }))
    this.name = this.#replicas.map(replica => replica.name).join(', ')
    // With one PDP there is nothing to balance.
    this.balance = writes || urls.length === 1 ? inOrder(this.#replicas) : byLoad(this.#replicas)
    this.writes = writes
    this.maxResponseSize = maxResponseSize
    this.hedging = hedge === false || writes ? undefined : new Hedging(hedge)
    this.looks = (urls.length > 1 && !writes) || this.hedging !== undefined ? new Deadlines<Alarm>(expire) : undefined
    this.#maxQueue = options.maxQueue
    this.#connectTimeout = connectTimeout
    this.#log = log
    this.#retries = retries
    for (const replica of this.#replicas) replica.slots.onFree(() => this.#freed(replica))
  }

  send<T> (request: TransportRequest<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const now = performance.now()
      const refusal = this.#refuse(request.deadline, now)
      if (refusal !== undefined) {
        reject(refusal)
        return
      }
      this.#requests++
      this.#retryBudget.earn()
      this.hedging?.earn()
      new Ask<T>(request, now, this, resolve, reject).begin()
    })
  }

  #refuse (deadline: number, now: number): PdpError | undefined {
    if (this.#closed) return new PdpError('closed', 'the app is closing')
    if (this.#waiting.size >= this.#maxQueue && this.free === 0) {
      return new PdpError('overload', `${this.#waiting.size} requests wait for a connection to the PDP, which is the bound`)
    }
    if (deadline <= now) return new PdpError('timeout', 'the deadline had passed before the PDP could be asked')
    return undefined
  }

  /** With nobody to ask, one is free: what is sent then takes none, and fails at once instead of waiting for one. */
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

  get closed (): boolean {
    return this.#closed
  }

  pauseBefore (retry: number, error: PdpError, failed: Failed, left: number): number | undefined {
    const delay = retryDelay(error, failed, retry, this.#retries, Math.random())
    if (delay === undefined || delay >= left || this.#paused.size >= RETRY_BURST || !this.#retryBudget.take()) return undefined
    this.#retried++
    return delay
  }

  pause (ask: Ask<unknown>, deadline: number): void {
    this.#paused.add(ask)
    this.#pauses.add({
      deadline,
      expire: () => {
        this.#paused.delete(ask)
        ask.begin()
      }
    })
  }

  wait (ask: Ask<unknown>): boolean {
    if (this.#waiting.size >= this.#maxQueue) return false
    this.#waiting.add(ask)
    this.deadlines.add(ask)
    return true
  }

  stopWaiting (ask: Ask<unknown>): void {
    this.#waiting.delete(ask)
    this.deadlines.delete(ask)
  }

  done (ask: Ask<unknown>, failed: boolean): void {
    if (failed) this.#failures++
    else this.#latency.record(Math.max(1, Math.round((performance.now() - ask.start) * 1000)))
  }

  /** A slot of a replica has become free: what has waited longest and may go there, goes. */
  #freed (replica: Replica): void {
    for (const ask of this.#waiting) {
      if (!this.balance.takes(replica, ask.tried)) continue
      this.stopWaiting(ask)
      ask.go(replica)
      break
    }
    this.#tellFree()
  }

  #tellFree (): void {
    for (const listener of this.#freeListeners) {
      if (this.free === 0) return
      listener()
    }
  }

  /** A breaker has opened, with a reason, or has closed. */
  #changed (replica: Replica, reason: PdpError | undefined): void {
    this.#logChange(replica, reason)
    // What waits may have nobody left to wait for, or somebody new.
    for (const ask of [...this.#waiting]) {
      this.stopWaiting(ask)
      ask.begin()
    }
    this.#tellFree()
  }

  #logChange ({ name }: Replica, reason: PdpError | undefined): void {
    if (reason === undefined) {
      this.#log?.info({ permit: { pdp: name } }, 'permit: the PDP is back and is asked again')
      return
    }
    const details = { permit: { pdp: name, failure: reason.failure, reason: reason.message } }
    if (this.#replicas.some(replica => replica.usable)) this.#log?.warn(details, 'permit: the PDP fails and is not asked until it is back; its replicas are')
    else this.#log?.error(details, 'permit: the PDP fails and is not asked until it is back; checks fail at once')
  }

  async probe (hear: (result: ProbeResult) => void): Promise<void> {
    await Promise.all(this.#replicas.map(async replica => hear({ url: replica.name, error: await replica.probe(this.#connectTimeout) })))
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
    for (const ask of [...this.#waiting, ...this.#paused]) {
      this.stopWaiting(ask)
      ask.end(new PdpError('closed', 'the app is closing'))
    }
    this.#paused.clear()
    this.#pauses.clear()
    await Promise.all(this.#replicas.map(replica => replica.close(deadline)))
    this.deadlines.clear()
    this.looks?.clear()
  }
}

function expire (alarm: Alarm): void {
  alarm.expire()
}
