// The cache: keeps decisions for a short time, so that a repeated check costs one lookup.
import { LRUCache } from 'lru-cache'
import { pdpErrorOf } from '../../contract/errors.js'
import { isAtMost } from '../../kit/characters.js'
import type { Caller, Decision, DecisionPoint, DecisionPointStats, Query, Trace } from '../../contract/point.js'
import type { MaybePromise } from '../../kit/whenever.js'
import type { Generations } from '../generations.js'
import { flat } from '../query-key.js'

interface CacheOptions {
  /** How long a decision is cached, ms. */
  readonly ttl: number
  /** The most cached decisions; the least recently used one is evicted first. */
  readonly max: number
  /**
   * The maximum age of a decision that is used while the PDP is unreachable, ms; greater than `ttl`. Default: expired decisions are never
   * used.
   */
  readonly staleIfError?: number
}

interface Remembered {
  readonly decision: Decision
  readonly stamp: number
}

/**
 * Caches the decisions of `next`, allow and deny alike, but never an error. A decision whose user, or everything, was invalidated while it
 * was in flight is returned to its caller and not cached.
 * @param clock for tests; default: the process's monotonic clock
 */
export function cached (
  next: DecisionPoint, options: CacheOptions, generations: Generations, clock: { now (): number } = performance
): CachedDecisionPoint {
  return new CachedDecisionPoint(next, options, generations, clock)
}

class CachedDecisionPoint implements DecisionPoint {
  readonly #next: DecisionPoint
  readonly #generations: Generations
  readonly #clock: { now (): number }
  readonly #entries: LRUCache<string, Remembered>
  readonly #ttl: number
  readonly #staleIfError: number | undefined
  /** When a coalesced check was sent. The decision has that age for each of its callers. */
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
    // ttlResolution 0 reads the clock for each lookup. That is cheaper than the timer that would cache it, and no entry outlives its ttl
    // while the event loop is busy.
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
    // A decision's age counts from when the check was sent, so the response time is included.
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
   * The expired decision for a check that failed because the PDP is unreachable. It is looked up after the failure, so an invalidation
   * while the check was in flight is respected.
   */
  #fallBack (query: Query, error: unknown, trace: Trace | undefined): Decision {
    const entry = isUnreachable(error) ? this.#entries.peek(query.key, { allowStale: true }) : undefined
    if (entry === undefined || !this.#generations.isCurrent(entry.stamp, query.user.key)) throw error
    const age = this.#ttl - this.#entries.getRemainingTTL(query.key)
    if (age > (this.#staleIfError as number)) throw error
    this.#stale++
    if (trace !== undefined) trace.source = 'stale'
    return entry.decision
  }

  /** The cached decision, if it is still valid. */
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

  /** Shares one object between equal entries: most decisions are a plain allow or deny, and invalidations are rare. */
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

/** Statuses of a PDP, or of a proxy before it, that is temporarily unavailable. */
const TEMPORARY = new Set([502, 503, 504])

/**
 * Whether a check failed because the PDP is unreachable. A PDP that rejects the token, sends an invalid response or fails on this request
 * only is reachable. Local limits, a caller that is gone and an app that is closing are no outage either.
 */
function isUnreachable (error: unknown): boolean {
  const cause = pdpErrorOf(error)
  if (cause === undefined) return false
  const { failure, status = 0 } = cause
  return failure === 'network' || failure === 'timeout' || failure === 'circuit' || (failure === 'status' && TEMPORARY.has(status))
}

const ALLOW: Decision = Object.freeze({ allow: true })
const DENY: Decision = Object.freeze({ allow: false })

/** The largest context of a denial that is cached, characters: enough to say how access can be obtained. */
const MAX_CONTEXT = 512

/** The part of a decision that is cached: the answer, its reason and a denial's context. Debug output is dropped, it can be large. */
function withoutDebug ({ allow, code, reason, context }: Decision): Decision {
  if (context !== undefined && !allow && isAtMost(context, MAX_CONTEXT)) return { allow, code, reason, context }
  if (code === undefined && reason === undefined) return allow ? ALLOW : DENY
  return { allow, code, reason }
}
