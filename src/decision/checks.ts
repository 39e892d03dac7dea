// Runs checks on the decision path, one or many, and gives each its deadline.
import { ForbiddenError, PdpError, UnavailableError } from '../contract/errors.js'
import type {
  Caller, Decision, DecisionPointStats, ShadowStats, DecisionSource, Health, Outcome, Pdp, PlanQuestion, Query,
  SearchQuestion, Trace, UserPermissions
} from '../contract/point.js'
import type { MaybePromise } from '../kit/maybe-promise.js'
import type { AffectedUsers } from '../contract/affected-users.js'
import type { DecisionPath } from './path.js'
import { TimeSlices } from '../kit/time-slices.js'
import { Observation } from '../observe/observation.js'
import { readPermissionsOptions, type PermissionsOptions } from './question-options.js'
import { normaliseUser, toJsonObject, type ContextInput, type ResourceInput, type UserInput } from './query.js'
import type { Plan } from '../contract/plan.js'
import type { Plans } from './plans.js'
import { loadOnce } from '../kit/load-once.js'
import type { ActionOf, ResourceType } from '../contract/vocabulary.js'

const loadPlans = loadOnce(() => import('./plans.js'))
const loadSearch = loadOnce(() => import('./search.js'))
const loadCombinePlans = loadOnce(() => import('../engine/plan/combine-plans.js'))

/** One check of a `bulkCheck`. */
export type CheckInput = { [T in ResourceType]: CheckOn<T> }[ResourceType]

/** One check on a resource of type `T`. */
interface CheckOn<T extends ResourceType> {
  readonly action: ActionOf<T>
  readonly resource: ResourceInput<T>
  /** The tenant, unless the resource names one. Default: the request's tenant, otherwise `default`. */
  readonly tenant?: string
  readonly context?: ContextInput
}

/** One check of `app.permit.bulkCheck` for several users, the form of Permit's SDK. */
export type UserCheckInput = CheckInput & { readonly user: UserInput }

/** A complete decision, for people and logs. */
export interface Explanation extends Decision {
  /** Where the decision came from. */
  readonly source: DecisionSource | undefined
  /** How long it took, ms. */
  readonly duration: number
}

export class Checks {
  readonly #path: DecisionPath
  readonly #pdp: Pdp
  readonly #timeout: number
  readonly #observation: Observation
  #plans: Plans | undefined
  #searches: DecisionPointStats['searches']
  #shadow: (() => ShadowStats) | undefined

  /** @param timeout how long a check may take, ms */
  constructor (path: DecisionPath, timeout: number, observation: Observation = new Observation()) {
    this.#path = path
    this.#pdp = path.pdp
    this.#timeout = timeout
    this.#observation = observation
  }

  /**
   * The decision, if it is available without asking the PDP.
   * @param asker - the request that the check belongs to, for observers
   */
  peek (query: Query, asker?: object): Decision | undefined {
    if (this.#observation.active) return this.#watchedPeek(query, asker)
    return this.#path.point.peek(query)
  }

  /**
   * The decision on a query, without a promise: for the guard, which has peeked.
   * @param outcome - gets the decision or the error
   * @param asker - the request that the check belongs to, for observers
   */
  ask (query: Query, outcome: Outcome & Trace, caller: Caller | undefined, asker: object): void {
    if (!this.#observation.active) {
      this.#path.point.ask(query, this.#deadline(), outcome, outcome, caller)
      return
    }
    const decision = this.#decideBy(this.#deadline(), query, undefined, caller, asker)
    if (decision instanceof Promise) decision.then(decision => outcome.settle(decision), error => outcome.fail(error))
    else outcome.settle(decision)
  }

  /** Reports a request that the guard refused without a check. */
  refused ({ denial }: ForbiddenError, asker: object): void {
    if (denial !== undefined && this.#observation.active) this.#observation.refused(denial, asker)
  }

  /** The decision on a query. */
  decide (query: Query, trace?: Trace, caller?: Caller, asker?: object): MaybePromise<Decision> {
    return this.#decideBy(this.#deadline(), query, trace, caller, asker)
  }

  #decideBy (deadline: number, query: Query, trace?: Trace, caller?: Caller, asker?: object): MaybePromise<Decision> {
    const { point } = this.#path
    if (!this.#observation.active) return point.decide(query, deadline, trace, caller)
    const known = trace === undefined ? this.#watchedPeek(query, asker) : undefined
    if (known !== undefined) return known
    const followed: Trace = trace ?? { source: undefined }
    return this.#observation.watch(query, asker, () => followed.source, () => point.decide(query, deadline, followed, caller))
  }

  #watchedPeek (query: Query, asker: object | undefined): Decision | undefined {
    const start = performance.now()
    const decision = this.#path.point.peek(query)
    if (decision !== undefined) this.#observation.answered(query, decision, this.#path.atHand, performance.now() - start, asker)
    return decision
  }

  /** A user's permissions. Never cached. */
  async permissions (user: UserInput, options?: PermissionsOptions): Promise<UserPermissions> {
    const { tenants, resources, resourceTypes, context, attributes = false } = readPermissionsOptions(options)
    const permissions = await this.#pdp.permissions({
      user: normaliseUser(user),
      tenants,
      resources,
      resourceTypes,
      context: context === undefined ? undefined : toJsonObject('the context', context)
    }, this.#deadline())
    return attributes ? permissions : withoutAttributes(permissions)
  }

