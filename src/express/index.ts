// The package's face for Express: the middleware, the guard and the public types, nothing else.
export { guard } from './guard.js'
export { permit, permit as default, type ExpressPermit } from './permit.js'
export type { Log } from './log.js'
export type {
  Annotation, Middleware, Next, OnDecision, OnDenied, PermissionRequirement, Permission, PermitOptions, PerRequest, RequestPermit, Requirement, TenantOption, UserOption
} from './types.js'
export type { Permit } from '../guard/permit.js'
export type { DecisionEvent } from '../guard/audit-trail.js'
export type { MetricsOptions, OpenTelemetryOptions } from '../observe/options.js'
export { CHECK_CHANNEL, type CheckMessage } from '../decision/observation.js'
export type { CheckOptions } from '../guard/request-permit.js'
export type { CheckInput, Explanation, PermissionsOptions } from '../decision/checks.js'
export type { ContextInput, ResourceInput, UserInput } from '../decision/query.js'
export type { Decision, DecisionPointStats, DecisionSource, Health, UserPermissions } from '../pdp/point.js'
export type { FactMutation, InitialRole, MutationResult, PartlyApplied } from '../pdp/facts.js'
export type { AssignmentInput, InstanceName, ResourceInstanceInput, SyncUserInput, TenantInput, TupleInput, WriteApi } from '../write/api.js'
export type { Mutation } from '../write/mutation.js'
export type { Policy } from '../engine/policy.js'
export {
  AnnotationError, BypassedError, DataError, ForbiddenError, MutationError, OptionsError, PdpError, PolicyFileError, QueryError, UnauthenticatedError,
  UnavailableError, UnsupportedError, WriteError, type Denial, type PdpFailure, type WriteProgress
} from '../errors.js'
