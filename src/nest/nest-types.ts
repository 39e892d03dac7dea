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
  /** In a resolver: the field that is resolved. `params` has its arguments, and everything else is that of the request. */
  readonly graphql?: FieldCall
  /** In a gateway: the message. `params` has its data; `url` and `headers` are those of the handshake, where the client knows them. */
  readonly ws?: ClientMessage
}

/** The field of a resolver. */
export interface FieldCall {
  /** The object that has the field; of a reference resolver, the reference. */
  readonly root: unknown
  readonly args: unknown
  readonly context: unknown
  readonly info: unknown
}

/** A message of a client to a gateway. */
export interface ClientMessage {
  /** The socket of `ws` or socket.io. What clients send is not in it, but for the handshake. */
  readonly client: unknown
  readonly data: unknown
}

/** Options that have no meaning here, because NestJS has its own means, or declares the routes. */
export type NotInNest = 'inspector' | 'openapi' | 'routes' | 'urls' | 'updates' | 'onDenied' | 'strict'

/** The options of `PermitModule.forRoot()`: those of the plugin. Set exactly one of `pdp` and `policy`. */
export type PermitModuleOptions<R = NestRequest> = Omit<options.PermitOptions<R, unknown>, NotInNest> & {
  /**
   * Refuses to start when a handler has neither `@Permit` nor `@Public`, and its class has neither: a handler of a controller, a query, a
   * mutation, a subscription or a reference of a resolver, a message of a gateway, or a pattern of a microservice.
   * @defaultValue `false`
   */
  strict?: boolean
}
