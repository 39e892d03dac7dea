// How long requests took lately: what hedging goes by, for which an average since the start would be too slow to learn.
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** Ms after which what was measured begins to be forgotten; after twice as long it is. */
const WINDOW = 10_000

/** Below so many a percentile says nothing. */
const ENOUGH = 20

/** Ms for which a percentile that was worked out is good. */
const GOOD_FOR = 100

export class RecentLatency {
  readonly #percentile: number
  readonly #now: () => number
  #current: RecordableHistogram = createHistogram()
  #previous: RecordableHistogram = createHistogram()
  #turns = -Infinity
  #known: number | undefined
  #workedOut = -Infinity

  /**
   * @param percentile of 0 to 100
   * @param now for tests; default: the process's monotonic clock, ms
   */
  constructor (percentile: number, now: () => number = () => performance.now()) {
    this.#percentile = percentile
    this.#now = now
  }

  /** @param milliseconds that a request took */
  record (milliseconds: number): void {
    this.#turn()
    this.#current.record(Math.max(1, Math.round(milliseconds * 1000)))
  }

  /** The percentile in ms; undefined before enough is known. */
  get value (): number | undefined {
    const now = this.#now()
    if (this.#known === undefined || now - this.#workedOut >= GOOD_FOR) {
      this.#workedOut = now
      this.#turn()
      // Of the two windows the slower one: right after a turn the newer knows next to nothing.
      const values = [this.#current, this.#previous].filter(({ count }) => count >= ENOUGH).map(histogram => histogram.percentile(this.#percentile))
      this.#known = values.length === 0 ? undefined : Math.max(...values) / 1000
    }
    return this.#known
  }

  #turn (): void {
    const now = this.#now()
    if (now - this.#turns < WINDOW) return
    const next = this.#previous
    next.reset()
    // After a long silence, what was before it is of no use, either.
    if (now - this.#turns >= 2 * WINDOW) this.#current.reset()
    this.#previous = this.#current
    this.#current = next
    this.#turns = now
  }
}
