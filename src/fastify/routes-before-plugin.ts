// Routes declared before the plugin was registered: no hook reported them, so they are read from Fastify's printout of its router.
import type { FastifyInstance } from 'fastify'
import type { RouteIdentity } from '../guard/strict.js'
import { NO_ROUTES } from './scopes.js'

/** What Fastify prints where the routes have no prefix in common. */
const EMPTY_ROOT = '(empty root node)'

/** The routes that the app has so far. Their annotations cannot be read. */
export function routesBeforePlugin (app: FastifyInstance): RouteIdentity[] {
  const printed = app.printRoutes()
  return printed.trim() === NO_ROUTES ? [] : routesPrinted(printed)
}

/**
 * Reads the text of `printRoutes()`, the only list of routes that Fastify has. (With `commonPrefix: false` it would leave out a part of
 * `/a/*`.) A line that cannot be read becomes a route without methods, which nothing can declare public.
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
