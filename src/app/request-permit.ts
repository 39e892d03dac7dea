// `request.permit`: questions inside a handler, asked in the name of the request's user and tenant.
import type { CheckInput, Explanation, PermissionsOptions } from '../decision/checks.js'
import { createQuery, type ContextInput, type ResourceInput, type UserInput } from '../decision/query.js'
import type { ActionOf, ResourceType } from '../contract/vocabulary.js'
import { UnauthenticatedError } from '../contract/errors.js'
import type { Caller, Query, UserPermissions } from '../contract/point.js'
import type { Enforcement } from '../guard/enforce.js'

/** What a check may be given beyond its action and resource. */
export interface CheckOptions {
  /** The tenant, where the resource names none. Default: the plugin's `tenant` option for this request, then `default`. */
  readonly tenant?: string
  /** Facts about the circumstances, for conditions. */
  readonly context?: ContextInput
}

/**
 * The request's view of the plugin. Every method rejects with a 401 error when nobody is authenticated, with a 503
 * error when no decision can be had, and with a `QueryError` when what is asked makes no question.
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
    return this.#enforcement.checks.isAllowed(await this.#query(action, resource, options), this.#caller, this.#asker)
  }

  /** Resolves when the user may, throws the 403 when not. */
  async assert<T extends ResourceType> (action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions): Promise<void> {
    return this.#enforcement.checks.assertAllowed(await this.#query(action, resource, options), this.#caller, this.#asker)
  }

  /** The whole decision: allow, reason, where it came from, how long it took. For people and logs. */
  async explain<T extends ResourceType> (action: ActionOf<T>, resource: ResourceInput<T>, options?: CheckOptions): Promise<Explanation> {
    return this.#enforcement.checks.explainQuery(await this.#query(action, resource, options), this.#caller, this.#asker)
  }

  /** Many questions, answered in order, within the deadline of one check. Rejects when one of them has no answer. */
  async bulkCheck (checks: readonly CheckInput[]): Promise<boolean[]> {
    const user = await this.#user()
    const tenant = await this.#tenant()
    return this.#enforcement.checks.areAllowed(checks.map(check =>
      createQuery(user, check.action, check.resource, check.tenant ?? tenant, check.context)), this.#caller, this.#asker)
  }

  /** The items that the user may do `action` on, in order. Rejects when it cannot be had for one of them. */
  async filter<Item, T extends ResourceType> (action: ActionOf<T>, items: readonly Item[], toResource: (item: Item) => ResourceInput<T>): Promise<Item[]> {
    const allowed = await this.bulkCheck(items.map(item => ({ action, resource: toResource(item) })))
    return items.filter((_, index) => allowed[index] === true)
  }

  /** What the user may do, by tenant and resource instance. */
  async permissions (options?: PermissionsOptions): Promise<UserPermissions> {
    return this.#enforcement.checks.permissions(await this.#user(), options)
  }

  /** Never gone: a handler may go on asking when its client has left. */
  get #caller (): Caller {
    return { destroyed: false, requestId: this.#enforcement.requestId(this.#request) }
  }

  get #asker (): object {
    return this.#request as object
  }

  async #query (action: string, resource: ResourceInput, { tenant, context }: CheckOptions = {}): Promise<Query> {
    const user = await this.#user()
    return createQuery(user, action, resource, tenant ?? await this.#tenant(), context)
  }

  async #user (): Promise<UserInput> {
    const user = await this.#enforcement.user(this.#request)
    if (user === undefined || user === null || user === '') throw new UnauthenticatedError()
    return user
  }

  async #tenant (): Promise<string | readonly string[] | undefined> {
    return await this.#enforcement.tenant?.(this.#request) ?? undefined
  }
}
