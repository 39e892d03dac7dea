// A policy as tables: the permissions of each user in each tenant and on each instance, and of each role.
import type { Engine } from '../../engine/engine.js'
import type { PossiblePermission } from '../../engine/explain/possible-permissions.js'
import type { Policy } from '../../engine/policy/policy.js'

/** A cell: whether a permission is given, and why. */
export type Cell = Omit<PossiblePermission, 'permission'>

/** How a cell is drawn. */
export const SIGNS = Object.freeze({ always: '✓', depends: '~', never: '·' })

/** The permissions on a resource type. */
export interface PermissionTable {
  readonly type: string
  readonly actions: readonly string[]
  /** Users or roles, with a cell for each action. */
  readonly rows: ReadonlyArray<{ readonly name: string, readonly cells: readonly Cell[] }>
}

/** The tables of a tenant. */
export interface TenantTables {
  readonly tenant: string
  /** The display name of the tenant, if any. */
  readonly name?: string
  /** Users by permissions. */
  readonly types: readonly PermissionTable[]
  /** Users by actions, for each instance on which a user has a role. */
  readonly instances: ReadonlyArray<{ readonly instance: string } & PermissionTable>
  /** Users without any permission in the tenant. */
  readonly without: readonly string[]
}

/** The heading of a tenant's tables: its key, and its display name. */
export function headingOf ({ tenant, name }: Pick<TenantTables, 'tenant' | 'name'>): string {
  return `Tenant ${tenant}${name === undefined ? '' : ` (${name})`}`
}

/** The tables of a policy. */
export interface PermissionMatrix {
  readonly tenants: readonly TenantTables[]
  /** Roles in tenants by permissions. */
  readonly roles: readonly PermissionTable[]
  /** Roles on instances by actions. */
  readonly resource_roles: readonly PermissionTable[]
  /** The set rules as sentences. */
  readonly rules: readonly string[]
}

/**
 * Creates the tables.
 *
 * @param policy - the policy of the engine
 * @param only - the only tenant to include; default: all
 */
export function matrixOf (policy: Policy, engine: Engine, only?: string): PermissionMatrix {
  const types = Object.entries(policy.resources ?? {}).map(([type, { actions }]): TypeOfPolicy => ({ type, actions: Object.keys(actions) }))
  const users = Array.from(engine.facts.users(), ({ key }) => key)
  const assignments = Array.from(engine.facts.roleAssignments()).filter(({ resource_instance: on }) => on !== undefined)
  const holders = new Set(assignments.map(({ user }) => user))
  const tenants = [...engine.facts.tenants()].filter(({ key }) => only === undefined || key === only)
  return {
    tenants: tenants.map(({ key, name }) =>
      ({ tenant: key, ...(name === undefined ? {} : { name }), ...tenantTables(engine, types, users, [...holders], key) })),
    ...roleTables(policy, engine, types),
    rules: (policy.set_rules ?? []).map(({ user_set: userSet, permission, resource_set: resourceSet }) =>
      `${userSet} may ${permission} on ${resourceSet}`)
  }
}

type TypeOfPolicy = Pick<PermissionTable, 'type' | 'actions'>

function tenantTables (
  engine: Engine, types: readonly TypeOfPolicy[], users: readonly string[], holders: readonly string[], tenant: string
): Omit<TenantTables, 'tenant' | 'name'> {
  const active = new Map<string, ReadonlyMap<string, Cell>>()
  const without: string[] = []
  for (const user of users) {
    const possiblePermissions = engine.possiblePermissions(user, tenant)
    if (possiblePermissions.some(({ may }) => may !== 'never')) active.set(user, byPermission(possiblePermissions))
    else without.push(user)
  }
  return {
    types: active.size === 0
      ? []
      : types.map(({ type, actions }) =>
        ({ type, actions, rows: Array.from(active, ([name, cells]) => rowOf(name, type, actions, cells)) })),
    instances: instanceTables(engine, types, holders, tenant),
    without
  }
}

/** @param users - users with assigned roles on instances: other users have no roles on instances, not even derived ones */
function instanceTables (
  engine: Engine, types: readonly TypeOfPolicy[], users: readonly string[], tenant: string
): TenantTables['instances'] {
  const found = new Map<string, { readonly type: string, readonly key: string, readonly users: string[] }>()
  for (const user of users) {
    for (const [instance, { resource, roles = [] }] of Object.entries(engine.userPermissions(user, { tenants: [tenant] }))) {
      if (resource === undefined || roles.length === 0) continue
      const known = found.get(instance) ?? { type: resource.type, key: resource.key, users: [] }
      known.users.push(user)
      found.set(instance, known)
    }
  }
  const order = types.map(({ type }) => type)
  const sorted = [...found].sort(([a, { type }], [b, { type: other }]) => order.indexOf(type) - order.indexOf(other) || (a < b ? -1 : 1))
  return sorted.map(([instance, { type, key, users }]) => {
    const actions = types.find(of => of.type === type)?.actions ?? []
    const rows = users.map(user => rowOf(user, type, actions, byPermission(engine.possiblePermissionsOn(user, { type, key }))))
    return { instance, type, actions, rows }
  })
}

function roleTables (policy: Policy, engine: Engine, types: readonly TypeOfPolicy[]): Pick<PermissionMatrix, 'roles' | 'resource_roles'> {
  const grants = new Map(engine.grants().map(({ permission, ...by }) => [permission, by]))
  const table = (ofType: TypeOfPolicy, roles: readonly string[], by: 'roles' | 'resource_roles'): PermissionTable => ({
    ...ofType,
    rows: roles.map(role => ({
      name: role,
      cells: ofType.actions.map(action => grants.get(`${ofType.type}:${action}`)?.[by].includes(role) === true ? ALWAYS : NEVER)
    }))
  })
  const roles = Object.keys(policy.roles ?? {})
  const ofTypes = types.map(ofType => table(ofType, Object.keys(policy.resources?.[ofType.type]?.roles ?? {}), 'resource_roles'))
  return {
    roles: roles.length === 0 ? [] : types.map(ofType => table(ofType, roles, 'roles')),
    resource_roles: ofTypes.filter(({ rows }) => rows.length > 0)
  }
}

function rowOf (name: string, type: string, actions: readonly string[], cells: ReadonlyMap<string, Cell>): PermissionTable['rows'][number] {
  return { name, cells: actions.map(action => cells.get(`${type}:${action}`) ?? NEVER) }
}

const NEVER: Cell = { may: 'never', because: [] }
const ALWAYS: Cell = { may: 'always', because: [] }

function byPermission (possiblePermissions: readonly PossiblePermission[]): Map<string, Cell> {
  return new Map(possiblePermissions.map(({ permission, may, because }) => [permission, { may, because }]))
}
