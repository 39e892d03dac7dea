// Hedging: when a second PDP is asked the same because the first is slower than usual, and how often that may be.
import { Budget } from './budget.js'
import { RecentLatency } from './recent-latency.js'

export interface HedgeOptions {
  /** The share of recent requests, of 100, after whose latency a second one goes out. */
  readonly percentile: number
  /** Ms after which it does so at the earliest. */
  readonly min: number
}

/** Second requests for each that was asked for, at most. */
const SHARE = 0.1
const BURST = 10

export class Hedging {
  readonly #latency: RecentLatency
  readonly #min: number
  readonly #budget = new Budget(SHARE, BURST)
  #count = 0

  constructor ({ percentile, min }: HedgeOptions, latency = new RecentLatency(percentile)) {
    this.#latency = latency
    this.#min = min
  }

  /** Ms after which a second request may go out; undefined as long as it is not known what is usual. */
  get delay (): number | undefined {
    const usual = this.#latency.value
    return usual === undefined ? undefined : Math.max(this.#min, usual)
  }

  /** How many second requests there were. */
  get count (): number {
    return this.#count
  }

  /** A request was asked for. */
  earn (): void {
    this.#budget.earn()
  }

  /** Whether a second request may go out; it then counts. */
  take (): boolean {
    if (!this.#budget.take()) return false
    this.#count++
    return true
  }

  /** @param milliseconds that an attempt took that was answered */
  record (milliseconds: number): void {
    this.#latency.record(milliseconds)
  }
}
