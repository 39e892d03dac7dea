// The types that an Express app writes: those of the core, about Express's request.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request, Response } from 'express'
import type * as annotation from '../guard/annotation.js'
import type * as audit from '../observe/audit-trail.js'
import type * as options from '../app/options/schema.js'
import type * as refusal from '../guard/on-denied.js'
import type * as asking from '../app/request-permit.js'
import type { Log } from './log.js'

/** What a guard requires. A route without a guard is public. */
export type Annotation = Exclude<annotation.Annotation<Request>, false>
/** A value, or a function of the request that returns it or a promise of it. */
export type PerRequest<T> = annotation.PerRequest<T, Request>
/** A permission in Permit's own spelling, `'<type>:<action>'`, or in parts. */
export type Permission = annotation.Permission<Request>
/** An action on a resource, as an annotation writes it. */
export type PermissionRequirement = annotation.PermissionRequirement<Request>
/** Requirements, alone or combined by `anyOf` and `allOf`. */
export type Requirement = annotation.Requirement<Request>
/** Who asks, for a request. */
export type UserOption = options.UserOption<Request>
/** The tenant that a request is about. */
export type TenantOption = options.TenantOption<Request>
/** Answers a denied request in another way than with the 403. */
export type OnDenied = refusal.OnDenied<Request, Response>
/** Hears of every decision, after the response. */
export type OnDecision = audit.OnDecision<Request>
/** `req.permit`. */
export type RequestPermit = asking.RequestPermit<Request>

/** The options of `permit(options)`: those of the Fastify plugin, and where to log. Exactly one of `pdp` and `policy`. */
export type PermitOptions = Omit<options.PermitOptions<Request, Response>, 'strict' | 'openapi'> & {
  /**
   * Where denials (`info`), checks without a decision (`warn`), an opening that failed (`error`) and the like are said: pino, or anything of its shape.
   * @defaultValue `warn` and `error` go to the console, the rest nowhere
   */
  log?: Log
}

/**
 * What Express calls for a request. Its request is the widest that will do, so that the params that Express finds out
 * about from a path reach the handler beside it as they are.
 */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void

/** A guard: middleware; and without `next` a promise, which rejects with the refusal, for those who combine guards themselves. */
export type Guard = ((request: IncomingMessage, response: ServerResponse) => Promise<void>) & Middleware

/** Goes on: to what comes next, or, with an error, to the app's error handlers. */
export type Next = (error?: unknown) => void
