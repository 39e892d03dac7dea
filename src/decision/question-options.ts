// The options that stand beside a question, the same in every face, and what is said of a word that is none of them.
import { QueryError } from '../contract/errors.js'
import type { ResourceType } from '../contract/vocabulary.js'
import { describe, requireArray, requireKnown } from './input.js'
import type { ContextInput } from './query.js'

/** What a question may be given beyond its action and resource. */
export interface CheckOptions {
  /** The tenant, where the resource names none. Default: on a request what the plugin's `tenant` option says for it; in the end `default`. */
  readonly tenant?: string
  /** Facts about the circumstances, for conditions. */
  readonly context?: ContextInput
}

/** Narrows what `permissions` tells. */
export interface PermissionsOptions {
  readonly tenants?: readonly string[]
  /** `type:key` each. */
  readonly resources?: readonly string[]
  readonly resourceTypes?: readonly ResourceType[]
  readonly context?: ContextInput
}

const CHECK_OPTIONS: readonly string[] = ['tenant', 'context']
const CHECK_PARTS: readonly string[] = ['action', 'resource', ...CHECK_OPTIONS]
const PERMISSIONS_LISTS = ['tenants', 'resources', 'resourceTypes'] as const
const PERMISSIONS_OPTIONS: readonly string[] = [...PERMISSIONS_LISTS, 'context']

/**
 * The options of a question. What a caller takes for an option and is none must not be dropped: without it another question would be asked.
 * @throws {@link QueryError} that names the word, and the nearest one that there is
 */
export function readCheckOptions (options: CheckOptions | undefined): CheckOptions {
  if (options === undefined) return {}
  requireKnown('the options', options, CHECK_OPTIONS, ': write facts about the circumstances as { context: { … } }')
  return options
}

/**
 * The questions of a bulk check.
 * @throws {@link QueryError}
 */
export function readChecks<T extends object> (checks: readonly T[]): readonly T[] {
  requireArray('the checks', checks)
  checks.forEach((check, index) => requireKnown(`check ${index}`, check, CHECK_PARTS))
  return checks
}

/**
 * The options of `permissions`.
 * @throws {@link QueryError}
 */
export function readPermissionsOptions (options: PermissionsOptions | undefined): PermissionsOptions {
  if (options === undefined) return {}
  requireKnown('the options of permissions', options, PERMISSIONS_OPTIONS)
  for (const name of PERMISSIONS_LISTS) {
    const list: unknown = options[name]
    if (list === undefined) continue
    requireArray(`the option "${name}"`, list)
    const wrong = list.find(item => typeof item !== 'string' || item === '')
    if (wrong !== undefined || list.includes(undefined)) throw new QueryError(`the option "${name}" has ${describe(wrong)} in it; expected strings that are not empty`)
  }
  return options
}
