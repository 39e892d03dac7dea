// The names in a policy: its resource types with their actions, roles and relations, and its roles.
import type { Policy } from '../../engine/policy/policy.js'

/** The names of a policy. */
export interface PolicyNames {
  readonly resources: ReadonlyMap<string, ResourceNames>
  /** Roles in tenants. */
  readonly roles: readonly string[]
}

/** The names of a resource type. */
export interface ResourceNames {
  readonly actions: readonly string[]
  /** Roles on instances. */
  readonly roles: readonly string[]
  readonly relations: readonly string[]
}

/** A resource type in a schema: its parts by their keys. */
interface ResourceSchema {
  readonly actions?: object | null
  readonly roles?: object | null
  readonly relations?: object | null
}

/** The names in a policy file. */
export function namesOf ({ resources, roles }: Policy): PolicyNames {
  return {
    resources: new Map(Object.entries(resources ?? {}).map(([type, resource]) => [type, namesOfResource(resource)])),
    roles: Object.keys(roles ?? {})
  }
}

/** The names of a resource type. */
export function namesOfResource ({ actions, roles, relations }: ResourceSchema): ResourceNames {
  return { actions: Object.keys(actions ?? {}), roles: Object.keys(roles ?? {}), relations: Object.keys(relations ?? {}) }
}

/** The permissions in a policy: `task:create`. */
export function permissionsOf ({ resources }: Policy): string[] {
  return Object.entries(resources ?? {}).flatMap(([type, { actions }]) => Object.keys(actions).map(action => `${type}:${action}`))
}
