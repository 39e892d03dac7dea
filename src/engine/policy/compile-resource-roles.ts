// Compiles ReBAC: the roles on instances with their actions, relations, and derivations.

import { blockOf, blocksOf, entriesOf, isText, textsOf } from './document.js'
import { Inheritance } from './role-inheritance.js'
import { suggest } from '../../kit/suggest.js'
import { verdict } from '../decide/verdict.js'
import type { Compilation, Path, ResourceRoleDraft, TypeDraft } from './compilation.js'
import type { PolicyResource, PolicyResourceRole } from './policy.js'
import { typeOfWildcard, WILDCARD } from './wildcards.js'

type DerivationBlock = NonNullable<NonNullable<PolicyResourceRole['granted_to']>['users_with_role']>[number]

/** Adds the resource roles to their types, and to the permissions that they hold. */
export function compileResourceRoles (compilation: Compilation): void {
  const resources = entriesOf(compilation.policy.resources).map(([key, resource]) =>
    ({ type: compilation.types.get(key), resource: blockOf(resource) }))
  // Derivations refer to relations and roles of other types, so these are compiled first.
  for (const { type, resource } of resources) {
    if (type === undefined) continue
    addRelations(compilation, type, resource)
    addRoles(compilation, type, resource)
  }
  for (const { type, resource } of resources) {
    if (type !== undefined) addDerivations(compilation, type, resource)
  }
}

function addRelations (compilation: Compilation, type: TypeDraft, resource: Partial<PolicyResource>): void {
  for (const [relation, subject] of entriesOf(resource.relations)) {
    const path = ['resources', type.key, 'relations', relation]
    const written = typeof subject === 'string' ? subject : blockOf(subject).subject_resource
    if (!isText(written)) continue
    // Also stored when the type is not defined: then derivations along the relation are not reported, too.
    compilation.type(written, typeof subject === 'string' ? path : [...path, 'subject_resource'])
    type.relations.set(relation, written)
  }
}

function addRoles (compilation: Compilation, type: TypeDraft, resource: Partial<PolicyResource>): void {
  const at: Path = ['resources', type.key, 'roles']
  const roles = new Map(entriesOf(resource.roles).map(([key, role]) => [key, blockOf(role)]))
  if (roles.size === 0) return
  for (const key of roles.keys()) {
    type.resourceRoles.set(key, { type: type.key, key, place: [...at, key], actions: new Set(), derivations: [], derived: [] })
  }
  const inheritance = new Inheritance(compilation.parents(roles, at))
  for (const [key, role] of roles) {
    const permissions = textsOf(role.permissions)
    const heirs = permissions.length === 0 ? new Set<string>() : inheritance.heirs(key)
    const held = permissions.reduce((sum, [, text]) => sum + (isOwnWildcard(type, text) ? type.permissions.size : 1), 0)
    if (!compilation.mayGrant(held * heirs.size, [...at, key, 'permissions'])) return
    for (const [index, text] of permissions) {
      for (const action of ownActions(compilation, type, text, [...at, key, 'permissions', index])) {
        for (const heir of heirs) type.resourceRoles.get(heir)?.actions.add(action)
      }
    }
  }
  const holders = new Map<string, ResourceRoleDraft[]>()
  const all = [...type.resourceRoles.values()]
  for (const role of all) {
    for (const action of role.actions) {
      const known = holders.get(action)
      if (known === undefined) holders.set(action, [role])
      else known.push(role)
    }
  }
  for (const permission of type.permissions.values()) {
    const { key, action } = permission
    permission.held = {
      by: holders.get(action) ?? [],
      all,
      granted: verdict('allow', `a role of the user on the resource instance, assigned or derived, holds the permission '${key}'`),
      denied: verdict('no_permission', `no role of the user on the resource instance holds the permission '${key}'`)
    }
  }
}

/** Whether a text stands for all actions of the role's own type. */
function isOwnWildcard (type: TypeDraft, text: string): boolean {
  return text === WILDCARD || typeOfWildcard(text) === type.key
}

function ownActions (compilation: Compilation, type: TypeDraft, text: string, path: Path): Iterable<string> {
  if (isOwnWildcard(type, text)) return compilation.mayHaveWildcard(path) ? type.permissions.keys() : []
  const action = ownAction(compilation, type, text, path)
  return action === undefined ? [] : [action]
}

/** The key of an action. Permit accepts it with or without the type, which must be the role's own. */
function ownAction (compilation: Compilation, type: TypeDraft, text: string, path: Path): string | undefined {
  if (!text.includes(':')) return compilation.action(type, text, path)?.action
  const found = compilation.permission(text, path)
  if (found === undefined || found.type === type) return found?.permission.action
  const hint = `write an action of '${type.key}', or give the permission to a role of '${found.type.key}'`
  compilation.problem(path, `a role on '${type.key}' cannot hold a permission on '${found.type.key}'`, hint)
  return undefined
}

function addDerivations (compilation: Compilation, type: TypeDraft, resource: Partial<PolicyResource>): void {
  for (const [key, role] of entriesOf(resource.roles)) {
    const target = type.resourceRoles.get(key)
    const grantedTo = blockOf(blockOf(role).granted_to)
    if (target === undefined) continue
    for (const [index, rule] of blocksOf(grantedTo.users_with_role)) {
      const path = ['resources', type.key, 'roles', key, 'granted_to', 'users_with_role', index]
      const source = derivationSource(compilation, type, rule, path)
      if (source === undefined || rule.linked_by_relation === undefined) continue
      const unlessDirectRole = [rule.when, grantedTo.when].some(when => blockOf(when).no_direct_roles_on_object === true)
      const derivation = { source, target, relation: rule.linked_by_relation, unlessDirectRole }
      target.derivations.push(derivation)
      source.derived.push(derivation)
    }
  }
}

function derivationSource (
  compilation: Compilation, type: TypeDraft, rule: Partial<DerivationBlock>, path: Path
): ResourceRoleDraft | undefined {
  const { role, on_resource: on, linked_by_relation: relation } = rule
  const sourceType = isText(on) ? compilation.type(on, [...path, 'on_resource']) : undefined
  const source = isText(role) ? sourceType?.resourceRoles.get(role) : undefined
  if (isText(role) && sourceType !== undefined && source === undefined) {
    const hint = suggest(role, sourceType.resourceRoles.keys(), `define it under resources.${sourceType.key}.roles`)
    compilation.problem([...path, 'role'], `resource type '${sourceType.key}' has no role '${role}'`, hint)
  }
  if (!isText(relation)) return undefined
  const subject = type.relations.get(relation)
  if (subject === undefined) {
    const hint = suggest(relation, type.relations.keys(), `define it under resources.${type.key}.relations`)
    compilation.problem([...path, 'linked_by_relation'], `resource type '${type.key}' has no relation '${relation}'`, hint)
    return undefined
  }
  if (sourceType !== undefined && subject !== sourceType.key && compilation.types.has(subject)) {
    const message = `relation '${relation}' of '${type.key}' links a '${subject}', not a '${sourceType.key}'`
    compilation.problem([...path, 'on_resource'], message, `write '${subject}', or another relation`)
    return undefined
  }
  return source
}
