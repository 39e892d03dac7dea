// The questions besides "may this user do this": in which tenants, what may the user do, who may do it. Not a hot path.

import { AttributesOfQuery, decideAbac } from '../decide/abac.js'
import { decideRbac } from '../decide/rbac.js'
import { assignmentsBehind, candidates, rolesOf, type CompiledResourceRole } from '../decide/rebac.js'
import type { EngineQuery } from '../query.js'
import { type Facts } from '../facts/facts.js'
import { type InstanceNode, type TenantNode, type UserNode } from '../facts/nodes.js'
import { parseInstance } from '../facts/fact.js'
import type { CompiledPermission, CompiledSchema } from '../decide/decision-schema.js'

/** A tenant as Permit's PDP shows it. */
export interface TenantView {
  readonly key: string
  readonly attributes: Readonly<Record<string, unknown>>
}

/** A resource instance as Permit's PDP shows it. */
export interface ResourceView {
  readonly key: string
  readonly type: string
  readonly attributes: Readonly<Record<string, unknown>>
}

/** What a user may do in a tenant, or on an instance. */
export interface UserPermissions {
  readonly tenant?: TenantView
  readonly resource?: ResourceView
  /** `type:action`. */
  readonly permissions: string[]
  readonly roles?: string[]
}

/** Narrows {@link UserPermissions}: only these. */
export interface PermissionsFilter {
  /** Keys of tenants. */
  readonly tenants?: readonly string[]
  /** Instances, `type:key`. Those that only a condition opens are shown when they are asked for here. */
  readonly resources?: readonly string[]
  /** Resource types; `__tenant` for tenants. */
  readonly resource_types?: readonly string[]
  readonly context?: Record<string, unknown>
}

/** Who may do it, and by which role where. */
export interface AuthorizedUsers {
  /** `type:key`, or `type:*` when no key was asked about. */
  readonly resource: string
  readonly tenant: string
  readonly users: Record<string, AuthorizedUser[]>
}

/** A role, or a user set, that authorizes the user. */
export interface AuthorizedUser {
  readonly user: string
  readonly tenant: string
  /** Where the role is held: `__tenant:<key>`, or an instance. */
  readonly resource: string
  readonly role: string
}

/** The user that is asked about: as in a query. */
export type QueryUser = EngineQuery['user']

/** Resource type under which tenants are listed. */
const TENANT_TYPE = '__tenant'

/** Schema and facts, for questions that read both. */
export interface World {
  readonly schema: CompiledSchema
  readonly facts: Facts
}

/** The tenants in which a role or a condition could say yes, without asking those in which none can. */
export function tenantsToAsk ({ schema, facts }: World, query: Omit<EngineQuery, 'resource'> & { readonly resource: { readonly type: string, readonly key?: string } }): Iterable<TenantNode> {
  const rules = schema.types.get(query.resource.type)?.permissions.get(query.action)?.rules ?? null
  if (rules !== null) return facts.tenantNodes()
  const user = facts.userNode(query.user.key)
  const tenants = new Set(user === undefined ? [] : tenantsOf(facts, user))
  const instance = query.resource.key === undefined ? undefined : facts.instanceNode(query.resource.type, query.resource.key)
  if (instance !== undefined) tenants.add(instance.tenant)
  return tenants
}

/** The tenants of which the user is a member: those in which it has a role. */
export function userTenants ({ facts }: World, user: QueryUser): TenantView[] {
  const node = facts.userNode(user.key)
  return node === undefined ? [] : Array.from(tenantsOf(facts, node), tenantView)
}

/** What the user may do, by tenant and by instance. */
export function userPermissions (world: World, user: QueryUser, filter: PermissionsFilter): Record<string, UserPermissions> {
  const node = world.facts.userNode(user.key)
  const result: Record<string, UserPermissions> = Object.create(null)
  if (node === undefined) return result
  const types = filter.resource_types === undefined ? undefined : new Set(filter.resource_types)
  const tenants = filter.tenants === undefined ? undefined : new Set(filter.tenants)
  if (filter.resources === undefined && types?.has(TENANT_TYPE) !== false) {
    for (const tenant of listedTenants(world, node, tenants)) {
      const permissions = permissionsInTenant(world, user, node, tenant, filter.context)
      const roles = node.rolesIn(tenant.fact.key) ?? []
      if (permissions.length > 0 || roles.length > 0) result[`${TENANT_TYPE}:${tenant.fact.key}`] = { tenant: tenantView(tenant), permissions, roles: [...roles] }
    }
  }
  for (const [instance, held] of listedInstances(world, node, filter.resources)) {
    const { fact, tenant } = instance
    if (types?.has(fact.resource) === false || tenants?.has(tenant.fact.key) === false) continue
    const permissions = permissionsOnInstance(world, user, node, instance, held, filter.context)
    if (permissions.length === 0 && held.size === 0) continue
    result[instance.id] = { tenant: tenantView(tenant), resource: resourceView(instance), permissions, roles: Array.from(held, role => role.key) }
  }
  return result
}

