// The reasons of a decision: what each model says about this user and this resource, by name.

import { matchingSets, type AttributesOfQuery, type CompiledRules, type CompiledSet } from '../decide/abac.js'
import { nearestMiss } from './nearest-miss.js'
import { allowingRoles } from '../decide/rbac.js'
import { assignmentsBehind, type HeldBy, type ResourceRoleAssignment } from '../decide/rebac.js'
import { shorten } from '../../kit/shorten.js'
import { suggest } from '../../kit/suggest.js'
import { NO_TENANT, type EngineQuery } from '../engine-query.js'
import type { Facts } from '../facts/facts.js'
import type { InstanceNode, TenantNode, UserNode } from '../facts/fact-nodes.js'
import type { CompiledPermission, CompiledSchema } from '../decide/decision-schema.js'
import type { ReasonCode, Verdict } from '../decide/verdict.js'
import type { WorkBudget } from '../decide/work-budget.js'

/** RBAC's reasons. */
interface RbacReason extends Verdict {
  /** The user's roles in the tenant that hold the permission. */
  readonly allowing_roles?: string[]
}

/** ABAC's reasons. */
interface AbacReason extends Verdict {
  /** The rules whose user set and resource set both match. */
  readonly allowing_rules?: Array<{ readonly user_set: string, readonly resource_set: string }>
  /** The user sets in the permission's rules that match. Absent when no rule covers the permission. */
  readonly matching_usersets?: string[]
  /** The resource sets in the permission's rules that match. Absent when no rule covers the permission. */
  readonly matching_resourcesets?: string[]
  /** The rule that came nearest to allowing a denied query, with the attributes that failed and without their values. Not in Permit's. */
  readonly nearest_miss?: string
}

/** ReBAC's reasons. */
interface RebacReason extends Verdict {
  /** The user's assigned roles that hold the permission on the instance, directly or by derivation. */
  readonly allowing_roles?: Array<{ readonly role: string, readonly resource_instance: string }>
}

/** The most roles, sets and rules that an explanation lists. */
const MAX_LISTED = 20

/** The reasons of each model that was evaluated. */
export interface Debug {
  readonly rbac?: RbacReason
  readonly abac?: AbacReason
  readonly rebac?: RebacReason
}

/** RBAC's reasons for something unknown. */
export function explainUnknown (code: ReasonCode, query: EngineQuery, schema: CompiledSchema, facts: Facts): RbacReason {
  const { user, action, resource } = query
  return { allow: false, code, reason: unknown() }

  function unknown (): string {
    switch (code) {
      case 'no_such_resource':
        return `resource type ${name(resource.type)} is not defined${choice(resource.type, schema.types.keys())}`
      case 'no_such_action': {
        const hint = choice(action, schema.types.get(resource.type)?.permissions.keys() ?? [])
        return `action ${name(action)} is not defined on resource type ${name(resource.type)}${hint}`
      }
      case 'no_such_tenant':
        return `tenant ${name(resource.tenant)} does not exist${choice(resource.tenant, keysOf(facts.tenantNodes()))}`
      default:
        // No suggestion: it would reveal the keys of other users.
        return `user ${name(user.key)} is not known (not synced), and so has no roles`
    }
  }
}

/**
 * ABAC's reasons when no rule covers the permission. The code depends, as in Permit's PDP, on whether any set matches: the set of all
 * resources of a defined type always does; otherwise a user set, a role of the user in the tenant, or an `anyOf` in any set, which is a
 * set of its own there.
 */
export function explainWithoutRules (query: EngineQuery, schema: CompiledSchema, attributes: AttributesOfQuery): AbacReason {
  const { types, roles, sets } = schema
  const { action, resource } = query
  const matchesAlternative = ({ alternatives }: CompiledSet) => alternatives.some(condition => condition(attributes))
  const matches = types.has(resource.type) || sets.users.some(set => set.matches(attributes)) ||
    [...roles].some(role => attributes.hasRole(role)) || [...sets.users, ...sets.resources].some(matchesAlternative)
  const code = matches ? 'no_matching_rules' : 'no_matching_usersets'
  return { allow: false, code, reason: `no rule covers the permission ${name(`${resource.type}:${action}`)}` }
}

/** RBAC's reasons. */
export function explainRbac (verdict: Verdict, permission: CompiledPermission, user: UserNode, tenant: string): RbacReason {
  const who = `user ${name(user.fact.key)}`
  const where = tenant === NO_TENANT ? 'no tenant, because the query names none' : `tenant ${name(tenant)}`
  const { allow, code } = verdict
  switch (code) {
    case 'allow': {
      const roles = allowingRoles(permission, user, tenant)
      const [first = ''] = roles
      const reason = `${who} has role '${first}' in ${where}; ${permission.grantedBy.get(first)?.reason}`
      return { allow, code, reason, allowing_roles: roles.slice(0, MAX_LISTED) }
    }
    case 'no_user_roles':
      return { allow, code, reason: `no roles are assigned to ${who} in any tenant` }
    case 'no_role_in_tenant': {
      const others = some(user.tenantRoles?.keys() ?? [], user.tenantRoles?.size ?? 0)
      return { allow, code, reason: `${who} has no role in ${where}, only in ${others}` }
    }
    default: {
      const roles = some(user.rolesIn(tenant) ?? [])
      return { allow, code, reason: `none of the roles that ${who} has in ${where} (${roles}) holds the permission '${permission.key}'` }
    }
  }
}

