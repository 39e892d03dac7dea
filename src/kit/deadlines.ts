// One timer for many deadlines: a timer for each check would cost more than the check.
import { performance } from 'node:perf_hooks'

export interface Dated {
  /** A time of `performance.now()`, ms. */
  readonly deadline: number
}

/**
 * Calls back for each item whose deadline has passed. Items are added in nearly the order of their deadlines, so a single timer for the
 * earliest one is enough. The timer keeps running when its item is deleted, and then looks for the next one.
 */
export class Deadlines<T extends Dated> {
  readonly #items = new Set<T>()
  readonly #expire: (item: T) => void
  #timer: NodeJS.Timeout | undefined
  #due = Infinity

  /** @param expire called once for each item whose deadline has passed, after the item has been removed */
  constructor (expire: (item: T) => void) {
    this.#expire = expire
  }

  get size (): number {
    return this.#items.size
  }

  add (item: T): void {
    this.#items.add(item)
    if (item.deadline < this.#due) this.#arm(item.deadline)
    // A timer without items must not keep the process alive. A timer with items must.
    else if (this.#items.size === 1) this.#timer?.ref()
  }

  delete (item: T): void {
    if (this.#items.delete(item) && this.#items.size === 0) this.#timer?.unref()
  }

  /** Stops the timer and removes all items. */
  clear (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#due = Infinity
    this.#items.clear()
  }

  #arm (due: number): void {
    clearTimeout(this.#timer)
    this.#due = due
    // Rounded up, because a timer that fires early would find nothing and had to be set again.
    this.#timer = setTimeout(() => this.#sweep(), Math.max(0, Math.ceil(due - performance.now())))
  }

  #sweep (): void {
    this.#due = Infinity
    const now = performance.now()
    let next = Infinity
    const expired: T[] = []
    for (const item of this.#items) {
      if (item.deadline <= now) expired.push(item)
      else if (item.deadline < next) next = item.deadline
    }
    for (const item of expired) this.#items.delete(item)
    if (next !== Infinity) this.#arm(next)
    for (const item of expired) this.#expire(item)
  }
}
