// What Permit's lists of permissions say: on which instances, in which tenants, and which actions.
import type { JsonObject, PermissionsQuestion, QueryResource, QueryUser, UserPermissions } from '../../contract/point.js'

export type Permissions = (question: PermissionsQuestion, deadline: number, signal?: AbortSignal) => Promise<UserPermissions>

/** Permit's own switches in a context. They are no values for conditions, and would change what a list is. */
const SWITCHES: ReadonlySet<string> = new Set(['enable_abac_user_permissions', 'enable_abac_authorized_users', 'optimized'])

/** A context without Permit's switches. */
export function withoutSwitches (context: JsonObject | undefined): JsonObject | undefined {
  return context === undefined ? undefined : Object.fromEntries(Object.entries(context).filter(([name]) => !SWITCHES.has(name)))
}

interface KeysQuestion {
  readonly user: QueryUser
  readonly action: string
  readonly type: string
  readonly tenant: string
  readonly context?: JsonObject
  readonly conditions: 'none' | 'stored'
}

/** The keys of the instances on which the user may act; `all` when a role in the tenant says so. */
export async function keysByPermissions (
  question: KeysQuestion, deadline: number, permissions: Permissions, signal?: AbortSignal
): Promise<Set<string> | 'all'> {
  const { action, type, tenant, conditions } = question
  const permission = `${type}:${action}`
  const byRoles = await permissions(byRolesIn(tenant, question), deadline, signal)
  if (byRoles[`__tenant:${tenant}`]?.permissions.includes(permission) === true) return 'all'
  const keys = keysIn(byRoles, permission, type, tenant)
  if (conditions === 'stored') {
    for (const key of keysIn(await permissions(byConditions(question), deadline, signal), permission, type, tenant)) keys.add(key)
  }
  return keys
}

/** The actions that the user may do on a resource. */
export async function actionsByPermissions (
  question: Pick<KeysQuestion, 'user' | 'context' | 'conditions'> & { readonly resource: QueryResource }, deadline: number,
  permissions: Permissions, signal?: AbortSignal
): Promise<Set<string>> {
  const { resource: { type, key, tenant }, conditions } = question
  const asked = { ...question, type, tenant }
  const ofTenant = `__tenant:${tenant}`
  const ofInstance = key === undefined ? undefined : `${type}:${key}`
  const byRoles = await permissions(byRolesIn(tenant, asked), deadline, signal)
  const lists = [byRoles[ofTenant]]
  if (ofInstance !== undefined) lists.push(ofInstances(byRoles, ofInstance, tenant))
  if (conditions === 'stored') {
    const more = await permissions(byConditions(asked), deadline, signal)
    // What conditions say of the tenant is about the type; the instance has attributes of its own.
    lists.push(ofInstance === undefined ? more[ofTenant] : ofInstances(more, ofInstance, tenant))
  }
  const actions = new Set<string>()
  for (const permission of lists.flatMap(list => list?.permissions ?? [])) {
    if (permission.startsWith(`${type}:`)) actions.add(permission.slice(type.length + 1))
  }
  return actions
}

function ofInstances (permissions: UserPermissions, id: string, tenant: string): UserPermissions[string] | undefined {
  const entry = permissions[id]
  return entry?.tenant?.key === tenant ? entry : undefined
}

function byRolesIn (tenant: string, { user, type, context }: Pick<KeysQuestion, 'user' | 'type' | 'context'>): PermissionsQuestion {
  return { user, tenants: [tenant], resourceTypes: ['__tenant', type], context: withoutSwitches(context) }
}

function byConditions ({ user, type, context }: Pick<KeysQuestion, 'user' | 'type' | 'context'>): PermissionsQuestion {
  return { user, resourceTypes: [type], context: { ...withoutSwitches(context), enable_abac_user_permissions: true } }
}

function keysIn (permissions: UserPermissions, permission: string, type: string, tenant: string): Set<string> {
  const keys = new Set<string>()
  for (const [id, entry] of Object.entries(permissions)) {
    if (!id.startsWith(`${type}:`) || entry.tenant?.key !== tenant || !entry.permissions.includes(permission)) continue
    keys.add(id.slice(type.length + 1))
  }
  return keys
}
