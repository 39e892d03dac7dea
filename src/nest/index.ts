// The entry for NestJS: the module, the decorators and the public types.
export { PermitModule } from './permit-module.js'
export { InjectPermit, Permit, PERMIT, Public, type Annotation } from './permit-decorators.js'
export type { ClientMessage, FieldCall, NestRequest, PermitModuleOptions } from './nest-types.js'
export type { Permit as PermitService } from '../app/app-permit.js'
export type { RequestPermit } from '../app/request-permit.js'
export { UndeclaredRouteError } from '../contract/errors.js'
export * from '../public.js'
