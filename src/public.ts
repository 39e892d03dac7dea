// What both faces of the package hand out, that for Fastify and that for Express: the types and errors that are about no framework.
export type { DecisionEvent } from './guard/audit-trail.js'
export type { MetricsOptions, OpenTelemetryOptions } from './observe/options.js'
export { CHECK_CHANNEL, type CheckMessage } from './decision/observation.js'
export type { CheckOptions } from './guard/request-permit.js'
export type { CheckInput, Explanation, PermissionsOptions } from './decision/checks.js'
export type { ContextInput, ResourceInput, UserInput } from './decision/query.js'
export type { Decision, DecisionPointStats, DecisionSource, Health, Query, UserPermissions } from './pdp/point.js'
export type { Entity, Evaluation, EvaluationMap } from './pdp/authzen-mapping.js'
export type { FactMutation, InitialRole, MutationResult, PartlyApplied } from './pdp/facts.js'
export type { AssignmentInput, InstanceName, ResourceInstanceInput, SyncUserInput, TenantInput, TupleInput, WriteApi } from './write/api.js'
export type { Mutation } from './write/mutation.js'
export type { Policy } from './engine/policy.js'
export type { ActionOf, PermissionName, RelationOf, ResourceRoleOf, ResourceType, RoleName } from './decision/vocabulary.js'
export {
  AnnotationError, BypassedError, DataError, ForbiddenError, MutationError, OptionsError, PdpError, PolicyFileError, QueryError, UnauthenticatedError,
  UnavailableError, UnsupportedError, WriteError, type Denial, type PdpFailure, type WriteProgress
} from './errors.js'
