// What the routes of a scope require, besides their own annotations: by `app.permit.require()`, and by guards among the hooks of a scope.
import type { FastifyInstance, preHandlerHookHandler } from 'fastify'
import type { RouteIdentity } from '../guard/strict.js'

/** A requirement for every route of a scope. */
export interface ScopeRequirement {
  readonly scope: FastifyInstance
  readonly guard: preHandlerHookHandler
  /** Whether the requirement makes an exception for a route. */
  readonly isExcepted: (route: RouteIdentity) => boolean
}

/** The hooks in which a guard refuses a request before its handler runs. */
const BEFORE_HANDLER: ReadonlySet<unknown> = new Set(['onRequest', 'preParsing', 'preValidation', 'preHandler'])

/** The requirements of all scopes of one registration of the plugin. */
export class ScopeRequirements {
  readonly #required: ScopeRequirement[] = []
  readonly #hooks: Array<{ readonly scope: FastifyInstance, readonly guard: preHandlerHookHandler }> = []

  get isEmpty (): boolean {
    return this.#required.length === 0
  }

  add (requirement: ScopeRequirement): void {
    this.#required.push(requirement)
  }

  /** Notices the guards that are added as hooks to the scope of the plugin, or to a scope inside of it. */
  watchHooks (app: FastifyInstance, isGuard: (hook: object) => boolean): void {
    const add = app.addHook as unknown as (this: unknown, ...args: unknown[]) => unknown
    const hooks = this.#hooks
    Object.defineProperty(app, 'addHook', {
      configurable: true,
      writable: true,
      value (this: FastifyInstance, ...args: unknown[]): unknown {
        const result = add.apply(this, args)
        const [name, hook] = args
        if (BEFORE_HANDLER.has(name) && typeof hook === 'function' && isGuard(hook)) {
          hooks.push({ scope: this, guard: hook as preHandlerHookHandler })
        }
        return result
      }
    })
  }

  /** The guards that `require()` adds to a route, those of outer scopes first. A 404 handler is no route, and never excepted. */
  requiredOf (scope: FastifyInstance, route: RouteIdentity | undefined): preHandlerHookHandler[] {
    return this.#around(scope).filter(({ isExcepted }) => route === undefined || !isExcepted(route)).map(({ guard }) => guard)
  }

  /** Whether a requirement of its scope makes an exception for a route. */
  isExcepted (scope: FastifyInstance, route: RouteIdentity): boolean {
    return this.#around(scope).some(({ isExcepted }) => isExcepted(route))
  }

  /** The guards among the hooks of the scopes around a route. Fastify runs them for every route of a scope, whenever it was declared. */
  hooksOf (scope: FastifyInstance): preHandlerHookHandler[] {
    return this.#hooks.filter(hook => isInside(scope, hook.scope)).map(({ guard }) => guard)
  }

  #around (scope: FastifyInstance): ScopeRequirement[] {
    if (this.isEmpty) return []
    return this.#required.filter(requirement => isInside(scope, requirement.scope))
      .sort((a, b) => a.scope === b.scope ? 0 : isInside(a.scope, b.scope) ? 1 : -1)
  }
}

/** Whether a scope is another one, or a scope inside of it. Fastify creates a scope with the scope around it as prototype. */
export function isInside (scope: FastifyInstance, around: FastifyInstance): boolean {
  return scope === around || Object.prototype.isPrototypeOf.call(around, scope)
}
