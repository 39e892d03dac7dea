// The option `strict`: which routes need no annotation, and the error for those that do.
import { UndeclaredRouteError } from '../contract/errors.js'
import { printable } from '../kit/printable.js'
import { withoutHeadTwins } from './head-twins.js'
import { opensRoute } from './route-patterns.js'

/** What identifies a route. */
export interface RouteIdentity {
  readonly methods: readonly string[]
  /** As declared, with its prefix: `/tasks/:id`. */
  readonly url: string
  /** As text, for messages; undefined without constraints. */
  readonly constraints: string | undefined
}

/** The resolved option. */
export interface Strictness {
  /** Whether the app lists the route as public. Case-sensitive; URLs are compared as declared. */
  isPublic (route: RouteIdentity): boolean
}

/** Reads the entries of `strict.public`. */
export function strictness (entries: readonly string[] = []): Strictness {
  return { isPublic: opensRoute(entries) }
}

/**
 * The error that names every undeclared route; undefined when there is none.
 * @param unseen - routes declared before the plugin; their annotations cannot be read
 */
export function undeclared (routes: readonly RouteIdentity[], unseen: readonly RouteIdentity[]): Error | undefined {
  if (routes.length === 0 && unseen.length === 0) return undefined
  const parts: string[] = []
  if (routes.length > 0) {
    parts.push(`${count(routes)} neither which permission is required nor that the route is public:\n${listOf(routes)}\n` +
      "Add config: { permit: 'type:action' } to the route, config: { permit: false } if it is public on purpose, " +
      "or preHandler: app.permit.guard('type:action'). For a whole scope: app.permit.require('type:action'). For the routes of another " +
      "plugin: routes: [{ url: '/docs/*', permit: 'type:action' }], or strict: { public: ['/docs/*'] }. " +
      'A guard inside of another hook does not count.')
  }
  if (unseen.length > 0) {
    parts.push(`declared before fastify-permit, so their annotations cannot be read:\n${listOf(unseen)}\n` +
      'Move "await app.register(permit, …)" above them, or list them in strict: { public: […] }.')
  }
  return new UndeclaredRouteError(`strict: ${parts.join('\n')}`)
}

function count (routes: readonly RouteIdentity[]): string {
  const { length } = withoutTwins(routes)
  return length === 1 ? 'one route says' : `${length} routes say`
}

function listOf (routes: readonly RouteIdentity[]): string {
  return withoutTwins(routes).map(route => `  ${identityText(route)}`).join('\n')
}

function withoutTwins (routes: readonly RouteIdentity[]): readonly RouteIdentity[] {
  return withoutHeadTwins(routes, ({ methods }) => methods, ({ url, constraints }) => JSON.stringify([url, constraints]))
}

/** `GET /tasks/:id {"version":"1.0.0"}`. */
export function identityText ({ methods, url, constraints }: RouteIdentity): string {
  return printable(`${methods.join(',')} ${url}${constraints === undefined ? '' : ` ${constraints}`}`)
}
