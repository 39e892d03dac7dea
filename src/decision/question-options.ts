// The options of checks and permissions, the same in every framework, and the errors for unknown ones.
import { QueryError } from '../contract/errors.js'
import type { ActionOf, ResourceType } from '../contract/vocabulary.js'
import { isRecord } from '../kit/is-record.js'
import { describe, requireArray, requireKnown, requireText } from './input-checks.js'
import type { ContextInput, ResourceInput } from './query.js'

/** The options of a check, besides its action and resource. */
export interface CheckOptions {
  /** The tenant, unless the resource names one. Default: on a request the value of the plugin's `tenant` option, otherwise `default`. */
  readonly tenant?: string
  /** The context, for conditions on `context.*`. */
  readonly context?: ContextInput
}

/** The options of `filter`. */
export interface FilterOptions extends CheckOptions {
  /** The most items: the filter asks and reads no further when it has them. Default: all items. */
  readonly limit?: number
}

/** Narrows the result of `permissions`. */
export interface PermissionsOptions {
  /** Only of these tenants, by key. Default: of all. */
  readonly tenants?: readonly string[]
  /** Only on these instances, `type:key` each. Default: on all. An AuthZEN PDP needs it, with at most 100 instances. */
  readonly resources?: readonly string[]
  /** Only on instances of these types; `__tenant` for permissions in tenants. Default: of all. */
  readonly resourceTypes?: ReadonlyArray<ResourceType | '__tenant'>
  /**
   * Permit's switches: with `{ enable_abac_user_permissions: true }` and `resourceTypes`, conditions on stored attributes count, too.
   * Conditions on the context never do.
   */
  readonly context?: ContextInput
  /** Whether the attributes of tenants and instances are in the result. Default: false, because it is often sent to browsers. */
  readonly attributes?: boolean
}

/** The actions of a plan: one, or several of which the user may do at least one (`anyOf`) or all (`allOf`). */
export type PlanActions<A extends string = string> = A | { readonly anyOf: readonly A[] } | { readonly allOf: readonly A[] }

/** The options of a plan, besides its actions and resource type. */
export interface PlanOptions<R extends string = string> extends CheckOptions {
  /**
   * Relations of the resource type that are columns of the table: for example `['parent']` where the documents' column `folder_id` is
   * the key of the folder that is their `parent`. A role that documents derive along that relation is then a condition on the column,
   * instead of a list of documents. It says that column and relationship tuples agree. Default: none.
   */
  readonly relations?: readonly R[]
  /**
   * Only for Permit's container, which cannot list rows that conditions (ABAC) allow: what the app knows about them. `none`: no set rule is
   * about the permission. `stored`: conditions only look at attributes that are stored with the instances, every row is such an instance,
   * and no condition looks at the context. Default: unknown, and a plan of the container is a `PlanError`. Other PDPs know, and ignore it.
   */
  readonly conditions?: 'none' | 'stored'
}

/** The options of a search. */
export interface SearchOptions extends CheckOptions {
  /**
   * The most results; the search ends after them. Default: all results, and a `SearchError` when there are more than 10,000. At most
   * 1,000,000.
   */
  readonly limit?: number
  /** Ends the search: the next step rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /**
   * Only for Permit's container, which cannot list what conditions (ABAC) allow: what the app knows about them. `none`: no set rule is
   * about the resource type. `stored`: conditions only look at attributes that are stored with users and instances, and none looks at the
   * context. Default: unknown, and a search over the container is a `SearchError`. Other PDPs know, and ignore it.
   */
  readonly conditions?: 'none' | 'stored'
}

/** The options of `tenants`. */
export interface TenantsOptions<T extends ResourceType = ResourceType> extends Pick<SearchOptions, 'context' | 'limit' | 'signal'> {
  /** Only tenants in which the user may do this action on `resource`. */
  readonly action?: ActionOf<T>
  /** A resource type, `type:key`, or `{ type, key?, attributes? }` without a tenant. Needs `action`. */
  readonly resource?: ResourceInput<T>
}

