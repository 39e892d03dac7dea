// Keeps translations of plans that cannot change: the plugin's plans are frozen, and the same ones come from its cache again and again.

import type { Plan } from '../contract/plan.js'
import type { Fields } from './fields.js'

/** Plans with more values are translated each time: a translation takes as much memory as its plan. */
const MAX_VALUES = 500

/**
 * Wraps a translation: the same plan with the same mapping is translated once, as long as the app or the cache of plans has both.
 *
 * @param translate - depends on nothing but the plan and the mapping. What it returns is shared, so the caller must not change it
 */
export function translatedOnce<C, R> (translate: (plan: Plan, fields: Fields<C>) => R): (plan: Plan, fields: Fields<C>) => R {
  const known = new WeakMap<Plan, WeakMap<Fields<C>, R>>()
  return (plan, fields) => {
    const translated = known.get(plan)?.get(fields)
    if (translated !== undefined) return translated
    const made = translate(plan, fields)
    if (Object.isFrozen(fields) && staysAsItIs(plan)) {
      const others = known.get(plan)
      if (others === undefined) known.set(plan, new WeakMap([[fields, made]]))
      else others.set(fields, made)
    }
    return made
  }
}

function staysAsItIs (plan: Plan): boolean {
  return frozenValues(plan) <= MAX_VALUES
}

/** How many values there are, at all depths; infinite if one of them can change. */
function frozenValues (value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  if (!Object.isFrozen(value)) return Infinity
  let count = 1
  for (const item of Array.isArray(value) ? value as unknown[] : Object.values(value)) {
    count += frozenValues(item)
    if (count > MAX_VALUES) return Infinity
  }
  return count
}
