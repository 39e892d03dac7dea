// Parts of a policy file that Permit does not support: a push would fail, or change their meaning.
import { isOfClock } from '../engine/decide/clock.js'
import { isRecord } from '../kit/is-record.js'
import type { Model } from './moved-policy.js'

/** Operators of conditions that Permit does not have. */
const OPERATORS_ONLY_HERE: ReadonlySet<string> = new Set(['ip_in'])

/** A word that Permit does not have, what has it, and the place in the policy. */
export interface OnlyHere {
  readonly word: string
  readonly name: string
  readonly path: ReadonlyArray<string | number>
}

/** Each set with an operator that Permit does not have, and each role assignment that expires. */
export function onlyHere ({ schema: { user_sets: userSets = {}, resource_sets: resourceSets = {} }, facts }: Model): OnlyHere[] {
  const sets = [['user_sets', 'user set', userSets], ['resource_sets', 'resource set', resourceSets]] as const
  return [
    ...sets.flatMap(([section, what, blocks]) => Object.entries(blocks).flatMap(([key, { conditions }]) =>
      [...wordsIn(conditions)].map(word => ({ word, name: `${what} '${key}'`, path: [section, key, 'conditions'] })))),
    ...[...facts?.assignments.entries() ?? []].filter(([, { expires_at: end }]) => end !== undefined).map(([index, { user, role }]) =>
      ({ word: 'expires_at', name: `role '${role}' of user '${user}'`, path: ['role_assignments', index] }))
  ]
}

/** A plain value that looks like a condition is found, too. That refuses more than necessary. */
function wordsIn (condition: unknown, found = new Set<string>()): Set<string> {
  if (Array.isArray(condition)) for (const item of condition) wordsIn(item, found)
  else if (isRecord(condition)) {
    for (const [key, value] of Object.entries(condition)) {
      if (OPERATORS_ONLY_HERE.has(key)) found.add(key)
      if (isOfClock(key) || (key === 'ref' && typeof value === 'string' && isOfClock(value))) found.add('now')
      wordsIn(value, found)
    }
  }
  return found
}
