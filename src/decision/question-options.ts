// The options of checks and permissions, the same in every framework, and the errors for unknown ones.
import { QueryError } from '../contract/errors.js'
import type { ResourceType } from '../contract/vocabulary.js'
import { isRecord } from '../kit/is-record.js'
import { describe, requireArray, requireKnown } from './input-checks.js'
import type { ContextInput } from './query.js'

/** The options of a check, beside its action and resource. */
export interface CheckOptions {
  /** The tenant, unless the resource names one. Default: on a request the value of the plugin's `tenant` option, otherwise `default`. */
  readonly tenant?: string
  /** The context, for conditions on `context.*`. */
  readonly context?: ContextInput
}

/** Narrows the result of `permissions`. */
export interface PermissionsOptions {
  readonly tenants?: readonly string[]
  /** `type:key` each. */
  readonly resources?: readonly string[]
  readonly resourceTypes?: readonly ResourceType[]
  readonly context?: ContextInput
}

const CHECK_OPTIONS: readonly string[] = ['tenant', 'context']
const CHECK_PARTS: readonly string[] = ['action', 'resource', ...CHECK_OPTIONS]
const USER_CHECK_PARTS: readonly string[] = ['user', ...CHECK_PARTS]
const PERMISSIONS_LISTS = ['tenants', 'resources', 'resourceTypes'] as const
const PERMISSIONS_OPTIONS: readonly string[] = [...PERMISSIONS_LISTS, 'context']

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
 * Validates the options of `permissions`.
 * @throws {@link QueryError}
 */
export function readPermissionsOptions (options: PermissionsOptions | undefined): PermissionsOptions {
  if (options === undefined) return {}
  requirePermissionsOptions(options)
  for (const name of PERMISSIONS_LISTS) {
    const list: unknown = options[name]
    if (list === undefined) continue
    requireArray(`the option "${name}"`, list)
    const wrong = list.find(item => typeof item !== 'string' || item === '')
    if (wrong !== undefined || list.includes(undefined)) {
      throw new QueryError(`the option "${name}" contains ${describe(wrong)}; expected non-empty strings`)
    }
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
