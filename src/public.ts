// The exports of both entries, for Fastify and for Express: types and errors that do not depend on a framework.
export type { DecisionEvent } from './observe/audit-trail.js'
export type { MetricsOptions, OpenTelemetryOptions } from './observe/telemetry-options.js'
export { CHECK_CHANNEL, type CheckMessage } from './observe/observation.js'
export type { ShadowDifference, ShadowReport } from './contract/shadow-difference.js'
export type { CustomBus } from './bus/bus-target.js'
export type { BusHealth, BusStats } from './contract/bus-state.js'
export type { BusOption } from './app/options/schema.js'
export type { GuardOptions } from './guard/guard-options.js'
export type { CheckInput, Explanation, UserCheckInput } from './decision/checks.js'
export type {
  CheckOptions, FilterOptions, PermissionsOptions, PlanActions, PlanOptions, SearchOptions, TenantsOptions
} from './decision/question-options.js'
export type { FoundResource, SearchResults } from './decision/search-results.js'
export type { ContextInput, ResourceInput, UserInput } from './decision/query.js'
export type { Decision, DecisionPointStats, DecisionSource, Health, Query, UserPermissions } from './contract/point.js'
export type { CompoundCondition, Condition, FieldCondition, FieldOperator, Plan } from './contract/plan.js'
export type { Entity, Evaluation, EvaluationIds, EvaluationMap, TenantPlace, TypeObject } from './contract/evaluation.js'
export type { InitialRole, MutationResult, PartlyApplied } from './contract/mutation-result.js'
export type { FactMutation } from './pdp/mutation-kinds.js'
export type {
  AssignmentInput, InstanceName, ResourceInstanceInput, SyncUserInput, TenantInput, TupleInput, WriteApi
} from './app/write/api.js'
export type { Mutation } from './app/write/mutation.js'
export type { Policy } from './engine/policy/policy.js'
export type { ActionOf, PermissionName, RelationOf, ResourceRoleOf, ResourceType, RoleName } from './contract/vocabulary.js'
export {
  AnnotationError, BypassedError, DataError, ForbiddenError, MutationError, OptionsError, PdpError, PlanError, PolicyFileError, QueryError,
  SearchError, TranslationError, UnauthenticatedError, UnavailableError, UnsupportedError, WriteError, type Denial, type PdpFailure,
  type WriteProgress
} from './contract/errors.js'
