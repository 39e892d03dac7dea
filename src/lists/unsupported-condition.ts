// The error of a target that cannot say something exactly.

import { TranslationError } from '../contract/errors.js'
import { shorten } from '../kit/shorten.js'

/** What is being translated, for errors. */
export interface Asked {
  /** The function that the app called: `toPrisma`. */
  readonly target: string
  /** The rules that need the field, in brackets; empty where they are not known. */
  readonly sources: (field: string) => string
}

/** What makes a target give up; it becomes a {@link TranslationError} where operator and field are known. */
export class Unsayable extends Error {
  /** @param message - why, and what to do */
}

/**
 * The error for an operator that the target cannot say so that database and `check` agree.
 * @param why - what differs, and what to do about it
 */
export function refusal (asked: Asked, operator: string, field: string, why: string): Error {
  const what = `'${shorten(operator, 60)}' on '${shorten(field, 200)}'`
  return new TranslationError(`${asked.target} cannot translate ${what} exactly${asked.sources(field)}: ${why}`)
}

/** Runs a part of a translation, and says which operator and field it was about where that part gives up. */
export function refusing<T> (asked: Asked, operator: string, field: string, translate: () => T): T {
  try {
    return translate()
  } catch (error) {
    if (error instanceof Unsayable) throw refusal(asked, operator, field, error.message)
    throw error
  }
}
