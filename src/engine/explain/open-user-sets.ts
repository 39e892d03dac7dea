// Finds user sets whose rules also hold for users that were never synced, and in tenants that do not exist.

import { AttributesOfQuery, NO_CLOCK } from '../decide/abac.js'
import { isRecord } from '../../kit/is-record.js'
import { mayHold } from './three-valued-conditions.js'
import type { CompiledSchema } from '../decide/decision-schema.js'

/** A user set that may match a user without a role, and what its rules allow then. */
export interface OpenUserSet {
  readonly user_set: string
  /** `task:read on open-tasks`. */
  readonly opens: readonly string[]
}

/** Attributes that come from facts, and so do not exist for a user who was never synced. Queries set all others, and time passes. */
const OF_FACTS = /^tenant\.|^(user|subject)\.(roles|tenants)(\.|$)/

/** The user sets in rules that may match a user who was never synced, or in a tenant that does not exist, in the order of the policy. */
export function openUserSets (schema: CompiledSchema): OpenUserSet[] {
  const opened = new Map<string, string[]>()
  const neverSynced = { user: { key: '' }, action: '', resource: { type: '', tenant: '' } }
  const nobody = new AttributesOfQuery(neverSynced, undefined, undefined, undefined, NO_CLOCK)
  for (const { permissions } of schema.types.values()) {
    for (const { key, rules } of permissions.values()) {
      for (const { set, resourceSets } of rules?.userSets ?? []) {
        if (set.kind !== 'condition' || mayHold(set.written, nobody, isGiven) === 'never') continue
        const mayMatch = resourceSets.filter(({ set }) => mayHold(set.written ?? {}, nobody, isGiven) !== 'never')
        const open = mayMatch.map(({ set }) => `${key} on ${set.key}`)
        if (open.length > 0) opened.set(set.key, [...opened.get(set.key) ?? [], ...open])
      }
    }
  }
  return Array.from(opened, ([userSet, opens]) => ({ user_set: userSet, opens }))
}

/**
 * The sets that may be true of a missing attribute in Permit's container, and are false here: with `array_subset`, and with
 * `array_superset` of an empty list or of a reference.
 */
export function setsWithSubset ({ sets }: CompiledSchema): string[] {
  return [...sets.users, ...sets.resources].filter(({ written }) => hasSubset(written)).map(({ key }) => key)
}

function isGiven (attribute: string): boolean {
  return !OF_FACTS.test(attribute)
}

function hasSubset (condition: unknown): boolean {
  if (Array.isArray(condition)) return condition.some(hasSubset)
  return isRecord(condition) && Object.entries(condition).some(([key, value]) =>
    key === 'array_subset' || (key === 'array_superset' && mayBeEmpty(value)) || hasSubset(value))
}

function mayBeEmpty (value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isRecord(value)
}
