// The options of a guard, beside its requirement.
import { QueryError } from '../contract/errors.js'
import { describe, requireKnown } from '../decision/input-checks.js'

/** The options of `guard(requirement, options)`. */
export interface GuardOptions {
  /**
   * Whether the option `onDenied` answers what this guard denies; `false`: the refusal is handed on as it is. For a guard that is one of several, of which
   * another one may still let the request in.
   * @defaultValue true
   */
  readonly onDenied?: boolean
}

const GUARD_OPTIONS: readonly string[] = ['onDenied']

/**
 * The options, with everything filled in.
 * @throws `QueryError` that names a word that is none, and the nearest one that there is
 */
export function readGuardOptions (options: GuardOptions | undefined): Required<GuardOptions> {
  if (options === undefined) return { onDenied: true }
  requireKnown('the options of guard()', options, GUARD_OPTIONS)
  const { onDenied = true } = options
  if (typeof onDenied !== 'boolean') throw new QueryError(`the option "onDenied" of guard() is ${describe(onDenied)}; expected true or false`)
  return { onDenied }
}
