// The option `strict`: which routes may do without an annotation, and what is said of those that may not.
import { UndeclaredRouteError } from '../contract/errors.js'
import { printable } from '../kit/printable.js'

/** What tells a route from every other one. */
export interface RouteIdentity {
  readonly methods: readonly string[]
  /** As it was declared, with its prefix: `/tasks/:id`. */
  readonly url: string
  /** As texts, for people; undefined where there are none. */
  readonly constraints: string | undefined
}

/** The option, resolved. */
export interface Strictness {
  /** Whether the app says that it knows that this route is public. Case counts, and a URL is compared as it was declared. */
  isPublic (route: RouteIdentity): boolean
}

interface Entry {
  /** Undefined: every method. */
  readonly method: string | undefined
  readonly url: string
  /** Undefined: this very URL. */
  readonly below: string | undefined
}

/**
 * Reads the entries of `strict.public`: a URL as it was declared, or with `/*` at its end also everything below; a method and a space may
 * stand before it. `/*` and `*` are the routes with that very URL, because an entry must not be able to open the whole app.
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
 * The error that names every route that says nothing; undefined when there is none.
 * @param unseen - those that were there before the plugin, whatever they say: nobody can tell
 */
export function undeclared (routes: readonly RouteIdentity[], unseen: readonly RouteIdentity[]): Error | undefined {
  if (routes.length === 0 && unseen.length === 0) return undefined
  const parts: string[] = []
  if (routes.length > 0) {
    parts.push(`${count(routes)} neither what is required nor that everybody may:\n${listOf(routes)}\n` +
      "Write config: { permit: 'type:action' } into the route, config: { permit: false } when it is public on purpose, or preHandler: app.permit.guard('type:action'). " +
      "For the routes of another plugin: strict: { public: ['/docs/*'] }. A guard among the hooks of a scope, or inside of another hook, does not count.")
  }
  if (unseen.length > 0) {
    parts.push(`declared before fastify-permit, so that it cannot be told what they say:\n${listOf(unseen)}\n` +
      'Write "await app.register(permit, …)" above them, or name them in strict: { public: […] }.')
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

/** A HEAD route that Fastify has added to a GET route says what that one says. */
function withoutTwins (routes: readonly RouteIdentity[]): readonly RouteIdentity[] {
  const isTwin = (route: RouteIdentity) => route.methods.length === 1 && route.methods[0] === 'HEAD' &&
    routes.some(({ methods, url, constraints }) => methods.includes('GET') && url === route.url && constraints === route.constraints)
  return routes.filter(route => !isTwin(route))
}

/** `GET /tasks/:id {"version":"1.0.0"}`. */
export function identityText ({ methods, url, constraints }: RouteIdentity): string {
  return printable(`${methods.join(',')} ${url}${constraints === undefined ? '' : ` ${constraints}`}`)
}