  /**
   * Which rows of a type the user may act on: those of all the questions' plans, or of one of them. From the cache of plans.
   * @param asker - the request that it belongs to, for observers
   */
  async plan (how: 'allOf' | 'anyOf', questions: readonly PlanQuestion[], asker?: object): Promise<Plan> {
    const deadline = this.#deadline()
    const plans = await this.#planning()
    const ask = this.#observation.watchesLists
      ? (question: PlanQuestion) => this.#watchedPlan(plans, question, deadline, asker)
      : (question: PlanQuestion) => plans.plan(question, deadline)
    const [first, ...others] = await Promise.all(questions.map(ask))
    if (first === undefined || others.length === 0) return first as Plan
    const { combinePlans } = await loadCombinePlans()
    return combinePlans(how, [first, ...others])
  }

  /**
   * The results of a search. Never cached; each page has the time of a check.
   * @param asker - the request that it belongs to, for observers
   */
  async * search (
    question: SearchQuestion, limits: { readonly limit?: number, readonly signal?: AbortSignal }, asker?: object
  ): AsyncGenerator<string, void, undefined> {
    const { asListQuestion, countedResults, resultsOf, watchedResults } = await loadSearch()
    const results = this.#observation.watchesLists
      ? watchedResults(this.#pdp, question, limits, this.#timeout, this.#observation.watchList(asListQuestion(question), asker))
      : resultsOf(this.#pdp, question, limits, this.#timeout)
    this.#searches ??= { asked: 0, found: 0, failed: 0 }
    yield * countedResults(results, question, limits, this.#searches, () => this.#path.listOutage)
  }

  async #watchedPlan (plans: Plans, question: PlanQuestion, deadline: number, asker: object | undefined): Promise<Plan> {
    const { user, action, type, tenant } = question
    const asked = { kind: 'plan' as const, user: user.key, action, resource: type, tenant }
    const start = performance.now()
    const kept = plans.kept(question)
    if (kept !== undefined) {
      this.#observation.listed(asked, { rows: kept.kind, source: 'cache', duration: performance.now() - start }, asker)
      return kept
    }
    const trace: Trace = { source: undefined }
    const watch = this.#observation.watchList(asked, asker)
    try {
      const plan = await watch.run(() => plans.plan(question, deadline, trace))
      watch.ended({ rows: plan.kind, source: trace.source })
      return plan
    } catch (error) {
      watch.ended({ error, source: trace.source })
      throw error
    }
  }

  async #planning (): Promise<Plans> {
    const { Plans } = await loadPlans()
    this.#plans ??= new Plans(this.#pdp, this.#path.cache, this.#path.generations, performance, () => this.#path.listOutage)
    return this.#plans
  }

  async isAllowed (query: Query, caller?: Caller, asker?: object): Promise<boolean> {
    const decision = await this.decide(query, undefined, caller, asker)
    return decision.allow === true
  }

  async assertAllowed (query: Query, caller?: Caller, asker?: object): Promise<void> {
    const decision = await this.decide(query, undefined, caller, asker)
    if (decision.allow !== true) throw forbidden(query, decision)
  }

  async explainQuery (query: Query, caller?: Caller, asker?: object): Promise<Explanation> {
    const trace: Trace = { source: undefined }
    const start = performance.now()
    const { allow, code, reason, debug, context } = await this.decide(query, trace, caller, asker)
    return { allow: allow === true, code, reason, debug, context, source: trace.source, duration: performance.now() - start }
  }

  /** The limits of a filter: the number of checks at a time, and their timeout in ms. */
  async filtering (): Promise<{ readonly chunk: number, readonly timeout: number }> {
    if (this.#path.opened !== undefined) await this.#path.opened()
    return { chunk: this.#path.filterConcurrency, timeout: this.#timeout }
  }

  /**
   * The answers to many checks, in order.
   * @param time - how long all of them may take, ms; default: the time of one
   */
  async areAllowed (queries: readonly Query[], caller?: Caller, asker?: object, time = this.#timeout): Promise<boolean[]> {
    if (this.#path.opened !== undefined) await this.#path.opened()
    const deadline = performance.now() + time
    const { bulkConcurrency } = this.#path
    const allowed = new Array<boolean>(queries.length).fill(false)
    let next = 0
    const turns = new TimeSlices()
    const ask = async () => {
      try {
        while (next < queries.length) {
          const index = next++
          const answer = this.#decideBy(deadline, queries[index] as Query, undefined, caller, asker)
          const decision = answer instanceof Promise ? await answer : answer
          allowed[index] = decision.allow === true
          // Answers that are already available come without a pause, so other requests and the deadline would get no time.
          if (decision === answer && turns.over) await turns.next()
        }
      } catch (error) {
        next = queries.length
        throw error
      }
    }
    // A late check may join a flight whose deadline is later than that of this bulk check.
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        next = queries.length
        reject(new UnavailableError(new PdpError('timeout', 'the deadline passed before all checks were answered')))
      }, Math.max(0, deadline - performance.now()))
    })
    try {
      await Promise.race([Promise.all(Array.from({ length: Math.min(bulkConcurrency, queries.length) }, ask)), late])
    } finally {
      clearTimeout(timer)
    }
    return allowed
  }

