// Fastify's instances: the root, the descendants of a scope, and what a scope contained before the plugin.
import type { FastifyInstance } from 'fastify'

/** The output of Fastify's `printRoutes()` for a router without routes. */
export const NO_ROUTES = '(empty tree)'

/** The instance that `Fastify()` returned. */
export function rootOf (app: FastifyInstance): FastifyInstance {
  let root = app
  for (let around: object = root; 'printRoutes' in around; around = Object.getPrototypeOf(around)) root = around as FastifyInstance
  return root
}

/** The current descendants of a scope. Fastify has no public API for that; if it hides them, the list is empty. */
export function descendantsOf (app: FastifyInstance): FastifyInstance[] {
  const children = privateOf(app, 'fastify.children')
  return Array.isArray(children) ? (children as FastifyInstance[]).flatMap(child => [child, ...descendantsOf(child)]) : []
}

/**
 * Whether a scope has neither routes nor child scopes yet. Then onRoute will see all of its routes. Fastify has no public API for child
 * scopes. If a future version hides them, or prints an empty router in another way, the result is false, which is safe and only costs time.
 */
export function isUntouched (app: FastifyInstance): boolean {
  if (app.printRoutes() !== NO_ROUTES) return false
  const children = privateOf(app, 'fastify.children')
  return Array.isArray(children) && children.length === 0 && !hasDisguisedNotFound(app)
}

/** Whether the 404 handler has a `url` in its config. Fastify uses it to distinguish routes from 404 handlers (`request.is404`). */
function hasDisguisedNotFound (app: FastifyInstance): boolean {
  const context = privateOf(app, 'fastify.404ContextKey')
  if (typeof context !== 'object' || context === null || !('config' in context)) return true
  const { config } = context
  return typeof config !== 'object' || config === null || 'url' in config
}

/** A value that Fastify stores under a private symbol, on an object or its prototypes. */
export function privateOf (carrier: object, description: string): unknown {
  const key = keyOf(carrier, description)
  return key === undefined ? undefined : (carrier as Record<symbol, unknown>)[key]
}

/** Fastify's private symbol with a description, on an object or its prototypes. */
export function keyOf (carrier: object, description: string): symbol | undefined {
  for (let owner: object | null = carrier; owner !== null; owner = Object.getPrototypeOf(owner)) {
    const key = Object.getOwnPropertySymbols(owner).find(symbol => symbol.description === description)
    if (key !== undefined) return key
  }
  return undefined
}
