// Questions with lists as answers: the user's tenants, the user's permissions, the authorized users. Not a hot path.

import { AttributesOfQuery, decideAbac, type Clock } from '../decide/abac.js'
import { decideRbac } from '../decide/rbac.js'
import { assignmentsBehind, candidates, rolesOf } from '../decide/rebac.js'
import { type CompiledResourceRole } from '../decide/derivation.js'
import type { WorkBudget } from '../decide/work-budget.js'
import { NO_TENANT, type EngineQuery } from '../engine-query.js'
import { type Facts } from '../facts/facts.js'
import { type InstanceNode, type TenantNode, type UserNode } from '../facts/fact-nodes.js'
import type { CompiledPermission, CompiledSchema } from '../decide/decision-schema.js'

/** A tenant, as in Permit's wire format. */
export interface TenantView {
  readonly key: string
  readonly attributes: Readonly<Record<string, unknown>>
}

/** The tenant of a permissions entry. The property `attributes` is missing when there are none. */
type PermissionsTenant = Pick<TenantView, 'key'> & Partial<TenantView>

/** A resource instance, as in Permit's wire format. */
interface ResourceView {
  readonly key: string
  readonly type: string
  readonly attributes: Readonly<Record<string, unknown>>
}

/** The permissions of a user in a tenant or on an instance. */
export interface UserPermissions {
  readonly tenant?: PermissionsTenant
  readonly resource?: ResourceView
  /** `type:action`. */
  readonly permissions: string[]
  readonly roles?: string[]
}

/** Restricts the permissions that are returned. */
export interface PermissionsFilter {
  /** Keys of tenants, or `__tenant:<key>`. */
  readonly tenants?: readonly string[]
  /** Instances, as `type:key` or key. As in Permit's PDP, they only restrict instances, and not permissions that come from conditions. */
  readonly resources?: readonly string[]
  /** Resource types; `__tenant` for tenants. */
  readonly resource_types?: readonly string[]
  /** With `enable_abac_user_permissions`, conditions are evaluated, too. They do not see the context. */
  readonly context?: Record<string, unknown>
}

/** The authorized users, with their roles. */
export interface AuthorizedUsers {
  /** `type:key`; `type:*` for a query without a key. */
  readonly resource: string
  readonly tenant: string
  readonly users: Record<string, AuthorizedUser[]>
}

/** A role or a user set that authorizes the user. */
interface AuthorizedUser {
  readonly user: string
  readonly tenant: string
  /** Where the user has the role: `__tenant:<key>`, or an instance. */
  readonly resource: string
  readonly role: string
}

/** The user of the question, as in a query. */
export type QueryUser = EngineQuery['user']

/** The resource type of tenants in answers. */
const TENANT_TYPE = '__tenant'

/** The schema and the facts. */
export interface World {
  readonly schema: CompiledSchema
  readonly facts: Facts
  /** Whether users that were never synced and tenants that do not exist are always denied. */
  readonly deniesUnknown: boolean
  readonly clock: Clock
  /** The user of a question, with the roles that it gives; undefined for one who is not known. */
  userOf (user: QueryUser): UserNode | undefined
}

/** Whether the context turns on an option of Permit's. Every value but `false` does. */
export function isOn (context: EngineQuery['context'], name: string): boolean {
  return context !== undefined && Object.hasOwn(context, name) && context[name] !== undefined && context[name] !== false
}

/** The tenants to check: those in which the user has a role; for a user who was never synced, all tenants. */
export function tenantsToAsk ({ facts, deniesUnknown, userOf }: World, query: Pick<EngineQuery, 'user'>): Iterable<TenantNode> {
  const user = userOf(query.user)
  if (user !== undefined) return tenantsOf(facts, user)
  return deniesUnknown ? [] : facts.tenantNodes()
}

/** The tenants in which the user has a role, in steps. */
export function * userTenants ({ facts, userOf }: World, user: QueryUser, work: WorkBudget): Generator<undefined, TenantView[]> {
  const node = userOf(user)
  const tenants: TenantView[] = []
  if (node === undefined) return tenants
  for (const tenant of tenantsOf(facts, node)) {
    work.begin()
    work.list(1)
    tenants.push(tenantView(tenant))
    yield
  }
  return tenants
}

