// The types of AuthZEN evaluations, and of the function that maps a query to one.
import type { JsonObject, Query } from './point.js'

/** A subject or a resource of AuthZEN: `id` is unique within `type`. */
export interface Entity {
  readonly type: string
  readonly id: string
  readonly properties?: JsonObject
}

/** An evaluation of OpenID AuthZEN 1.0 (section 6.1 of the standard). */
export interface Evaluation {
  readonly subject: Entity
  readonly action: { readonly name: string, readonly properties?: JsonObject }
  readonly resource: Entity
  readonly context?: JsonObject
}

/**
 * Changes the evaluation that is sent to the PDP. Called once for each check that is sent, with the default evaluation and the query;
 * returns the evaluation to send. Equal queries must give equal evaluations, because decisions are cached by query.
 *
 * @example
 * ```ts
 * import Fastify from 'fastify'
 * import permit from 'fastify-permit'
 *
 * const app = Fastify()
 * await app.register(permit, {
 *   pdp: 'http://localhost:3592',
 *   protocol: 'authzen',
 *   authzen: { map: evaluation => ({ ...evaluation, subject: { ...evaluation.subject, type: 'account' } }) }
 * })
 * ```
 */
export type EvaluationMap = (evaluation: Evaluation, query: Query) => Evaluation
