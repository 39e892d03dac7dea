// Invalidation in a fleet: sends invalidations to the other instances, and applies theirs.
import { Generations } from './generations.js'
import { RecentlyForgotten } from './recently-forgotten.js'
import type { Bus } from '../bus/bus.js'
import { SLOTS, type Forgetting } from '../bus/bus-message.js'

/**
 * On the bus, a user is one of 65,536 slots, so that a message does not reveal the user. A stamp contains the slot of its user:
 * the hash is computed when a check is sent, and never for a decision from the cache. Users that share a slot are invalidated together.
 */
export class FleetGenerations extends Generations {
  readonly #slots = new Float64Array(SLOTS)
  readonly #recentSlots = new RecentlyForgotten<number>()
  #bus: Bus | undefined

  /** From now on, sends invalidations to `bus`. */
  connect (bus: Bus): void {
    this.#bus = bus
    // Stamps from before have no slot.
    this.clock++
    this.all = this.clock
  }

  override stampFor (user: string): number {
    return this.clock * SLOTS + (this.#bus?.slotOf(user) ?? 0)
  }

  override isCurrent (stamp: number): boolean {
    const slot = stamp % SLOTS
    const clock = (stamp - slot) / SLOTS
    return clock >= this.all && clock >= (this.#slots[slot] as number)
  }

  override invalidate (user?: string): void {
    const bus = this.#bus
    if (user === undefined || bus === undefined) {
      this.invalidateHere('all')
      bus?.announce('all')
    } else {
      const slot = bus.slotOf(user)
      this.invalidateHere([slot])
      bus.announce(slot)
    }
  }

  /** Applies an invalidation of another instance, without sending it again. */
  invalidateHere (what: Forgetting): void {
    this.clock++
    if (what === 'all') {
      this.all = this.clock
      this.#recentSlots.add('all')
    } else {
      for (const slot of what) {
        this.#slots[slot] = this.clock
        this.#recentSlots.add(slot)
      }
    }
  }

  override isRecentlyForgotten (user?: string): boolean {
    return this.#recentSlots.any && (user === undefined || this.#recentSlots.has(this.#bus?.slotOf(user) ?? 0))
  }

  override async told (): Promise<void> {
    await this.#bus?.flushed()
  }
}
