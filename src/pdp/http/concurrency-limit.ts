// Counts the requests that may be in flight to a PDP at a time, in one place for all senders.
import type { FreeSlots } from '../../contract/point.js'

/** A number of slots. A request takes one when it is sent. The slot is free again with its connection, which may be after the response. */
export class Slots implements FreeSlots {
  #free: number
  readonly #listeners: (() => void)[] = []

  constructor (count: number) {
    this.#free = count
  }

  get free (): number {
    return this.#free
  }

  /** Takes a slot. The caller has checked that one is free. */
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

/**
 * Wraps slots, and can hold some of them for requests that will be sent soon. The batching stage then does not send more than there are
 * connections.
 */
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

  release (): void {
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
