// What every authority that the commands ask can do, and how it answers.
import type { Engine } from '../../engine/engine.js'
import type { Policy } from '../../engine/policy/policy.js'
import type { Query } from '../../contract/point.js'

/** What was decided, as far as whoever decided tells. */
export interface Answer {
  readonly allow: boolean
  /** Permit's reason code. */
  readonly code?: string
  /** The reason as a sentence. */
  readonly reason?: string
  /** What a PDP says of its models. */
  readonly debug?: unknown
}

/** A policy, decided in this process. */
export interface PolicyAuthority {
  readonly kind: 'policy'
  readonly name: string
  readonly policy: Policy
  readonly engine: Engine
  ask (query: Query): Promise<Answer>
  close (): Promise<void>
}

/** A PDP over HTTP. */
export interface PdpAuthority {
  readonly kind: 'pdp'
  readonly name: string
  /** @throws `NoDecisionError` when there is no answer that can be believed */
  ask (query: Query): Promise<Answer>
  close (): Promise<void>
}

export type Authority = PolicyAuthority | PdpAuthority
