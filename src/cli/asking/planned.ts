// Plans for the commands, with what in the policy each part comes from.
import type { Plan } from '../../contract/plan.js'
import type { PlanQuestion } from '../../contract/point.js'
import type { PlanBranch } from '../../engine/plan/planner.js'
import type { Authority } from './authority-types.js'

/** A plan with the branches of the policy that it was made of; none for the plan of a PDP. */
export interface Planned {
  readonly plan: Plan
  readonly branches: readonly PlanBranch[]
}

/**
 * Plans.
 *
 * @throws `NoPlanError` or `PlanError` when there is no exact plan; `NoDecisionError` when the PDP gives no valid answer
 */
export async function planOf (authority: Authority, question: PlanQuestion): Promise<Planned> {
  if (authority.kind === 'pdp') return { plan: await authority.plan(question), branches: [] }
  // Imported here, because checks need no planner.
  const { planNow } = await import('../../engine/plan/planner.js')
  return planNow(authority.engine.planning(question))
}
