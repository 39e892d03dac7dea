// The types of the entry for NestJS, whose request is that of the app's adapter.
import type { IncomingHttpHeaders } from 'node:http'
import type * as options from '../app/options/schema.js'
import type { RequestPermit } from '../app/request-permit.js'

/** What the requests of both adapters, Fastify and Express, have. */
export interface NestRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly params: unknown
  readonly query: unknown
  readonly ip?: string
  /** As guards such as `AuthGuard` set it. */
  readonly user?: unknown
  /** Checks for the user of the request, in handlers, pipes and interceptors. */
  readonly permit?: RequestPermit<NestRequest>
}

/** Options that have no meaning here, because NestJS has its own means, or declares the routes. */
export type NotInNest = 'inspector' | 'openapi' | 'routes' | 'urls' | 'updates' | 'onDenied' | 'strict'

/** The options of `PermitModule.forRoot()`: those of the plugin. Set exactly one of `pdp` and `policy`. */
export type PermitModuleOptions<R = NestRequest> = Omit<options.PermitOptions<R, unknown>, NotInNest> & {
  /**
   * Refuses to start when a handler of a controller has neither `@Permit` nor `@Public`, and its controller has neither.
   * @defaultValue `false`
   */
  strict?: boolean
}
