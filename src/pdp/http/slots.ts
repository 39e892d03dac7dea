// The requests that may be on their way to a PDP at a time: counted in one place, for all who send.
import type { FreeSlots } from '../../contract/point.js'

/** A number of slots. Taken when a request goes out, free again when its connection is, which may be later than its answer. */
export class Slots implements FreeSlots {
  #free: number
  readonly #listeners: (() => void)[] = []

  constructor (count: number) {
    this.#free = count
  }

  get free (): number {
    return this.#free
  }

  /** Takes a slot. Whoever calls has looked whether one is free. */
  take (): void {
    this.#free--
  }

  release (): void {
    this.#free++
    for (const listener of this.#listeners) {
      if (this.#free === 0) return
      listener()
    }
  }

  onFree (listener: () => void): void {
    this.#listeners.push(listener)
  }
}

/** Somebody else's slots, some of which are held for what is not on its way yet but will be: whoever batches then sends no more than can travel. */
export class HeldSlots implements FreeSlots {
  readonly #slots: FreeSlots
  readonly #listeners: (() => void)[] = []
  #held = 0

  constructor (slots: FreeSlots) {
    this.#slots = slots
  }

  get free (): number {
    return Math.max(0, this.#slots.free - this.#held)
  }

  hold (): void {
    this.#held++
  }

  letGo (): void {
    this.#held--
    for (const listener of this.#listeners) {
      if (this.free === 0) return
      listener()
    }
  }

  onFree (listener: () => void): void {
    this.#listeners.push(listener)
    this.#slots.onFree(() => { if (this.free > 0) listener() })
  }
}
