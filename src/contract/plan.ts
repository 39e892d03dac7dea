// Plans, for the rooms above the engine: the types, and the meaning of every operator, are in the engine's contract.
export type {
  CompoundCondition, Condition, FieldCondition, FieldOperator, MatchOperator, Plan, PlanOf, ReferringOperator, ValueOperator
} from '../engine/plan/plan-contract.js'

/** The local PDP's path for plans. Permit's own PDP has nothing there. */
export const PLAN_PATH = '/fastify-permit/plan'