  /** Drops the cached decisions of one user or of all users, including those in flight. */
  invalidate (user?: string | { readonly key: string }): void {
    this.#path.generations.invalidate(user === undefined ? undefined : normaliseUser(user).key)
  }

  /** Drops the decisions that a change at the PDP could affect, including those in flight. */
  forget (affected: AffectedUsers): void {
    this.#path.generations.forget(affected)
  }

  /** Adds the counters of a shadow to those of the checks. */
  countShadow (stats: () => ShadowStats): void {
    this.#shadow = stats
  }

  /** Counters and latencies since the start. */
  stats (): DecisionPointStats {
    const counters = this.#path.point.stats()
    const { bus } = this.#path
    if (this.#plans !== undefined) counters.plans = this.#plans.stats()
    if (this.#searches !== undefined) counters.searches = { ...this.#searches }
    if (bus !== undefined) counters.bus = bus.stats()
    const shadow = this.#shadow?.()
    if (shadow !== undefined) counters.shadow = shadow
    return counters
  }

  /** Whether the PDP can give decisions now. Never rejects. */
  async health (): Promise<Health> {
    const health = await this.#pdp.health(this.#deadline())
    const { bus } = this.#path
    return bus === undefined ? health : { ...health, bus: bus.health() }
  }

  /** Lets checks in flight finish within the timeout of a check, then closes everything. */
  async close (): Promise<void> {
    return this.#path.close(this.#deadline())
  }

  #deadline (): number {
    return performance.now() + this.#timeout
  }
}

function withoutAttributes (permissions: UserPermissions): UserPermissions {
  return Object.fromEntries(Object.entries(permissions).map(([id, { tenant, resource, ...rights }]) => [id, {
    ...(tenant === undefined ? {} : { tenant: { key: tenant.key } }),
    ...(resource === undefined ? {} : { resource: { type: resource.type, key: resource.key } }),
    ...rights
  }]))
}

/** The 403 for a query, with the details for the log. */
export function forbidden ({ user, action, resource }: Query, { code, reason, context }: Decision): ForbiddenError {
  const denial = {
    user: user.key,
    action,
    resource: resource.key === undefined ? resource.type : `${resource.type}:${resource.key}`,
    tenant: resource.tenant,
    code,
    reason
  }
  // Not enumerable, because the denial is logged.
  if (context !== undefined) Object.defineProperty(denial, 'context', { value: context })
  return new ForbiddenError(denial)
}
