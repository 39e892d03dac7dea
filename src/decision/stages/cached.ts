// The cache: keeps decisions for a short time, so that a repeated check costs one lookup.
import { LRUCache } from 'lru-cache'
import { pdpErrorOf } from '../../contract/errors.js'
import { hasAtMostCharacters } from '../../kit/character-limit.js'
import type { Caller, Decision, DecisionPoint, DecisionPointStats, Outcome, Query, Trace } from '../../contract/point.js'
import type { AgeLimit, Generations } from '../generations.js'
import { flat } from '../cache-key.js'
import { Stage } from './stage.js'

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

/** The initial size of the cache: memory for `max` decisions is too much for an app that has just started. */
const FIRST_SIZE = 1_000
/** The factor by which it grows when it is full. */
const GROWTH = 8

/** The share of the ttl by which an instance may shorten it. */
const TTL_SPREAD = 0.1

/**
 * The ttl of one instance, with jitter: otherwise instances that started or invalidated everything together would refresh together.
 *
 * @param random - from 0 to 1
 */
export function ttlOfInstance (ttl: number, random: number): number {
  return Math.ceil(ttl * (1 - TTL_SPREAD * random))
}

interface Remembered {
  readonly decision: Decision
  readonly stamp: number
  /** When the time may change the decision, by the cache's clock; `Infinity` for never. */
  readonly until: number
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

class CachedDecisionPoint extends Stage {
  readonly #generations: Generations
  readonly #clock: { now (): number }
  #entries: LRUCache<string, Remembered>
  readonly #max: number
  readonly #ttl: number
  readonly #staleIfError: number | undefined
  #last: Remembered = { decision: DENY, stamp: -1, until: Infinity }
  #hits = 0
  #misses = 0
  #stale = 0

  constructor (next: DecisionPoint, options: CacheOptions, generations: Generations, clock: { now (): number }) {
    super(next)
    this.#generations = generations
    this.#clock = clock
    this.#ttl = options.ttl
    this.#staleIfError = options.staleIfError
    this.#max = options.max
    this.#entries = this.#cacheOf(options.staleIfError === undefined ? Math.min(options.max, FIRST_SIZE) : options.max)
  }

  #cacheOf (max: number): LRUCache<string, Remembered> {
    // ttlResolution 0 reads the clock for each lookup. That is cheaper than the timer that would cache it, and no entry outlives its ttl
    // while the event loop is busy.
    return new LRUCache({
      max, ttl: this.#ttl, ttlResolution: 0, perf: this.#clock, noDeleteOnStaleGet: this.#staleIfError !== undefined
    })
  }

