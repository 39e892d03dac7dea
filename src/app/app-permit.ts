// `app.permit`, the same for every framework: checks outside of a request (the user is the first argument), writes, counters and health.
import type { CheckInput, Checks, Explanation, UserCheckInput } from '../decision/checks.js'
import { createQuery, normaliseUser, type ResourceInput, type UserInput } from '../decision/query.js'
import {
  readCheckOptions, readFilterOptions, readPlanActions, readPlanOptions, readSearchOptions, readTenantsOptions, requireLimit, requireType,
  type CheckOptions, type FilterOptions, type PermissionsOptions, type PlanActions, type PlanOptions, type SearchOptions,
  type TenantsOptions
} from '../decision/question-options.js'
import type * as Searching from '../decision/search.js'
import { SearchResults, type FoundResource } from '../decision/search-results.js'
import { allowedItems, queriesOf, queriesOfUsers, questionsAbout, requireFunction, type Items } from './bulk-checks.js'
import { requireNoMore } from '../decision/input-checks.js'
import type { Plan } from '../contract/plan.js'
import type { ActionOf, RelationOf, ResourceType } from '../contract/vocabulary.js'
import type { DecisionPointStats, Health, Query, SearchQuestion, UserPermissions } from '../contract/point.js'
import type { MutationResult } from '../contract/mutation-result.js'
import { loadOnce } from '../kit/load-once.js'
import { WriteApi } from './write/api.js'
import type { Mutation } from './write/mutation.js'
import type { Writer } from './write/writer.js'

const loadPlanQuestions = loadOnce(() => import('../decision/plan-question.js'))
const loadSearch = loadOnce(() => import('../decision/search.js'))

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

  /**
   * The items on which `user` may do `action`, in order. Rejects when one of them has no decision.
   *
   * Asks chunk by chunk: each adds the time of a check to that of the filter, up to 30 times as much. The time for reading items does not
   * count.
   * @param items - an array, or an (async) iterable such as a database's cursor, which is closed when `limit` items are found
   * @example
   * ```ts
   * import type { AppPermit } from 'fastify-permit'
   *
   * declare const permit: AppPermit
   * declare const cursor: AsyncIterable<{ id: string }>
   * export const first = await permit.filter('ann', 'retrieve', cursor, ({ id }) => ({ type: 'task', key: id }), { limit: 20 })
   * ```
   */
  async filter<Item, T extends ResourceType> (
    user: UserInput, action: ActionOf<T>, items: Items<Item>, toResource: (item: Item) => ResourceInput<T>, options?: FilterOptions
  ): Promise<Item[]> {
    requireFunction(toResource)
    const asked = readFilterOptions(options)
    requireLimit(asked.limit)
    const question = questionsAbout(normaliseUser(user), action, items, asked)
    return allowedItems(items, item => question(toResource(item)),
      (queries, time) => this.#checks.areAllowed(queries, undefined, undefined, time), await this.#checks.filtering(), asked.limit)
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
    requireType(type, 'plan')
    const { planQuestions } = await loadPlanQuestions()
    return this.#checks.plan(how, planQuestions(normaliseUser(user), actions, type, asked))
  }

  /**
   * The resources of a type on which `user` may act, of those that the PDP knows, page by page. Never from the cache.
   *
   * Iterating rejects with a `SearchError` when the PDP cannot give the whole list.
   * @param type - a resource type
   * @example
   * ```ts
   * import type { AppPermit } from 'fastify-permit'
   *
   * declare const permit: AppPermit
   * const documents = permit.searchResources('ann', 'read', 'document', { tenant: 'acme', limit: 100 })
   * for await (const { key } of documents) console.log(key)
   * ```
   */
  searchResources<T extends ResourceType> (
    user: UserInput, action: ActionOf<T>, type: T, options?: SearchOptions
  ): SearchResults<FoundResource<T>> {
    return new SearchResults(() => this.#resources(user, action, type, options))
  }

  async * #resources<T extends ResourceType> (
    user: UserInput, action: string, type: T, options: SearchOptions | undefined
  ): AsyncGenerator<FoundResource<T>, void, undefined> {
    const asked = readSearchOptions(options)
    requireLimit(asked.limit)
    requireType(type, 'search')
    const { resourcesQuestion } = await loadSearch()
    const question = resourcesQuestion(normaliseUser(user), action, type, asked)
    const { tenant } = question.resource
    for await (const key of this.#checks.search(question, asked)) yield { type, key, tenant }
  }

  /** The actions that `user` may do on a resource, page by page. Never from the cache. */
  searchActions<T extends ResourceType> (user: UserInput, resource: ResourceInput<T>, options?: SearchOptions): SearchResults<ActionOf<T>> {
    return new SearchResults(() => this.#search<ActionOf<T>>(options, ({ actionsQuestion }, asked) =>
      actionsQuestion(normaliseUser(user), resource, asked)))
  }

  /** The keys of the users who may do `action` on a resource, of those that the PDP knows, page by page. Never from the cache. */
  searchUsers<T extends ResourceType> (action: ActionOf<T>, resource: ResourceInput<T>, options?: SearchOptions): SearchResults<string> {
    return new SearchResults(() => this.#search(options, ({ usersQuestion }, asked) => usersQuestion(action, resource, asked)))
  }

  /**
   * The keys of the tenants in which `user` has a role. With `action` and `resource`, those of them in which the user may act on the
   * resource. Never from the cache.
   */
  tenants<T extends ResourceType> (user: UserInput, options?: TenantsOptions<T>): SearchResults<string> {
    return new SearchResults(() => this.#tenants(user, options))
  }

  async * #tenants (user: UserInput, options: TenantsOptions | undefined): AsyncGenerator<string, void, undefined> {
    const asked = readTenantsOptions(options)
    requireLimit(asked.limit)
    const { tenantsQuestion } = await loadSearch()
    yield * this.#checks.search(tenantsQuestion(normaliseUser(user), asked), asked)
  }

  async * #search<T extends string> (
    options: SearchOptions | undefined, questionOf: (by: typeof Searching, options: SearchOptions) => SearchQuestion
  ): AsyncGenerator<T, void, undefined> {
    const asked = readSearchOptions(options)
    requireLimit(asked.limit)
    const question = questionOf(await loadSearch(), asked)
    yield * this.#checks.search(question, asked) as AsyncGenerator<T, void, undefined>
  }

  /**
   * The permissions that roles give `user`, by tenant and resource instance. What conditions (ABAC) allow is not in it, so it is for menus
   * and buttons, and no decision. Never from the cache.
   */
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
