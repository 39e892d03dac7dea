// Caches the plans of the PDP at the end of the path: each is requested once until it expires or is invalidated.
import { LRUCache } from 'lru-cache'
import { UnsupportedError } from '../contract/errors.js'
import type { DecisionPointStats, Pdp, PlanQuestion, TimeBound, Trace } from '../contract/point.js'
import type { Plan } from '../contract/plan.js'
import type { Generations } from './generations.js'
import { keyOfPlan } from './plan-question.js'
import { flat } from './cache-key.js'
import type { Outage } from './stages/outage.js'

interface Kept {
  readonly plan: Plan
  readonly stamp: number
  /** When it was asked for. */
  readonly start: number
}

interface Flight {
  readonly answer: Promise<Plan>
  readonly stamp: number
}

/** The most plans that are kept, and the most values in them together: a plan may list many keys. */
const MAX_PLANS = 2_000
const MAX_VALUES = 500_000

export class Plans {
  readonly #pdp: Pdp
  readonly #generations: Generations
  readonly #clock: { now (): number }
  readonly #outage: (() => Outage | undefined) | undefined
  readonly #kept: LRUCache<string, Kept> | undefined
  readonly #flights = new Map<string, Flight>()
  #asked = 0
  #shared = 0
  #failed = 0

  /**
   * @param cache - how long plans are kept, as decisions are: `ttl` in ms; `false` keeps none
   * @param clock - for tests; default: the process's monotonic clock
   * @param outage - is told of plans that fail, and of plans after them
   */
  constructor (
    pdp: Pdp,
    cache: { readonly ttl: number, readonly max: number } | false,
    generations: Generations,
    clock: { now (): number } = performance,
    outage?: () => Outage | undefined
  ) {
    this.#pdp = pdp
    this.#outage = outage
    this.#generations = generations
    this.#clock = clock
    if (cache !== false) {
      const bounds = { max: Math.min(cache.max, MAX_PLANS), maxSize: MAX_VALUES, sizeCalculation: ({ plan }: Kept) => sizeOf(plan) }
      this.#kept = new LRUCache({ ...bounds, ttl: cache.ttl, ttlResolution: 0, perf: clock })
    }
  }

  /** The cached plan. Reading it counts as a use. */
  kept (question: PlanQuestion): Plan | undefined {
    return this.#keptAs(keyOfPlan(question), question)
  }

  /**
   * The plan. It is never older than the cache's `ttl`, nor than the last change that could affect its user.
   * @param trace - gets the source
   */
  async plan (question: PlanQuestion, deadline: number, trace?: Trace): Promise<Plan> {
    const key = keyOfPlan(question)
    const known = this.#keptAs(key, question)
    if (known !== undefined) {
      if (trace !== undefined) trace.source = 'cache'
      return known
    }
    this.#asked++
    const flight = this.#flights.get(key)
    if (flight !== undefined && this.#generations.isCurrent(flight.stamp, question.user.key)) {
      if (trace !== undefined) trace.source = 'flight'
      this.#shared++
      return flight.answer
    }
    if (trace !== undefined) trace.source = this.#pdp.name === 'embedded' ? 'embedded' : 'pdp'
    return this.#ask(key, question, deadline)
  }

  #keptAs (key: string, { user }: PlanQuestion): Plan | undefined {
    const kept = this.#kept?.get(key)
    if (kept === undefined || !this.#generations.isCurrent(kept.stamp, user.key) || this.#isPast(kept.start)) return undefined
    this.#asked++
    this.#shared++
    return kept.plan
  }

  async #ask (key: string, question: PlanQuestion, deadline: number): Promise<Plan> {
    const stamp = this.#generations.stampFor(question.user.key)
    const start = this.#clock.now()
    const bound: TimeBound = {}
    const answer = planBy(this.#pdp, question, deadline, bound)
    const flight = { answer, stamp }
    this.#flights.set(key, flight)
    try {
      const plan = frozen(await answer)
      this.#outage?.()?.decided()
      const { validFor } = bound
      if (this.#generations.isCurrent(stamp, question.user.key) && this.#kept !== undefined) {
        // A plan with conditions on `now` is cached until time changes it. A ttl of 0 would mean no ttl.
        const ttl = validFor === undefined ? this.#kept.ttl : Math.min(this.#kept.ttl, validFor)
        if (ttl >= 1) this.#kept.set(flat(key), { plan, stamp, start }, { start, ttl })
      }
      return plan
    } catch (error) {
      this.#failed++
      this.#outage?.()?.threw(error, { action: question.action, resource: { type: question.type } })
      throw error
    } finally {
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
  }

  #isPast (start: number): boolean {
    const { limit, overdue } = this.#generations
    if (overdue?.() === true) return true
    if (limit === undefined) return false
    const now = this.#clock.now()
    return now > limit.until && now - start > limit.maxAge
  }

  stats (): NonNullable<DecisionPointStats['plans']> {
    return { asked: this.#asked, shared: this.#shared, failed: this.#failed }
  }
}

/** The plan of a PDP. Rejects with an `UnsupportedError` if this kind of PDP has no plans. */
export async function planBy (pdp: Pdp, question: PlanQuestion, deadline: number, bound?: TimeBound): Promise<Plan> {
  if (pdp.plan !== undefined) return pdp.plan(question, deadline, bound)
  throw new UnsupportedError(
    `plan() is not supported by the PDP ${pdp.name}: it cannot tell which rows a user may act on. Use filter() instead`)
}

/** Equal questions share a plan. */
function frozen<T> (value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const item of Array.isArray(value) ? value as unknown[] : Object.values(value)) {
    if (typeof item === 'object') frozen(item)
  }
  return value
}

/** The approximate number of values in a plan. */
function sizeOf (plan: Plan): number {
  return plan.kind === 'some' ? 8 + valuesIn(plan.condition) : 4
}

function valuesIn (value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  if (Array.isArray(value) && typeof value[0] !== 'object') return 1 + value.length
  let size = 1
  for (const item of Object.values(value)) size += valuesIn(item)
  return size
}
