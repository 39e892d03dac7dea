// What can be asked of a decision path: one query or many, with the deadline that each gets.
import { ForbiddenError } from '../errors.js'
import type {
  Caller, Decision, DecisionPointStats, DecisionSource, Health, MaybePromise, Pdp, Query, Trace, UserPermissions
} from '../pdp/point.js'
import type { DecisionPath } from './path.js'
import { normaliseUser, toJsonObject, type ContextInput, type ResourceInput, type UserInput } from './query.js'

/** One question of a `bulkCheck`. */
export interface CheckInput {
  readonly action: string
  readonly resource: ResourceInput
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

/** Narrows what `permissions` tells. */
export interface PermissionsOptions {
  readonly tenants?: readonly string[]
  /** `type:key` each. */
  readonly resources?: readonly string[]
  readonly resourceTypes?: readonly string[]
  readonly context?: ContextInput
}

export class Checks {
  readonly #path: DecisionPath
  readonly #pdp: Pdp
  readonly #timeout: number

  /** @param timeout the deadline of a check, ms from when it is asked. */
  constructor (path: DecisionPath, timeout: number) {
    this.#path = path
    this.#pdp = path.pdp
    this.#timeout = timeout
  }

  /** The decision, where it is at hand: it asks nobody. */
  peek (query: Query): Decision | undefined {
    return this.#path.point.peek(query)
  }

  /** The decision on a query. */
  decide (query: Query, trace?: Trace, caller?: Caller): MaybePromise<Decision> {
    return this.#path.point.decide(query, this.#deadline(), trace, caller)
  }

  /** What a user may do. Asked each time. */
  async permissions (user: UserInput, options: PermissionsOptions = {}): Promise<UserPermissions> {
    const { tenants, resources, resourceTypes, context } = options
    return this.#pdp.permissions({
      user: normaliseUser(user),
      tenants,
      resources,
      resourceTypes,
      context: context === undefined ? undefined : toJsonObject('the context', context)
    }, this.#deadline())
  }

  async isAllowed (query: Query, caller?: Caller): Promise<boolean> {
    const decision = await this.decide(query, undefined, caller)
    return decision.allow === true
  }

  async assertAllowed (query: Query, caller?: Caller): Promise<void> {
    const decision = await this.decide(query, undefined, caller)
    if (decision.allow !== true) throw forbidden(query, decision)
  }

  async explainQuery (query: Query, caller?: Caller): Promise<Explanation> {
    const trace: Trace = { source: undefined }
    const start = performance.now()
    const { allow, code, reason, debug, context } = await this.decide(query, trace, caller)
    return { allow: allow === true, code, reason, debug, context, source: trace.source, duration: performance.now() - start }
  }

  async areAllowed (queries: readonly Query[], caller?: Caller): Promise<boolean[]> {
    const deadline = this.#deadline()
    const { point, bulkConcurrency } = this.#path
    const allowed = new Array<boolean>(queries.length).fill(false)
    let next = 0
    const ask = async () => {
      try {
        while (next < queries.length) {
          const index = next++
          const answer = point.decide(queries[index] as Query, deadline, undefined, caller)
          const decision = answer instanceof Promise ? await answer : answer
          allowed[index] = decision.allow === true
        }
      } catch (error) {
        next = queries.length
        throw error
      }
    }
    await Promise.all(Array.from({ length: Math.min(bulkConcurrency, queries.length) }, ask))
    return allowed
  }

  /** Forgets the decisions of one user, or all of them, also those that are on their way. */
  invalidate (user?: string | { readonly key: string }): void {
    this.#path.generations.invalidate(user === undefined ? undefined : normaliseUser(user).key)
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