const CHECK_OPTIONS: readonly string[] = ['tenant', 'context']
const FILTER_OPTIONS: readonly string[] = [...CHECK_OPTIONS, 'limit']
const CHECK_PARTS: readonly string[] = ['action', 'resource', ...CHECK_OPTIONS]
const USER_CHECK_PARTS: readonly string[] = ['user', ...CHECK_PARTS]
const SEARCH_OPTIONS: readonly string[] = [...CHECK_OPTIONS, 'limit', 'signal', 'conditions']
const TENANTS_OPTIONS: readonly string[] = ['action', 'resource', 'context', 'limit', 'signal']
const PLAN_OPTIONS: readonly string[] = [...CHECK_OPTIONS, 'relations', 'conditions']
const PLAN_COMBINATIONS: readonly string[] = ['anyOf', 'allOf']
const PERMISSIONS_LISTS = ['tenants', 'resources', 'resourceTypes'] as const
const PERMISSIONS_OPTIONS: readonly string[] = [...PERMISSIONS_LISTS, 'context', 'attributes']

/**
 * Validates the options of a check. An unknown option is rejected, because ignoring it would change the check.
 * @throws {@link QueryError} that names the unknown option, and the most similar known one
 */
export function readCheckOptions (options: CheckOptions | undefined): CheckOptions {
  if (options === undefined) return {}
  requireKnown('the options', options, CHECK_OPTIONS, ': pass values for conditions as { context: { … } }')
  return options
}

/**
 * Validates the options of a filter.
 * @throws {@link QueryError} that names the unknown option, and the most similar known one
 */
export function readFilterOptions (options: FilterOptions | undefined): FilterOptions {
  if (options === undefined) return {}
  requireKnown('the options of filter', options, FILTER_OPTIONS, ': pass values for conditions as { context: { … } }')
  return options
}

/**
 * Validates the checks of a bulk check.
 * @throws {@link QueryError}
 */
export function readChecks<T extends object> (checks: readonly T[]): readonly T[] {
  requireArray('the checks', checks)
  // `forEach` would skip the holes of an array.
  for (const [index, check] of checks.entries()) requireKnown(`check ${index}`, check, CHECK_PARTS, hintAboutUser(check))
  return checks
}

/** A check that names a user comes from code for the other form, which is that of Permit's SDK. */
function hintAboutUser (check: unknown): string {
  return isRecord(check) && Object.hasOwn(check, 'user')
    ? ': for a check that names its user, write app.permit.bulkCheck([{ user, action, resource }]), without another user before it'
    : ''
}

/**
 * Validates the checks of a bulk check in which each check names its user.
 * @throws {@link QueryError}
 */
export function readUserChecks<T extends object> (checks: readonly T[]): readonly T[] {
  requireArray('the checks', checks)
  for (const [index, check] of checks.entries()) {
    requireKnown(`check ${index}`, check, USER_CHECK_PARTS)
    if (!Object.hasOwn(check, 'user')) {
      throw new QueryError(`check ${index} names no user; ` +
        'expected bulkCheck(user, [{ action, resource }]) or bulkCheck([{ user, action, resource }])')
    }
  }
  return checks
}

/**
 * Validates the options of a plan.
 * @throws {@link QueryError} that names the unknown option, and the most similar known one
 */
export function readPlanOptions (options: PlanOptions | undefined): PlanOptions {
  if (options === undefined) return {}
  requireKnown('the options of plan', options, PLAN_OPTIONS, ': pass values for conditions as { context: { … } }')
  const { relations } = options
  if (relations !== undefined) requireTexts('the option "relations"', relations)
  requireConditions(options)
  return options
}

function requireConditions ({ conditions }: Pick<PlanOptions, 'conditions'>): void {
  if (conditions === undefined || conditions === 'none' || conditions === 'stored') return
  throw new QueryError(`the option "conditions" is ${describe(conditions)}; expected "none" or "stored"`)
}

/**
 * Validates the resource type of a plan or a search.
 * @throws {@link QueryError}
 */
export function requireType (type: string, what: 'plan' | 'search'): void {
  requireText('the resource type', type)
  if (!type.includes(':')) return
  const about = what === 'plan' ? 'a plan is about all rows of a type' : 'a search finds resources of a type'
  throw new QueryError(`the resource type is ${describe(type)}; ${about}. Leave out the key, or use check()`)
}

