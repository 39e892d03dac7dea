// Tests what a list holds: the plan picks among the rows, and what is missing or too much is explained row by row.
import type { Condition, Plan } from '../../contract/plan.js'
import type { PlanQuestion, Query } from '../../contract/point.js'
import type { PolicySource, Answer, DecisionSource } from '../query/decision-source-types.js'
import { createQuery } from '../../decision/query.js'
import { isRecord } from '../../kit/is-record.js'
import { listOf } from '../../kit/list-names.js'
import { toPredicate } from '../../lists/predicate.js'
import { fieldsOf, isNoPlan } from '../query/plan-text.js'
import { planOf } from '../query/plan-with-sources.js'
import type { ExpectedRow, ListExpectation } from './expectations.js'

/** A list, and what is wrong with it. */
export interface ListResult {
  /** Keys in the list, in the order of the rows; undefined when there is no plan. */
  readonly keys?: readonly string[]
  /** Why the expectation failed; undefined when it passed. */
  readonly failure?: string
  /** The questions whether the user may act on each row that is missing or too much. */
  readonly wrong: readonly Query[]
}

/** Rows that are explained; the others are only counted. */
const MAX_EXPLAINED = 5
/** Keys in a sentence. */
const MAX_KEYS = 8

/** The rows of a list that names none: the instances of the type. */
export function instancesOf ({ engine }: PolicySource, type: string): ExpectedRow[] {
  return [...engine.facts.resourceInstances({ resource: type })]
}

/**
 * Makes the list by a plan and compares it.
 *
 * @throws `NoDecisionError` when the PDP gives no valid answer
 */
export async function testList (
  source: DecisionSource, { query, list }: ListExpectation, rows: readonly ExpectedRow[]
): Promise<ListResult> {
  const { how, keys: expected } = list
  const known = new Set(rows.map(({ key }) => key))
  const absent = expected.find(key => !known.has(key))
  if (absent !== undefined) return { failure: `cannot be checked: there is no ${query.resource.type} with the key '${absent}'`, wrong: [] }
  let plan: Plan
  try {
    plan = (await planOf(source, questionOf(query))).plan
  } catch (error) {
    if (!isNoPlan(error)) throw error
    return { failure: `cannot be checked: there is no plan: ${error.message}`, wrong: [] }
  }
  const isListed = toPredicate(plan)
  const listed = rows.filter(isListed)
  const keys = listed.map(({ key }) => key)
  const [named, found] = [new Set(expected), new Set(keys)]
  const missing = how === 'excludes' ? [] : rows.filter(({ key }) => named.has(key) && !found.has(key))
  const surplus = how === 'contains' ? [] : listed.filter(({ key }) => named.has(key) === (how === 'excludes'))
  if (missing.length + surplus.length === 0) return { keys, wrong: [] }
  const wrong = [...missing, ...surplus].slice(0, MAX_EXPLAINED).map(row => checkOf(query, row, plan))
  const reasons = await Promise.all(wrong.map(async about => reasonFor(await source.ask(about), about, query)))
  const more = missing.length + surplus.length - wrong.length
  if (more > 0) reasons.push(`and ${more} more`)
  return { keys, failure: `but the list ${wordsFor(keys)}: ${reasons.join('; ')}`, wrong }
}

/** The check of a row: with every attribute that the plan names, as {@link Plan} says. */
export function checkOf ({ user, action, resource, context }: Query, { key, tenant, attributes }: ExpectedRow, plan?: Plan): Query {
  const { type } = resource
  const asker = { ...user, firstName: user.first_name, lastName: user.last_name }
  const given = structuredClone({ ...attributes })
  if (plan?.kind === 'some') addMissing(given, plan.condition)
  return createQuery(asker, action, { type, key, attributes: given }, tenant, context)
}

/** Attributes that a row does not have are `null`, as NULL in a column. */
function addMissing (attributes: Record<string, unknown>, condition: Condition): void {
  for (const field of fieldsOf(condition)) {
    const [group, ...names] = field.split('.')
    if (group !== 'attributes') continue
    let inner = attributes
    for (const [index, name] of names.entries()) {
      const value = Object.hasOwn(inner, name) ? inner[name] : undefined
      if (value === undefined) set(inner, name, index === names.length - 1 ? null : {})
      const next = inner[name]
      if (!isRecord(next)) break
      inner = next
    }
  }
}

function set (object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true })
}

function questionOf ({ user, action, resource: { type, tenant }, context }: Query): PlanQuestion {
  return { user, action, type, tenant, context }
}

function reasonFor ({ allow, code, reason = 'no reason given' }: Answer, { resource }: Query, asked: Query): string {
  const { key, tenant } = resource
  // The plan is about the rows of one tenant: what the user may do in another one does not matter.
  if (tenant !== asked.resource.tenant) return `${key} is of the tenant ${tenant}`
  return allow ? `${key} is allowed: ${reason}` : `${key} is denied: ${reason}${code === undefined ? '' : ` (${code})`}`
}

function wordsFor (keys: readonly string[]): string {
  return keys.length === 0 ? 'is empty' : `has ${listOf(keys, MAX_KEYS)}`
}
