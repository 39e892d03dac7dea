// The types of annotations, which say what a route requires. `R` is the framework's request.
import type { ContextInput, ResourceInput } from '../decision/query.js'
import type { ActionOf, PermissionName, ResourceType } from '../contract/vocabulary.js'
import type { MaybePromise } from '../kit/maybe-promise.js'

/** A value, or a function of the request that returns it or a promise of it. */
export type PerRequest<T, R> = T | ((request: R) => MaybePromise<T>)

/** An action on a resource, as written in an annotation. */
export type PermissionRequirement<R> = { [T in ResourceType]: RequirementOn<T, R> }[ResourceType]

/** An action on a resource of one type. */
export interface RequirementOn<T extends ResourceType, R> {
  /** The action, for example `retrieve`. Always a constant: a request never chooses what is checked. */
  readonly action: ActionOf<T>
  /**
   * The resource: `'task'`, `'task:{id}'` with values from the route's params, `{ type, key, attributes? }` with the same templates in
   * `key`, or a function of the request. Templates in the result of a function are not filled in.
   */
  readonly resource: PerRequest<ResourceInput<T>, R>
  /** The tenant. Default: the tenant of the resource, then the plugin's `tenant` option, then `default`. Never a template. */
  readonly tenant?: PerRequest<string | readonly string[] | null | undefined, R>
  /** Facts about the request, for conditions. */
  readonly context?: PerRequest<ContextInput | undefined, R>
}

/** A permission in Permit's own spelling, `'<type>:<action>'`, or in parts. */
export type Permission<R> = PermissionName | PermissionRequirement<R>

/**
 * What URL mapping rules say of a URL with this path, such as `'/tasks/{id}'`, with values from the route's params. It is the whole path,
 * with the prefixes of routers, and a function cannot return it.
 */
export interface UrlRequirement { readonly url: string }

/**
 * What URL mapping rules say of the route's URL (`'url'`, only with Fastify) or of a path, and combined requirements: with `anyOf` one is
 * enough, with `allOf` all are needed.
 */
export type Requirement<R> =
  | Permission<R>
  | 'url'
  | UrlRequirement
  | { readonly anyOf: readonly Requirement<R>[] }
  | { readonly allOf: readonly Requirement<R>[] }

/** A function of the request that returns a requirement (its templates are not filled in). */
export type RequirementFunction<R> = (request: R) => MaybePromise<Requirement<R>>

/**
 * What each method requires: `{ GET: 'task:list', POST: 'task:create' }`. HEAD is as GET unless it is named, and `*` is every method that
 * is not named. `false` is public.
 */
export type MethodMap<R> = object &
  { readonly [M in AnnotatedMethod]?: Requirement<R> | RequirementFunction<R> | false } &
  // Otherwise a requirement or a function with a misspelled permission would be a map without methods.
  { readonly [M in 'action' | 'resource' | 'url' | 'anyOf' | 'allOf' | 'apply']?: never }

/** The methods that Fastify and Express know, and `*` for all others. */
export type AnnotatedMethod =
  | 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS' | 'TRACE' | 'CONNECT' | 'QUERY' | 'COPY' | 'LOCK' | 'MKCALENDAR'
  | 'MKCOL' | 'MOVE' | 'PROPFIND' | 'PROPPATCH' | 'REPORT' | 'SEARCH' | 'UNLOCK' | '*'

/**
 * What a route requires: a requirement, a function of the request that returns one, one of these for each method, or `false` for a public
 * route.
 */
export type Annotation<R> = Requirement<R> | RequirementFunction<R> | MethodMap<R> | false
