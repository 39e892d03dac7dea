// The shapes of AuthZEN's evaluations, and the function by which an app maps a query to one.
import type { JsonObject, Query } from './point.js'

/** A subject or a resource of AuthZEN: `id` is unique within `type`. */
export interface Entity {
  readonly type: string
  readonly id: string
  readonly properties?: JsonObject
}

/** One question, as OpenID AuthZEN 1.0 has it (section 6.1 of the standard). */
export interface Evaluation {
  readonly subject: Entity
  readonly action: { readonly name: string, readonly properties?: JsonObject }
  readonly resource: Entity
  readonly context?: JsonObject
}

/**
 * Changes an evaluation on its way to the PDP. Called once for each question that travels, with what the defaults made of it; it
 * returns what is sent. What is the same in the query has to become the same evaluation: decisions are remembered by the query.
 */
export type EvaluationMap = (evaluation: Evaluation, query: Query) => Evaluation
