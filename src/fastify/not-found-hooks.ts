// Fastify before 5.12.2 reaches 404 handlers without their hooks in some cases. Where it can be mended it is; where not, the app does not start.
import type { FastifyInstance, FastifyReply } from 'fastify'
import { AnnotationError } from '../contract/errors.js'
import { printable } from '../kit/printable.js'
import { descendantsOf, keyOf, privateOf } from './scopes.js'

/** From this version on, every way to a 404 handler leads through its hooks. */
const HOOKS_ALWAYS_RUN = [5, 12, 2] as const

/** What Fastify knows of a route, or of a 404 handler. */
interface Context {
  readonly config?: unknown
  readonly server?: FastifyInstance
  readonly onSend?: unknown
}

type Carrier = Record<symbol, unknown>

const CONTEXT = 'fastify.context'
const NOT_FOUND_CONTEXT = 'fastify.404ContextKey'
const HOOKS = 'fastify.hooks'

/**
 * Makes `reply.callNotFound()` run the hooks of the 404 handler in a scope. Before 5.12.2 each route has a copy of what Fastify knows of
 * the handler, made before the hooks are in it where the route was declared first; here a link takes the place of the copy. These
 * versions are out, so that what is private in them stays as it is.
 */
export function runNotFoundHooks (app: FastifyInstance): void {
  if (alwaysRunsHooks(app)) return
  const linked = new WeakSet<object>()
  const callNotFound = function (this: FastifyReply): unknown {
    const context = privateOf(this.request, CONTEXT)
    if (isObject(context) && !linked.has(context)) {
      linked.add(context)
      link(context)
    }
    return methodBelow(this, callNotFound).call(this)
  }
  app.decorateReply('callNotFound', callNotFound as never)
}

function link (context: Context): void {
  const key = keyOf(context, NOT_FOUND_CONTEXT)
  if (key === undefined || context.server === undefined) return
  const copy = (context as Carrier)[key]
  const live = (context.server as unknown as Carrier)[key]
  if (!isObject(copy) || !isObject(live)) return
  // The route's own, as later versions have it.
  const { onSend } = copy as Context
  ;(context as Carrier)[key] = Object.create(live, { onSend: { value: onSend, writable: true, enumerable: true, configurable: true } })
}

/** The method of a reply that a decorated one has taken the place of. */
function methodBelow (reply: FastifyReply, method: unknown): (this: FastifyReply) => unknown {
  let prototype: object = Object.getPrototypeOf(reply)
  while (!Object.hasOwn(prototype, 'callNotFound') || (prototype as FastifyReply).callNotFound !== method) prototype = Object.getPrototypeOf(prototype)
  return (Object.getPrototypeOf(prototype) as FastifyReply).callNotFound
}

/**
 * Looks for 404 handlers that are guarded but were set before the plugin had loaded: only their hooks guard these.
 * @param seen - the scopes whose handler was set behind its guards
 * @param isGuarded - whether a config, or one of the hooks of the scope, requires something
 * @throws `AnnotationError`
 */
export function verifyNotFoundHooks (app: FastifyInstance, seen: WeakSet<object>, isGuarded: (config: unknown, hooks: readonly object[]) => boolean): void {
  if (alwaysRunsHooks(app)) return
  for (const scope of [app, ...descendantsOf(app)]) {
    const context = privateOf(scope, NOT_FOUND_CONTEXT) as Context | undefined
    // A scope without a handler of its own has that of the scope around it.
    if (context?.server !== scope || seen.has(scope) || !isGuarded(context.config, hooksOf(scope))) continue
    throw new AnnotationError(printable(`the guard of the 404 handler${scope.prefix === '' ? '' : ` of ${scope.prefix}`} cannot be relied on: the handler was set before fastify-permit had loaded, and ` +
      `Fastify ${app.version} reaches such a handler without its hooks in some cases. Write "await app.register(permit, …)" above it, or update Fastify to 5.12.2 or later`))
  }
}

function hooksOf (scope: FastifyInstance): object[] {
  const hooks = privateOf(scope, HOOKS)
  return isObject(hooks) ? Object.values(hooks).flat().filter(hook => typeof hook === 'function') : []
}

function alwaysRunsHooks ({ version }: FastifyInstance): boolean {
  const numbers = version.split('.').map(part => Number.parseInt(part, 10))
  for (const [index, least] of HOOKS_ALWAYS_RUN.entries()) {
    const number = numbers[index] ?? 0
    if (number !== least) return number > least
  }
  return true
}

function isObject (value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