/** Everybody whom the decision would be yes for. */
export function authorizedUsers ({ schema, facts }: World, query: Omit<EngineQuery, 'user'>): AuthorizedUsers {
  const { type, key, tenant: tenantKey } = query.resource
  const users: Record<string, AuthorizedUser[]> = Object.create(null)
  const answer = { resource: `${type}:${key ?? '*'}`, tenant: tenantKey, users }
  const permission = schema.types.get(type)?.permissions.get(query.action)
  const tenant = facts.tenantNode(tenantKey)
  if (permission === undefined || tenant === undefined) return answer
  const add = ({ fact }: UserNode, resource: string, role: string): void => {
    (users[fact.key] ??= []).push({ user: fact.key, tenant: tenantKey, resource, role })
  }
  for (const [role, members] of tenant.members) {
    if (!permission.grantedBy.has(role)) continue
    for (const user of members) add(user, `${TENANT_TYPE}:${tenantKey}`, role)
  }
  const instance = key === undefined ? undefined : facts.instanceNode(type, key)
  if (permission.held !== null && instance?.tenant === tenant) {
    for (const user of candidates(permission.held.by, instance)) {
      for (const behind of assignmentsBehind(permission.held.by, user, instance)) add(user, behind.instance.id, behind.role)
    }
  }
  if (permission.rules !== null) {
    // Conditions have no index: everybody has to be asked.
    for (const user of facts.userNodes()) {
      const attributes = new AttributesOfQuery({ ...query, user: { key: user.fact.key } }, user, tenant, instance)
      for (const { set, resourceSets } of permission.rules.userSets) {
        if (set.matches(attributes) && resourceSets.some(({ set }) => set.matches(attributes))) add(user, answer.resource, set.key)
      }
    }
  }
  return answer
}

/** A tenant for those who asked. */
export function tenantView ({ fact }: TenantNode): TenantView {
  return { key: fact.key, attributes: fact.attributes ?? {} }
}

function resourceView ({ fact }: InstanceNode): ResourceView {
  return { key: fact.key, type: fact.resource, attributes: fact.attributes ?? {} }
}

/** The tenants in which the user has a role. */
function * tenantsOf (facts: Facts, user: UserNode): Generator<TenantNode> {
  for (const key of user.tenantRoles?.keys() ?? []) {
    const tenant = facts.tenantNode(key)
    if (tenant !== undefined) yield tenant
  }
}

function * listedTenants ({ schema, facts }: World, user: UserNode, wanted: ReadonlySet<string> | undefined): Generator<TenantNode> {
  // Without rules nothing is allowed where the user has no role.
  if (!schema.hasRules) {
    for (const tenant of tenantsOf(facts, user)) {
      if (wanted?.has(tenant.fact.key) !== false) yield tenant
    }
  } else if (wanted === undefined) {
    yield * facts.tenantNodes()
  } else {
    for (const key of wanted) {
      const tenant = facts.tenantNode(key)
      if (tenant !== undefined) yield tenant
    }
  }
}

function listedInstances ({ schema, facts }: World, user: UserNode, wanted: readonly string[] | undefined): Map<InstanceNode, ReadonlySet<CompiledResourceRole>> {
  const roles = rolesOf(user, (type, key) => schema.types.get(type)?.resourceRoles.get(key))
  if (wanted === undefined) return roles
  const found = new Map<InstanceNode, ReadonlySet<CompiledResourceRole>>()
  for (const id of wanted) {
    const { resource, key } = parseInstance(id)
    const instance = facts.instanceNode(resource, key)
    if (instance !== undefined) found.set(instance, roles.get(instance) ?? new Set())
  }
  return found
}

function permissionsInTenant ({ schema }: World, user: QueryUser, node: UserNode, tenant: TenantNode, context: EngineQuery['context']): string[] {
  const permissions: string[] = []
  for (const [type, { permissions: ofType }] of schema.types) {
    for (const permission of ofType.values()) {
      const query = { user, action: permission.action, resource: { type, tenant: tenant.fact.key }, context }
      if (decideRbac(permission, node, node.rolesIn(tenant.fact.key)).allow || allowedByRules(permission, query, node, tenant, undefined)) permissions.push(permission.key)
    }
  }
  return permissions
}

function permissionsOnInstance ({ schema }: World, user: QueryUser, node: UserNode, instance: InstanceNode, held: ReadonlySet<CompiledResourceRole>, context: EngineQuery['context']): string[] {
  const { fact: { resource: type, key }, tenant } = instance
  const permissions: string[] = []
  for (const permission of schema.types.get(type)?.permissions.values() ?? []) {
    const query = { user, action: permission.action, resource: { type, key, tenant: tenant.fact.key }, context }
    const byRole = [...held].some(role => role.actions.has(permission.action))
    if (byRole || allowedByRules(permission, query, node, tenant, instance)) permissions.push(permission.key)
  }
  return permissions
}

function allowedByRules ({ rules }: CompiledPermission, query: EngineQuery, user: UserNode, tenant: TenantNode, instance: InstanceNode | undefined): boolean {
  return rules !== null && decideAbac(rules, new AttributesOfQuery(query, user, tenant, instance)).allow
}
