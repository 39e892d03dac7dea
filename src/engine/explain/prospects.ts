// What a user may do in a tenant whatever the resource and the circumstances, what depends on them, and what never: a policy in
// one table.

import { AttributesOfQuery, type CompiledSet } from '../decide/abac.js'
import { assignmentsBehind, rolesOf } from '../decide/rebac.js'
import { type CompiledResourceRole } from '../decide/derivation.js'
import { mayHold, type May } from './may-hold.js'
import { Work } from '../decide/work.js'
import { atOnce } from '../../kit/turns.js'
import type { InstanceNode, TenantNode, UserNode } from '../facts/fact-nodes.js'
import type { CompiledPermission, CompiledSchema } from '../decide/decision-schema.js'

export type { May } from './may-hold.js'

/** One permission of one user. */
export interface Prospect {
  /** `type:action` */
  readonly permission: string
  readonly may: May
  /** What makes it so, as phrases: `role 'admin'`. Nothing for `never`. */
  readonly because: readonly string[]
}

/** A phrase is as good as a thousand of them. */
const MAX_PHRASES = 8

/** Scopes that only a query fills in, with the older spelling: of a user and of a tenant what is stored counts. */
const OF_THE_QUERY = /^(resource|context|environment)\./
/** The same of a question about an instance, of which what is stored counts, too. */
const OF_THE_CIRCUMSTANCES = /^(context|environment)\./

/** Which role holds which permission, whoever has it. */
export interface Grants {
  /** `type:action` */
  readonly permission: string
  /** Roles in tenants that hold it, inherited ones included. */
  readonly roles: readonly string[]
  /** Roles on instances of the type that hold it. */
  readonly resource_roles: readonly string[]
}

/** Every permission of the policy with the roles that hold it. */
export function grantsOf (schema: CompiledSchema): Grants[] {
  return [...schema.types.values()].flatMap(({ permissions }) => Array.from(permissions.values(), ({ key, grantedBy, held }) =>
    ({ permission: key, roles: [...grantedBy.keys()], resource_roles: held?.by.map(role => role.key) ?? [] })))
}

/**
 * Every permission of the policy for one user in one tenant.
 *
 * It is about the user as it is stored: attributes that a query brings along may open or close more.
 */
export function prospectsOf (schema: CompiledSchema, user: UserNode, tenant: TenantNode): Prospect[] {
  const roles = atOnce(rolesOf(user, (type, key) => schema.types.get(type)?.resourceRoles.get(key), new Work()))
  const here = [...roles].filter(([instance]) => instance.tenant === tenant)
  return [...schema.types.values()].flatMap(({ key, permissions }) => {
    const onInstances = here.filter(([{ fact }]) => fact.resource === key)
    return Array.from(permissions.values(), permission => {
      const depends = onInstances.flatMap(([instance, roles]) => phrasesOf(permission, roles, instance))
      return prospectOf(permission, key, user, tenant, undefined, [], depends)
    })
  })
}

/** Every permission of the instance's type, for one user on that instance as it is stored. */
export function prospectsOn (schema: CompiledSchema, user: UserNode, instance: InstanceNode): Prospect[] {
  const type = schema.types.get(instance.fact.resource)
  const roles = [...type?.resourceRoles.values() ?? []].filter(role => assignmentsBehind([role], user, instance, new Work()).next().done !== true)
  return Array.from(type?.permissions.values() ?? [], permission =>
    prospectOf(permission, instance.fact.resource, user, instance.tenant, instance, phrasesOf(permission, roles, instance), []))
}

function phrasesOf ({ action }: CompiledPermission, roles: Iterable<CompiledResourceRole>, instance: InstanceNode): string[] {
  return [...roles].filter(({ actions }) => actions.has(action)).map(({ key }) => `role '${key}' on '${instance.id}'`)
}

function prospectOf (permission: CompiledPermission, type: string, user: UserNode, tenant: TenantNode, instance: InstanceNode | undefined, alwaysByRole: readonly string[], dependsOnRole: readonly string[]): Prospect {
  const always = [...(user.rolesIn(tenant.fact.key) ?? []).filter(role => permission.grantedBy.has(role)).map(role => `role '${role}'`), ...alwaysByRole]
  const depends = [...dependsOnRole]
  const query = { user: { key: user.fact.key }, action: permission.action, resource: { type, tenant: tenant.fact.key } }
  const attributes = new AttributesOfQuery(query, user, tenant, instance)
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

/** Whether the set holds the user, or the resource, in every query. */
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
