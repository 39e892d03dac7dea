// Possible permissions, for the permission matrix: what a user may do in a tenant always, depending on resource and context, or never.

import { AttributesOfQuery, NO_CLOCK, type CompiledSet } from '../decide/abac.js'
import { assignmentsBehind, rolesOf } from '../decide/rebac.js'
import { type CompiledResourceRole } from '../decide/derivation.js'
import { mayHold, type May } from './three-valued-conditions.js'
import { WorkBudget } from '../decide/work-budget.js'
import { runSync } from '../../kit/time-slices.js'
import type { InstanceNode, TenantNode, UserNode } from '../facts/fact-nodes.js'
import type { CompiledPermission, CompiledSchema } from '../decide/decision-schema.js'

export type { May } from './three-valued-conditions.js'

/** Whether one user may have one permission: always, sometimes or never. */
export interface PossiblePermission {
  /** `type:action` */
  readonly permission: string
  readonly may: May
  /** The reasons, as phrases such as `role 'admin'`. Empty for `never`. */
  readonly because: readonly string[]
}

/** The most phrases per permission. */
const MAX_PHRASES = 8

/** Scopes that only a query fills, the older spelling of one, and the clock. Of users and tenants, the stored attributes count. */
const OF_THE_QUERY = /^(resource|context|environment)\.|^now(\.|$)/
/** The same for a question about an instance, whose stored attributes count, too. */
const OF_THE_CIRCUMSTANCES = /^(context|environment)\.|^now(\.|$)/

/** The roles that hold a permission. */
export interface Grants {
  /** `type:action` */
  readonly permission: string
  /** Tenant roles that hold it, including inherited permissions. */
  readonly roles: readonly string[]
  /** Resource roles of the type that hold it. */
  readonly resource_roles: readonly string[]
}

/** All permissions of the policy, with the roles that hold them. */
export function grantsOf (schema: CompiledSchema): Grants[] {
  return [...schema.types.values()].flatMap(({ permissions }) => Array.from(permissions.values(), ({ key, grantedBy, held }) =>
    ({ permission: key, roles: [...grantedBy.keys()], resource_roles: held?.by.map(role => role.key) ?? [] })))
}

/**
 * All permissions of the policy for one user in one tenant.
 *
 * Uses the stored attributes of the user. Attributes in a query may allow more or less.
 */
export function possiblePermissions (schema: CompiledSchema, user: UserNode, tenant: TenantNode): PossiblePermission[] {
  const roles = runSync(rolesOf(user, (type, key) => schema.types.get(type)?.resourceRoles.get(key), new WorkBudget()))
  const here = [...roles].filter(([instance]) => instance.tenant === tenant)
  return [...schema.types.values()].flatMap(({ key, permissions }) => {
    const onInstances = here.filter(([{ fact }]) => fact.resource === key)
    return Array.from(permissions.values(), permission => {
      const depends = onInstances.flatMap(([instance, roles]) => phrasesOf(permission, roles, instance))
      return possiblePermission(permission, key, user, tenant, undefined, [], depends)
    })
  })
}

/** All permissions of the instance's type, for one user on that instance with its stored attributes. */
export function possiblePermissionsOn (schema: CompiledSchema, user: UserNode, instance: InstanceNode): PossiblePermission[] {
  const type = schema.types.get(instance.fact.resource)
  const hasRole = (role: CompiledResourceRole) => assignmentsBehind([role], user, instance, new WorkBudget()).next().done !== true
  const roles = [...type?.resourceRoles.values() ?? []].filter(hasRole)
  return Array.from(type?.permissions.values() ?? [], permission =>
    possiblePermission(permission, instance.fact.resource, user, instance.tenant, instance, phrasesOf(permission, roles, instance), []))
}

function phrasesOf ({ action }: CompiledPermission, roles: Iterable<CompiledResourceRole>, instance: InstanceNode): string[] {
  return [...roles].filter(({ actions }) => actions.has(action)).map(({ key }) => `role '${key}' on '${instance.id}'`)
}

function possiblePermission (
  permission: CompiledPermission, type: string, user: UserNode, tenant: TenantNode, instance: InstanceNode | undefined,
  alwaysByRole: readonly string[], dependsOnRole: readonly string[]
): PossiblePermission {
  const granting = (user.rolesIn(tenant.fact.key) ?? []).filter(role => permission.grantedBy.has(role))
  const always = [...granting.map(role => `role '${role}'`), ...alwaysByRole]
  const depends = [...dependsOnRole]
  const query = { user: { key: user.fact.key }, action: permission.action, resource: { type, tenant: tenant.fact.key } }
  const attributes = new AttributesOfQuery(query, user, tenant, instance, NO_CLOCK)
  const unknown = instance === undefined ? OF_THE_QUERY : OF_THE_CIRCUMSTANCES
  for (const { set, resourceSets } of permission.rules?.userSets ?? []) {
    const who = matching(set, attributes, unknown)
    if (who === 'never') continue
    for (const { set: resourceSet } of resourceSets) {
      const what = matching(resourceSet, attributes, unknown)
      if (what === 'never') continue
      const phrase = `${nameOf(set)} on ${nameOf(resourceSet)}`
      if (who === 'always' && what === 'always') always.push(phrase)
      else depends.push(phrase)
    }
  }
  if (always.length > 0) return { permission: permission.key, may: 'always', because: some(always) }
  if (depends.length > 0) return { permission: permission.key, may: 'depends', because: some(depends) }
  return { permission: permission.key, may: 'never', because: [] }
}

/** Whether the set matches in every query, in some, or in none. */
function matching ({ kind, written, matches }: CompiledSet, attributes: AttributesOfQuery, unknown: RegExp): May {
  if (kind !== 'condition') return matches(attributes) ? 'always' : 'never'
  return written === undefined ? 'depends' : mayHold(written, attributes, attribute => unknown.test(attribute))
}

function nameOf ({ key, kind }: CompiledSet): string {
  if (kind === 'role') return `role '${key}'`
  return kind === 'type' ? `every ${key}` : `'${key}'`
}

function some (phrases: readonly string[]): string[] {
  return phrases.length <= MAX_PHRASES ? [...phrases] : [...phrases.slice(0, MAX_PHRASES), `${phrases.length - MAX_PHRASES} more`]
}
