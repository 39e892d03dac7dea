// Tells whether a decision was asked for before or after it was invalidated, without finding the decisions themselves.

/** Whose decisions a change could alter. */
export type Affected = { readonly all: true } | { readonly users: readonly string[] }

/**
 * A stamp taken when a question is asked is current as long as neither its user nor everything was invalidated since.
 * Invalidating costs one map entry, however many decisions it forgets; decisions in flight are covered, too.
 */
export class Generations {
  #clock = 0
  #all = 0
  readonly #users = new Map<string, number>()
  readonly #maxUsers: number

  /** @param maxUsers how many invalidated users are remembered one by one; past that, everything is invalidated at once. */
  constructor (maxUsers = 10_000) {
    this.#maxUsers = maxUsers
  }

  /** The stamp for a question that is asked now. */
  get now (): number {
    return this.#clock
  }

  /** How often something was invalidated. */
  get invalidations (): number {
    return this.#clock
  }

  /** Whether nothing that concerns `user` was invalidated since `stamp` was taken. */
  isCurrent (stamp: number, user: string): boolean {
    if (stamp < this.#all) return false
    if (this.#users.size === 0) return true
    const since = this.#users.get(user)
    return since === undefined || since <= stamp
  }

  /** Makes older stamps of all whom a change could concern out of date. */
  forget (affected: Affected): void {
    if ('all' in affected) this.invalidate()
    else for (const user of affected.users) this.invalidate(user)
  }

  /** Makes older stamps of `user`, or of everybody, out of date. */
  invalidate (user?: string): void {
    this.#clock++
    if (user === undefined || (this.#users.size >= this.#maxUsers && !this.#users.has(user))) {
      // Forgetting too much is safe; forgetting that somebody was invalidated is not.
      this.#all = this.#clock
      this.#users.clear()
    } else {
      this.#users.set(user, this.#clock)
    }
  }
}
