// `request.permit`: checks inside a handler, in the name of the request's user and tenant.
import type { CheckInput, Explanation } from '../decision/checks.js'
import { normaliseUser, questionsOf, type ResourceInput, type UserInput } from '../decision/query.js'
import {
  readCheckOptions, readPlanActions, readPlanOptions, requirePermissionsOptions, requirePlanType, type CheckOptions, type PermissionsOptions,
  type PlanActions, type PlanOptions
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
 * The request's view of the plugin. Every method rejects with a 401 error when nobody is authenticated, with a 503
 * error when there is no decision, and with a `QueryError` when the question is invalid.
 *
 * The `QueryError` has status 400 when a value of the question is invalid (the action, the resource, a tenant, the context, the checks,
 * the items): the value may come from the client. It has status 500 for what only the app's code can get wrong: an unknown option,
 * a missing function, a user or a tenant that the plugin's options return.
 */
export class RequestPermit<R = unknown> {
  readonly #request: R
  readonly #enforcement: Enforcement<R>

  constructor (request: R, enforcement: Enforcement<R>) {
    this.#request = request
    this.#enforcement = enforcement
  }

  /** May the user do `action` on `resource`? */
  async check<T extends ResourceType> (action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions): Promise<boolean> {
    return this.#answer(async () => this.#enforcement.checks.isAllowed(await this.#query(action, resource, options), this.#caller, this.#asker))
  }

  /** Resolves when the user may, throws the 403 when not. */
  async assert<T extends ResourceType> (action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions): Promise<void> {
    return this.#answer(async () => this.#enforcement.checks.assertAllowed(await this.#query(action, resource, options), this.#caller, this.#asker))
  }

  /** The whole decision: allow, reason, where it came from, how long it took. For people and logs. */
  async explain<T extends ResourceType> (action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions): Promise<Explanation> {
    return this.#answer(async () => this.#enforcement.checks.explainQuery(await this.#query(action, resource, options), this.#caller, this.#asker))
  }

  /**
   * Many checks, answered in order, within the deadline of one check. Rejects when one of them has no decision.
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

  /** The items on which the user may do `action`, in order. Rejects when there is no decision for one of them. */
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
   * Which rows of a table the user may act on: all of the tenant, none, or those that meet a condition, which a target such as `toPrisma`
   * translates for the database. The rows are exactly those for which `check` says yes. Where that cannot be had, it rejects with a `PlanError`.
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

  /** What the user may do, by tenant and resource instance. */
  async permissions (options?: PermissionsOptions): Promise<UserPermissions> {
    requirePermissionsOptions(options)
    const user = await this.#userInput()
    normaliseUser(user)
    return this.#answer(async () => asValues(undefined, async () => this.#enforcement.checks.permissions(user, options)))
  }

  /** Whatever becomes of an error on its way out: should the answer be a 503, it tells the client when to come back. */
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

  /** Never gone: a handler may continue to ask after its client has disconnected. */
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

  /** The tenant of the plugin's option, for a question that is given none. */
  async #tenant (given: string | undefined): Promise<string | readonly string[] | undefined> {
    if (given !== undefined && given !== null) return undefined
    return await this.#enforcement.tenant?.(this.#request) ?? undefined
  }
}

/**
 * Runs what validates values of a question. An invalid one is answered with 400: it may come from the client.
 * @param tenant - what the option `tenant` returned. An empty or repeated header makes an empty text or an array of it; any other wrong
 * value is a mistake of the option.
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
