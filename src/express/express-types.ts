// The public types for Express: the types of the core with Express's request.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request, Response } from 'express'
import type * as annotation from '../guard/annotation.js'
import type * as audit from '../observe/audit-trail.js'
import type * as options from '../app/options/schema.js'
import type * as refusal from '../guard/on-denied.js'
import type * as asking from '../app/request-permit.js'
import type { Log } from './express-log.js'

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
/** The user of a request. */
export type UserOption = options.UserOption<Request>
/** The tenant of a request. */
export type TenantOption = options.TenantOption<Request>
/** Replaces the 403 of a denied request with another response. */
export type OnDenied = refusal.OnDenied<Request, Response>
/** Called for every decision, after the response. */
export type OnDecision = audit.OnDecision<Request>
/** `req.permit`. */
export type RequestPermit = asking.RequestPermit<Request>

/** The options of `permit(options)`: those of the Fastify plugin, and a log. Set exactly one of `pdp` and `policy`. */
export type PermitOptions = Omit<options.PermitOptions<Request, Response>, 'strict' | 'openapi' | 'routes' | 'urls'> & {
  /**
   * Decides by URL mapping rules, where a guard says `{ url: '/tasks/{id}' }`.
   * @defaultValue none: such a guard answers 500
   */
  urls?: { readonly base: string }
  /**
   * The log for denials (`info`), checks without a decision (`warn`), a failed start (`error`) and others: pino, or an object with the same
   * functions.
   * @defaultValue `warn` and `error` are written to the console, other levels are dropped
   */
  log?: Log
}

/**
 * An Express middleware. The types of its parameters are as wide as possible, so that Express can infer the params of the handler beside it
 * from the path.
 */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void

/** A guard: a middleware. Without `next` it returns a promise, which rejects when the request is refused, for apps that combine guards. */
export type Guard = ((request: IncomingMessage, response: ServerResponse) => Promise<void>) & Middleware

/** Continues with the next handler, or, with an error, with the app's error handlers. */
export type Next = (error?: unknown) => void
