// The questions besides "may this user do this": in which tenants, what may the user do, who may do it. Not a hot path.

import { AttributesOfQuery, decideAbac } from '../decide/abac.js'
import { decideRbac } from '../decide/rbac.js'
import { assignmentsBehind, candidates, rolesOf, type CompiledResourceRole } from '../decide/rebac.js'
import type { EngineQuery } from '../query.js'
import { type Facts } from '../facts/facts.js'
import { type InstanceNode, type TenantNode, type UserNode } from '../facts/nodes.js'
import type { CompiledPermission, CompiledSchema } from '../decide/decision-schema.js'

/** A tenant as Permit's PDP shows it. */
export interface TenantView {
  readonly key: string
  readonly attributes: Readonly<Record<string, unknown>>
}

/** A tenant beside permissions: without attributes there is no such member. */
export type PermissionsTenant = Pick<TenantView, 'key'> & Partial<TenantView>

/** A resource instance as Permit's PDP shows it. */
export interface ResourceView {
  readonly key: string
  readonly type: string
  readonly attributes: Readonly<Record<string, unknown>>
}

/** What a user may do in a tenant, or on an instance. */
export interface UserPermissions {
  readonly tenant?: PermissionsTenant
  readonly resource?: ResourceView
  /** `type:action`. */
  readonly permissions: string[]
  readonly roles?: string[]
}

/** Narrows {@link UserPermissions}: only these. */
export interface PermissionsFilter {
  /** Keys of tenants, or `__tenant:<key>`. */
  readonly tenants?: readonly string[]
  /** Instances, `type:key` or the key alone. They narrow instances only, and what a condition opens not at all, as in Permit's PDP. */
  readonly resources?: readonly string[]
  /** Resource types; `__tenant` for tenants. */
  readonly resource_types?: readonly string[]
  /** `enable_abac_user_permissions` asks conditions, too, which see nothing of the context. */
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
  /** Whether users who were never synced, and tenants that do not exist, are denied whatever conditions say. */
  readonly deniesUnknown: boolean
}

/** Whether the context sets a switch of Permit's: to anything but `false`. */
export function isOn (context: EngineQuery['context'], name: string): boolean {
  return context !== undefined && Object.hasOwn(context, name) && context[name] !== undefined && context[name] !== false
}

/** The tenants that are asked about: of a user those in which it has a role, of one who was never synced every tenant. */
export function tenantsToAsk ({ facts, deniesUnknown }: World, query: Pick<EngineQuery, 'user'>): Iterable<TenantNode> {
  const user = facts.userNode(query.user.key)
  if (user !== undefined) return tenantsOf(facts, user)
  return deniesUnknown ? [] : facts.tenantNodes()
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
  if (node === undefined && world.deniesUnknown) return result
  if (node !== undefined) addByRoles(world, node, filter, result)
  if (isOn(filter.context, 'enable_abac_user_permissions')) addByConditions(world, user, node, filter.resource_types ?? [], result)
  return result
}

function addByRoles (world: World, node: UserNode, { tenants, resources, resource_types: types }: PermissionsFilter, result: Record<string, UserPermissions>): void {
  if (types?.includes(TENANT_TYPE) !== false) {
    for (const tenant of tenantsOf(world.facts, node)) {
      const { key } = tenant.fact
      const id = `${TENANT_TYPE}:${key}`
      const isWanted = tenants === undefined && resources === undefined
      if (!isWanted && tenants?.includes(key) !== true && tenants?.includes(id) !== true && resources?.includes(id) !== true) continue
      result[id] = { tenant: permissionsTenant(tenant), permissions: permissionsInTenant(world, node, key), roles: [...node.rolesIn(key) ?? []] }
    }
  }
  // Tenants among the resources are tenants: they narrow no instances.
  const wanted = resources?.some(id => !id.startsWith(TENANT_TYPE)) === true ? new Set(resources) : undefined
  for (const [instance, held] of rolesOf(node, (type, key) => world.schema.types.get(type)?.resourceRoles.get(key))) {
    const { fact, tenant } = instance
    if (types?.includes(fact.resource) === false || tenants?.includes(tenant.fact.key) === false) continue
    if (wanted !== undefined && !wanted.has(instance.id) && !wanted.has(fact.key)) continue
    result[instance.id] = {
      tenant: permissionsTenant(tenant),
      resource: resourceView(instance),
      permissions: permissionsOnInstance(world, instance, held),
      roles: Array.from(held, role => role.key)
    }
  }
}