/**
 * ABAC's reasons.
 * @param isDenied - whether RBAC and ReBAC deny; then a denial also has the nearest miss
 */
export function explainAbac (
  verdict: Verdict, rules: CompiledRules, permission: CompiledPermission, attributes: AttributesOfQuery, query: EngineQuery,
  isDenied: boolean
): AbacReason {
  const { allow, code } = verdict
  const { usersets, resourcesets, rules: allowing } = matchingSets(rules, attributes)
  const matching = { matching_usersets: usersets.slice(0, MAX_LISTED), matching_resourcesets: resourcesets.slice(0, MAX_LISTED) }
  const who = `user ${name(query.user.key)}`
  const { type, key } = query.resource
  const resource = key === undefined ? `the resource of type ${name(type)}` : `resource ${name(`${type}:${key}`)}`
  const [first] = allowing
  if (first !== undefined) {
    const reason = `${who} is in user set '${first.user_set}', ${resource} in resource set '${first.resource_set}', ` +
      `and a rule joins the two for '${permission.key}'`
    return { allow, code, reason, allowing_rules: allowing.slice(0, MAX_LISTED), ...matching }
  }
  const miss = isDenied ? nearestMiss(rules, attributes) : undefined
  return { allow, code, reason: whyDenied(), ...matching, ...(miss === undefined ? {} : { nearest_miss: miss }) }

  function whyDenied (): string {
    if (usersets.length === 0) {
      const sets = some(rules.userSets.map(({ set }) => set.key))
      return `${who} is in none of the user sets that have rules for '${permission.key}' (${sets})`
    }
    if (resourcesets.length === 0) {
      return `${resource} is in none of the resource sets that have rules for '${permission.key}' (${some(resourceSetsOf(rules))})`
    }
    return `${who} is in ${some(usersets)} and ${resource} in ${some(resourcesets)}, but no rule for '${permission.key}' joins them`
  }
}

/** ReBAC's reasons. */
export function explainRebac (
  verdict: Verdict, held: HeldBy, permission: CompiledPermission, user: UserNode, tenant: TenantNode, instance: InstanceNode | undefined,
  query: EngineQuery, work: WorkBudget
): RebacReason {
  const { allow, code } = verdict
  const who = `user ${name(user.fact.key)}`
  const on = name(`${query.resource.type}:${query.resource.key}`)
  if (instance === undefined) return { allow, code, reason: `resource instance ${on} does not exist, so no user has a role on it` }
  if (instance.tenant !== tenant) {
    const where = `tenant ${name(tenant.fact.key)}`
    return { allow, code, reason: `resource instance ${on} is not in ${where}, and roles on it do not count there` }
  }
  if (allow) {
    const assignments = [...first(assignmentsBehind(held.by, user, instance, work), MAX_LISTED)]
    const roles = assignments.map(behind => ({ role: behind.role, resource_instance: behind.instance.id }))
    const reason = `${who} has ${describe(assignments[0], instance)}, which holds the permission '${permission.key}'`
    return { allow, code, reason, allowing_roles: roles }
  }
  if (code === 'no_graph_roles') return { allow, code, reason: `${who} has no role on ${on}, neither assigned nor derived` }
  return { allow, code, reason: `none of the roles that ${who} has on ${on} holds the permission '${permission.key}'` }
}

function describe (behind: ResourceRoleAssignment | undefined, instance: InstanceNode): string {
  if (behind === undefined) return 'a role'
  const role = `role ${name(behind.role)} on ${name(behind.instance.id)}`
  return behind.instance === instance ? role : `${role}, from which a role on ${name(instance.id)} is derived`
}

function resourceSetsOf (rules: CompiledRules): string[] {
  return [...new Set(rules.userSets.flatMap(({ resourceSets }) => resourceSets.map(({ set }) => set.key)))]
}

function choice (name: string, known: Iterable<string>): string {
  const hint = suggest(name, known, '')
  return hint === '' ? '' : ` (${hint})`
}

function some (names: Iterable<string>, count = [...names].length): string {
  const shown = [...first(names, 8)].map(name).join(', ')
  return count > 8 ? `${shown} and ${count - 8} more` : shown
}

/** Quotes and shortens a name: it may be as long as the request, and is repeated for each decision. */
function name (text: string): string {
  return `'${shorten(text, 100)}'`
}

function * keysOf (tenants: Iterable<TenantNode>): Generator<string> {
  for (const { fact } of tenants) yield fact.key
}

function * first<T> (items: Iterable<T>, count: number): Generator<T> {
  let index = 0
  for (const item of items) {
    if (index++ === count) return
    yield item
  }
}
