// Plans for the commands. Each part names its source in the policy.
import type { Condition, Plan } from '../../contract/plan.js'
import type { PlanQuestion } from '../../contract/point.js'
import type { Branch } from '../../engine/explain/decision-tree.js'
import type { DecisionSource } from './decision-source-types.js'
import { wordsOf } from './plan-text.js'

/** A plan with the branches of the policy that it was made of; none for the plan of a PDP. */
export interface Planned {
  readonly plan: Plan
  readonly branches: readonly PlannedBranch[]
}

/** A part of a plan, with its source in the policy. */
export interface PlannedBranch {
  /** `set_rules[2]: user set 'staff' on resource set 'own'`. */
  readonly because: string
  /** Where that is in the policy file: `permit.yaml:12`. */
  readonly place?: string
  /** `true`: every row. */
  readonly condition: Condition | true
}

/**
 * Plans.
 *
 * @throws `NoPlanError` or `PlanError` when there is no exact plan; `NoDecisionError` when the PDP gives no valid answer
 */
export async function planOf (source: DecisionSource, question: PlanQuestion): Promise<Planned> {
  if (source.kind === 'pdp') return { plan: await source.plan(question), branches: [] }
  // Imported here, because checks need no planner.
  const { planNow } = await import('../../engine/plan/planner.js')
  const { plan, branches } = planNow(source.engine.planning(question))
  return { plan, branches: branches.map(({ because, path, condition }) => ({ because, place: source.placeOf(path), condition })) }
}

/** The branches as branches of a tree: each with its place and its condition in words. */
export function treeOf (branches: readonly PlannedBranch[]): Branch[] {
  return branches.map(({ because, place, condition }) => ({
    text: place === undefined ? because : `${because} (${place})`,
    branches: condition === true ? [] : [{ text: wordsOf(condition) }]
  }))
}
