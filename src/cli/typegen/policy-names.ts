// The names in a policy: its resource types with their actions, roles and relations, and its roles.
import { contextTypes, declaredTypes, type AttributeTypes } from './attribute-types.js'
import type { Policy } from '../../engine/policy/policy.js'

/** The names of a policy. */
export interface PolicyNames {
  readonly resources: ReadonlyMap<string, ResourceNames>
  /** Roles in tenants. */
  readonly roles: readonly string[]
  /** The attributes of users and tenants, where some are declared. */
  readonly userAttributes?: AttributeTypes | undefined
  readonly tenantAttributes?: AttributeTypes | undefined
  /** What conditions read of the context. */
  readonly context?: AttributeTypes | undefined
}

/** The names of a resource type. */
export interface ResourceNames {
  readonly actions: readonly string[]
  /** Roles on instances. */
  readonly roles: readonly string[]
  readonly relations: readonly string[]
  /** The attributes, where some are declared. */
  readonly attributes?: AttributeTypes | undefined
}

/** A resource type in a schema: its parts by their keys. */
interface ResourceSchema {
  readonly actions?: object | null
  readonly roles?: object | null
  readonly relations?: object | null
  readonly attributes?: object | null
}

/** The names in a policy file. */
export function namesOf (policy: Policy): PolicyNames {
  const { resources, roles, user_sets: userSets, resource_sets: resourceSets } = policy
  return {
    resources: new Map(Object.entries(resources ?? {}).map(([type, resource]) => [type, namesOfResource(resource)])),
    roles: Object.keys(roles ?? {}),
    userAttributes: declaredTypes(policy.user_attributes),
    tenantAttributes: declaredTypes(policy.tenant_attributes),
    context: contextTypes([...Object.values(userSets ?? {}), ...Object.values(resourceSets ?? {})])
  }
}

/** The names of a resource type. */
export function namesOfResource ({ actions, roles, relations, attributes }: ResourceSchema): ResourceNames {
  return {
    actions: Object.keys(actions ?? {}),
    roles: Object.keys(roles ?? {}),
    relations: Object.keys(relations ?? {}),
    attributes: declaredTypes(attributes)
  }
}

/** The permissions in a policy: `task:create`. */
export function permissionsOf ({ resources }: Policy): string[] {
  return Object.entries(resources ?? {}).flatMap(([type, { actions }]) => Object.keys(actions).map(action => `${type}:${action}`))
}
