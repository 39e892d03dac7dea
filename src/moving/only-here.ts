// What a policy file can say and Permit cannot: a push of it would fail, or mean something else.
import { isRecord } from '../kit/is-record.js'
import type { Schema } from './normal-form.js'

/** Operators of conditions that Permit does not have. */
const OPERATORS_ONLY_HERE: ReadonlySet<string> = new Set(['ip_in'])

/** A word that Permit does not have, and the place in the policy. */
export interface OnlyHere {
  readonly word: string
  readonly path: readonly string[]
}

/** Each set whose condition has a word that Permit does not have. */
export function onlyHere ({ user_sets: userSets = {}, resource_sets: resourceSets = {} }: Schema): OnlyHere[] {
  return Object.entries({ user_sets: userSets, resource_sets: resourceSets }).flatMap(([section, sets]) =>
    Object.entries(sets).flatMap(([key, { conditions }]) =>
      [...wordsIn(conditions)].map(word => ({ word, path: [section, key, 'conditions'] }))))
}

/** A value may look like a condition, and is none: it is found, too, which refuses more than it must. */
function wordsIn (condition: unknown, found = new Set<string>()): Set<string> {
  if (Array.isArray(condition)) for (const item of condition) wordsIn(item, found)
  else if (isRecord(condition)) {
    for (const [key, value] of Object.entries(condition)) {
      if (OPERATORS_ONLY_HERE.has(key)) found.add(key)
      wordsIn(value, found)
    }
  }
  return found
}