/** Permit's PDP asks conditions of every instance of the types, and of the types in every tenant of the user, without a context. */
function addByConditions (world: World, user: QueryUser, node: UserNode | undefined, types: readonly string[], result: Record<string, UserPermissions>): void {
  for (const type of new Set(types)) {
    const permissions = [...world.schema.types.get(type)?.permissions.values() ?? []].filter(({ rules }) => rules !== null)
    if (permissions.length === 0) continue
    const add = (id: string, tenant: TenantNode, instance: InstanceNode | undefined): void => {
      const resource = { type, tenant: tenant.fact.key, ...(instance === undefined ? {} : { key: instance.fact.key }) }
      const allowed = permissions.filter(permission => allowedByRules(permission, { user, action: permission.action, resource }, node, tenant, instance)).map(({ key }) => key)
      if (allowed.length === 0) return
      const before = result[id] ?? { tenant: permissionsTenant(tenant), permissions: [], roles: [] }
      result[id] = { ...before, permissions: [...new Set([...before.permissions, ...allowed])] }
    }
    for (const tenant of node === undefined ? [] : tenantsOf(world.facts, node)) add(`${TENANT_TYPE}:${tenant.fact.key}`, tenant, undefined)
    for (const instance of world.facts.instanceNodes(type)) add(instance.id, instance.tenant, instance)
  }
}

/** Everybody whom the decision would be yes for: by a role, and by a condition where the context wants them asked, too. */
export function authorizedUsers ({ schema, facts, deniesUnknown }: World, query: Omit<EngineQuery, 'user'>): AuthorizedUsers {
  const { type, key, tenant: tenantKey } = query.resource
  const users: Record<string, AuthorizedUser[]> = Object.create(null)
  const answer = { resource: `${type}:${key ?? '*'}`, tenant: tenantKey, users }
  const permission = schema.types.get(type)?.permissions.get(query.action)
  const tenant = facts.tenantNode(tenantKey)
  if (permission === undefined || (tenant === undefined && deniesUnknown)) return answer
  const add = ({ fact }: UserNode, resource: string, role: string): void => {
    (users[fact.key] ??= []).push({ user: fact.key, tenant: tenantKey, resource, role })
  }
  for (const [role, members] of tenant?.members ?? []) {
    if (!permission.grantedBy.has(role)) continue
    for (const user of members) add(user, `${TENANT_TYPE}:${tenantKey}`, role)
  }
  const instance = key === undefined ? undefined : facts.instanceNode(type, key)
  if (permission.held !== null && instance !== undefined && instance.tenant === tenant) {
    for (const user of candidates(permission.held.by, instance)) {
      for (const behind of assignmentsBehind(permission.held.by, user, instance)) add(user, behind.instance.id, behind.role)
    }
  }
  if (permission.rules !== null && isOn(query.context, 'enable_abac_authorized_users')) {
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

function permissionsTenant ({ fact: { key, attributes = {} } }: TenantNode): PermissionsTenant {
  return Object.keys(attributes).length === 0 ? { key } : { key, attributes }
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

function permissionsInTenant ({ schema }: World, node: UserNode, tenant: string): string[] {
  const roles = node.rolesIn(tenant)
  return [...schema.types.values()].flatMap(({ permissions }) => [...permissions.values()].filter(permission => decideRbac(permission, node, roles).allow).map(({ key }) => key))
}

function permissionsOnInstance ({ schema }: World, { fact }: InstanceNode, held: ReadonlySet<CompiledResourceRole>): string[] {
  const permissions = [...schema.types.get(fact.resource)?.permissions.values() ?? []]
  return permissions.filter(({ action }) => [...held].some(role => role.actions.has(action))).map(({ key }) => key)
}

function allowedByRules ({ rules }: CompiledPermission, query: EngineQuery, user: UserNode | undefined, tenant: TenantNode, instance: InstanceNode | undefined): boolean {
  return rules !== null && decideAbac(rules, new AttributesOfQuery(query, user, tenant, instance)).allow
}
