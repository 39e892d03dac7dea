// ReBAC: the user has a resource role on the instance that holds the action, assigned or derived along relationship tuples.

import { DENIED, type Verdict } from './verdict.js'
import type { WorkBudget } from './work-budget.js'
import type { InstanceNode, TenantNode, UserNode } from '../facts/fact-nodes.js'
import { Visited } from './derivation-cycles.js'
import type { CompiledResourceRole } from './derivation.js'

/** The resource roles of a type, from the view of one permission. */
export interface HeldBy {
  /** The roles that hold the permission. */
  readonly by: readonly CompiledResourceRole[]
  /** All roles of the type: a user with one of them is denied for another reason than a user with none. */
  readonly all: readonly CompiledResourceRole[]
  readonly granted: Verdict
  readonly denied: Verdict
}

/** An assignment of the user that led to the role in question. */
export interface ResourceRoleAssignment {
  readonly instance: InstanceNode
  readonly role: string
}

/**
 * Decides by walking up from the object along the declared derivations, until it finds a role that is assigned to the user.
 *
 * The cost is the number of roles and tuples on the way; each is visited once, so cycles end. Other users and instances do not matter. A
 * user without any role on an instance costs nothing.
 */
export function decideRebac (
  held: HeldBy, user: UserNode, tenant: TenantNode, instance: InstanceNode | undefined, work: WorkBudget
): Verdict {
  // An instance belongs to one tenant, and roles on it only count there.
  if (instance === undefined || instance.tenant !== tenant || user.instanceRoles === null) return DENIED.noGraphRoles
  if (reaches(held.by, user, instance, work)) return held.granted
  return user.instanceRoles.has(instance) || reaches(held.all, user, instance, work) ? held.denied : DENIED.noGraphRoles
}

/** Whether the user has one of the roles on the instance, assigned or derived. */
function reaches (roles: readonly CompiledResourceRole[], user: UserNode, instance: InstanceNode, work: WorkBudget): boolean {
  const assigned = user.instanceRoles?.get(instance)
  if (assigned !== undefined && roles.some(role => isAmong(assigned, role, work))) return true
  if (instance.subjects === null) return false
  return assignmentsBehind(roles, user, instance, work).next().done !== true
}

/** The assignments of the user that give one of the roles on the instance: on the instance itself, or further up the derivations. */
export function * assignmentsBehind (
  roles: Iterable<CompiledResourceRole>, user: UserNode, instance: InstanceNode, work: WorkBudget
): Generator<ResourceRoleAssignment> {
  const visited = new Visited(work)
  for (const role of roles) visited.add(role, instance)
  for (const [role, object] of visited.queue) {
    work.place = role.place
    const assigned = user.instanceRoles?.get(object)
    if (assigned !== undefined && isAmong(assigned, role, work)) yield { instance: object, role: role.key }
    if (object.subjects === null) continue
    for (const derivation of role.derivations) {
      if (derivation.unlessDirectRole && assigned !== undefined) continue
      for (const subject of object.subjects.get(derivation.relation) ?? []) {
        work.spend(1)
        // A subject of another type comes from a tuple that the current schema no longer allows.
        if (subject.fact.resource === derivation.source.type) visited.add(derivation.source, subject)
      }
    }
  }
}

function isAmong (assigned: readonly string[], { key }: CompiledResourceRole, work: WorkBudget): boolean {
  work.spend(1 + Math.floor(assigned.length / 8))
  return assigned.includes(key)
}

/** All users who may have one of the roles on the instance, in steps. A direct role may still exclude some of them. */
export function * candidates (
  roles: Iterable<CompiledResourceRole>, instance: InstanceNode, work: WorkBudget
): Generator<undefined, Set<UserNode>> {
  const users = new Set<UserNode>()
  const visited = new Visited(work)
  for (const role of roles) visited.add(role, instance)
  for (const [role, object] of visited.queue) {
    work.begin()
    for (const user of object.holders?.get(role.key) ?? []) {
      work.begin()
      work.spend(1)
      users.add(user)
      yield
    }
    for (const derivation of role.derivations) {
      for (const subject of object.subjects?.get(derivation.relation) ?? []) {
        work.begin()
        if (subject.fact.resource === derivation.source.type) visited.add(derivation.source, subject)
        yield
      }
    }
  }
  return users
}

/** All instances on which the user has roles, assigned or derived, in steps: walks down from the assigned roles. */
export function * rolesOf (
  user: UserNode, roleOf: (type: string, key: string) => CompiledResourceRole | undefined, work: WorkBudget
): Generator<undefined, Map<InstanceNode, Set<CompiledResourceRole>>> {
  const visited = new Visited(work)
  for (const [instance, keys] of user.instanceRoles ?? []) {
    work.begin()
    for (const key of keys) {
      const role = roleOf(instance.fact.resource, key)
      if (role !== undefined) visited.add(role, instance)
    }
    yield
  }
  for (const [role, subject] of visited.queue) {
    for (const { target, relation, unlessDirectRole } of role.derived) {
      for (const object of subject.objects?.get(relation) ?? []) {
        work.begin()
        work.spend(1)
        yield
        if (object.fact.resource !== target.type || (unlessDirectRole && user.instanceRoles?.has(object) === true)) continue
        visited.add(target, object)
      }
    }
  }
  return visited.roles()
}
