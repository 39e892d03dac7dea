// `task:*` and `*` in the permissions of roles: every action of a resource type, and every action of every type.
import { entriesOf } from './document.js'
import type { Policy } from './policy.js'

/** Stands for every action; alone, in a tenant role, for every action of every type. */
export const WILDCARD = '*'

/** The resource type of `task:*`; undefined for a text that is not of this form. */
export function typeOfWildcard (text: string): string | undefined {
  return text.endsWith(`:${WILDCARD}`) ? text.slice(0, -2) : undefined
}

type Resources = Policy['resources']

/**
 * A valid policy whose roles list each of their permissions, as Permit's API has them. The same object when there is nothing to expand.
 */
export function withoutWildcards (policy: Policy): Policy {
  const { resources } = policy
  const roles = changed(policy.roles, role => listing(role, permissions => permissionsOfRole(permissions, resources)))
  const types = changed(resources, (resource, type) => {
    const ofType = changed(resource.roles, role => listing(role, permissions => permissionsOfResourceRole(type, permissions, resources)))
    return ofType === resource.roles || ofType === undefined ? resource : { ...resource, roles: ofType }
  })
  if (roles === policy.roles && types === resources) return policy
  return { ...policy, ...(types === undefined ? {} : { resources: types }), ...(roles === undefined ? {} : { roles }) }
}

/** The permissions of a tenant role, each by name. */
export function permissionsOfRole (permissions: readonly string[], resources: Resources): string[] {
  return expanded(permissions, text => {
    if (text === WILDCARD) return Object.keys(resources ?? {}).flatMap(type => permissionsOfType(type, resources))
    const type = typeOfWildcard(text)
    return type === undefined ? undefined : permissionsOfType(type, resources)
  })
}

/** The permissions of a role on instances of a type, each by name. */
export function permissionsOfResourceRole (type: string, permissions: readonly string[], resources: Resources): string[] {
  return expanded(permissions, text => text === WILDCARD || typeOfWildcard(text) === type ? actionsOf(type, resources) : undefined)
}

function expanded (permissions: readonly string[], expand: (text: string) => readonly string[] | undefined): string[] {
  const all = new Set<string>()
  for (const text of permissions) for (const permission of expand(text) ?? [text]) all.add(permission)
  return [...all]
}

function permissionsOfType (type: string, resources: Resources): string[] {
  return actionsOf(type, resources).map(action => `${type}:${action}`)
}

function actionsOf (type: string, resources: Resources): string[] {
  return resources !== undefined && Object.hasOwn(resources, type) ? Object.keys(resources[type]?.actions ?? {}) : []
}

function listing<R extends { readonly permissions?: string[] } | null> (role: R, expand: (permissions: string[]) => string[]): R {
  const permissions = role?.permissions
  return permissions?.some(text => text.endsWith(WILDCARD)) === true ? { ...role, permissions: expand(permissions) } : role
}

/** The record with changed values; the same one when no value is another. */
function changed<T> (record: Record<string, T> | undefined, change: (value: T, key: string) => T): Record<string, T> | undefined {
  const entries = entriesOf(record).map(([key, value]) => [key, change(value, key), value] as const)
  if (entries.every(([, after, before]) => after === before)) return record
  return Object.fromEntries(entries.map(([key, after]) => [key, after]))
}
