// What a user may do in a tenant whatever the resource and the circumstances, what depends on them, and what never: a policy in
// one table.

import { AttributesOfQuery, type CompiledSet } from './abac.js'
import { rolesOf, type CompiledResourceRole } from './rebac.js'
import { isRecord } from './values.js'
import type { InstanceNode, TenantNode, UserNode } from './facts.js'
import type { CompiledPermission, CompiledSchema } from './schema.js'

/** Whether a user may: on every resource of the type, on some or under some circumstances, on none. */
export type May = 'always' | 'depends' | 'never'

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

/** Scopes that only a query fills in, with the older spelling. Of a user and of a tenant, what is stored counts. */
const OF_THE_QUERY = /^(resource|context|environment)\./

/**
 * Every permission of the policy for one user in one tenant.
 *
 * It is about the user as it is stored: attributes that a query brings along may open or close more.
 */
export function prospectsOf (schema: CompiledSchema, user: UserNode, tenant: TenantNode): Prospect[] {
  const roles = rolesOf(user, (type, key) => schema.types.get(type)?.resourceRoles.get(key))
  const here = [...roles].filter(([instance]) => instance.tenant === tenant)
  return [...schema.types.values()].flatMap(({ key, permissions }) => {
    const onInstances = here.filter(([{ fact }]) => fact.resource === key)
    return Array.from(permissions.values(), permission => prospectOf(permission, key, user, tenant, onInstances))
  })
}

type RolesHere = ReadonlyArray<readonly [InstanceNode, ReadonlySet<CompiledResourceRole>]>

function prospectOf (permission: CompiledPermission, type: string, user: UserNode, tenant: TenantNode, here: RolesHere): Prospect {
  const always = (user.tenantRoles?.get(tenant) ?? []).filter(role => permission.grantedBy.has(role)).map(role => `role '${role}'`)
  const depends: string[] = []
  const query = { user: { key: user.fact.key }, action: permission.action, resource: { type, tenant: tenant.fact.key } }
  const attributes = new AttributesOfQuery(query, user, tenant, undefined)
  for (const { set, resourceSets } of permission.rules?.userSets ?? []) {
    const who = matching(set, attributes)
    if (who === 'never') continue
    for (const { set: resourceSet } of resourceSets) {
      const what = matching(resourceSet, attributes)
      if (what === 'never') continue
      const phrase = `${nameOf(set)} on ${nameOf(resourceSet)}`
      if (who === 'always' && what === 'always') always.push(phrase)
      else depends.push(phrase)
    }
  }
  for (const [instance, roles] of here) {
    for (const role of roles) {
      if (role.actions.has(permission.action)) depends.push(`role '${role.key}' on '${instance.id}'`)
    }
  }
  if (always.length > 0) return { permission: permission.key, may: 'always', because: some(always) }
  if (depends.length > 0) return { permission: permission.key, may: 'depends', because: some(depends) }
  return { permission: permission.key, may: 'never', because: [] }
}

/** Whether the set holds the user, or the resource, in every query. */
function matching ({ kind, written, matches }: CompiledSet, attributes: AttributesOfQuery): May {
  if (kind === 'condition' && (written === undefined || asksTheQuery(written))) return 'depends'
  return matches(attributes) ? 'always' : 'never'
}

/** Whether any attribute in it is one that only a query has. */
function asksTheQuery (condition: unknown): boolean {
  if (Array.isArray(condition)) return condition.some(asksTheQuery)
  if (!isRecord(condition)) return false
  return Object.entries(condition).some(([key, value]) =>
    OF_THE_QUERY.test(key) || (key === 'ref' && typeof value === 'string' && OF_THE_QUERY.test(value)) || asksTheQuery(value))
}

function nameOf ({ key, kind }: CompiledSet): string {
  if (kind === 'role') return `role '${key}'`
  return kind === 'type' ? `every ${key}` : `'${key}'`
}

function some (phrases: readonly string[]): string[] {
  return phrases.length <= MAX_PHRASES ? [...phrases] : [...phrases.slice(0, MAX_PHRASES), `${phrases.length - MAX_PHRASES} more`]
}
