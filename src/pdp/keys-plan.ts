// A plan of rows that a PDP lists one by one.
import type { Condition, Plan } from '../contract/plan.js'

/** The plan of the rows with these keys. */
export function planOfKeys (keys: ReadonlySet<string>, type: string, tenant: string): Plan {
  if (keys.size === 0) return { kind: 'none', type, tenant }
  const [first] = keys
  const listed: Condition = keys.size === 1
    ? { operator: 'eq', field: 'key', value: first }
    : { operator: 'in', field: 'key', value: [...keys] }
  return { kind: 'some', type, tenant, condition: { operator: 'and', value: [{ operator: 'eq', field: 'tenant', value: tenant }, listed] } }
}
