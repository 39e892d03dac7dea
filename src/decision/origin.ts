// Where decisions come from, as the resolved options describe it.
import type { Policy } from '../engine/policy/policy.js'
import type { EvaluationMap } from '../contract/evaluation.js'
import type { BreakerOptions, HedgeOptions } from '../pdp/http/transport.js'

/** Where decisions come from; over the network by Permit's wire where `authzen` is undefined. */
export type DecisionOrigin =
  | {
    readonly kind: 'pdp'
    /** One, or several that are replicas of one another. */
    readonly urls: readonly URL[]
    readonly token: string | undefined
    /** How an AuthZEN PDP is asked; undefined for Permit's. */
    readonly authzen: AuthZenSettings | undefined
    readonly connections: number
    readonly queue: number
    readonly batch: number
    readonly factsTimeout: number
    readonly retries: number
    readonly breaker: BreakerOptions | false
    readonly hedge: HedgeOptions | false
  }
  | { readonly kind: 'policy', readonly policy: string | Policy, readonly data?: string }

/** How a PDP is asked that speaks AuthZEN. */
export interface AuthZenSettings {
  readonly discovery: boolean
  readonly map: EvaluationMap | undefined
}

/** The path at which reports are taken, and the secret that they have to carry. */
export interface UpdatesEndpoint {
  readonly path: string
  readonly secret: string
}

/** What the decision path needs of the resolved options. */
export interface PathOptions {
  readonly origin: DecisionOrigin
  /** `ttl` and `staleIfError` in ms. */
  readonly cache: { readonly ttl: number, readonly max: number, readonly staleIfError?: number } | false
  /** Milliseconds. */
  readonly timeout: number
}
