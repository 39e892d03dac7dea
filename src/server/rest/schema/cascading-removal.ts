// Finds what a change removes from a schema, and removes everything that refers to it.
import type { SchemaDocument } from '../../../environment/environment.js'
import type { PolicyResource, PolicyResourceRole, PolicyRole, PolicySetRule } from '../../../engine/policy/policy.js'

type Keyed = Readonly<Record<string, unknown>> | undefined

/** The keys of removed parts. The keys of a resource's parts are `type:part`; this is unique, because keys contain no colon. */
export class Removed {
  readonly types: ReadonlySet<string>
  readonly roles: ReadonlySet<string>
  readonly resourceRoles: ReadonlySet<string>
  readonly relations: ReadonlySet<string>
  readonly #permissions: ReadonlySet<string>
  readonly #userSets: ReadonlySet<string>
  readonly #resourceSets: ReadonlySet<string>

  constructor (before: SchemaDocument, after: SchemaDocument) {
    this.types = gone(before.resources, after.resources)
    this.roles = gone(before.roles, after.roles)
    this.resourceRoles = goneParts(before, after, resource => resource.roles)
    this.relations = goneParts(before, after, resource => resource.relations)
    this.#permissions = goneParts(before, after, resource => resource.actions)
    this.#userSets = gone(before.user_sets, after.user_sets)
    this.#resourceSets = gone(before.resource_sets, after.resource_sets)
  }

  /** Removes all references to the removed parts from the schema. */
  clear (schema: SchemaDocument): void {
    const isGonePermission = (permission: string): boolean => this.#permissions.has(permission)
    for (const role of blocks(schema.roles)) clearRole(role, parent => this.roles.has(parent), isGonePermission)
    for (const [type, resource] of Object.entries(schema.resources)) this.#clearResource(type, resource)
    for (const [key, { resource }] of Object.entries(schema.resource_sets)) {
      if (this.types.has(resource)) delete schema.resource_sets[key]
    }
    schema.set_rules = schema.set_rules.filter(rule => !this.#ends(rule, schema))
  }

  /** Whether a rule must be removed. The rules of a resource type are removed together with its permissions. */
  #ends (rule: PolicySetRule, schema: SchemaDocument): boolean {
    const { user_set: users, permission, resource_set: resources, is_role: isRole, is_resource: isResource } = rule
    if (this.#permissions.has(permission)) return true
    if (isResource !== true && this.#resourceSets.has(resources)) return true
    if (isRole !== true && this.#userSets.has(users)) return true
    // Without `is_role`, the name is a role only if there is no user set with this name.
    return isRole !== false && this.roles.has(withoutPrefix(users)) && (isRole === true || !Object.hasOwn(schema.user_sets, users))
  }

  #clearResource (type: string, resource: PolicyResource): void {
    // A relation is removed together with the type of its subjects, and derivations are removed together with their relation.
    const relations = new Set(this.relations)
    for (const [relation, subject] of Object.entries(resource.relations ?? {})) {
      if (!this.types.has(typeof subject === 'string' ? subject : subject.subject_resource)) continue
      delete resource.relations?.[relation]
      relations.add(`${type}:${relation}`)
    }
    const isGoneParent = (parent: string): boolean => this.resourceRoles.has(`${type}:${parent}`)
    const isGonePermission = (text: string): boolean => this.#permissions.has(text.includes(':') ? text : `${type}:${text}`)
    for (const group of blocks(resource.action_groups)) {
      if (group.actions !== undefined) group.actions = group.actions.filter(action => !isGonePermission(action))
    }
    for (const role of blocks(resource.roles)) {
      clearRole(role, isGoneParent, isGonePermission)
      if (role.granted_to?.users_with_role === undefined) continue
      role.granted_to.users_with_role = role.granted_to.users_with_role.filter(rule =>
        !this.resourceRoles.has(`${rule.on_resource}:${rule.role}`) && !relations.has(`${type}:${rule.linked_by_relation}`))
    }
  }
}

function clearRole (
  role: PolicyRole | PolicyResourceRole, isGoneParent: (key: string) => boolean, isGonePermission: (text: string) => boolean
): void {
  if (role.extends !== undefined) role.extends = role.extends.filter(key => !isGoneParent(key))
  if (role.permissions !== undefined) role.permissions = role.permissions.filter(text => !isGonePermission(text))
}
function gone (before: Keyed, after: Keyed): Set<string> {
  return new Set(Object.keys(before ?? {}).filter(key => after === undefined || !Object.hasOwn(after, key)))
}

function goneParts (before: SchemaDocument, after: SchemaDocument, part: (resource: PolicyResource) => Keyed): Set<string> {
  const keys = new Set<string>()
  for (const [type, resource] of Object.entries(before.resources)) {
    const next = Object.hasOwn(after.resources, type) ? after.resources[type] : undefined
    for (const key of gone(part(resource), next === undefined ? undefined : part(next))) keys.add(`${type}:${key}`)
  }
  return keys
}

function blocks<T> (record: Record<string, T | null> | undefined): T[] {
  return Object.values(record ?? {}).filter(block => block !== null)
}

/** Removes Permit's prefix of sets that stand for a role or a resource type. */
export function withoutPrefix (key: string): string {
  return key.startsWith(AUTOGENERATED) ? key.slice(AUTOGENERATED.length) : key
}

/** Permit's prefix of sets that stand for a role or a resource type. */
export const AUTOGENERATED = '__autogen_'
