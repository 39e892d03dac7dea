// `app.permit` of a Fastify app: the API of every app, plus the guard as a hook.
import type { FastifyInstance } from 'fastify'
import type { Checks } from '../decision/checks.js'
import { Permit } from '../app/app-permit.js'
import { requireKnown } from '../decision/input-checks.js'
import type { Writer } from '../app/write/writer.js'
import type { GuardOptions } from '../guard/guard-options.js'
import type { GuardHook } from './guard-hook.js'
import type { RouteRow } from './route-table.js'
import type { RequireOptions, RouteGuards } from './route-guards.js'
import type { Annotation } from './fastify-types.js'

/** `app.permit`, see {@link Permit}. */
export class AppPermit extends Permit {
  readonly #guards: RouteGuards
  readonly #scope: FastifyInstance

  /** @param scope - the scope that this object was read from */
  constructor (checks: Checks, guards: RouteGuards, writer: Writer, scope: FastifyInstance) {
    super(checks, writer)
    this.#guards = guards
    this.#scope = scope
  }

  /**
   * Requires a permission for every route of this scope and of the scopes inside of it, in addition to what the routes require themselves.
   * Its custom 404 handlers are included, except with `permit: false`. Call it before the routes of the scope are declared.
   * @throws `AnnotationError` when the requirement is invalid, or the scope has a route already. While routes are declared: when the URL of
   * a route does not have the params of the requirement, or a route is public although its scope requires a permission
   * @example
   * ```ts
   * import type { FastifyInstance } from 'fastify'
   * import 'fastify-permit'
   *
   * export async function admin (scope: FastifyInstance): Promise<void> {
   *   scope.permit.require('admin:access', { except: ['/admin/login'] })
   *   scope.get('/users', async () => [])
   * }
   * ```
   */
  require (requirement: Exclude<Annotation, false>, options?: RequireOptions): void {
    if (options !== undefined) requireKnown('the options of require()', options, ['except'])
    this.#guards.require(this.#scope, requirement, options ?? {})
  }

  /**
   * The guard as a hook, as an alternative to `config.permit`: `{ preHandler: app.permit.guard('task:create') }`. It can be combined with
   * other hooks, such as those of `@fastify/auth`: it refuses with its error, and `onDenied` runs when that error is sent. Without a
   * callback it returns a promise, which rejects when the request is refused.
   * @throws `AnnotationError` when the requirement is invalid, `QueryError` when the options are wrong
   */
  guard (requirement: Exclude<Annotation, false>, options?: GuardOptions): GuardHook {
    return this.#guards.guard(requirement, options)
  }

  /**
   * What each route of this scope requires, in the order of declaration, for example for an audit. Complete when the app is ready. For a
   * route that was declared before the plugin, only its existence is known.
   */
  routes (): RouteRow[] {
    return this.#guards.rows()
  }
}
