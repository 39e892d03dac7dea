// The entry for Express: the middleware, the guard and the public types.
export { guard } from './guard-middleware.js'
export { permit, permit as default, type ExpressPermit } from './express-permit.js'
export type { Log } from './express-log.js'
export type {
  Annotation, Guard, Middleware, Next, OnDecision, OnDenied, PermissionRequirement, Permission, PermitOptions, PerRequest, RequestPermit,
  Requirement, TenantOption, UserOption
} from './express-types.js'
export type { Permit } from '../app/app-permit.js'
export * from '../public.js'
