// The trace of a decision, for people: what each model evaluated, what it found, and what was missing.

import { matchingSets, type AttributesOfQuery, type CompiledRules, type CompiledSet, type SetKind } from '../decide/abac.js'
import { traceCondition, type ConditionTrace } from './trace-conditions.js'
import { traceRoles, type RoleTrace } from './trace-rebac.js'
import type { InstanceNode, TenantNode, UserNode } from '../facts/fact-nodes.js'
import type { HeldBy } from '../decide/rebac.js'
import type { CompiledPermission } from '../decide/decision-schema.js'
import type { Verdict } from '../decide/verdict.js'

export type { Comparison, ConditionGroup, ConditionTrace } from './trace-conditions.js'
export type { DerivationTrace, RoleTrace } from './trace-rebac.js'

/** A decision with its trace. */
export interface DecisionTrace extends Verdict {
  /** The results of the models. Absent when the resource type or the action is unknown, so that no model was evaluated. */
  readonly models?: ModelsTrace
}

/** The results of each model. */
export interface ModelsTrace {
  readonly rbac: RbacTrace
  /** Absent when no rule covers the permission. */
  readonly abac?: AbacTrace
  /** Absent when the resource type has no resource roles, or the user or the tenant is unknown. */
  readonly rebac?: RebacTrace
}

/** RBAC's result. */
export interface RbacTrace {
  readonly allow: boolean
  /** The user's roles in the tenant. */
  readonly roles: ReadonlyArray<{ readonly role: string, readonly holds: boolean, readonly reason?: string }>
  /** All roles that hold the permission, including inherited permissions. Any of them would be enough. */
  readonly holders: readonly string[]
  /** The user's roles in other tenants, which do not count. */
  readonly elsewhere: ReadonlyArray<{ readonly tenant: string, readonly roles: readonly string[] }>
}

/** ABAC's result. */
export interface AbacTrace {
  readonly allow: boolean
  /** The rules for the permission. */
  readonly rules: readonly RuleTrace[]
}

/** A rule, which joins two sets. */
interface RuleTrace {
  /** The index of the rule in the policy's `set_rules`. */
  readonly index: number
  readonly allow: boolean
  readonly user_set: SetTrace
  readonly resource_set: SetTrace
}

/** A user set or a resource set. */
export interface SetTrace {
  readonly key: string
  /** Whether it is defined by a condition, or contains the users with a role, or all resources of a type. */
  readonly kind: SetKind
  readonly matched: boolean
  readonly condition?: ConditionTrace
}

/** ReBAC's result. */
export interface RebacTrace {
  readonly allow: boolean
  /** The resource roles that hold the permission. */
  readonly holders: readonly string[]
  /**
   * Whether the roles on the instance were evaluated, or why not: the query has no resource key, the instance does not exist, or it belongs
   * to another tenant.
   */
  readonly instance: 'looked_at' | 'not_asked_about' | 'unknown' | 'in_another_tenant'
  /** The tenant of the instance. */
  readonly tenant?: string
  /** The roles of the instance's type; those that the user has come first. */
  readonly roles?: readonly RoleTrace[]
  /** The number of derivation steps that are not shown, because there are too many. */
  readonly omitted?: number
}

/** Traces RBAC. */
export function traceRbac (permission: CompiledPermission, user: UserNode | undefined, tenant: string): RbacTrace {
  const roles = (user?.rolesIn(tenant) ?? []).map(role => {
    const granted = permission.grantedBy.get(role)
    return { role, holds: granted !== undefined, ...(granted === undefined ? {} : { reason: granted.reason }) }
  })
  const others = [...user?.tenantRoles ?? []].filter(([other]) => other !== tenant)
  const elsewhere = others.map(([other, held]) => ({ tenant: other, roles: [...held] }))
  return { allow: roles.some(({ holds }) => holds), roles, holders: [...permission.grantedBy.keys()], elsewhere }
}

/** Traces ABAC. */
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

/** Traces ReBAC. */
export function traceRebac (
  held: HeldBy, user: UserNode, tenant: TenantNode, instance: InstanceNode | undefined, askedAbout: boolean
): RebacTrace {
  const holders = held.by.map(({ key }) => key)
  if (!askedAbout) return { allow: false, holders, instance: 'not_asked_about' }
  if (instance === undefined) return { allow: false, holders, instance: 'unknown' }
  const where = { holders, tenant: instance.tenant.fact.key }
  if (instance.tenant !== tenant) return { ...where, allow: false, instance: 'in_another_tenant' }
  const { roles, omitted } = traceRoles(held, user, instance)
  const allow = roles.some(({ has, holds }) => has && holds === true)
  return { ...where, allow, instance: 'looked_at', roles, ...(omitted === 0 ? {} : { omitted }) }
}
