// Finds routes that were declared before the plugin. No hook reported them, so they are parsed from the output of `printRoutes()`.
import type { FastifyInstance } from 'fastify'
import type { RouteIdentity } from '../guard/strict.js'
import { NO_ROUTES } from './scopes.js'

/** The root of a router whose routes have no common prefix. */
const EMPTY_ROOT = '(empty root node)'

// An indent, a branch, a part of the path, the methods in parentheses, and the constraints in braces.
const PRINTED_LINE = /^((?:│ {3}| {4})*)([├└]── )?(.*?)(?: \(([A-Z-]+(?:, [A-Z-]+)*)\))?(?: (\{.*\}))?$/

/** The current routes of the app. Their annotations cannot be read. */
export function routesBeforePlugin (app: FastifyInstance): RouteIdentity[] {
  const printed = app.printRoutes()
  return printed.trim() === NO_ROUTES ? [] : routesPrinted(printed)
}

/**
 * Parses the output of `printRoutes()`, because Fastify lists its routes in no other way. (With `commonPrefix: false` it omits a part of
 * `/a/*`.) A line that cannot be parsed becomes a route without methods, which cannot be declared public.
 */
export function routesPrinted (text: string): RouteIdentity[] {
  const routes: RouteIdentity[] = []
  const parents: string[] = []
  let depth = 0
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const [, indent = '', branch, path = '', methods, constraints] = PRINTED_LINE.exec(line) ?? []
    // A line without a branch repeats the node before it, with other constraints.
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
