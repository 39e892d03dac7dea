// The stage that remembers decisions for a short while, so that a repeated question costs one lookup.
import { LRUCache } from 'lru-cache'
import { pdpErrorOf } from '../../contract/errors.js'
import { isAtMost } from '../../kit/characters.js'
import type { Caller, Decision, DecisionPoint, DecisionPointStats, Query, Trace } from '../../contract/point.js'
import type { MaybePromise } from '../../kit/whenever.js'
import type { Generations } from '../generations.js'
import { flat } from '../query.js'

export interface CacheOptions {
  /** How long a decision is remembered, ms. */
  readonly ttl: number
  /** How many decisions are remembered; the least recently used one goes first. */
  readonly max: number
  /**
   * How long ago a decision may have been asked for that serves while no PDP can be reached, ms; more than `ttl`.
   * Default: what is past its time serves nobody.
   */
  readonly staleIfError?: number
}

interface Remembered {
  readonly decision: Decision
  readonly stamp: number
}

/**
 * Remembers the decisions of `next`, allow and deny alike, never an error. A decision whose user, or everything, was
 * invalidated while it was on its way is given to its caller and not kept.
 * @param clock for tests; default: the process's monotonic clock.
 */
export function cached (
  next: DecisionPoint, options: CacheOptions, generations: Generations, clock: { now (): number } = performance
): CachedDecisionPoint {
  return new CachedDecisionPoint(next, options, generations, clock)
}

export class CachedDecisionPoint implements DecisionPoint {
  readonly #next: DecisionPoint
  readonly #generations: Generations
  readonly #clock: { now (): number }
  readonly #entries: LRUCache<string, Remembered>
  readonly #ttl: number
  readonly #staleIfError: number | undefined
  /** When the question was asked whose answer several share: what they get is as old as that for each of them. */
  readonly #asked = new WeakMap<Promise<Decision>, number>()
  #last: Remembered = { decision: DENY, stamp: -1 }
  #hits = 0
  #misses = 0
  #stale = 0

  constructor (next: DecisionPoint, options: CacheOptions, generations: Generations, clock: { now (): number }) {
    this.#next = next
    this.#generations = generations
    this.#clock = clock
    this.#ttl = options.ttl
    this.#staleIfError = options.staleIfError
    // ttlResolution 0: the clock is read for each lookup, which is cheaper than the timer that would cache it, and an
    // entry cannot outlive its ttl while the event loop is busy.
    this.#entries = new LRUCache({
      max: options.max, ttl: options.ttl, ttlResolution: 0, perf: clock, noDeleteOnStaleGet: options.staleIfError !== undefined
    })
  }

  decide (query: Query, deadline: number, trace?: Trace, caller?: Caller): MaybePromise<Decision> {
    const known = this.peek(query)
    if (known !== undefined) {
      if (trace !== undefined) trace.source = 'cache'
      return known
    }
    this.#misses++
    const stamp = this.#generations.now
    // A decision is as old as its question: the time that the PDP took counts.
    const start = this.#clock.now()
    const answer = this.#next.decide(query, deadline, trace, caller)
    if (!(answer instanceof Promise)) return this.#remember(query, stamp, start, answer)
    const asked = this.#asked.get(answer) ?? start
    this.#asked.set(answer, asked)
    const remember = (decision: Decision) => this.#remember(query, stamp, asked, decision)
    return this.#staleIfError === undefined
      ? answer.then(remember)
      : answer.then(remember, error => this.#fallBack(query, error, trace))
  }

  /**
   * The decision that was once remembered, although its time is up, where no PDP could be reached. Looked up now: what was
   * invalidated by now, also while the question was on its way, is gone.
   */
  #fallBack (query: Query, error: unknown, trace: Trace | undefined): Decision {
    const entry = isOutOfReach(error) ? this.#entries.peek(query.key, { allowStale: true }) : undefined
    if (entry === undefined || !this.#generations.isCurrent(entry.stamp, query.user.key)) throw error
    const age = this.#ttl - this.#entries.getRemainingTTL(query.key)
    if (age > (this.#staleIfError as number)) throw error
    this.#stale++
    if (trace !== undefined) trace.source = 'stale'
    return entry.decision
  }

  /** The remembered decision, if it still holds. */
  peek (query: Query): Decision | undefined {
    const { key } = query
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (!this.#generations.isCurrent(entry.stamp, query.user.key)) {
      this.#entries.delete(key)
      return undefined
    }
    this.#hits++
    return entry.decision
  }

  #remember (query: Query, stamp: number, start: number, decision: Decision): Decision {
    if (this.#generations.isCurrent(stamp, query.user.key)) {
      this.#entries.set(flat(query.key), this.#shared(withoutDebug(decision), stamp), { start })
    }
    return decision
  }

  /** One object for all entries that would hold the same: most decisions are a plain yes or no, and invalidations are rare. */
  #shared (decision: Decision, stamp: number): Remembered {
    if (this.#last.decision !== decision || this.#last.stamp !== stamp) this.#last = { decision, stamp }
    return this.#last
  }

  stats (): DecisionPointStats {
    return {
      ...this.#next.stats(),
      cache: {
        size: this.#entries.size,
        max: this.#entries.max,
        hits: this.#hits,
        misses: this.#misses,
        invalidations: this.#generations.invalidations,
        stale: this.#stale
      }
    }
  }
}

/** Statuses with which a PDP, or what stands before it, says that it cannot answer anybody now. */
const AWAY = new Set([502, 503, 504])

/**
 * Whether a question failed because no PDP could be reached. A PDP that refuses the token, lies, or cannot cope with this
 * very question is there; and our own bounds, a caller who is gone and an app that is closing are no outage.
 */
function isOutOfReach (error: unknown): boolean {
  const cause = pdpErrorOf(error)
  if (cause === undefined) return false
  const { failure, status = 0 } = cause
  return failure === 'network' || failure === 'timeout' || failure === 'circuit' || (failure === 'status' && AWAY.has(status))
}

const ALLOW: Decision = Object.freeze({ allow: true })
const DENY: Decision = Object.freeze({ allow: false })

/** Characters of a denial's context that is remembered: enough to say what to do to get a yes. */
const MAX_CONTEXT = 512

/** A PDP's debug output can be large: what is remembered is the answer and its reason, and of a denial what a client may have to be told. */
function withoutDebug ({ allow, code, reason, context }: Decision): Decision {
  if (context !== undefined && !allow && isAtMost(context, MAX_CONTEXT)) return { allow, code, reason, context }
  if (code === undefined && reason === undefined) return allow ? ALLOW : DENY
  return { allow, code, reason }
}
