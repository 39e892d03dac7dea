// RBAC: a role of the user in the query's tenant holds the permission. The key of the resource does not matter.

import { DENIED, type Verdict } from './verdict.js'
import type { CompiledPermission } from './decision-schema.js'
import type { UserNode } from '../facts/fact-nodes.js'

/**
 * Decides with one lookup per role. Allocates nothing.
 *
 * @param roles - the user's roles in the query's tenant
 */
export function decideRbac (permission: CompiledPermission, user: UserNode, roles: readonly string[] | undefined): Verdict {
  if (roles === undefined) return user.tenantRoles === null ? DENIED.noUserRoles : DENIED.noRoleInTenant
  for (const role of roles) {
    const granted = permission.grantedBy.get(role)
    if (granted !== undefined) return granted
  }
  return permission.denied
}

/** All roles of the user in the tenant that hold the permission. */
export function allowingRoles (permission: CompiledPermission, user: UserNode, tenant: string): string[] {
  return (user.rolesIn(tenant) ?? []).filter(role => permission.grantedBy.has(role))
}
