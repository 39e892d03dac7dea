// What a developer may write as a route's `config.permit`, as types.
import type { FastifyRequest } from 'fastify'
import type { ContextInput, ResourceInput } from '../decision/query.js'
import type { MaybePromise } from '../pdp/point.js'

/** A value, or a function that has it for a request, at once or by promise. */
export type PerRequest<T> = T | ((request: FastifyRequest) => MaybePromise<T>)

/** An action on a resource, as an annotation requires it. */
export interface PermissionRequirement {
  /** The action, for example `retrieve`. Always a constant: a request never chooses what is checked. */
  readonly action: string
  /**
   * On what: `'task'`, `'task:{id}'` with values from the route's params, `{ type, key, attributes? }` with the same
   * templates in `key`, or a function of the request. What a function returns is taken as it is: no template is filled in.
   */
  readonly resource: PerRequest<ResourceInput>
  /** The tenant; default: that of the resource, then the plugin's `tenant` option, then `default`. Never a template. */
  readonly tenant?: PerRequest<string | readonly string[] | null | undefined>
  /** Facts about the circumstances, for conditions. */
  readonly context?: PerRequest<ContextInput | undefined>
}

/** A permission in Permit's own spelling, `'<type>:<action>'`, or in parts. */
export type Permission = string | PermissionRequirement

/** Requirements that are combined. `anyOf`: one of them is enough; `allOf`: each is needed. They nest. */
export type Requirement =
  | Permission
  | { readonly anyOf: readonly Requirement[] }
  | { readonly allOf: readonly Requirement[] }

/**
 * What a route requires: a requirement; a function of the request that returns one (taken as it is: no template is
 * filled in); or `false` for a route that is public on purpose.
 */
export type Annotation = Requirement | ((request: FastifyRequest) => MaybePromise<Requirement>) | false
