// Invalidation by generation: tells whether a check started before or after an invalidation, without searching for cached decisions.
import type { AffectedUsers } from '../contract/affected-users.js'
import { RecentlyForgotten } from './recently-forgotten.js'

/** Until when decisions may be used at any age; after that, a time of `performance.now()`, no longer than `maxAge`, ms. */
export interface AgeLimit {
  readonly until: number
  readonly maxAge: number
}

/**
 * A stamp that is taken when a check starts is current until its user, or everything, is invalidated. An invalidation costs one map entry,
 * however many decisions it affects. It covers decisions in flight, too.
 */
export class Generations {
  protected clock = 0
  protected all = 0
  readonly #users = new Map<string, number>()
  readonly #maxUsers: number
  readonly #recent = new RecentlyForgotten<string>()
  /** Set while the bus only guarantees freshness up to this time. */
  limit: AgeLimit | undefined
  /**
   * Whether what is kept must not be used now, although nothing was invalidated: time has changed it, and the timer that tells so has not
   * run yet, for example because the event loop was blocked.
   */
  overdue: (() => boolean) | undefined

  /** @param maxUsers the most invalidated users that are tracked individually; one more invalidates everything */
  constructor (maxUsers = 10_000) {
    this.#maxUsers = maxUsers
  }

  /** The stamp for a check for `user` that starts now. */
  stampFor (_user: string): number {
    return this.clock
  }

  /** The number of invalidations. */
  get invalidations (): number {
    return this.clock
  }

  /** Whether neither `user` nor everything was invalidated since `stamp` was taken. */
  isCurrent (stamp: number, user: string): boolean {
    if (stamp < this.all) return false
    if (this.#users.size === 0) return true
    const since = this.#users.get(user)
    return since === undefined || since <= stamp
  }

  /** Invalidates older stamps of all users that a change could affect. */
  forget (affected: AffectedUsers): void {
    if ('all' in affected) this.invalidate()
    else for (const user of affected.users) this.invalidate(user)
  }

  /** Invalidates older stamps of `user`, or of all users. */
  invalidate (user?: string): void {
    this.clock++
    this.#recent.add(user ?? 'all')
    if (user === undefined || (this.#users.size >= this.#maxUsers && !this.#users.has(user))) {
      // Invalidating too much is safe. Losing an invalidation is not.
      this.all = this.clock
      this.#users.clear()
    } else {
      this.#users.set(user, this.clock)
    }
  }

  /**
   * Whether decisions of `user` were invalidated so recently that the PDP's cache may still have them; without a user, whether any were.
   */
  isRecentlyForgotten (user?: string): boolean {
    return user === undefined ? this.#recent.any : this.#recent.has(user)
  }

  /** Resolves when the other instances, if any, have received all invalidations so far. Never rejects. */
  async told (): Promise<void> {}
}
