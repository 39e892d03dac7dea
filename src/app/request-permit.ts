// `request.permit`: checks inside a handler, for the user and the tenant of the request.
import type { CheckInput, Checks, Explanation } from '../decision/checks.js'
import { normaliseUser, questionsOf, type ResourceInput, type UserInput } from '../decision/query.js'
import {
  readCheckOptions, readPlanActions, readPlanOptions, requirePermissionsOptions, requirePlanType, type CheckOptions,
  type PermissionsOptions, type PlanActions, type PlanOptions
} from '../decision/question-options.js'
import { mapInTurns } from '../kit/turns.js'
import { queriesOf, questionsAbout, requireFunction } from './bulk-checks.js'
import type { Plan } from '../contract/plan.js'
import type { ActionOf, RelationOf, ResourceType } from '../contract/vocabulary.js'
import { QueryError, UnauthenticatedError, UnavailableError } from '../contract/errors.js'
import type { Caller, Query, QueryUser, UserPermissions } from '../contract/point.js'
import type { Enforcement } from '../guard/enforce.js'
import { askToComeBack } from '../guard/retry-after.js'

/**
 * Checks for the user of a request. Every method rejects with a 401 error when the request is not authenticated, with a 503 error when
 * there is no decision, and with a `QueryError` when an argument is invalid.
 *
 * The `QueryError` has status 400 for an invalid action, resource, tenant, context, check or item, because the value may come from the
 * client. It has status 500 for mistakes of the app's code: an unknown option, a missing function, or an invalid user or tenant returned by
 * the plugin's options.
 */
export class RequestPermit<R = unknown> {
  readonly #request: R
  readonly #enforcement: Enforcement<R>

  constructor (request: R, enforcement: Enforcement<R>) {
    this.#request = request
    this.#enforcement = enforcement
  }

  /** Whether the user may do `action` on `resource`. */
  async check<T extends ResourceType> (action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions): Promise<boolean> {
    return this.#decide(action, resource, options, (checks, query) => checks.isAllowed(query, this.#caller, this.#asker))
  }

  /** Resolves when the user is allowed; rejects with the 403 error otherwise. */
  async assert<T extends ResourceType> (action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions): Promise<void> {
    return this.#decide(action, resource, options, (checks, query) => checks.assertAllowed(query, this.#caller, this.#asker))
  }

  /** The decision with its reason, its source and its duration. For people and logs. */
  async explain<T extends ResourceType> (action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions): Promise<Explanation> {
    return this.#decide(action, resource, options, (checks, query) => checks.explainQuery(query, this.#caller, this.#asker))
  }

  /**
   * Many checks, answered in order, within the deadline of a single check. Rejects when one of them has no decision.
   * @param options - defaults for the checks that do not have their own
   */
  async bulkCheck (checks: readonly CheckInput[], options?: CheckOptions): Promise<boolean[]> {
    const { tenant, context } = readCheckOptions(options)
    const user = await this.#user()
    const own = await this.#tenant(tenant)
    return this.#answer(async () => {
      const queries = await asValues(own, async () => queriesOf(user, checks, { tenant: tenant ?? own, context }))
      return this.#enforcement.checks.areAllowed(queries, this.#caller, this.#asker)
    })
  }

  /** The items on which the user may do `action`, in order. Rejects when one of them has no decision. */
  async filter<Item, T extends ResourceType> (
    action: ActionOf<T>, items: readonly Item[], toResource: (item: Item) => ResourceInput<T>, options?: CheckOptions
  ): Promise<Item[]> {
    const { tenant, context } = readCheckOptions(options)
    requireFunction(toResource)
    const user = await this.#user()
    const own = await this.#tenant(tenant)
    const question = await asValues(own, async () => questionsAbout(user, action, items, { tenant: tenant ?? own, context }))
    const queries = await mapInTurns(items, item => question(toResource(item)))
    const allowed = await this.#answer(async () => this.#enforcement.checks.areAllowed(queries, this.#caller, this.#asker))
    return items.filter((_, index) => allowed[index] === true)
  }

  /**
   * The rows of a table on which the user may act: all rows of the tenant, none, or those that meet a condition, which a target such as
   * `toPrisma` translates for the database. The rows are exactly those that `check` allows. Rejects with a `PlanError` when there is no
   * such condition.
   *
   * @param action - an action, or several: `{ anyOf: ['read', 'share'] }`, `{ allOf: ['read', 'delete'] }`
   * @param type - the resource type of the rows
   */
  async plan<T extends ResourceType> (action: PlanActions<ActionOf<T>>, type: T, options?: PlanOptions<RelationOf<T>>): Promise<Plan> {
    const { how, actions } = readPlanActions(action)
    const asked = readPlanOptions(options)
    requirePlanType(type)
    const user = await this.#user()
    const own = await this.#tenant(asked.tenant)
    const { planQuestions } = await import('../decision/plan-question.js')
    const questions = await asValues(own, () => planQuestions(user, actions, type, asked, own))
    return this.#answer(async () => this.#enforcement.checks.plan(how, questions))
  }

  /** The permissions of the user, by tenant and resource instance. */
  async permissions (options?: PermissionsOptions): Promise<UserPermissions> {
    requirePermissionsOptions(options)
    const user = await this.#userInput()
    normaliseUser(user)
    return this.#answer(async () => asValues(undefined, async () => this.#enforcement.checks.permissions(user, options)))
  }

  async #decide<T> (
    action: string, resource: ResourceInput, options: CheckOptions | undefined, ask: (checks: Checks, query: Query) => Promise<T>
  ): Promise<T> {
    return this.#answer(async () => ask(this.#enforcement.checks, await this.#query(action, resource, options)))
  }

  /** Adds `Retry-After` to the response if it becomes a 503, whoever sends it. */
  async #answer<T> (ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof UnavailableError) {
        const response = this.#enforcement.response(this.#request)
        if (response !== undefined) askToComeBack(response, error)
      }
      throw error
    }
  }

  /** Never counts as gone, because a handler may continue after its client has disconnected. */
  get #caller (): Caller {
    return { destroyed: false, requestId: this.#enforcement.requestId(this.#request) }
  }

  get #asker (): object {
    return this.#request as object
  }

  async #query (action: string, resource: ResourceInput, options: CheckOptions | undefined): Promise<Query> {
    const { tenant, context } = readCheckOptions(options)
    const user = await this.#user()
    const own = await this.#tenant(tenant)
    return asValues(own, async () => questionsOf(user)(action, resource, tenant ?? own, context))
  }

  async #user (): Promise<QueryUser> {
    return normaliseUser(await this.#userInput())
  }

  async #userInput (): Promise<UserInput> {
    const user = await this.#enforcement.user(this.#request)
    if (user === undefined || user === null || user === '') throw new UnauthenticatedError()
    return user
  }

  /** The tenant of the plugin's option, for a check without a tenant. */
  async #tenant (given: string | undefined): Promise<string | readonly string[] | undefined> {
    if (given !== undefined && given !== null) return undefined
    return await this.#enforcement.tenant?.(this.#request) ?? undefined
  }
}

/**
 * Runs a function that validates arguments. An invalid argument gets status 400, because it may come from the client.
 * @param tenant - the result of the option `tenant`. An empty or repeated header results in an empty string or an array; any other invalid
 * value is a mistake of the option, with status 500.
 */
async function asValues<T> (tenant: unknown, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    const isTenantWrong = tenant !== undefined && typeof tenant !== 'string' && !Array.isArray(tenant)
    if (error instanceof QueryError && !isTenantWrong) error.statusCode = 400
    throw error
  }
}