  /** Makes room for more decisions, up to `max`. The cache allocates memory for all of its entries when it is created. */
  #grow (): void {
    const before = this.#entries
    const now = this.#clock.now()
    this.#entries = this.#cacheOf(Math.min(this.#max, before.max * GROWTH))
    // From the least recently used one, to keep the order.
    for (const key of before.rkeys()) {
      this.#entries.set(key, before.peek(key), { start: now - (this.#ttl - before.getRemainingTTL(key)) })
    }
  }

  override ask (query: Query, deadline: number, outcome: Outcome, trace: Trace, caller?: Caller): void {
    const known = this.peek(query)
    if (known !== undefined) {
      trace.source = 'cache'
      outcome.settle(known)
      return
    }
    this.#misses++
    // A decision's age counts from when the check was sent, so the response time is included.
    const stamp = this.#generations.stampFor(query.user.key)
    const miss = new Miss(this, query, stamp, this.#clock.now(), trace, outcome)
    this.next.ask(query, deadline, miss, trace, caller)
  }

  /**
   * @internal The expired decision for a check that failed because the PDP is unreachable. It is looked up after the failure, so an
   * invalidation while the check was in flight is respected.
   */
  fallBack (query: Query, error: unknown): Decision | undefined {
    if (this.#staleIfError === undefined || !isUnreachable(error)) return undefined
    const entry = this.#entries.peek(query.key, { allowStale: true })
    if (entry === undefined || !this.#generations.isCurrent(entry.stamp, query.user.key)) return undefined
    if (this.#clock.now() >= entry.until || this.#generations.overdue?.() === true) return undefined
    const age = this.#ttl - this.#entries.getRemainingTTL(query.key)
    if (age > this.#staleIfError) return undefined
    this.#stale++
    return entry.decision
  }

  /** The cached decision, if it is still valid. */
  override peek (query: Query): Decision | undefined {
    const { key } = query
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    if (!this.#generations.isCurrent(entry.stamp, query.user.key)) {
      this.#entries.delete(key)
      return undefined
    }
    if (entry.until !== Infinity && this.#clock.now() >= entry.until) return undefined
    const { limit, overdue } = this.#generations
    if (limit !== undefined && this.#isPast(limit, key)) return undefined
    if (overdue !== undefined && overdue()) return undefined
    this.#hits++
    return entry.decision
  }

  #isPast ({ until, maxAge }: AgeLimit, key: string): boolean {
    return this.#clock.now() > until && this.#ttl - this.#entries.getRemainingTTL(key) > maxAge
  }

  /** @internal Keeps a decision, unless it was invalidated since it was asked for. */
  remember (query: Query, stamp: number, start: number, decision: Decision): void {
    if (this.#generations.isCurrent(stamp, query.user.key)) {
      if (this.#entries.size === this.#entries.max && this.#entries.max < this.#max) this.#grow()
      const { validFor } = decision
      const until = validFor === undefined ? Infinity : start + validFor
      this.#entries.set(flat(query.key), this.#shared(withoutDebug(decision), stamp, until), { start })
    }
  }

  /** Shares one object between equal entries: most decisions are a plain allow or deny, and invalidations are rare. */
  #shared (decision: Decision, stamp: number, until: number): Remembered {
    const { decision: last, stamp: lastStamp, until: lastUntil } = this.#last
    if (last !== decision || lastStamp !== stamp || lastUntil !== until) this.#last = { decision, stamp, until }
    return this.#last
  }

  override stats (): DecisionPointStats {
    return {
      ...this.next.stats(),
      cache: {
        size: this.#entries.size,
        max: this.#max,
        hits: this.#hits,
        misses: this.#misses,
        invalidations: this.#generations.invalidations,
        stale: this.#stale
      }
    }
  }
}

/** A check that the cache could not answer. */
class Miss implements Outcome {
  constructor (
    private readonly cache: CachedDecisionPoint,
    private readonly query: Query,
    private readonly stamp: number,
    private readonly start: number,
    private readonly trace: Trace,
    private readonly outcome: Outcome
  ) {}

  settle (decision: Decision): void {
    // The check that it joined has stored the decision with its real age; this check started later.
    if (this.trace.source !== 'flight') this.cache.remember(this.query, this.stamp, this.start, decision)
    this.outcome.settle(decision)
  }

  fail (error: unknown): void {
    const stale = this.cache.fallBack(this.query, error)
    if (stale === undefined) {
      this.outcome.fail(error)
    } else {
      this.trace.source = 'stale'
      this.outcome.settle(stale)
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
  return failure === 'network' || failure === 'timeout' || failure === 'circuit' || failure === 'unready' ||
    (failure === 'status' && TEMPORARY.has(status))
}

const ALLOW: Decision = Object.freeze({ allow: true })
const DENY: Decision = Object.freeze({ allow: false })

/** The largest context of a denial that is cached, characters: enough to say how access can be obtained. */
const MAX_CONTEXT = 512

/** The part of a decision that is cached: the answer, its reason and a denial's context. Debug output is dropped, it can be large. */
function withoutDebug ({ allow, code, reason, context }: Decision): Decision {
  if (context !== undefined && !allow && hasAtMostCharacters(context, MAX_CONTEXT)) return { allow, code, reason, context }
  if (code === undefined && reason === undefined) return allow ? ALLOW : DENY
  return { allow, code, reason }
}
