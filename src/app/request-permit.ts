// `request.permit`: checks inside a handler, for the user and the tenant of the request.
import type { CheckInput, Checks, Explanation } from '../decision/checks.js'
import { normaliseUser, questionsOf, type ResourceInput, type UserInput } from '../decision/query.js'
import {
  readCheckOptions, readFilterOptions, readPlanActions, readPlanOptions, readSearchOptions, readTenantsOptions,
  requireLimit, requirePermissionsOptions, requireType, type CheckOptions, type FilterOptions, type PermissionsOptions,
  type PlanActions, type PlanOptions, type SearchOptions, type TenantsOptions
} from '../decision/question-options.js'
import type * as Searching from '../decision/search.js'
import { SearchResults, type FoundResource } from '../decision/search-results.js'
import { allowedItems, queriesOf, questionsAbout, requireFunction, type Items } from './bulk-checks.js'
import type { Plan } from '../contract/plan.js'
import type { ActionOf, RelationOf, ResourceType } from '../contract/vocabulary.js'
import { ForbiddenError, QueryError, UnauthenticatedError, UnavailableError, type Denial } from '../contract/errors.js'
import type { Caller, Query, QueryUser, SearchQuestion, UserPermissions } from '../contract/point.js'
import type { Enforcement } from '../guard/enforce.js'
import { askToComeBack } from '../guard/retry-after.js'
import { loadOnce } from '../kit/load-once.js'

const loadPlanQuestions = loadOnce(() => import('../decision/plan-question.js'))
const loadSearch = loadOnce(() => import('../decision/search.js'))

/** The request of its checks, and how it is decided: for entries that guard what a framework does not know as a route. */
export let behind: <R>(permit: RequestPermit<R>) => { readonly request: R, readonly enforcement: Enforcement<R> }

/** What is refused without a check, and why. */
export type RefusedCall = Pick<Denial, 'action' | 'resource' | 'code' | 'reason'>

/**
 * The error for a call that is refused without a check: logged and counted like the refusal of a guard. It is the 401 error when the
 * request is not authenticated.
 * @param permit - what the app gives as the checks of a request
 */
export let refuseCall: (permit: object | undefined, call: RefusedCall) => Promise<Error>

/**
 * Checks for the user of a request. Every method rejects with a 401 error when the request is not authenticated, with a 503 error when
 * there is no decision, and with a `QueryError` when an argument is invalid.
 *
 * The `QueryError` has status 400 for an invalid action, resource, tenant, context, check or item, because the value may come from the
 * client. It has status 500 for mistakes of the app's code: an unknown option, a missing function, or an invalid user or tenant returned by
 * the plugin's options.
 */
export class RequestPermit<R = unknown> {
  static {
    behind = permit => ({ request: permit.#request, enforcement: permit.#enforcement })
    refuseCall = async (permit, call) => permit !== undefined && #request in permit ? permit.#refuse(call) : new ForbiddenError()
  }

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

  /** Resolves when the user is allowed; rejects with the 403 error otherwise. A denial is in the log, like one of a guard. */
  async assert<T extends ResourceType> (action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions): Promise<void> {
    return this.#decide(action, resource, options, async (checks, query) => {
      try {
        await checks.assertAllowed(query, this.#caller, this.#asker)
      } catch (error) {
        if (error instanceof ForbiddenError) this.#enforcement.refused(this.#request, error)
        throw error
      }
    })
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

  /**
   * The items on which the user may do `action`, in order. Rejects when one of them has no decision.
   *
   * Asks chunk by chunk: each adds the time of a check to that of the filter, up to 30 times as much. The time for reading items does not
   * count.
   * @param items - an array, or an (async) iterable such as a database's cursor, which is closed when `limit` items are found
   */
  async filter<Item, T extends ResourceType> (
    action: ActionOf<T>, items: Items<Item>, toResource: (item: Item) => ResourceInput<T>, options?: FilterOptions
  ): Promise<Item[]> {
    const { tenant, context, limit } = readFilterOptions(options)
    requireFunction(toResource)
    const user = await this.#user()
    const own = await this.#tenant(tenant)
    const question = await asValues(own, async () => {
      requireLimit(limit)
      return questionsAbout(user, action, items, { tenant: tenant ?? own, context })
    })
    const { checks } = this.#enforcement
    return this.#answer(async () => allowedItems(items, item => question(toResource(item)),
      (queries, time) => checks.areAllowed(queries, this.#caller, this.#asker, time), await checks.filtering(), limit))
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
    requireType(type, 'plan')
    const user = await this.#user()
    const own = await this.#tenant(asked.tenant)
    const { planQuestions } = await loadPlanQuestions()
    const questions = await asValues(own, () => planQuestions(user, actions, type, asked, own))
    return this.#answer(async () => this.#enforcement.checks.plan(how, questions, this.#asker))
  }

  /**
   * The resources of a type on which the user may act, of those that the PDP knows, page by page. Never from the cache.
   *
   * Iterating rejects with a `SearchError` when the PDP cannot give the whole list.
   * @param type - a resource type
   */
  searchResources<T extends ResourceType> (action: ActionOf<T>, type: T, options?: SearchOptions): SearchResults<FoundResource<T>> {
    return new SearchResults(() => this.#resources(action, type, options))
  }

  async * #resources<T extends ResourceType> (
    action: string, type: T, options: SearchOptions | undefined
  ): AsyncGenerator<FoundResource<T>, void, undefined> {
    let tenant = ''
    const keys = this.#search(options, ({ resourcesQuestion }, asked, user, own) => {
      requireType(type, 'search')
      const question = resourcesQuestion(user, action, type, asked, own)
      tenant = question.resource.tenant
      return question
    })
    for await (const key of keys) yield { type, key, tenant }
  }

  /** The actions that the user may do on a resource, page by page. Never from the cache. */
  searchActions<T extends ResourceType> (resource: ResourceInput<T>, options?: SearchOptions): SearchResults<ActionOf<T>> {
    return new SearchResults(() => this.#search<ActionOf<T>>(options, ({ actionsQuestion }, asked, user, own) =>
      actionsQuestion(user, resource, asked, own)))
  }