/** The most results that a search may be asked for. */
const MAX_LIMIT = 1_000_000

/**
 * Validates the options of a search.
 * @throws {@link QueryError} that names the unknown option, and the most similar known one
 */
export function readSearchOptions (options: SearchOptions | undefined): SearchOptions {
  if (options === undefined) return {}
  requireKnown('the options of a search', options, SEARCH_OPTIONS, ': pass values for conditions as { context: { … } }')
  requireConditions(options)
  requireSignal(options)
  return options
}

/**
 * Validates the options of `tenants`.
 * @throws {@link QueryError} that names the unknown option, and the most similar known one
 */
export function readTenantsOptions (options: TenantsOptions | undefined): TenantsOptions {
  if (options === undefined) return {}
  requireKnown('the options of tenants', options, TENANTS_OPTIONS, ': pass values for conditions as { context: { … } }')
  requireSignal(options)
  const { action, resource } = options
  if ((action === undefined) !== (resource === undefined)) {
    throw new QueryError('the options of tenants have only one of "action" and "resource"; expected both, or neither')
  }
  if (isRecord(resource) && resource['tenant'] !== undefined) {
    throw new QueryError('the resource names a tenant; tenants() finds the tenants')
  }
  return options
}

/**
 * Validates the limit of a filter or a search, which may come from a client.
 * @throws {@link QueryError}
 */
export function requireLimit (limit: number | undefined): void {
  if (limit === undefined || (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT)) return
  throw new QueryError(`the option "limit" is ${describe(limit)}; expected a whole number from 1 to ${MAX_LIMIT}`)
}

function requireSignal ({ signal }: Pick<SearchOptions, 'signal'>): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new QueryError(`the option "signal" is ${describe(signal)}; expected an AbortSignal`)
  }
}

/**
 * Validates the actions of a plan.
 * @throws {@link QueryError}
 */
export function readPlanActions (
  actions: PlanActions
): { readonly how: 'anyOf' | 'allOf', readonly actions: readonly [string, ...string[]] } {
  if (typeof actions === 'object' && actions !== null) {
    requireKnown('the action', actions, PLAN_COMBINATIONS)
    const how = 'anyOf' in actions ? 'anyOf' : 'allOf'
    const list = 'anyOf' in actions ? actions.anyOf : actions.allOf
    if (Object.keys(actions).length !== 1) throw new QueryError('the action has anyOf and allOf; expected one of them')
    requireTexts(`the action's ${how}`, list)
    const [first, ...others] = list
    if (first === undefined) throw new QueryError(`the action's ${how} is empty; expected at least one action`)
    return { how, actions: [first, ...others] }
  }
  requireText('the action', actions)
  return { how: 'allOf', actions: [actions] }
}

/**
 * Validates the options of `permissions`.
 * @throws {@link QueryError}
 */
export function readPermissionsOptions (options: PermissionsOptions | undefined): PermissionsOptions {
  if (options === undefined) return {}
  requirePermissionsOptions(options)
  for (const name of PERMISSIONS_LISTS) {
    const list: unknown = options[name]
    if (list === undefined) continue
    requireTexts(`the option "${name}"`, list)
  }
  const { attributes } = options
  if (attributes !== undefined && typeof attributes !== 'boolean') {
    throw new QueryError(`the option "attributes" is ${describe(attributes)}; expected true or false`)
  }
  return options
}

/**
 * Validates the names of the options of `permissions`, not their values.
 * @throws {@link QueryError}
 */
export function requirePermissionsOptions (options: PermissionsOptions | undefined): void {
  if (options !== undefined) requireKnown('the options of permissions', options, PERMISSIONS_OPTIONS)
}

function requireTexts (what: string, list: unknown): asserts list is readonly string[] {
  requireArray(what, list)
  const wrong = list.find(item => typeof item !== 'string' || item === '')
  if (wrong === undefined && !list.includes(undefined)) return
  throw new QueryError(`${what} contains ${describe(wrong)}; expected non-empty strings`)
}
