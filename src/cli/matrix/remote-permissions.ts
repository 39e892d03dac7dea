// What a PDP over HTTP reports about the permissions of users, as rows: it lists neither its users nor its rules.
import type { UserPermissions } from '../../contract/point.js'
import { printable } from '../../kit/printable.js'
import type { PdpSource } from '../query/decision-source-types.js'
import { faint, strong, type Line } from '../terminal/styled-line.js'

/** The permissions of one user in a tenant, or on an instance. */
interface PermissionRow {
  readonly user: string
  readonly tenant: string | undefined
  /** `type:key`; undefined for permissions in the whole tenant. */
  readonly instance?: string
  /** `type:action` each. */
  readonly permissions: readonly string[]
}

/**
 * Asks a PDP about each user.
 *
 * @param tenant - show this tenant only
 * @throws `NoDecisionError` when the PDP gives no valid answer
 */
export async function remotePermissions (pdp: PdpSource, users: readonly string[], tenant?: string): Promise<PermissionRow[]> {
  const rows: PermissionRow[] = []
  for (const user of users) rows.push(...rowsOf(user, await pdp.permissions(user, tenant === undefined ? undefined : [tenant])))
  return tenant === undefined ? rows : rows.filter(row => row.tenant === tenant)
}

function rowsOf (user: string, permissions: UserPermissions): PermissionRow[] {
  return Object.values(permissions)
    .filter(({ permissions }) => permissions.length > 0)
    .map(({ tenant, resource, permissions }) => ({
      user,
      tenant: tenant?.key,
      ...(resource === undefined ? {} : { instance: `${resource.type}:${resource.key}` }),
      permissions: [...permissions].sort()
    }))
}

/** The rows as text: a heading for each user, and a line for each tenant and instance. */
export function permissionsText (users: readonly string[], rows: readonly PermissionRow[]): Line[] {
  return users.flatMap((user, index): Line[] => {
    const own = rows.filter(row => row.user === user)
    const lines = own.map(({ tenant, instance, permissions }): Line => {
      const place = instance ?? 'every resource'
      const where = tenant === undefined ? '' : ` in tenant ${printable(tenant)}`
      return ['  ', `${printable(place)}${where}: `, printable(permissions.join(', '))]
    })
    return [...index === 0 ? [] : [''], [strong(printable(user))], ...lines.length === 0 ? [[faint('  no permissions by roles')]] : lines]
  })
}
