// Questions outside of a request, the user first, the write API, and what an app wants to know: the same for every framework.
import type { CheckInput, Checks, Explanation } from '../decision/checks.js'
import { createQuery, type ResourceInput, type UserInput } from '../decision/query.js'
import { readCheckOptions, type CheckOptions, type PermissionsOptions } from '../decision/question-options.js'
import { queriesOf, questionsAbout } from './many.js'
import type { ActionOf, ResourceType } from '../contract/vocabulary.js'
import type { DecisionPointStats, Health, Query, UserPermissions } from '../contract/point.js'
import type { MutationResult } from '../contract/fact-mutation.js'
import { WriteApi } from './write/api.js'
import type { Mutation } from './write/mutation.js'
import type { Writer } from './write/writer.js'

/**
 * The app's view of the plugin, for jobs, sockets and queues. What asks rejects with a 503 error when no decision can
 * be had, and with a `QueryError` when what is asked makes no question. The tenant is that of the resource, then that of the options, in
 * the end `default`: the plugin's `tenant` option is about requests.
 */
export class Permit {
  readonly #checks: Checks
  readonly #writer: Writer
  /** The writes that there are: users, tenants, roles, resource instances, relationship tuples. Handed to `write`, or awaited. */
  readonly api: WriteApi

  constructor (checks: Checks, writer: Writer) {
    this.#checks = checks
    this.#writer = writer
    this.api = new WriteApi(writer)
  }

  /** May `user` do `action` on `resource`? */
  async check<T extends ResourceType> (user: UserInput, action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions): Promise<boolean> {
    return this.#checks.isAllowed(queryOf(user, action, resource, options))
  }

  /** Resolves when `user` may, throws the 403 when not. */
  async assert<T extends ResourceType> (user: UserInput, action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions): Promise<void> {
    return this.#checks.assertAllowed(queryOf(user, action, resource, options))
  }

  /** The whole decision: allow, reason, where it came from, how long it took. For people and logs. */
  async explain<T extends ResourceType> (user: UserInput, action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions): Promise<Explanation> {
    return this.#checks.explainQuery(queryOf(user, action, resource, options))
  }

  /**
   * Many questions of one user, answered in order, within the deadline of one check. Rejects when one has no answer.
   * @param options - for the questions that do not say themselves
   */
  async bulkCheck (user: UserInput, checks: readonly CheckInput[], options?: CheckOptions): Promise<boolean[]> {
    return this.#checks.areAllowed(await queriesOf(user, checks, readCheckOptions(options)))
  }

  /** The items that `user` may do `action` on, in order. Rejects when it cannot be had for one of them. */
  async filter<Item, T extends ResourceType> (
    user: UserInput, action: ActionOf<T>, items: readonly Item[], toResource: (item: Item) => ResourceInput<T>, options?: CheckOptions
  ): Promise<Item[]> {
    const allowed = await this.bulkCheck(user, await questionsAbout(action, items, toResource), options)
    return items.filter((_, index) => allowed[index] === true)
  }

  /** What `user` may do, by tenant and resource instance. Never from the cache. */
  async permissions (user: UserInput, options?: PermissionsOptions): Promise<UserPermissions> {
    return this.#checks.permissions(user, options)
  }

  /**
   * Makes writes, in order, and stops at the first that fails. Resolves with their results when the PDP decides by them and what
   * it decided before is forgotten: the next check sees them.
   * @throws `WriteError` that says which one failed, what had been applied before it, and why
   */
  async write (...mutations: readonly Mutation[]): Promise<MutationResult[]> {
    return this.#writer.write(mutations)
  }

  /** Forgets the decisions of one user, or all of them, those on their way included. */
  invalidate (user?: string | { readonly key: string }): void {
    this.#checks.invalidate(user)
  }

  /** Counters since the start, and latencies. */
  stats (): DecisionPointStats {
    return this.#checks.stats()
  }

  /** Whether decisions can be had now. Never rejects. */
  async health (): Promise<Health> {
    return this.#checks.health()
  }
}

function queryOf (user: UserInput, action: string, resource: ResourceInput, options: CheckOptions | undefined): Query {
  const { tenant, context } = readCheckOptions(options)
  return createQuery(user, action, resource, tenant, context)
}
