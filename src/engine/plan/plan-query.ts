// The question for a plan, and what of the policy and the facts it is answered with.
import type { Clock } from '../decide/abac.js'
import type { CompiledPermission, CompiledType } from '../decide/decision-schema.js'
import type { EngineQuery } from '../engine-query.js'
import type { Facts } from '../facts/facts.js'
import type { TenantNode, UserNode } from '../facts/fact-nodes.js'

/** A question for a plan: as a query, about rows of a type in a tenant. */
export interface PlanQuery {
  readonly user: EngineQuery['user']
  readonly action: string
  readonly type: string
  /** Not empty. */
  readonly tenant: string
  readonly context?: EngineQuery['context']
  /**
   * Relations of the type that are columns of the table: the row's column has the key of the relation's subject, exactly where there is
   * such a relationship tuple.
   */
  readonly relations?: readonly string[]
}

/** What a planner needs: made by the engine, for the moment. */
export interface Planning {
  readonly query: PlanQuery
  readonly type: CompiledType | undefined
  readonly permission: CompiledPermission | undefined
  /** Undefined for a user who was never synced. */
  readonly user: UserNode | undefined
  /** Undefined for a tenant that does not exist. */
  readonly tenant: TenantNode | undefined
  /** Whether conditions and roles on instances are asked: not where users and tenants that are not known are denied as such. */
  readonly isAsked: boolean
  readonly facts: Facts
  readonly clock: Clock
}

/** There is no exact plan. The message says why, and what to do. */
export class NoPlanError extends Error {
  override readonly name = 'NoPlanError'
}
