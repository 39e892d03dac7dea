// Plans of Permit's PDP: the local PDP has a call for them; of the container they are what its lists of permissions can tell.
import { pdpErrorOf, PlanError } from '../../contract/errors.js'
import { PLAN_PATH, type Plan } from '../../contract/plan.js'
import type { PermissionsQuestion, PlanQuestion, UserPermissions } from '../../contract/point.js'
import { planOfKeys } from '../keys-plan.js'
import { readPlan } from './read-plan.js'

/** Sends a request, and reads what comes back. Rejects with an `UnavailableError`. */
export type Post = <T>(path: string, body: unknown, deadline: number, read: (answer: unknown) => T) => Promise<T>
type Permissions = (question: PermissionsQuestion, deadline: number) => Promise<UserPermissions>

type Planner = (question: PlanQuestion, deadline: number) => Promise<Plan>

/** How long a PDP without plans is not asked for them, ms. It may be replaced by one that has them. */
const ASK_AGAIN_AFTER = 60_000

/** Makes plans. It finds out which of the two PDPs it is. */
export function permitPlans (post: Post, permissions: Permissions, clock: { now (): number } = performance): Planner {
  let containerUntil = -Infinity

  return async (question, deadline) => {
    if (clock.now() >= containerUntil) {
      const plan = await localPlan(question, deadline)
      if (plan !== undefined) return plan
      containerUntil = clock.now() + ASK_AGAIN_AFTER
    }
    return planOfContainer(question, deadline, permissions)
  }

  async function localPlan (question: PlanQuestion, deadline: number): Promise<Plan | undefined> {
    const { user, action, type, tenant, context, relations } = question
    let plan: Plan | Error
    try {
      plan = await post(PLAN_PATH, { user, action, type, tenant, context, relations }, deadline, answer => readPlan(answer, question))
    } catch (error) {
      const status = pdpErrorOf(error)?.status
      if (status === 404 || status === 405) return undefined
      throw error
    }
    if (plan instanceof Error) throw plan
    return plan
  }
}

/**
 * What the container can tell: tenants and instances on which roles give the permission, and with `conditions: 'stored'` instances that
 * conditions open.
 */
async function planOfContainer (question: PlanQuestion, deadline: number, permissions: Permissions): Promise<Plan> {
  const { user, action, type, tenant, context, conditions, relations } = question
  if (conditions === undefined) {
    throw new PlanError("Permit's PDP cannot tell which rows conditions open. If no set rule is about this permission, pass the option " +
      "{ conditions: 'none' }. If conditions only look at attributes that are stored with the instances, pass { conditions: 'stored' }. " +
      'Otherwise use the embedded or the local PDP')
  }
  if (relations !== undefined) {
    throw new PlanError("Permit's PDP lists instances one by one. Leave out the option relations, or use the embedded or the local PDP")
  }
  const permission = `${type}:${action}`
  const byRoles = await permissions({ user, tenants: [tenant], resourceTypes: ['__tenant', type], context }, deadline)
  if (byRoles[`__tenant:${tenant}`]?.permissions.includes(permission) === true) return { kind: 'all', type, tenant }
  const keys = keysIn(byRoles, permission, type, tenant)
  if (conditions === 'stored') {
    const asked = { user, resourceTypes: [type], context: { ...context, enable_abac_user_permissions: true } }
    const byConditions = await permissions(asked, deadline)
    for (const key of keysIn(byConditions, permission, type, tenant)) keys.add(key)
  }
  return planOfKeys(keys, type, tenant)
}

function keysIn (permissions: UserPermissions, permission: string, type: string, tenant: string): Set<string> {
  const keys = new Set<string>()
  for (const [id, entry] of Object.entries(permissions)) {
    if (!id.startsWith(`${type}:`) || entry.tenant?.key !== tenant || !entry.permissions.includes(permission)) continue
    keys.add(id.slice(type.length + 1))
  }
  return keys
}
