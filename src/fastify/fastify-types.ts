// The public types, with Fastify's request and reply.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type * as annotation from '../guard/annotation.js'
import type * as audit from '../observe/audit-trail.js'
import type * as options from '../app/options/schema.js'
import type * as refusal from '../guard/on-denied.js'
import type * as asking from '../app/request-permit.js'

/** What a route requires, as its `config.permit`. */
export type Annotation = annotation.Annotation<FastifyRequest>
/** What each method of a route requires: `{ GET: 'task:list', POST: 'task:create' }`. */
export type MethodMap = annotation.MethodMap<FastifyRequest>
/** A value, or a function of the request that returns it or a promise of it. */
export type PerRequest<T> = annotation.PerRequest<T, FastifyRequest>
/** A permission in Permit's own spelling, `'<type>:<action>'`, or in parts. */
export type Permission = annotation.Permission<FastifyRequest>
/** An action on a resource, as written in an annotation. */
export type PermissionRequirement = annotation.PermissionRequirement<FastifyRequest>
/** Requirements, alone or combined by `anyOf` and `allOf`. */
export type Requirement = annotation.Requirement<FastifyRequest>
/** The options of `app.register(permit, options)`. Set exactly one of `pdp` and `policy`. */
export type PermitOptions = options.PermitOptions<FastifyRequest, FastifyReply>
/** The user of a request. */
export type UserOption = options.UserOption<FastifyRequest>
/** The tenant of a request. */
export type TenantOption = options.TenantOption<FastifyRequest>
/** Replaces the 403 of a denied request with another response. */
export type OnDenied = refusal.OnDenied<FastifyRequest, FastifyReply>
/** Called for every decision, after the response. */
export type OnDecision = audit.OnDecision<FastifyRequest>
/** `request.permit`. */
export type RequestPermit = asking.RequestPermit<FastifyRequest>
