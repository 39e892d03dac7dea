// The report of the option `shadow` on a question that the shadow answers differently.

/** A question that the shadow answers differently. Without attribute values. */
export interface ShadowDifference {
  readonly user: string
  readonly action: string
  /** `type` or `type:key`. */
  readonly resource: string
  readonly tenant: string
  /** What was decided. */
  readonly allow: boolean
  /** The code of the reason, if there is one. */
  readonly code?: string
  /** What the shadow would have decided. */
  readonly shadow: { readonly allow: boolean, readonly code?: string, readonly reason?: string }
  /** When the shadow answered. */
  readonly time: Date
}

/**
 * The function in `shadow.report`: called for each difference.
 *
 * @example
 * ```ts
 * import Fastify from 'fastify'
 * import permit from 'fastify-permit'
 *
 * const app = Fastify({ logger: true })
 * await app.register(permit, {
 *   policy: './permit.yaml',
 *   shadow: { pdp: 'http://localhost:7766', token: 'secret', report: difference => app.log.warn(difference, 'not the same') }
 * })
 * ```
 */
export type ShadowReport = (difference: ShadowDifference) => unknown
