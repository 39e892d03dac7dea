// Compiles the tenant roles: which role grants which permission, with inherited permissions.

import { blockOf, entriesOf, textsOf } from './document.js'
import { Inheritance } from './role-inheritance.js'
import { verdict } from '../decide/verdict.js'
import type { Compilation, PermissionDraft } from './compilation.js'

/** Adds each role to the permissions that it holds. */
export function compileRoles (compilation: Compilation): void {
  const roles = new Map(entriesOf(compilation.policy.roles).map(([key, role]) => [key, blockOf(role)]))
  const inheritance = new Inheritance(compilation.parents(roles, ['roles']))
  for (const [key, role] of roles) {
    const permissions = textsOf(role.permissions)
    const heirs = permissions.length === 0 ? new Set<string>() : inheritance.heirs(key)
    if (!compilation.mayGrant(compilation.countOf(permissions) * heirs.size, ['roles', key, 'permissions'])) return
    for (const [index, text] of permissions) {
      for (const permission of compilation.permissionsFor(text, ['roles', key, 'permissions', index])) grant(permission, key, heirs)
    }
  }
}

function grant (permission: PermissionDraft, role: string, heirs: Iterable<string>): void {
  const reason = `a role of the user in this tenant holds the permission '${permission.key}', inherited from role '${role}'`
  const inherited = verdict('allow', reason)
  for (const heir of heirs) {
    // A permission that the role itself lists gives the better reason, so it overwrites an inherited one below.
    if (!permission.grantedBy.has(heir)) permission.grantedBy.set(heir, inherited)
  }
  permission.grantedBy.set(role, verdict('allow', `role '${role}' holds the permission '${permission.key}'`))
}
