// `request.permit`: checks inside a handler, in the name of the request's user and tenant.
import type { CheckInput, Explanation } from '../decision/checks.js'
import { createQuery, type ResourceInput, type UserInput } from '../decision/query.js'
import { readCheckOptions, type CheckOptions, type PermissionsOptions } from '../decision/question-options.js'
import { queriesOf, questionsAbout } from './bulk-checks.js'
import type { ActionOf, ResourceType } from '../contract/vocabulary.js'
import { UnauthenticatedError, UnavailableError } from '../contract/errors.js'
import type { Caller, Query, UserPermissions } from '../contract/point.js'
import type { Enforcement } from '../guard/enforce.js'
import { askToComeBack } from '../guard/retry-after.js'

/**
 * The request's view of the plugin. Every method rejects with a 401 error when nobody is authenticated, with a 503
 * error when there is no decision, and with a `QueryError` when the question is invalid.
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
    const defaults = { tenant: tenant ?? await this.#tenant(), context }
    return this.#answer(async () => this.#enforcement.checks.areAllowed(await queriesOf(user, checks, defaults), this.#caller, this.#asker))
  }

  /** The items on which the user may do `action`, in order. Rejects when there is no decision for one of them. */
  async filter<Item, T extends ResourceType> (
    action: ActionOf<T>, items: readonly Item[], toResource: (item: Item) => ResourceInput<T>, options?: CheckOptions
  ): Promise<Item[]> {
    const allowed = await this.bulkCheck(await questionsAbout(action, items, toResource), options)
    return items.filter((_, index) => allowed[index] === true)
  }

  /** What the user may do, by tenant and resource instance. */
  async permissions (options?: PermissionsOptions): Promise<UserPermissions> {
    return this.#answer(async () => this.#enforcement.checks.permissions(await this.#user(), options))
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
