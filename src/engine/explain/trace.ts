// A decision taken apart, for people: what each model looked at, what it found, and what would have been needed.

import { matchingSets, type AttributesOfQuery, type CompiledRules, type CompiledSet, type SetKind } from '../decide/abac.js'
import { traceCondition, type ConditionTrace } from './trace-conditions.js'
import { traceRoles, type RoleTrace } from './trace-rebac.js'
import type { InstanceNode, TenantNode, UserNode } from '../facts/fact-nodes.js'
import type { HeldBy } from '../decide/rebac.js'
import type { CompiledPermission } from '../decide/decision-schema.js'
import type { Verdict } from '../decide/verdict.js'

export type { Comparison, ConditionGroup, ConditionTrace } from './trace-conditions.js'
export type { DerivationTrace, RoleTrace } from './trace-rebac.js'

/** A decision with everything that led to it. */
export interface DecisionTrace extends Verdict {
  /** What the models found. Absent when no model was asked: the resource type or the action is not known. */
  readonly models?: ModelsTrace
}

/** What each model found. */
export interface ModelsTrace {
  readonly rbac: RbacTrace
  /** Absent when no rule is about the permission. */
  readonly abac?: AbacTrace
  /** Absent when the resource type has no roles on instances, and when the user or the tenant is not known. */
  readonly rebac?: RebacTrace
}

/** What RBAC found. */
export interface RbacTrace {
  readonly allow: boolean
  /** The roles of the user in the tenant. */
  readonly roles: ReadonlyArray<{ readonly role: string, readonly holds: boolean, readonly reason?: string }>
  /** All roles that hold the permission, inherited ones included: any of them would do. */
  readonly holders: readonly string[]
  /** The roles of the user in other tenants. They do not count. */
  readonly elsewhere: ReadonlyArray<{ readonly tenant: string, readonly roles: readonly string[] }>
}

/** What ABAC found. */
export interface AbacTrace {
  readonly allow: boolean
  /** The rules for the permission. */
  readonly rules: readonly RuleTrace[]
}

/** A rule that joins two sets. */
interface RuleTrace {
  /** Which of the policy's `set_rules` it is, from 0. */
  readonly index: number
  readonly allow: boolean
  readonly user_set: SetTrace
  readonly resource_set: SetTrace
}

/** A user set or a resource set. */
export interface SetTrace {
  readonly key: string
  /** Whether it is of what meets a condition, of those who have a role, or of all resources of a type. */
  readonly kind: SetKind
  readonly matched: boolean
  readonly condition?: ConditionTrace
}

/** What ReBAC found. */
export interface RebacTrace {
  readonly allow: boolean
  /** The roles on an instance that hold the permission. */
  readonly holders: readonly string[]
  /**
   * Whether the roles on the instance were looked at, or why not: nothing but the type was asked about, there is no such instance, or it
   * belongs to another tenant.
   */
  readonly instance: 'looked_at' | 'not_asked_about' | 'unknown' | 'in_another_tenant'
  /** The tenant that the instance belongs to. */
  readonly tenant?: string
  /** The roles of the instance's type, those that the user has first. */
  readonly roles?: readonly RoleTrace[]
  /** Steps of derivations that are not shown, because there are too many. */
  readonly omitted?: number
}

/** Taken apart: RBAC. */
export function traceRbac (permission: CompiledPermission, user: UserNode | undefined, tenant: string): RbacTrace {
  const roles = (user?.rolesIn(tenant) ?? []).map(role => {
    const granted = permission.grantedBy.get(role)
    return { role, holds: granted !== undefined, ...(granted === undefined ? {} : { reason: granted.reason }) }
  })
  const elsewhere = [...user?.tenantRoles ?? []].filter(([other]) => other !== tenant).map(([other, held]) => ({ tenant: other, roles: [...held] }))
  return { allow: roles.some(({ holds }) => holds), roles, holders: [...permission.grantedBy.keys()], elsewhere }
}

/** Taken apart: ABAC. */
export function traceAbac (rules: CompiledRules, attributes: AttributesOfQuery): AbacTrace {
  const traces = new Map<CompiledSet, SetTrace>()
  const trace = (set: CompiledSet): SetTrace => {
    const known = traces.get(set) ?? traceSet(set, attributes)
    traces.set(set, known)
    return known
  }
  const traced = rules.userSets.flatMap(({ set, resourceSets }) => resourceSets.map(({ set: resourceSet, index }): RuleTrace => {
    const sets = { user_set: trace(set), resource_set: trace(resourceSet) }
    return { index, allow: sets.user_set.matched && sets.resource_set.matched, ...sets }
  }))
  return { allow: matchingSets(rules, attributes).rules.length > 0, rules: traced }
}

function traceSet ({ key, kind, matches, written }: CompiledSet, attributes: AttributesOfQuery): SetTrace {
  const matched = matches(attributes)
  return { key, kind, matched, ...(written === undefined ? {} : { condition: traceCondition(written, attributes) }) }
}

/** Taken apart: ReBAC. */
export function traceRebac (held: HeldBy, user: UserNode, tenant: TenantNode, instance: InstanceNode | undefined, askedAbout: boolean): RebacTrace {
  const holders = held.by.map(({ key }) => key)
  if (!askedAbout) return { allow: false, holders, instance: 'not_asked_about' }
  if (instance === undefined) return { allow: false, holders, instance: 'unknown' }
  const where = { holders, tenant: instance.tenant.fact.key }
  if (instance.tenant !== tenant) return { ...where, allow: false, instance: 'in_another_tenant' }
  const { roles, omitted } = traceRoles(held, user, instance)
  return { ...where, allow: roles.some(({ has, holds }) => has && holds === true), instance: 'looked_at', roles, ...(omitted === 0 ? {} : { omitted }) }
}
