// What can be asked of a decision path: one query or many, with the deadline that each gets.
import { ForbiddenError, PdpError, UnavailableError } from '../contract/errors.js'
import type { Caller, Decision, DecisionPointStats, DecisionSource, Health, Pdp, Query, Trace, UserPermissions } from '../contract/point.js'
import type { MaybePromise } from '../kit/whenever.js'
import type { Affected } from './generations.js'
import type { DecisionPath } from './path.js'
import { Turns } from '../kit/turns.js'
import { Observation } from '../observe/observation.js'
import { readPermissionsOptions, type PermissionsOptions } from './question-options.js'
import { normaliseUser, toJsonObject, type ContextInput, type ResourceInput, type UserInput } from './query.js'
import type { ActionOf, ResourceType } from '../contract/vocabulary.js'

/** One question of a `bulkCheck`. */
export type CheckInput = { [T in ResourceType]: CheckOn<T> }[ResourceType]

/** One question about resources of one type. */
export interface CheckOn<T extends ResourceType> {
  readonly action: ActionOf<T>
  readonly resource: ResourceInput<T>
  /** Where the resource names no tenant itself; default: the request's tenant, in the end `default`. */
  readonly tenant?: string
  readonly context?: ContextInput
}

/** A whole decision, for people and logs. */
export interface Explanation extends Decision {
  /** Where the answer came from. */
  readonly source: DecisionSource | undefined
  /** How long it took, ms. */
  readonly duration: number
}

export class Checks {
  readonly #path: DecisionPath
  readonly #pdp: Pdp
  readonly #timeout: number
  readonly #observation: Observation

  /** @param timeout the deadline of a check, ms from when it is asked. */
  constructor (path: DecisionPath, timeout: number, observation: Observation = new Observation()) {
    this.#path = path
    this.#pdp = path.pdp
    this.#timeout = timeout
    this.#observation = observation
  }

  /**
   * The decision, where it is at hand: it asks nobody.
   * @param asker - the request that it is for, for those who watch
   */
  peek (query: Query, asker?: object): Decision | undefined {
    if (this.#observation.active) return this.#watchedPeek(query, asker)
    return this.#path.point.peek(query)
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

  /** What a user may do. Asked each time. */
  async permissions (user: UserInput, options?: PermissionsOptions): Promise<UserPermissions> {
    const { tenants, resources, resourceTypes, context } = readPermissionsOptions(options)
    return this.#pdp.permissions({
      user: normaliseUser(user),
      tenants,
      resources,
      resourceTypes,
      context: context === undefined ? undefined : toJsonObject('the context', context)
    }, this.#deadline())
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

  async areAllowed (queries: readonly Query[], caller?: Caller, asker?: object): Promise<boolean[]> {
    const deadline = this.#deadline()
    const { bulkConcurrency } = this.#path
    const allowed = new Array<boolean>(queries.length).fill(false)
    let next = 0
    const turns = new Turns()
    const ask = async () => {
      try {
        while (next < queries.length) {
          const index = next++
          const answer = this.#decideBy(deadline, queries[index] as Query, undefined, caller, asker)
          const decision = answer instanceof Promise ? await answer : answer
          allowed[index] = decision.allow === true
          // Answers that are at hand come without a pause: the rest of the app, and the deadline, would get no turn.
          if (decision === answer && turns.over) await turns.next()
        }
      } catch (error) {
        next = queries.length
        throw error
      }
    }
    // A question that is asked late may join one on its way that has more time left than the others.
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        next = queries.length
        reject(new UnavailableError(new PdpError('timeout', 'the deadline passed before all of the questions were answered')))
      }, Math.max(0, deadline - performance.now()))
    })
    try {
      await Promise.race([Promise.all(Array.from({ length: Math.min(bulkConcurrency, queries.length) }, ask)), late])
    } finally {
      clearTimeout(timer)
    }
    return allowed
  }

  /** Forgets the decisions of one user, or all of them, also those that are on their way. */
  invalidate (user?: string | { readonly key: string }): void {
    this.#path.generations.invalidate(user === undefined ? undefined : normaliseUser(user).key)
  }

  /** Forgets what a change at the PDP could alter. What is on its way is forgotten, too: a change that is reported meanwhile wins. */
  forget (affected: Affected): void {
    this.#path.generations.forget(affected)
  }

  /** Counters since the start, and latencies. */
  stats (): DecisionPointStats {
    return this.#path.point.stats()
  }

  /** Whether decisions can be had now. Never rejects. */
  async health (): Promise<Health> {
    return this.#pdp.health(this.#deadline())
  }

  /** Lets checks in flight finish within the deadline of a check, then lets go of everything. */
  async close (): Promise<void> {
    return this.#path.close(this.#deadline())
  }

  #deadline (): number {
    return performance.now() + this.#timeout
  }
}

/** The 403 for a query, with what a log wants to know. */
export function forbidden ({ user, action, resource }: Query, { code, reason, context }: Decision): ForbiddenError {
  const denial = {
    user: user.key,
    action,
    resource: resource.key === undefined ? resource.type : `${resource.type}:${resource.key}`,
    tenant: resource.tenant,
    code,
    reason
  }
  // Not enumerable: the denial is logged.
  if (context !== undefined) Object.defineProperty(denial, 'context', { value: context })
  return new ForbiddenError(denial)
}
