// Routes for people and tools: the rows of `app.permit.routes()`, and Fastify's printout of the routes declared before the plugin.
import type { RouteOptions } from 'fastify'
import type { Description } from '../guard/description.js'
import { identityText, type RouteIdentity } from '../guard/strict.js'

/** A route, and what it requires. */
export interface RouteRow {
  /** `GET`, or several with commas. */
  readonly method: string
  /** As it was declared, with its prefix. */
  readonly url: string
  /** What else tells it from others: `{ version: '1.0.0' }`. */
  readonly constraints: Readonly<Record<string, string>>
  /** `task:create`, `(task:list or task:create)`, `by function`; null where nothing is required. */
  readonly permission: string | null
  /** Each permission in it that is known beforehand, as `type:action`. */
  readonly permissions: readonly string[]
  /** `task`, `task:{id}` or `by function`; several with commas. */
  readonly resource: string | null
  /** A tenant's key, or `by function`; several with commas. */
  readonly tenant: string | null
  /** Whether it says so itself (`permit: false`), or `strict.public` does. */
  readonly public: boolean
  /** `config.permit`, `guard()`, both, or none; `unknown` for a route that was declared before the plugin was registered. */
  readonly guardedBy: 'annotation' | 'hook' | 'annotation and hook' | 'unknown' | null
}

/** What a row is made of. */
export interface RouteFacts {
  readonly route: Pick<RouteOptions, 'method' | 'url' | 'constraints'>
  readonly byAnnotation: Description | undefined
  readonly byHooks: readonly Description[]
  readonly isPublic: boolean
}

/** A row. */
export function rowOf ({ route, byAnnotation, byHooks, isPublic }: RouteFacts): RouteRow {
  const described = [...byHooks, ...byAnnotation === undefined ? [] : [byAnnotation]]
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
    guardedBy: byAnnotation === undefined
      ? byHooks.length === 0 ? null : 'hook'
      : byHooks.length === 0 ? 'annotation' : 'annotation and hook'
  }
}

/** The row of a route that was there before anybody looked. */
export function unknownRow ({ methods, url, constraints }: RouteIdentity, isPublic: boolean): RouteRow {
  return {
    method: methods.filter(method => method !== 'HEAD' || !methods.includes('GET')).join(','),
    url,
    constraints: constraints === undefined ? {} : JSON.parse(constraints) as Record<string, string>,
    permission: null,
    permissions: [],
    resource: null,
    tenant: null,
    public: isPublic,
    guardedBy: isPublic ? null : 'unknown'
  }
}

/** What a route of Fastify is told by. */
export function identityOf (route: Pick<RouteOptions, 'method' | 'url' | 'constraints'>): RouteIdentity {
  const constraints = constraintsOf(route)
  return { methods: methodsOf(route), url: route.url, constraints: Object.keys(constraints).length === 0 ? undefined : JSON.stringify(constraints) }
}

/** Without the HEAD routes that Fastify adds: they require the same as their GET routes. */
export function withoutHeadTwins (rows: readonly RouteRow[]): RouteRow[] {
  const signature = (row: RouteRow) => JSON.stringify({ ...row, method: '' })
  const gets = new Set(rows.filter(({ method }) => method === 'GET').map(signature))
  return rows.filter(row => row.method !== 'HEAD' || !gets.has(signature(row)))
}

/** A row in one line, as errors name it. */
export function rowText ({ method, url, constraints }: RouteRow): string {
  return identityText(identityOf({ method: method.split(','), url, constraints }))
}

/** Where a router's routes have nothing in common. */
const EMPTY_ROOT = '(empty root node)'

/**
 * The routes of a router from what Fastify prints of it, `printRoutes()`: it does not list them in any other way. (And not with
 * `commonPrefix: false`, which leaves out a part of `/a/*`.) A line that cannot be read becomes a route without methods, which nothing can declare public.
 */
export function routesPrinted (text: string): RouteIdentity[] {
  const routes: RouteIdentity[] = []
  const parents: string[] = []
  let depth = 0
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const [, indent = '', branch, path = '', methods, constraints] = /^((?:│ {3}| {4})*)([├└]── )?(.*?)(?: \(([A-Z-]+(?:, [A-Z-]+)*)\))?(?: (\{.*\}))?$/.exec(line) ?? []
    // A line without a branch is the node before it once more, with other constraints.
    if (branch !== undefined) {
      depth = indent.length / 4
      parents[depth] = path === EMPTY_ROOT ? '' : path
    }
    const url = parents.slice(0, depth).join('') + path
    if (methods !== undefined) routes.push({ methods: methods.split(', '), url, constraints })
    else if (branch === undefined) routes.push({ methods: [], url: line.trim(), constraints: undefined })
  }
  return routes
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
