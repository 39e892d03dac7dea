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

/**
 * How keys are written as ids of a PDP, and read back. Both give the same for the same arguments, and `read` reverses `write`.
 *
 * @example
 * ```ts
 * import type { EvaluationIds } from 'fastify-permit'
 *
 * // The PDP has no ids with capital letters.
 * export const ids: EvaluationIds = {
 *   write: key => /^[a-z0-9-]+$/.test(key) ? key : undefined,
 *   read: id => id
 * }
 * ```
 */
export interface EvaluationIds {
  /**
   * The id for a key. `undefined`: the PDP cannot have such an id, so the question is denied without asking.
   * @param type - the type in the evaluation: `user`, the resource's type, or `tenant` for the key of a tenant
   */
  write (key: string, type: string): string | undefined
  /** The key for an id that a search has found. `undefined`: no key has this id, so the result is left out. */
  read (id: string, type: string): string | undefined
}

/**
 * Where the tenant of a question goes.
 *
 * - `properties`: into `resource.properties.tenant`, which the PDP's policies compare.
 * - `ids`: into the resource's id, before the key: `acme/7`. What is stored for one tenant is never found for another.
 * - `{ context: name }`: into the context, under this name.
 * - `{ relation: name }`: into a second question about each resource with a key: whether the tenant has this relation to it, as in the
 *   tuple `tenant:acme tenant document:7`. Access is allowed if both answers are yes. `type` is the type of tenants, `tenant` by default.
 * - `map`: the function `map` puts it somewhere.
 */
export type TenantPlace = 'properties' | 'ids' | 'map' | { readonly context: string } | TenantRelation

/** The relation of tenants to their resources, and the type of tenants. */
export interface TenantRelation {
  readonly relation: string
  readonly type?: string
}

/**
 * The object that stands for a resource type, as `type:id`, for instance `folder:root` or `tenant:{tenant}`. `{tenant}` is the id of the
 * tenant, `{type}` the resource's type. With `action`, the action is renamed: `{action}_{type}`.
 */
export type TypeObject = string | { readonly resource: string, readonly action?: string }
