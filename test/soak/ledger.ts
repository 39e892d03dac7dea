// Who may do what at which time, as far as anybody outside can know; and with it, which answers are wrong beyond doubt.

/** Who changes the roles of a user: the app by its own writes, or somebody at the PDP, of which the app hears nothing. */
export type ChangedBy = 'app' | 'pdp'

interface Standing {
  readonly changedBy: ChangedBy
  /** `changing` from before a change is sent until it was acknowledged: then everything is possible. */
  state: 'granted' | 'revoked' | 'changing'
  /** When it was acknowledged, ms. */
  since: number
}

export type Verdict = 'right' | 'undecidable' | 'wrong allow' | 'wrong deny'

/**
 * An answer is wrong when no decision that may have been its base could have been that. A request that was sent at `asked` may be answered by
 * a decision that the PDP made since then; and, where the app does not know of the change, by one that the app may still
 * remember: one that was made since `asked - ttl`. The standing is that of when the answer has come. If it was acknowledged before
 * all that, and nothing was begun since, then it held for each of these moments.
 *
 * So there is no false alarm. What is missed is an answer that arrives during a change: the user is asked about many times
 * before and after it.
 */
export class Ledger {
  readonly #standings = new Map<string, Standing>()
  readonly #ttl: number

  /** @param ttl how long decisions are remembered, ms */
  constructor (ttl: number) {
    this.#ttl = ttl
  }

  /** A user who is granted from the start. */
  add (user: string, changedBy: ChangedBy): void {
    this.#standings.set(user, { changedBy, state: 'granted', since: performance.now() })
  }

  /** Before a change is sent. */
  begin (user: string): void {
    this.#of(user).state = 'changing'
  }

  /** After a change was acknowledged. One that may still be applied later must never be followed by this. */
  acknowledge (user: string, state: 'granted' | 'revoked'): void {
    const standing = this.#of(user)
    standing.state = state
    standing.since = performance.now()
  }

  /** @param asked - when the request was sent, ms; to be called when its answer has come */
  judge (user: string, asked: number, allowed: boolean): Verdict {
    const { state, since, changedBy } = this.#of(user)
    const earliestBase = changedBy === 'pdp' ? asked - this.#ttl : asked
    if (state === 'changing' || since >= earliestBase) return 'undecidable'
    if (allowed === (state === 'granted')) return 'right'
    return allowed ? 'wrong allow' : 'wrong deny'
  }

  #of (user: string): Standing {
    const standing = this.#standings.get(user)
    if (standing === undefined) throw new Error(`nobody knows ${user}`)
    return standing
  }
}
