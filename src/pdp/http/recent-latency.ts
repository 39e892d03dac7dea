// Percentiles of recent latencies, for hedging. A percentile since the start would adapt too slowly.
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** The length of a window, ms. Measurements are dropped after one to two windows. */
const WINDOW = 10_000

/** Fewer measurements than this give no meaningful percentile. */
const MIN_COUNT = 20

/** How long a computed percentile is reused, ms. */
const REUSE_FOR = 100

export class RecentLatency {
  readonly #percentile: number
  readonly #now: () => number
  #current: RecordableHistogram = createHistogram()
  #previous: RecordableHistogram = createHistogram()
  #turns = -Infinity
  #known: number | undefined
  #computedAt = -Infinity

  /**
   * @param percentile from 0 to 100
   * @param now for tests; default: the process's monotonic clock, ms
   */
  constructor (percentile: number, now: () => number = () => performance.now()) {
    this.#percentile = percentile
    this.#now = now
  }

  /** @param milliseconds how long a request took */
  record (milliseconds: number): void {
    this.#turn()
    this.#current.record(Math.max(1, Math.round(milliseconds * 1000)))
  }

  /** The percentile, ms; undefined until there are enough measurements. */
  get value (): number | undefined {
    const now = this.#now()
    if (this.#known === undefined || now - this.#computedAt >= REUSE_FOR) {
      this.#computedAt = now
      this.#turn()
      // The larger value of both windows: a new window has too few measurements at first.
      const values = [this.#current, this.#previous]
        .filter(({ count }) => count >= MIN_COUNT)
        .map(histogram => histogram.percentile(this.#percentile))
      this.#known = values.length === 0 ? undefined : Math.max(...values) / 1000
    }
    return this.#known
  }

  #turn (): void {
    const now = this.#now()
    if (now - this.#turns < WINDOW) return
    const next = this.#previous
    next.reset()
    // After a long idle period the current window is outdated, too.
    if (now - this.#turns >= 2 * WINDOW) this.#current.reset()
    this.#previous = this.#current
    this.#current = next
    this.#turns = now
  }
}
