// The package's face: the plugin and the public types, nothing else.
export { default, default as permit } from './plugin.js'
export type {
  Annotation, OnDecision, OnDenied, PermissionRequirement, Permission, PermitOptions, PerRequest, RequestPermit, Requirement, TenantOption, UserOption
} from './fastify/types.js'
export type { AppPermit } from './fastify/app-permit.js'
export type { RouteRow } from './fastify/route-table.js'
export { UndeclaredRouteError } from './errors.js'
export * from './public.js'