/** The user's permissions, by tenant and by instance, in steps. */
export function * userPermissions (
  world: World, user: QueryUser, filter: PermissionsFilter, work: WorkBudget
): Generator<undefined, Record<string, UserPermissions>> {
  const node = world.userOf(user)
  const result: Record<string, UserPermissions> = Object.create(null)
  if (node === undefined && world.deniesUnknown) return result
  if (node !== undefined) yield * addByRoles(world, node, filter, result, work)
  if (isOn(filter.context, 'enable_abac_user_permissions')) {
    yield * addByConditions(world, user, node, filter.resource_types ?? [], result, work)
  }
  return result
}

function * addByRoles (
  world: World, node: UserNode, filter: PermissionsFilter, result: Record<string, UserPermissions>, work: WorkBudget
): Generator<undefined, void> {
  const setOf = (list: readonly string[] | undefined) => list === undefined ? undefined : new Set(list)
  const [types, tenants, resources] = [setOf(filter.resource_types), setOf(filter.tenants), setOf(filter.resources)]
  if (types?.has(TENANT_TYPE) !== false) {
    for (const tenant of tenantsOf(world.facts, node)) {
      yield
      work.begin()
      work.spend(1)
      const { key } = tenant.fact
      const id = `${TENANT_TYPE}:${key}`
      const isWanted = tenants === undefined && resources === undefined
      if (!isWanted && tenants?.has(key) !== true && tenants?.has(id) !== true && resources?.has(id) !== true) continue
      const permissions = yield * permissionsInTenant(world, node, key, work)
      result[id] = { tenant: permissionsTenant(tenant), permissions, roles: listed([...node.rolesIn(key) ?? []], work) }
    }
  }
  // Tenants among the resources do not restrict instances.
  const wanted = filter.resources?.some(id => !id.startsWith(TENANT_TYPE)) === true ? resources : undefined
  for (const [instance, held] of yield * rolesOf(node, (type, key) => world.schema.types.get(type)?.resourceRoles.get(key), work)) {
    yield
    work.begin()
    work.spend(1)
    const { fact, tenant } = instance
    if (types?.has(fact.resource) === false || tenants?.has(tenant.fact.key) === false) continue
    if (wanted !== undefined && !wanted.has(instance.id) && !wanted.has(fact.key)) continue
    result[instance.id] = {
      tenant: permissionsTenant(tenant),
      resource: resourceView(instance),
      permissions: listed(permissionsOnInstance(world, instance, held, work), work),
      roles: listed(Array.from(held, role => role.key), work)
    }
  }
}

/**
 * Evaluates conditions for each instance of the types, and for the types in each tenant of the user. As in Permit's PDP, conditions do not
 * see the context.
 */
function * addByConditions (
  world: World, user: QueryUser, node: UserNode | undefined, types: readonly string[], result: Record<string, UserPermissions>,
  work: WorkBudget
): Generator<undefined, void> {
  for (const type of new Set(types)) {
    const permissions = [...world.schema.types.get(type)?.permissions.values() ?? []].filter(({ rules }) => rules !== null)
    if (permissions.length === 0) continue
    const add = function * (id: string, tenant: TenantNode, instance: InstanceNode | undefined): Generator<undefined, void> {
      const resource = { type, tenant: tenant.fact.key, ...(instance === undefined ? {} : { key: instance.fact.key }) }
      const allowed: string[] = []
      for (const permission of permissions) {
        work.begin()
        const query = { user, action: permission.action, resource }
        if (allowedByRules(permission, query, node, tenant, instance, world.clock, work)) allowed.push(permission.key)
        yield
      }
      if (allowed.length === 0) return
      const before = result[id] ?? { tenant: permissionsTenant(tenant), permissions: [], roles: [] }
      result[id] = { ...before, permissions: listed([...new Set([...before.permissions, ...allowed])], work) }
    }
    for (const tenant of node === undefined ? [] : tenantsOf(world.facts, node)) {
      yield * add(`${TENANT_TYPE}:${tenant.fact.key}`, tenant, undefined)
    }
    for (const instance of world.facts.instanceNodes(type)) yield * add(instance.id, instance.tenant, instance)
  }
}

