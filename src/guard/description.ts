// Describes annotations as text, for the table of routes and for OpenAPI. The text does not affect any decision.
import { DEFAULT_TENANT } from '../engine/facts/fact.js'
import type { Annotation, MethodMap, PermissionRequirement, Requirement } from './annotation.js'
import { isMethodMap } from './method-map.js'
import { splitAtColon } from '../kit/split-at-colon.js'

/** Shown when the value depends on the request. */
export const BY_FUNCTION = 'by function'

/** Shown when URL mapping rules name the resource. */
const BY_URL = 'by URL'

/** One permission of an annotation. */
export interface DescribedPermission {
  /** Undefined when a function returns the resource. */
  readonly type: string | undefined
  readonly action: string
  /** `task`, `task:{id}` or `by function`. */
  readonly resource: string
  /** The tenant's key, or `by function`. */
  readonly tenant: string
}

/** An annotation that is not `false`. */
export interface Description {
  /** `task:create`, `(task:list or task:create)`, `by function`. */
  readonly text: string
  /** Empty when a function returns the whole requirement. */
  readonly permissions: readonly DescribedPermission[]
  /** Whether the methods of the route require different things. */
  readonly isByMethod?: true
}

/**
 * Describes a valid annotation.
 * @param hasTenantOption - whether the plugin's `tenant` option applies when the annotation names no tenant
 */
export function describeAnnotation<R> (annotation: Exclude<Annotation<R>, false>, hasTenantOption: boolean): Description {
  if (typeof annotation === 'function') return { text: BY_FUNCTION, permissions: [] }
  return isMethodMap<R>(annotation) ? describeMethods(annotation, hasTenantOption) : describeRequirement(annotation, hasTenantOption)
}

function describeMethods<R> (map: MethodMap<R>, hasTenantOption: boolean): Description {
  const parts = Object.entries(map).map(([method, annotation]) =>
    [method, annotation === false ? { text: 'public', permissions: [] } : describeAnnotation(annotation, hasTenantOption)] as const)
  return {
    text: `(${parts.map(([method, { text }]) => `${method}: ${text}`).join(', ')})`,
    permissions: parts.flatMap(([, { permissions }]) => permissions),
    isByMethod: true
  }
}

function describeRequirement<R> (requirement: Requirement<R>, hasTenantOption: boolean): Description {
  if (requirement === 'url' || (typeof requirement === 'object' && 'url' in requirement)) {
    const tenant = hasTenantOption ? BY_FUNCTION : DEFAULT_TENANT
    return { text: 'url', permissions: [{ type: undefined, action: 'url', resource: BY_URL, tenant }] }
  }
  if (typeof requirement === 'string') {
    const { before: type, after: action = '' } = splitAtColon(requirement)
    return describePermission({ action, resource: type }, hasTenantOption)
  }
  const all = 'allOf' in requirement
  if (!all && !('anyOf' in requirement)) return describePermission(requirement as PermissionRequirement<R>, hasTenantOption)
  const parts = (all ? requirement.allOf : requirement.anyOf).map(part => describeRequirement(part, hasTenantOption))
  const text = parts.map(part => part.text).join(all ? ' and ' : ' or ')
  return { text: parts.length > 1 ? `(${text})` : text, permissions: parts.flatMap(part => part.permissions) }
}

function describePermission<R> ({ action, resource, tenant }: PermissionRequirement<R>, hasTenantOption: boolean): Description {
  const { type, template, own } = describeResource(resource)
  const described: DescribedPermission = { type, action, resource: template, tenant: own ?? describeTenant(tenant, hasTenantOption) }
  return { text: `${type ?? `(${BY_FUNCTION})`}:${action}`, permissions: [described] }
}

interface DescribedResource { readonly type: string | undefined, readonly template: string, readonly own?: string | undefined }

function describeResource<R> (resource: PermissionRequirement<R>['resource']): DescribedResource {
  if (typeof resource === 'function') return { type: undefined, template: BY_FUNCTION }
  if (typeof resource === 'string') return { type: splitAtColon(resource).before, template: resource }
  const { type, key, tenant } = resource
  return { type, template: key === undefined ? type : `${type}:${key}`, own: tenant }
}

function describeTenant<R> (tenant: PermissionRequirement<R>['tenant'], hasTenantOption: boolean): string {
  if (typeof tenant === 'string') return tenant
  return typeof tenant === 'function' || hasTenantOption ? BY_FUNCTION : DEFAULT_TENANT
}
