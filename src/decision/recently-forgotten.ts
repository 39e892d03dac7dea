// Remembers recent invalidations for a while, because the PDP may have a cache of its own.

/** How long a PDP may keep answers, ms: the default of Permit's PDP (`PDP_CACHE_TTL`). */
const KEPT_BY_PDP = 3_600_000

/** The most keys; one more counts as all. */
const MAX_KEYS = 10_000

/** @typeParam Key - what is invalidated one by one: users, or slots of users */
export class RecentlyForgotten<Key> {
  readonly #clock: { now (): number }
  readonly #times = new Map<Key, number>()
  #all = -Infinity
  #last = -Infinity

  /** @param clock - for tests; default: the process's monotonic clock */
  constructor (clock: { now (): number } = performance) {
    this.#clock = clock
  }

  add (key: Key | 'all'): void {
    this.#last = this.#clock.now()
    if (key === 'all' || (this.#times.size >= MAX_KEYS && !this.#times.has(key))) {
      this.#all = this.#last
      this.#times.clear()
    } else {
      this.#times.set(key, this.#last)
    }
  }

  /** Whether anything was invalidated that the PDP's cache may still have. */
  get any (): boolean {
    return this.#isRecent(this.#last)
  }

  has (key: Key): boolean {
    return this.any && (this.#isRecent(this.#all) || this.#isRecent(this.#times.get(key) ?? -Infinity))
  }

  #isRecent (time: number): boolean {
    return this.#clock.now() - time < KEPT_BY_PDP
  }
}
