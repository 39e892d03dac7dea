// Hedging: when a request is also sent to a second replica because the first is slower than usual, and how often.
import { Budget } from './retry-budget.js'
import { RecentLatency } from './recent-latency.js'

export interface HedgeOptions {
  /** The percentile of recent latencies after which a second request is sent. From 0 to 100. */
  readonly percentile: number
  /** The shortest time before a second request is sent. In ms. */
  readonly min: number
}

/** The most second requests per regular request. */
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

  /** How long to wait before a second request, ms; undefined until enough latencies are known. */
  get delay (): number | undefined {
    const usual = this.#latency.value
    return usual === undefined ? undefined : Math.max(this.#min, usual)
  }

  /** How many second requests were sent. */
  get count (): number {
    return this.#count
  }

  /** Counts a regular request towards the budget. */
  earn (): void {
    this.#budget.earn()
  }

  /** Whether a second request may be sent. If so, it is counted. */
  take (): boolean {
    if (!this.#budget.take()) return false
    this.#count++
    return true
  }

  /** @param milliseconds how long an answered attempt took */
  record (milliseconds: number): void {
    this.#latency.record(milliseconds)
  }
}
