// The option `strict`: which routes need no annotation, and the error for those that do.
import { UndeclaredRouteError } from '../contract/errors.js'
import { printable } from '../kit/printable.js'
import { withoutHeadTwins } from './head-twins.js'

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

interface Entry {
  /** Undefined for every method. */
  readonly method: string | undefined
  readonly url: string
  /** The prefix of all URLs below; undefined for exactly this URL. */
  readonly below: string | undefined
}

/**
 * Reads the entries of `strict.public`: a URL as declared, or with `/*` at its end also everything below it; a method and a space may
 * precede it. `/*` and `*` mean the routes with exactly that URL, because one entry must not open the whole app.
 */
export function strictness (entries: readonly string[] = []): Strictness {
  const parsed = entries.map(parseEntry)
  return {
    isPublic: ({ methods, url }) => methods.length > 0 && methods.every(method => parsed.some(entry => covers(entry, method, url)))
  }
}

function parseEntry (text: string): Entry {
  const space = text.indexOf(' ')
  const method = space === -1 ? undefined : text.slice(0, space)
  const url = text.slice(space + 1)
  const isTree = url.endsWith('/*') && url !== '/*'
  return isTree ? { method, url: url.slice(0, -2), below: url.slice(0, -1) } : { method, url, below: undefined }
}

function covers (entry: Entry, method: string, url: string): boolean {
  if (entry.method !== undefined && entry.method !== method) return false
  return url === entry.url || (entry.below !== undefined && url.startsWith(entry.below))
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
      "or preHandler: app.permit.guard('type:action'). For the routes of another plugin: strict: { public: ['/docs/*'] }. " +
      'A guard among the hooks of a scope, or inside of another hook, does not count.')
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
