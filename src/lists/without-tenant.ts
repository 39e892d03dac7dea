// Removes the tenant from the condition of a plan: targets write it themselves, first, where an index begins.

import type { Condition, FieldCondition } from '../contract/plan.js'
import { isRecord } from '../kit/is-record.js'

/** The condition without the tenant, which is said apart. */
export function withoutTenant (condition: Condition, tenant: string): Condition {
  if (isTenant(condition, tenant)) return { operator: 'and', value: [] }
  if (condition.operator !== 'and' || !Array.isArray(condition.value)) return condition
  return { operator: 'and', value: (condition.value as readonly Condition[]).filter(part => !isTenant(part, tenant)) }
}

function isTenant (condition: Condition, tenant: string): boolean {
  return isRecord(condition) && condition.operator === 'eq' && condition.value === tenant &&
    (condition as FieldCondition).field === 'tenant'
}
