// Fastify's instances: the root, the scopes below a scope, and what a scope had before the plugin.
import type { FastifyInstance } from 'fastify'

/** What Fastify prints of a router without routes. */
export const NO_ROUTES = '(empty tree)'

/** The instance that `Fastify()` has made. */
export function rootOf (app: FastifyInstance): FastifyInstance {
  let root = app
  for (let around: object = root; 'printRoutes' in around; around = Object.getPrototypeOf(around)) root = around as FastifyInstance
  return root
}

/** The scopes below a scope that exist now. None where Fastify does not tell: it does not say so in public. */
export function descendantsOf (app: FastifyInstance): FastifyInstance[] {
  const children = privateOf(app, 'fastify.children')
  return Array.isArray(children) ? (children as FastifyInstance[]).flatMap(child => [child, ...descendantsOf(child)]) : []
}

/**
 * Whether a scope has neither routes nor child scopes yet: then every route that it will ever have is seen by onRoute.
 * Fastify does not say in public whether there are child scopes. Should it one day not say so in this way either, or
 * print an empty router in other words, the answer is no, which is safe and costs a little.
 */
export function isUntouched (app: FastifyInstance): boolean {
  if (app.printRoutes() !== NO_ROUTES) return false
  const children = privateOf(app, 'fastify.children')
  return Array.isArray(children) && children.length === 0 && !hasDisguisedNotFound(app)
}

/** A 404 handler that was set with a `url` in its config: by that Fastify tells routes from 404 handlers, `request.is404`. */
function hasDisguisedNotFound (app: FastifyInstance): boolean {
  const context = privateOf(app, 'fastify.404ContextKey')
  if (typeof context !== 'object' || context === null || !('config' in context)) return true
  const { config } = context
  return typeof config !== 'object' || config === null || 'url' in config
}

/** What Fastify keeps on one of its objects under a symbol of its own, or on what that inherits from. */
export function privateOf (carrier: object, description: string): unknown {
  const key = keyOf(carrier, description)
  return key === undefined ? undefined : (carrier as Record<symbol, unknown>)[key]
}

/** Fastify's symbol of a description, where an object has it, or what it inherits from. */
export function keyOf (carrier: object, description: string): symbol | undefined {
  for (let owner: object | null = carrier; owner !== null; owner = Object.getPrototypeOf(owner)) {
    const key = Object.getOwnPropertySymbols(owner).find(symbol => symbol.description === description)
    if (key !== undefined) return key
  }
  return undefined
}
