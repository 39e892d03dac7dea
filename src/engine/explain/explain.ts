// A decision in words: what each model says about this user and this resource, by name.

import { matchingSets, type AttributesOfQuery, type CompiledRules } from '../decide/abac.js'
import { allowingRoles } from '../decide/rbac.js'
import { assignmentsBehind, type HeldBy, type ResourceRoleAssignment } from '../decide/rebac.js'
import { shorten } from '../../kit/shorten.js'
import { suggest } from '../../kit/suggest.js'
import { NO_TENANT, type EngineQuery } from '../engine-query.js'
import type { Facts } from '../facts/facts.js'
import type { InstanceNode, TenantNode, UserNode } from '../facts/fact-nodes.js'
import type { CompiledPermission, CompiledSchema } from '../decide/decision-schema.js'
import type { ReasonCode, Verdict } from '../decide/verdict.js'
import type { Work } from '../decide/work.js'

/** What RBAC says. */
interface RbacReason extends Verdict {
  /** Roles of the user in the tenant that hold the permission. */
  readonly allowing_roles?: string[]
}

/** What ABAC says. */
interface AbacReason extends Verdict {
  /** Rules that join a user set that the user is in with a resource set that the resource is in. */
  readonly allowing_rules?: Array<{ readonly user_set: string, readonly resource_set: string }>
  /** User sets of the permission's rules that the user is in. Absent when no rule is about the permission. */
  readonly matching_usersets?: string[]
  /** Resource sets of the permission's rules that the resource is in. Absent when no rule is about the permission. */
  readonly matching_resourcesets?: string[]
}

/** What ReBAC says. */
interface RebacReason extends Verdict {
  /** Roles that the user was assigned and that, themselves or by derivation, hold the permission on the instance. */
  readonly allowing_roles?: Array<{ readonly role: string, readonly resource_instance: string }>
}

/** The most roles, sets and rules that an explanation lists. */
const MAX_LISTED = 20

/** What each model that had a say says. */
export interface Debug {
  readonly rbac?: RbacReason
  readonly abac?: AbacReason
  readonly rebac?: RebacReason
}

/** What RBAC says of what is not known. */
export function explainUnknown (code: ReasonCode, query: EngineQuery, schema: CompiledSchema, facts: Facts): RbacReason {
  const { user, action, resource } = query
  return { allow: false, code, reason: unknown() }

  function unknown (): string {
    switch (code) {
      case 'no_such_resource':
        return `resource type ${name(resource.type)} is not defined${choice(resource.type, schema.types.keys())}`
      case 'no_such_action':
        return `action ${name(action)} is not defined on resource type ${name(resource.type)}${choice(action, schema.types.get(resource.type)?.permissions.keys() ?? [])}`
      case 'no_such_tenant':
        return `tenant ${name(resource.tenant)} does not exist${choice(resource.tenant, keysOf(facts.tenantNodes()))}`
      default:
        // Not a word about who else there is: keys of users are people.
        return `user ${name(user.key)} is not known (not synced), and so has no roles`
    }
  }
}

/**
 * ABAC's part where no rule is about the permission. For its code Permit's PDP asks whether anything matches: of a type that is defined the set of all
 * its resources does always, and otherwise a user set, a role of the user in the tenant, or an `anyOf` in any set, each of which is a set for it.
 */
export function explainWithoutRules (query: EngineQuery, { types, roles, sets }: CompiledSchema, attributes: AttributesOfQuery): AbacReason {
  const { action, resource } = query
  const matches = types.has(resource.type) || sets.users.some(set => set.matches(attributes)) || [...roles].some(role => attributes.hasRole(role)) ||
    [...sets.users, ...sets.resources].some(({ alternatives }) => alternatives.some(condition => condition(attributes)))
  return { allow: false, code: matches ? 'no_matching_rules' : 'no_matching_usersets', reason: `no rule is about the permission ${name(`${resource.type}:${action}`)}` }
}

