// `app.permit` of a Fastify app: the API of every app, plus the guard as a hook.
import type { Checks } from '../decision/checks.js'
import { Permit } from '../app/app-permit.js'
import type { Writer } from '../app/write/writer.js'
import type { GuardOptions } from '../guard/guard-options.js'
import type { GuardHook } from './hook.js'
import type { RouteRow } from './route-table.js'
import type { RouteGuards } from './route-guards.js'
import type { Annotation } from './fastify-types.js'

/** `app.permit`, see {@link Permit}. */
export class AppPermit extends Permit {
  readonly #guards: RouteGuards

  constructor (checks: Checks, guards: RouteGuards, writer: Writer) {
    super(checks, writer)
    this.#guards = guards
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