  /**
   * The keys of the users who may do `action` on a resource, of those that the PDP knows, page by page; the user of the request plays no
   * part in it. Never from the cache.
   */
  searchUsers<T extends ResourceType> (action: ActionOf<T>, resource: ResourceInput<T>, options?: SearchOptions): SearchResults<string> {
    return new SearchResults(() => this.#search(options, ({ usersQuestion }, asked, _user, own) =>
      usersQuestion(action, resource, asked, own)))
  }

  /**
   * The keys of the tenants in which the user has a role. With `action` and `resource`, those of them in which the user may act on the
   * resource. Never from the cache.
   */
  tenants<T extends ResourceType> (options?: TenantsOptions<T>): SearchResults<string> {
    return new SearchResults(() => this.#tenants(options))
  }

  async * #tenants (options: TenantsOptions | undefined): AsyncGenerator<string, void, undefined> {
    const asked = readTenantsOptions(options)
    const user = await this.#user()
    const { tenantsQuestion } = await loadSearch()
    const question = await asValues(undefined, () => {
      requireLimit(asked.limit)
      return tenantsQuestion(user, asked)
    })
    yield * this.#results(question, asked)
  }

  async * #search<T extends string> (options: SearchOptions | undefined, questionOf: SearchQuestionOf): AsyncGenerator<T, void, undefined> {
    const asked = readSearchOptions(options)
    const user = await this.#user()
    const own = await this.#tenant(asked.tenant)
    const by = await loadSearch()
    const question = await asValues(own, () => {
      requireLimit(asked.limit)
      return questionOf(by, asked, user, own)
    })
    yield * this.#results(question, asked) as AsyncGenerator<T, void, undefined>
  }

  async * #results (question: SearchQuestion, limits: Pick<SearchOptions, 'limit' | 'signal'>): AsyncGenerator<string, void, undefined> {
    const results = this.#enforcement.checks.search(question, limits, this.#asker)
    try {
      for (;;) {
        const next = await this.#answer(async () => results.next())
        if (next.done === true) return
        yield next.value
      }
    } finally {
      await results.return()
    }
  }

  /**
   * The permissions that roles give the user, by tenant and resource instance. What conditions (ABAC) allow is not in it, so it is for
   * menus and buttons, and no decision. Never from the cache.
   */
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

  async #refuse (call: RefusedCall): Promise<Error> {
    const who = await this.#enforcement.user(this.#request)
    if (who === undefined || who === null || who === '') return new UnauthenticatedError()
    const error = new ForbiddenError({ user: normaliseUser(who).key, tenant: '', ...call })
    this.#enforcement.checks.refused(error, this.#asker)
    this.#enforcement.refused(this.#request, error)
    return error
  }

  /** Adds `Retry-After` to the response if it becomes a 503, no matter which code sends it. */
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

type SearchQuestionOf = (
  by: typeof Searching, options: SearchOptions, user: QueryUser, own: string | readonly string[] | undefined
) => SearchQuestion

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
