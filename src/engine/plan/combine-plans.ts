// Plans for several actions on the same rows: all of them, or one of them.
import { Conditions, type Outcome } from './plan-conditions.js'
import { planOfOutcome } from './planner.js'
import type { Plan } from './plan-contract.js'

/**
 * The plan of the rows that are in all the plans (`allOf`), or in one of them (`anyOf`).
 *
 * @param plans - at least one; all of the same type and tenant
 */
export function combinePlans (how: 'allOf' | 'anyOf', plans: readonly [Plan, ...Plan[]]): Plan {
  const [first] = plans
  if (plans.length === 1) return first
  const conditions = new Conditions()
  // The tenant is added once for all of them, at the end.
  const outcomes = plans.map((plan): Outcome =>
    plan.kind === 'some' ? conditions.assume(plan.condition, 'tenant', plan.tenant) : plan.kind === 'all')
  const outcome = how === 'allOf' ? conditions.and(outcomes) : conditions.or(outcomes)
  return planOfOutcome(first, outcome, mergedSources(plans), conditions)
}

function mergedSources (plans: readonly Plan[]): Map<string, Set<string>> {
  const merged = new Map<string, Set<string>>()
  for (const { sources } of plans) {
    for (const [name, phrases] of Object.entries(sources ?? {})) {
      const known = merged.get(name)
      if (known === undefined) merged.set(name, new Set(phrases))
      else for (const phrase of phrases) known.add(phrase)
    }
  }
  return merged
}
