// What every target does alike with the parts of a condition: telling groups from comparisons, joining translated parts, reading values.

import type { CompoundCondition, Condition } from '../contract/plan.js'
import { Unsayable } from './unsupported-condition.js'

/** Whether the condition joins others (`and`, `or`, `not`). Otherwise it compares a field. */
export function isCompound (condition: Condition): condition is CompoundCondition {
  return condition.operator === 'and' || condition.operator === 'or' || condition.operator === 'not'
}

/**
 * Joins translated parts. Neutral parts are left out, and one decisive part is the whole result. Both are recognised by identity.
 *
 * @param neutral - for `and` what every row meets, for `or` what no row meets
 * @param decisive - the other one
 * @param write - joins two or more parts
 */
export function joinParts<T> (parts: readonly T[], neutral: T, decisive: T, write: (parts: readonly T[]) => T): T {
  const rest = parts.filter(part => part !== neutral)
  if (rest.includes(decisive)) return decisive
  const [only] = rest
  return only === undefined ? neutral : rest.length === 1 ? only : write(rest)
}

export function listOf (value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw new Unsayable('the value is not a list')
}

export function textOf (value: unknown): string {
  if (typeof value === 'string') return value
  throw new Unsayable('the value is not a text')
}
