// `app.permit`, the same for every framework: checks outside of a request (the user is the first argument), writes, counters and health.
import type { CheckInput, Checks, Explanation, UserCheckInput } from '../decision/checks.js'
import { createQuery, normaliseUser, type ResourceInput, type UserInput } from '../decision/query.js'
import {
  readCheckOptions, readPlanActions, readPlanOptions, requirePlanType, type CheckOptions, type PermissionsOptions, type PlanActions,
  type PlanOptions
} from '../decision/question-options.js'
import { mapInTurns } from '../kit/turns.js'
import { queriesOf, queriesOfUsers, questionsAbout, requireFunction } from './bulk-checks.js'
import { requireNoMore } from '../decision/input-checks.js'
import type { Plan } from '../contract/plan.js'
import type { ActionOf, RelationOf, ResourceType } from '../contract/vocabulary.js'
import type { DecisionPointStats, Health, Query, UserPermissions } from '../contract/point.js'
import type { MutationResult } from '../contract/mutation-result.js'
import { WriteApi } from './write/api.js'
import type { Mutation } from './write/mutation.js'
import type { Writer } from './write/writer.js'

/**
 * Checks, writes and counters outside of a request: for jobs, sockets and queues. Checks reject with a 503 error when there is no decision,
 * and with a `QueryError` when an argument is invalid. The tenant is the resource's, or the one in the options of the check, or `default`.
 * The plugin's `tenant` option applies only to requests.
 */
export class Permit {
  readonly #checks: Checks
  readonly #writer: Writer
  /** Creates mutations of users, tenants, roles, resource instances and relationship tuples. Pass them to `write`, or await one. */
  readonly api: WriteApi

  constructor (checks: Checks, writer: Writer) {
    this.#checks = checks
    this.#writer = writer
    this.api = new WriteApi(writer)
  }

  /** Whether `user` may do `action` on `resource`. */
  async check<T extends ResourceType> (
    user: UserInput, action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions
  ): Promise<boolean> {
    return this.#checks.isAllowed(queryOf(user, action, resource, options))
  }

  /** Resolves when `user` is allowed; rejects with the 403 error otherwise. */
  async assert<T extends ResourceType> (
    user: UserInput, action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions
  ): Promise<void> {
    return this.#checks.assertAllowed(queryOf(user, action, resource, options))
  }

  /** The decision with its reason, its source and its duration. For people and logs. */
  async explain<T extends ResourceType> (
    user: UserInput, action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions
  ): Promise<Explanation> {
    return this.#checks.explainQuery(queryOf(user, action, resource, options))
  }

  /**
   * Many checks for one user, answered in order, within the deadline of a single check. Rejects when one of them has no decision.
   * @param options - defaults for the checks that do not have their own
   */
  async bulkCheck (user: UserInput, checks: readonly CheckInput[], options?: CheckOptions): Promise<boolean[]>
  /**
   * Many checks for several users, like Permit's SDK: each check names its user.
   * @param options - defaults for the checks that do not have their own
   */
  async bulkCheck (checks: readonly UserCheckInput[], options?: CheckOptions): Promise<boolean[]>
  async bulkCheck (
    ...given: [UserInput, readonly CheckInput[], CheckOptions?] | [readonly UserCheckInput[], CheckOptions?]
  ): Promise<boolean[]> {
    if (isOfUsers(given)) {
      const [checks, options, ...more] = given
      requireNoMore('bulkCheck([{ user, action, resource }], options?)', more)
      return this.#checks.areAllowed(await queriesOfUsers(checks, readCheckOptions(options)))
    }
    const [user, checks, options] = given
    return this.#checks.areAllowed(await queriesOf(normaliseUser(user), checks, readCheckOptions(options)))
  }

  /** The items on which `user` may do `action`, in order. Rejects when one of them has no decision. */
  async filter<Item, T extends ResourceType> (
    user: UserInput, action: ActionOf<T>, items: readonly Item[], toResource: (item: Item) => ResourceInput<T>, options?: CheckOptions
  ): Promise<Item[]> {
    requireFunction(toResource)
    const question = questionsAbout(normaliseUser(user), action, items, readCheckOptions(options))
    const allowed = await this.#checks.areAllowed(await mapInTurns(items, item => question(toResource(item))))
    return items.filter((_, index) => allowed[index] === true)
  }

  /**
   * The rows of a table on which `user` may act: all rows of the tenant, none, or those that meet a condition, which a target such as
   * `toPrisma` translates for the database. The rows are exactly those that `check` allows. Rejects with a `PlanError` when there is no
   * such condition.
   *
   * @param action - an action, or several: `{ anyOf: ['read', 'share'] }`, `{ allOf: ['read', 'delete'] }`
   * @param type - the resource type of the rows
   */
  async plan<T extends ResourceType> (
    user: UserInput, action: PlanActions<ActionOf<T>>, type: T, options?: PlanOptions<RelationOf<T>>
  ): Promise<Plan> {
    const { how, actions } = readPlanActions(action)
    const asked = readPlanOptions(options)
    requirePlanType(type)
    const { planQuestions } = await import('../decision/plan-question.js')
    return this.#checks.plan(how, planQuestions(normaliseUser(user), actions, type, asked))
  }

  /** The permissions of `user`, by tenant and resource instance. Never from the cache. */
  async permissions (user: UserInput, options?: PermissionsOptions): Promise<UserPermissions> {
    return this.#checks.permissions(user, options)
  }

  /**
   * Applies mutations in order and stops at the first that fails. Resolves with their results when the PDP uses them and the affected
   * decisions are dropped from the cache, so that the next check sees the write.
   * @throws `WriteError` that says which mutation failed, why, and which were applied before
   */
  async write (...mutations: readonly Mutation[]): Promise<MutationResult[]> {
    return this.#writer.write(mutations)
  }

  /** Drops the cached decisions of one user or of all users, including those in flight. */
  invalidate (user?: string | { readonly key: string }): void {
    this.#checks.invalidate(user)
  }

  /** Counters since the start, and latencies. */
  stats (): DecisionPointStats {
    return this.#checks.stats()
  }

  /** Whether the PDP can decide now. Never rejects. */
  async health (): Promise<Health> {
    return this.#checks.health()
  }
}

function queryOf (user: UserInput, action: string, resource: ResourceInput, options: CheckOptions | undefined): Query {
  const { tenant, context } = readCheckOptions(options)
  return createQuery(user, action, resource, tenant, context)
}

/** A user is never an array. */
function isOfUsers (given: readonly unknown[]): given is [readonly UserCheckInput[], CheckOptions?] {
  return Array.isArray(given[0])
}
