// The options of a guard, apart from its requirement.
import { QueryError } from '../contract/errors.js'
import { describe, requireKnown } from '../decision/input-checks.js'

/** The options of `guard(requirement, options)`. */
export interface GuardOptions {
  /**
   * Whether the plugin's option `onDenied` responds when this guard denies. `false` passes the error on unchanged, for a guard that is
   * combined with others, because another guard may still let the request through.
   * @defaultValue true
   */
  readonly onDenied?: boolean
}

const GUARD_OPTIONS: readonly string[] = ['onDenied']

/**
 * Returns the options with defaults.
 * @throws `QueryError` that names an unknown option, and the most similar known one
 */
export function readGuardOptions (options: GuardOptions | undefined): Required<GuardOptions> {
  if (options === undefined) return { onDenied: true }
  requireKnown('the options of guard()', options, GUARD_OPTIONS)
  const { onDenied = true } = options
  if (typeof onDenied !== 'boolean') {
    throw new QueryError(`the option "onDenied" of guard() is ${describe(onDenied)}; expected true or false`)
  }
  return { onDenied }
}
