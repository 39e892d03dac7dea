// RBAC: a role that the user has in the query's tenant holds the permission. The resource's key plays no part.

import { DENIED, type Verdict } from './verdict.js'
import type { CompiledPermission } from './schema.js'
import type { TenantNode, UserNode } from './facts.js'

/** Decides with one look-up for each role that the user has in the tenant; allocates nothing. */
export function decideRbac (permission: CompiledPermission, user: UserNode, tenant: TenantNode): Verdict {
  if (user.tenantRoles === null) return DENIED.noUserRoles
  const roles = user.tenantRoles.get(tenant)
  if (roles === undefined) return DENIED.noRoleInTenant
  for (const role of roles) {
    const granted = permission.grantedBy.get(role)
    if (granted !== undefined) return granted
  }
  return permission.denied
}

/** All the roles of the user in the tenant that hold the permission. */
export function allowingRoles (permission: CompiledPermission, user: UserNode, tenant: TenantNode): string[] {
  return (user.tenantRoles?.get(tenant) ?? []).filter(role => permission.grantedBy.has(role))
}
