// One timer for everything that has a deadline: a timer for each question would cost more than the question.
import { performance } from 'node:perf_hooks'

export interface Dated {
  /** A time of `performance.now()`, ms. */
  readonly deadline: number
}

/**
 * Watches over what has been added and tells what is past its deadline. Deadlines come nearly in order, because nearly
 * all are as far away when they are set; so one timer for the earliest is enough, and it is left to run when its cause
 * is gone: it then finds the next.
 */
export class Deadlines<T extends Dated> {
  readonly #items = new Set<T>()
  readonly #expire: (item: T) => void
  #timer: NodeJS.Timeout | undefined
  #due = Infinity

  /** @param expire called once for each item that is past its deadline; the item has been taken off before. */
  constructor (expire: (item: T) => void) {
    this.#expire = expire
  }

  get size (): number {
    return this.#items.size
  }

  add (item: T): void {
    this.#items.add(item)
    if (item.deadline < this.#due) this.#arm(item.deadline)
    // A timer that outlives its cause must not keep the process alive; one that is waited for must.
    else if (this.#items.size === 1) this.#timer?.ref()
  }

  delete (item: T): void {
    if (this.#items.delete(item) && this.#items.size === 0) this.#timer?.unref()
  }

  /** Lets go of the timer. What is still there is not watched any more. */
  clear (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#due = Infinity
    this.#items.clear()
  }

  #arm (due: number): void {
    clearTimeout(this.#timer)
    this.#due = due
    // Rounded up: a timer that comes early would find nothing and have to come again.
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
