// Where commands get decisions: a policy in this process or a PDP over HTTP, and the types of the answers.
import type { Plan } from '../../contract/plan.js'
import type { PlanQuestion, Query, UserPermissions } from '../../contract/point.js'
import type { Engine } from '../../engine/engine.js'
import type { Policy } from '../../engine/policy/policy.js'
import type { LoadedPolicy } from '../../environment/file/loaded-policy.js'

/** A decision with its known reasons. */
export interface Answer {
  readonly allow: boolean
  /** Permit's reason code. */
  readonly code?: string
  /** The reason as a sentence. */
  readonly reason?: string
  /** The debug output of a PDP. */
  readonly debug?: unknown
}

/** A policy as written and as compiled. */
export type PolicyDocument = Pick<LoadedPolicy, 'schema' | 'compiled'>

/** A policy that is decided in this process. */
export interface PolicySource {
  readonly kind: 'policy'
  readonly name: string
  readonly policy: Policy
  readonly engine: Engine
  /** Where a part of the policy is, such as `permit.yaml:12`; undefined where it is not in the file. */
  placeOf (path: ReadonlyArray<string | number>): string | undefined
  ask (query: Query): Promise<Answer>
  close (): Promise<void>
}

/** A PDP over HTTP. */
export interface PdpSource {
  readonly kind: 'pdp'
  readonly name: string
  /** @throws `NoDecisionError` when the PDP gives no valid answer */
  ask (query: Query): Promise<Answer>
  /** @throws `NoDecisionError` when the PDP gives no valid answer; `PlanError` when there is no exact plan */
  plan (question: PlanQuestion): Promise<Plan>
  /**
   * The permissions of a user by roles.
   * @throws `NoDecisionError` when the PDP gives no valid answer; `UnsupportedError` when it cannot list permissions
   */
  permissions (user: string, tenants?: readonly string[]): Promise<UserPermissions>
  close (): Promise<void>
}

/** Decides the questions of a command. */
export type DecisionSource = PolicySource | PdpSource
