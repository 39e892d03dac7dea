// The entry `fastify-permit`: the plugin and the public types.
export { default, default as permit } from './fastify/plugin.js'
export type {
  Annotation, MethodMap, OnDecision, OnDenied, PermissionRequirement, Permission, PermitOptions, PerRequest, RequestPermit, Requirement,
  TenantOption, UserOption
} from './fastify/fastify-types.js'
export type { GuardHook } from './fastify/guard-hook.js'
export type { AppPermit } from './fastify/fastify-permit.js'
export type { RequireOptions } from './fastify/route-guards.js'
export type { GuardedBy, RouteRow } from './fastify/route-table.js'
export { UndeclaredRouteError } from './contract/errors.js'
export * from './public.js'
