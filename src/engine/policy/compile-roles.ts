// Compiles the roles that users have in tenants: which permission is granted by which role, inheritance flattened.

import { blockOf, entriesOf, textsOf } from './document.js'
import { Inheritance } from './role-inheritance.js'
import { verdict } from '../decide/verdict.js'
import type { Compilation } from './compilation.js'

/** Adds each role to the permissions that it holds. */
export function compileRoles (compilation: Compilation): void {
  const roles = new Map(entriesOf(compilation.policy.roles).map(([key, role]) => [key, blockOf(role)]))
  const inheritance = new Inheritance(compilation.parents(roles, ['roles']))
  for (const [key, role] of roles) {
    const permissions = textsOf(role.permissions)
    const heirs = permissions.length === 0 ? new Set<string>() : inheritance.heirs(key)
    if (!compilation.mayGrant(permissions.length * heirs.size, ['roles', key, 'permissions'])) return
    for (const [index, text] of permissions) {
      const permission = compilation.permission(text, ['roles', key, 'permissions', index])?.permission
      if (permission === undefined) continue
      const inherited = verdict('allow', `a role of the user in this tenant holds the permission '${permission.key}', inherited from role '${key}'`)
      for (const heir of heirs) {
        // A permission of one's own says more than an inherited one, and overwrites it.
        if (!permission.grantedBy.has(heir)) permission.grantedBy.set(heir, inherited)
      }
      permission.grantedBy.set(key, verdict('allow', `role '${key}' holds the permission '${permission.key}'`))
    }
  }
}
