// Fields that a table has no column for because all of its rows have the same value: the resource type, and the tenant of a table of one
// tenant.

import type { FieldCondition, FieldOperator, Plan } from '../contract/plan.js'
import { testOf } from './evaluate.js'
import { isOneTenant, type Fields } from './fields.js'

/** The name of the field in the mapping: the resource's type may be an attribute of the rows. */
export function columnField<C> (field: string, fields: Fields<C>): string {
  return field === 'type' && fields.columns.has('attributes.type') ? 'attributes.type' : field
}

/** Settles a comparison with one side that is the same for all rows: its result, or the comparison of the other side with a value. */
export function settle<C> (condition: FieldCondition, fields: Fields<C>, plan: Plan): boolean | FieldCondition {
  const { operator, field, value } = condition
  const left = knownValue(field, fields, plan)
  const right = operator.endsWith('_field') && typeof value === 'string' ? knownValue(value, fields, plan) : undefined
  if (right !== undefined) {
    const plain = operator.slice(0, -'_field'.length)
    // The other operators need a list, and the known value is a text.
    if (!WITH_TEXT.has(plain)) return false
    return settle({ operator: plain as FieldOperator, field, value: right }, fields, plan)
  }
  if (left === undefined) return condition
  if (!operator.endsWith('_field')) return testOf(condition)(() => left)
  const turned = TURNED.get(operator)
  if (turned === undefined || typeof value !== 'string') return false
  return { operator: turned, field: value, value: left }
}

const WITH_TEXT: ReadonlySet<string> = new Set(['eq', 'ne', 'lt', 'lte', 'gt', 'gte', 'contains', 'array_contains'])

function knownValue<C> (field: string, fields: Fields<C>, plan: Plan): string | undefined {
  if (field === 'type') return fields.columns.has('attributes.type') ? undefined : plan.type
  if (field !== 'tenant' || !isOneTenant(fields.tenant)) return undefined
  // A plan for another tenant than the table's has no rows anyway.
  return plan.tenant
}

const TURNED: ReadonlyMap<string, FieldOperator> = new Map([
  ['eq_field', 'eq'], ['ne_field', 'ne'], ['lt_field', 'gt'], ['lte_field', 'gte'], ['gt_field', 'lt'], ['gte_field', 'lte'],
  ['contains_field', 'contained'], ['in_field', 'array_contains'], ['between_field', 'spans']
])