/** All users who are allowed by a role, and with the option in the context also by a condition, in steps. */
export function * authorizedUsers (
  { schema, facts, deniesUnknown, clock }: World, query: Omit<EngineQuery, 'user'>, work: WorkBudget
): Generator<undefined, AuthorizedUsers> {
  const { type, key, tenant: tenantKey } = query.resource
  const users: Record<string, AuthorizedUser[]> = Object.create(null)
  const answer = { resource: `${type}:${key ?? '*'}`, tenant: tenantKey, users }
  const permission = schema.types.get(type)?.permissions.get(query.action)
  const instance = key === undefined ? undefined : facts.instanceNode(type, key)
  const tenant = tenantKey === NO_TENANT ? instance?.tenant : facts.tenantNode(tenantKey)
  if (permission === undefined || (tenant === undefined && deniesUnknown)) return answer
  const add = ({ fact }: UserNode, resource: string, role: string): void => {
    work.list(1);
    (users[fact.key] ??= []).push({ user: fact.key, tenant: tenantKey, resource, role })
  }
  for (const [role, members] of tenantKey === NO_TENANT ? [] : tenant?.members ?? []) {
    if (!permission.grantedBy.has(role)) continue
    for (const user of members) {
      work.begin()
      add(user, `${TENANT_TYPE}:${tenantKey}`, role)
      yield
    }
  }
  if (permission.held !== null && instance !== undefined && instance.tenant === tenant) {
    for (const user of yield * candidates(permission.held.by, instance, work)) {
      work.begin()
      for (const behind of assignmentsBehind(permission.held.by, user, instance, work)) add(user, behind.instance.id, behind.role)
      yield
    }
  }
  if (permission.rules !== null && isOn(query.context, 'enable_abac_authorized_users')) {
    // There is no index of conditions, so every user must be checked.
    for (const user of facts.userNodes()) {
      work.begin()
      const attributes = new AttributesOfQuery({ ...query, user: { key: user.fact.key } }, user, tenant, instance, clock, work)
      for (const { set, resourceSets } of permission.rules.userSets) {
        work.spend(1 + resourceSets.length)
        if (set.matches(attributes) && resourceSets.some(({ set }) => set.matches(attributes))) add(user, answer.resource, set.key)
      }
      yield
    }
  }
  return answer
}

function permissionsTenant ({ fact: { key, attributes = {} } }: TenantNode): PermissionsTenant {
  return Object.keys(attributes).length === 0 ? { key } : { key, attributes }
}

/** The tenant as it is returned. */
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

function * permissionsInTenant ({ schema }: World, node: UserNode, tenant: string, work: WorkBudget): Generator<undefined, string[]> {
  const roles = node.rolesIn(tenant)
  const allowed: string[] = []
  for (const { permissions } of schema.types.values()) {
    for (const permission of permissions.values()) {
      work.begin()
      work.spend(1 + (roles?.length ?? 0))
      if (decideRbac(permission, node, roles).allow) allowed.push(permission.key)
    }
    yield
  }
  return listed(allowed, work)
}

function permissionsOnInstance (
  { schema }: World, { fact }: InstanceNode, held: ReadonlySet<CompiledResourceRole>, work: WorkBudget
): string[] {
  const permissions = [...schema.types.get(fact.resource)?.permissions.values() ?? []]
  work.spend(permissions.length * held.size)
  return permissions.filter(({ action }) => [...held].some(role => role.actions.has(action))).map(({ key }) => key)
}

function allowedByRules (
  { rules }: CompiledPermission, query: EngineQuery, user: UserNode | undefined, tenant: TenantNode, instance: InstanceNode | undefined,
  clock: Clock, work: WorkBudget
): boolean {
  return rules !== null && decideAbac(rules, new AttributesOfQuery(query, user, tenant, instance, clock, work)).allow
}

/** Returns the list, and counts its entries as entries of the answer. */
function listed (list: string[], work: WorkBudget): string[] {
  work.begin()
  work.list(1 + list.length)
  return list
}
