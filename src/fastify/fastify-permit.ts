// `app.permit` of a Fastify app: what every app gets, and the guard as a hook.
import type { Checks } from '../decision/checks.js'
import { Permit } from '../app/app-permit.js'
import type { Writer } from '../app/write/writer.js'
import type { GuardOptions } from '../guard/guard-options.js'
import type { GuardHook } from './hook.js'
import type { RouteRow } from './route-table.js'
import type { RouteGuards } from './route-guards.js'
import type { Annotation } from './fastify-types.js'

/** The app's view of the plugin, see {@link Permit}. */
export class AppPermit extends Permit {
  readonly #guards: RouteGuards

  constructor (checks: Checks, guards: RouteGuards, writer: Writer) {
    super(checks, writer)
    this.#guards = guards
  }

  /**
   * The guard as a hook, for those who prefer it to `config.permit`: `{ preHandler: app.permit.guard('task:create') }`. It may be one of several,
   * such as those of `@fastify/auth`: it says no by its error, and where that goes out `onDenied` answers. Called without a callback it
   * is a promise, which rejects with the refusal.
   * @throws `AnnotationError` when the requirement makes none, `QueryError` when the options are wrong.
   */
  guard (requirement: Exclude<Annotation, false>, options?: GuardOptions): GuardHook {
    return this.#guards.guard(requirement, options)
  }

  /**
   * What each route of this scope requires, in the order of declaration: for an audit, or a page of your own. Complete when the app is
   * ready. Of a route that was declared before the plugin was registered it only says that it is there.
   */
  routes (): RouteRow[] {
    return this.#guards.rows()
  }
}
