// Fastify before 5.12.2 calls 404 handlers without their hooks in some cases. This fixes it where possible, and refuses to start otherwise.
import type { FastifyInstance, FastifyReply } from 'fastify'
import { AnnotationError } from '../contract/errors.js'
import { printable } from '../kit/printable.js'
import { descendantsOf, keyOf, privateOf } from './scopes.js'

/** Since this version, Fastify always runs the hooks of 404 handlers. */
const HOOKS_ALWAYS_RUN = [5, 12, 2] as const

/** Fastify's internal data of a route or a 404 handler. */
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
 * Makes `reply.callNotFound()` run the hooks of a scope's 404 handler. Before 5.12.2, each route has a copy of the handler's data, which
 * lacks the hooks if the route was declared first. This replaces the copy by a link. Relying on Fastify's internals is safe here, because
 * these versions are released and do not change.
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
  // Each route has its own onSend hooks, as in later versions.
  const { onSend } = copy as Context
  ;(context as Carrier)[key] = Object.create(live, { onSend: { value: onSend, writable: true, enumerable: true, configurable: true } })
}

/** The method that the decorated method of a reply overrides. */
function methodBelow (reply: FastifyReply, method: unknown): (this: FastifyReply) => unknown {
  let prototype: object = Object.getPrototypeOf(reply)
  while (!Object.hasOwn(prototype, 'callNotFound') || (prototype as FastifyReply).callNotFound !== method) {
    prototype = Object.getPrototypeOf(prototype)
  }
  return (Object.getPrototypeOf(prototype) as FastifyReply).callNotFound
}

/**
 * Finds guarded 404 handlers that were set before the plugin was loaded. They are guarded only by their hooks.
 * @param seen - the scopes whose handler is wrapped with its guards
 * @param isGuarded - whether a config, or one of the hooks of the scope, requires a permission
 * @throws `AnnotationError`
 */
export function verifyNotFoundHooks (
  app: FastifyInstance, seen: ReadonlySet<object>, isGuarded: (config: unknown, hooks: readonly object[]) => boolean
): void {
  if (alwaysRunsHooks(app)) return
  for (const scope of [app, ...descendantsOf(app)]) {
    const context = privateOf(scope, NOT_FOUND_CONTEXT) as Context | undefined
    // A scope without a handler of its own inherits the handler of the scope around it.
    if (context?.server !== scope || seen.has(scope) || !isGuarded(context.config, hooksOf(scope))) continue
    const where = scope.prefix === '' ? '' : ` of ${scope.prefix}`
    throw new AnnotationError(printable(`the guard of the 404 handler${where} is not reliable, because the handler was set before ` +
      `fastify-permit was loaded, and Fastify ${app.version} calls such a handler without its hooks in some cases. ` +
      'Write "await app.register(permit, …)" above it, or update Fastify to 5.12.2 or later'))
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
