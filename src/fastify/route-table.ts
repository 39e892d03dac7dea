// The rows of `app.permit.routes()`, which say what each route requires.
import type { RouteOptions } from 'fastify'
import type { Description } from '../guard/description.js'
import { withoutHead, withoutHeadTwins } from '../guard/head-twins.js'
import { identityText, type RouteIdentity } from '../guard/strict.js'
import { readJson } from '../kit/read-json.js'

/** Where the guards of a route come from. */
export type GuardedBy =
  | 'annotation' | 'hook' | 'scope' | 'annotation and hook' | 'annotation and scope' | 'hook and scope' | 'annotation, hook and scope'

/** A route and what it requires. */
export interface RouteRow {
  /** `GET`, or several with commas. */
  readonly method: string
  /** The URL as declared, with its prefix. */
  readonly url: string
  /** Its constraints: `{ version: '1.0.0' }`. */
  readonly constraints: Readonly<Record<string, string>>
  /** `task:create`, `(task:list or task:create)`, `by function`; null when nothing is required. */
  readonly permission: string | null
  /** The permissions that are known in advance, as `type:action`. */
  readonly permissions: readonly string[]
  /** `task`, `task:{id}` or `by function`; several with commas. */
  readonly resource: string | null
  /** The tenant's key, or `by function`; several with commas. */
  readonly tenant: string | null
  /** Whether the route is declared public, by `permit: false` or by `strict.public`. */
  readonly public: boolean
  /**
   * `annotation` (`config.permit`, or the option `routes`), `hook` (a `guard()` of the route), `scope` (`require()`, or a guard among the
   * hooks of a scope), several of them, or null; `unknown` for a route that was declared before the plugin.
   */
  readonly guardedBy: GuardedBy | 'unknown' | null
}

/** The data of a row. */
export interface RouteFacts {
  readonly route: Pick<RouteOptions, 'method' | 'url' | 'constraints'>
  readonly byAnnotation: Description | undefined
  readonly byHooks: readonly Description[]
  readonly byScope: readonly Description[]
  readonly isPublic: boolean
}

/** Creates a row. */
export function rowOf ({ route, byAnnotation, byHooks, byScope, isPublic }: RouteFacts): RouteRow {
  const described = [...byScope, ...byHooks, ...byAnnotation === undefined ? [] : [byAnnotation]]
  const permissions = described.flatMap(({ permissions }) => permissions)
  return {
    method: methodsOf(route).join(','),
    url: route.url,
    constraints: constraintsOf(route),
    permission: described.length === 0 ? null : described.map(({ text }) => text).join(' and '),
    permissions: distinct(permissions.flatMap(({ type, action }) => type === undefined ? [] : [`${type}:${action}`])),
    resource: described.length === 0 ? null : listed(permissions.map(({ resource }) => resource)),
    tenant: described.length === 0 ? null : listed(permissions.map(({ tenant }) => tenant)),
    public: isPublic,
    guardedBy: sources(byAnnotation !== undefined, byHooks.length > 0, byScope.length > 0)
  }
}

function sources (annotation: boolean, hook: boolean, scope: boolean): GuardedBy | null {
  if (scope) return annotation ? hook ? 'annotation, hook and scope' : 'annotation and scope' : hook ? 'hook and scope' : 'scope'
  return annotation ? hook ? 'annotation and hook' : 'annotation' : hook ? 'hook' : null
}

/** The row of a route that was declared before the plugin. */
export function unknownRow ({ methods, url, constraints }: RouteIdentity, isPublic: boolean): RouteRow {
  return {
    method: withoutHead(methods).join(','),
    url,
    constraints: constraints === undefined ? {} : readJson(constraints) as Record<string, string>,
    permission: null,
    permissions: [],
    resource: null,
    tenant: null,
    public: isPublic,
    guardedBy: isPublic ? null : 'unknown'
  }
}

/** What identifies a route of Fastify. */
export function identityOf (route: Pick<RouteOptions, 'method' | 'url' | 'constraints'>): RouteIdentity {
  const constraints = constraintsOf(route)
  const text = Object.keys(constraints).length === 0 ? undefined : JSON.stringify(constraints)
  return { methods: methodsOf(route), url: route.url, constraints: text }
}

/** Removes the HEAD routes that Fastify adds. */
export function rowsWithoutHeadTwins (rows: readonly RouteRow[]): RouteRow[] {
  return withoutHeadTwins(rows, ({ method }) => [method], row => JSON.stringify({ ...row, method: '' }))
}

/** A row in one line, for messages. */
export function rowText ({ method, url, constraints }: RouteRow): string {
  return identityText(identityOf({ method: method.split(','), url, constraints }))
}

function methodsOf ({ method }: Pick<RouteOptions, 'method'>): readonly string[] {
  return typeof method === 'string' ? [method] : method ?? []
}

function constraintsOf ({ constraints }: Pick<RouteOptions, 'constraints'>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(constraints ?? {}).map(([name, value]) => [name, String(value)]))
}

function listed (texts: readonly string[]): string {
  return texts.length === 0 ? 'by function' : distinct(texts).join(', ')
}

function distinct (texts: readonly string[]): string[] {
  return [...new Set(texts)]
}
