// Checks a plan that came over the network before it is believed: a row too many would be a leak.
import { PdpError, PlanError } from '../../contract/errors.js'
import type { Condition, Plan } from '../../contract/plan.js'
import { isRecord } from '../../kit/is-record.js'

const REFERRING = [
  'eq', 'ne', 'lt', 'lte', 'gt', 'gte', 'in', 'contains', 'array_contains', 'array_subset', 'array_superset', 'array_intersect'
]
const MATCHING = new Set(['object_match', 'any_match', 'all_match'])
const OPERATORS = new Set([...REFERRING, 'contained', 'spans', 'between_field', ...MATCHING, ...REFERRING.map(name => `${name}_field`)])
const LISTS = new Set(['in', 'array_subset', 'array_superset', 'array_intersect'])
const FIELD = /^(?:key|tenant|type|(?:attributes|relations|item)\..+)$/s

/** Conditions of policies are nested at most half as deep. */
const MAX_DEPTH = 128

/**
 * Reads the answer to a question for a plan.
 *
 * @returns a `PlanError` when the PDP says that there is no exact plan
 * @throws `PdpError` for what cannot be believed
 */
export function readPlan (answer: unknown, { type, tenant }: { readonly type: string, readonly tenant: string }): Plan | Error {
  if (!isRecord(answer)) throw unbelievable('it is no object')
  if (typeof answer['no_plan'] === 'string') return new PlanError(answer['no_plan'])
  const { kind, condition } = answer
  if (answer['type'] !== type || answer['tenant'] !== tenant) throw unbelievable('it is about another type or tenant')
  if (kind === 'all' || kind === 'none') return { kind, type, tenant }
  if (kind !== 'some') throw unbelievable('its kind is unknown')
  requireCondition(condition, 0)
  if (!isOfTenant(condition, tenant)) throw unbelievable('its condition does not name the tenant')
  const sources = readSources(answer['sources'])
  return sources === undefined ? { kind, type, tenant, condition } : { kind, type, tenant, condition, sources }
}

function requireCondition (condition: unknown, depth: number): asserts condition is Condition {
  if (depth > MAX_DEPTH) throw unbelievable('it is nested too deep')
  if (!isRecord(condition)) throw unbelievable('a condition is not an object')
  const { operator, field, value } = condition
  if (field === undefined) {
    const isKnown = operator === 'and' || operator === 'or' || (operator === 'not' && Array.isArray(value) && value.length === 1)
    if (!isKnown || !Array.isArray(value)) throw unbelievable('it has an unknown operator')
    for (const part of value) requireCondition(part, depth + 1)
    return
  }
  if (typeof operator !== 'string' || !OPERATORS.has(operator)) throw unbelievable('it has an unknown operator')
  if (typeof field !== 'string' || !FIELD.test(field)) throw unbelievable('it names an unknown field')
  if (value === undefined) throw unbelievable('a comparison has no value')
  if (MATCHING.has(operator)) requireCondition(value, depth + 1)
  if (LISTS.has(operator) && !Array.isArray(value)) throw unbelievable('a comparison has no list')
  if (operator.endsWith('_field') && (typeof value !== 'string' || !FIELD.test(value))) throw unbelievable('it names an unknown field')
}

/** A plan is about the rows of one tenant, whatever else it says. */
function isOfTenant (condition: Condition, tenant: string): boolean {
  if ('field' in condition) return condition.operator === 'eq' && condition.field === 'tenant' && condition.value === tenant
  return condition.operator === 'and' && condition.value.some(part => isOfTenant(part, tenant))
}

function readSources (sources: unknown): Plan['sources'] {
  if (!isRecord(sources)) return undefined
  const isPhrases = (phrases: unknown): boolean => Array.isArray(phrases) && phrases.every(phrase => typeof phrase === 'string')
  return Object.fromEntries(Object.entries(sources).filter(([, phrases]) => isPhrases(phrases))) as Plan['sources']
}

function unbelievable (why: string): PdpError {
  return new PdpError('answer', `the PDP's plan cannot be used: ${why}`)
}
