// Plans of Permit's PDP: the local PDP has a call for them; of the container they are what its lists of permissions can tell.
import { PlanError } from '../../contract/errors.js'
import { PLAN_PATH, type Plan } from '../../contract/plan.js'
import type { PlanQuestion } from '../../contract/point.js'
import { planOfKeys } from '../keys-plan.js'
import { LocalPdpCall, type Post } from './local-pdp-call.js'
import { keysByPermissions, type Permissions } from './permitted-keys.js'
import { readPlan } from './read-plan.js'

type Planner = (question: PlanQuestion, deadline: number) => Promise<Plan>

/** Makes plans. It finds out which of the two PDPs it is. */
export function permitPlans (post: Post, permissions: Permissions): Planner {
  const local = new LocalPdpCall(post, PLAN_PATH)
  return async (question, deadline) => {
    const { user, action, type, tenant, context, relations } = question
    const plan = await local.ask({ user, action, type, tenant, context, relations }, deadline, answer => readPlan(answer, question))
    if (plan instanceof Error) throw plan
    return plan ?? planOfContainer(question, deadline, permissions)
  }
}

/**
 * What the container can tell: tenants and instances on which roles give the permission, and with `conditions: 'stored'` instances that
 * conditions open.
 */
async function planOfContainer (question: PlanQuestion, deadline: number, permissions: Permissions): Promise<Plan> {
  const { user, action, type, tenant, context, conditions, relations } = question
  if (conditions === undefined) {
    throw new PlanError("Permit's PDP does not return the conditions on rows. If no set rule is about this permission, pass the option " +
      "{ conditions: 'none' }. If conditions only use attributes that are stored with the instances, pass { conditions: 'stored' }. " +
      'Otherwise use the embedded or the local PDP')
  }
  if (relations !== undefined) {
    throw new PlanError("Permit's PDP lists instances one by one. Leave out the option relations, or use the embedded or the local PDP")
  }
  const keys = await keysByPermissions({ user, action, type, tenant, context, conditions }, deadline, permissions)
  return keys === 'all' ? { kind: 'all', type, tenant } : planOfKeys(keys, type, tenant)
}