/** RBAC's part. */
export function explainRbac (verdict: Verdict, permission: CompiledPermission, user: UserNode, tenant: string): RbacReason {
  const who = `user ${name(user.fact.key)}`
  const where = tenant === NO_TENANT ? 'no tenant, as the question names none' : `tenant ${name(tenant)}`
  const { allow, code } = verdict
  switch (code) {
    case 'allow': {
      const roles = allowingRoles(permission, user, tenant)
      return { allow, code, reason: `${who} has role '${roles[0]}' in ${where}; ${permission.grantedBy.get(roles[0] ?? '')?.reason}`, allowing_roles: roles.slice(0, MAX_LISTED) }
    }
    case 'no_user_roles':
      return { allow, code, reason: `no roles are assigned to ${who} in any tenant` }
    case 'no_role_in_tenant':
      return { allow, code, reason: `${who} has no role in ${where}, only in ${some(user.tenantRoles?.keys() ?? [], user.tenantRoles?.size ?? 0)}` }
    default:
      return { allow, code, reason: `none of the roles that ${who} has in ${where} (${some(user.rolesIn(tenant) ?? [])}) holds the permission '${permission.key}'` }
  }
}

/** ABAC's part. */
export function explainAbac (verdict: Verdict, rules: CompiledRules, permission: CompiledPermission, attributes: AttributesOfQuery, query: EngineQuery): AbacReason {
  const { allow, code } = verdict
  const { usersets, resourcesets, rules: allowing } = matchingSets(rules, attributes)
  const matching = { matching_usersets: usersets.slice(0, MAX_LISTED), matching_resourcesets: resourcesets.slice(0, MAX_LISTED) }
  const who = `user ${name(query.user.key)}`
  const resource = query.resource.key === undefined ? `the resource of type ${name(query.resource.type)}` : `resource ${name(`${query.resource.type}:${query.resource.key}`)}`
  const [first] = allowing
  if (first !== undefined) {
    const reason = `${who} is in user set '${first.user_set}', ${resource} in resource set '${first.resource_set}', and a rule joins the two for '${permission.key}'`
    return { allow, code, reason, allowing_rules: allowing.slice(0, MAX_LISTED), ...matching }
  }
  if (usersets.length === 0) {
    return { allow, code, reason: `${who} is in none of the user sets that have rules for '${permission.key}' (${some(rules.userSets.map(({ set }) => set.key))})`, ...matching }
  }
  if (resourcesets.length === 0) {
    return { allow, code, reason: `${resource} is in none of the resource sets that have rules for '${permission.key}' (${some(resourceSetsOf(rules))})`, ...matching }
  }
  return { allow, code, reason: `${who} is in ${some(usersets)} and ${resource} in ${some(resourcesets)}, but no rule for '${permission.key}' joins them`, ...matching }
}

/** ReBAC's part. */
export function explainRebac (verdict: Verdict, held: HeldBy, permission: CompiledPermission, user: UserNode, tenant: TenantNode, instance: InstanceNode | undefined, query: EngineQuery, work: Work): RebacReason {
  const { allow, code } = verdict
  const who = `user ${name(user.fact.key)}`
  const on = name(`${query.resource.type}:${query.resource.key}`)
  if (instance === undefined) return { allow, code, reason: `resource instance ${on} does not exist, and so nobody has a role on it` }
  if (instance.tenant !== tenant) return { allow, code, reason: `resource instance ${on} is not in tenant ${name(tenant.fact.key)}, and roles on it do not count there` }
  if (allow) {
    const assignments = [...first(assignmentsBehind(held.by, user, instance, work), MAX_LISTED)]
    const roles = assignments.map(behind => ({ role: behind.role, resource_instance: behind.instance.id }))
    return { allow, code, reason: `${who} has ${describe(assignments[0], instance)}, which holds the permission '${permission.key}'`, allowing_roles: roles }
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

/** In quotes, and shortened: a name may be as long as the request, and is repeated for each decision. */
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
