// The options of the plugin: one schema, from which the types, the defaults, the messages and the README's table come.
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import type { UserInput } from '../../decision/query.js'
import type { Policy } from '../../engine/policy/policy.js'
import type { OnDecision } from '../../observe/audit-trail.js'
import type { MetricsOptions, OpenTelemetryOptions } from '../../observe/telemetry-options.js'
import type { EvaluationMap } from '../../contract/evaluation.js'
import type { OnDenied } from '../../guard/refusal.js'

/** Who asks, for a request; nothing means that nobody is authenticated, which is 401 on a guarded route. */
export type UserOption<R> = (request: R) => UserInput | null | undefined | Promise<UserInput | null | undefined>
/**
 * The tenant that a request is about; nothing means `default`. An array is in the type because a header may be one, so
 * that `request => request.headers['x-tenant']` can be written; it is refused when it happens: it names no one tenant.
 */
export type TenantOption<R> = (request: R) =>
  string | readonly string[] | null | undefined | Promise<string | readonly string[] | null | undefined>

/** What an option's schema says besides its type: `expected` is for messages and, with the others, for the README's table. */
export interface Words { description: string, expected: string, shownDefault?: string }

function callable<T> (words: Words) {
  return Type.Refine(Type.Unsafe<T>({ ...words }), value => typeof value === 'function')
}

// What Node refuses in a header would come back in an error that quotes it.
export const HEADER_SAFE = '^[\\x21-\\x7e]+$'

export const CacheSchema = Type.Object({
  /**
   * How long a decision is remembered, in ms.
   * @defaultValue 2000
   */
  ttl: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 86_400_000,
    default: 2_000,
    description: 'How long a decision is remembered.',
    expected: 'milliseconds, an integer from 1 to 86400000 (a day)'
  })),
  /**
   * How many decisions are remembered; the least recently used goes first.
   * @defaultValue 50000
   */
  max: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 10_000_000,
    default: 50_000,
    description: 'How many decisions are remembered; the least recently used goes first.',
    expected: 'an integer from 1 to 10000000'
  })),
  /**
   * While no PDP can be reached, a decision that was asked for at most so many ms ago still serves, unless it was invalidated.
   * More than `ttl`. What it gives up: a role that was taken away at the PDP may work for as long.
   * @defaultValue none: without a PDP there is no decision
   */
  staleIfError: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 86_400_000,
    description: 'How old a decision may be that serves while no PDP can be reached.',
    expected: 'milliseconds, an integer from 1 to 86400000, more than ttl',
    shownDefault: 'off'
  }))
}, { additionalProperties: false })

export const BreakerSchema = Type.Object({
  /**
   * Failures in a row after which a PDP is looked at, and is not asked any more when that fails, too.
   * @defaultValue 5
   */
  failures: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 1_000,
    default: 5,
    description: 'Failures in a row that put a PDP under suspicion.',
    expected: 'an integer from 1 to 1000'
  })),
  /**
   * Ms after which it is looked whether a PDP that is not asked is back, and again and again until it is.
   * @defaultValue 500
   */
  halfOpenAfter: Type.Optional(Type.Integer({
    minimum: 10,
    maximum: 60_000,
    default: 500,
    description: 'How often it is looked whether a PDP that failed is back.',
    expected: 'milliseconds, an integer from 10 to 60000'
  }))
}, { additionalProperties: false })

export const HedgeSchema = Type.Object({
  /**
   * A second request goes out when the first takes longer than so many of 100 recent ones.
   * @defaultValue 99
   */
  percentile: Type.Optional(Type.Number({
    minimum: 50,
    maximum: 99.9,
    default: 99,
    description: 'The percentile of recent latency after which a second request goes out.',
    expected: 'a number from 50 to 99.9'
  })),
  /**
   * Ms before which no second request goes out.
   * @defaultValue 10
   */
  min: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 60_000,
    default: 10,
    description: 'Before so many ms no second request goes out.',
    expected: 'milliseconds, an integer from 1 to 60000'
  }))
}, { additionalProperties: false })

const UpdatesPath = Type.String({
  pattern: '^/[^?#*:]*$',
  description: 'The path of the route.',
  expected: "a path without params, such as '/permit/updates'"
})

export const UpdatesSchema = Type.Object({
  /** The path of the route. */
  path: UpdatesPath,
  /**
   * What the reports have to carry in the header `x-permit-updates-secret`; 16 characters at least.
   * @defaultValue the environment's PERMIT_UPDATES_SECRET
   */
  secret: Type.Optional(Type.String({
    minLength: 16,
    pattern: HEADER_SAFE,
    description: 'What a report has to carry in the header `x-permit-updates-secret`.',
    expected: 'a string of at least 16 visible ASCII characters',
    shownDefault: '`PERMIT_UPDATES_SECRET`'
  }))
}, { additionalProperties: false })

export const MetricsSchema = Type.Object({
  /**
   * The registry of `prom-client`.
   * @defaultValue its own, `prom-client`'s `register`
   */
  register: Type.Optional(Type.Unsafe<NonNullable<MetricsOptions['register']>>({
    ...Type.Object({}),
    description: 'Where they are registered.',
    expected: 'a Registry of prom-client',
    shownDefault: "prom-client's own"
  })),
  /**
   * What their names begin with.
   * @defaultValue `fastify_permit_`
   */
  prefix: Type.Optional(Type.String({
    pattern: '^[a-zA-Z_][a-zA-Z0-9_]*$',
    description: 'What their names begin with.',
    expected: 'letters, digits and underscores',
    shownDefault: '`fastify_permit_`'
  }))
}, { additionalProperties: false })

export const OpenTelemetrySchema = Type.Object({
  /**
   * Where spans go.
   * @defaultValue the global provider
   */
  tracerProvider: Type.Optional(Type.Unsafe<NonNullable<OpenTelemetryOptions['tracerProvider']>>({
    ...Type.Object({}),
    description: 'Where spans go.',
    expected: 'a TracerProvider',
    shownDefault: 'the global one'
  })),
  /**
   * Where metrics go.
   * @defaultValue the global provider
   */
  meterProvider: Type.Optional(Type.Unsafe<NonNullable<OpenTelemetryOptions['meterProvider']>>({
    ...Type.Object({}),
    description: 'Where metrics go.',
    expected: 'a MeterProvider',
    shownDefault: 'the global one'
  }))
}, { additionalProperties: false })

export const AuthZenSchema = Type.Object({
  /**
   * Whether the PDP is asked for its endpoints, at `/.well-known/authzen-configuration`; `false`: they are at their default paths.
   * @defaultValue true
   */
  discovery: Type.Optional(Type.Boolean({
    default: true,
    description: 'Ask the PDP for its endpoints, at `/.well-known/authzen-configuration`.',
    expected: 'true or false'
  })),
  /**
   * Changes a question on its way to the PDP: from the evaluation that the defaults make of a query, and the query, to the evaluation that
   * is sent. Equal queries must become equal evaluations.
   * @defaultValue none: the defaults are sent
   */
  map: Type.Optional(callable<EvaluationMap>({
    description: 'Changes what is sent: from the evaluation that the defaults make of a query to another one.',
    expected: 'a function from an evaluation and its query to an evaluation',
    shownDefault: 'the defaults'
  }))
}, { additionalProperties: false })

export const StrictSchema = Type.Object({
  /**
   * Routes that are public although they do not say so, because another plugin declares them: a URL as it is declared, with prefixes
   * (`/docs`), or with `/*` at its end also all below (`/docs/*`); for one method with that before it (`OPTIONS *`). `/*` and `*` are the
   * routes with that very URL, and not all. A route with an annotation is guarded all the same.
   * @defaultValue none
   */
  public: Type.Optional(Type.Array(Type.String({ pattern: '^(?:[A-Z-]+ )?(?:\\*|/\\*|/[^*]*(?:/\\*)?)$' }), {
    maxItems: 1_000,
    description: 'Routes of other plugins that are public on purpose.',
    expected: "an array of URLs as they are declared, such as '/docs', '/docs/*' with all below, or 'OPTIONS *'",
    shownDefault: 'none'
  }))
}, { additionalProperties: false })

/** The schema of the options, for tools and documents. */
export const OptionsSchema = Type.Object({
  /**
   * The URL of Permit's PDP, for example `http://localhost:7766`, or with `protocol: 'authzen'` that of another one. A path in it is a
   * prefix. Several, as an array or with commas, are replicas of one another: whichever is well and least busy is asked. Exactly one of
   * `pdp` and `policy`.
   * @defaultValue the environment's PERMIT_PDP_URL, unless `policy` is given
   */
  pdp: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 16 })], {
    description: "The URL of the PDP, or several of replicas: Permit's, or with `protocol` another one. This or `policy`.",
    expected: "an http(s) URL without credentials, query or hash, such as 'http://localhost:7766', or up to 16 in an array",
    shownDefault: '`PERMIT_PDP_URL`'
  })),
  /**
   * Decide in this process, by this policy: the path of a `permit.yaml` or `.json`, relative to the working directory,
   * or the same as an object. Exactly one of `pdp` and `policy`.
   */
  policy: Type.Optional(Type.Unsafe<string | Policy>({
    ...Type.Union([Type.String({ minLength: 1 }), Type.Object({})]),
    description: 'Decide in this process, by this policy: the embedded PDP. This or `pdp`.',
    expected: 'the path of a policy file (.yaml, .yml or .json), or a policy as an object'
  })),
  /**
   * Permit's API key, or what another PDP wants as a bearer token. Sent to the PDP, and nowhere else. Needed with `pdp`, but for
   * `protocol: 'authzen'`: there no token is sent unless one is given here, and PERMIT_API_KEY is not looked at, as it is not that PDP's.
   * @defaultValue the environment's PERMIT_API_KEY; none with `protocol: 'authzen'`
   */
  token: Type.Optional(Type.String({
    pattern: HEADER_SAFE,
    description: "Permit's API key, or another PDP's token; sent to the PDP as a bearer token and nowhere else.",
    expected: 'a string of visible ASCII characters, without spaces',
    shownDefault: "`PERMIT_API_KEY`; none with `protocol: 'authzen'`"
  })),
  /**
   * What the PDP speaks: Permit's own wire, or OpenID AuthZEN 1.0 as many others do. Only with `pdp`.
   * @defaultValue `permit`
   */
  protocol: Type.Optional(Type.Union([Type.Literal('permit'), Type.Literal('authzen')], {
    default: 'permit',
    description: "What the PDP speaks: Permit's wire, or [AuthZEN](authzen.md).",
    expected: "'permit' or 'authzen'"
  })),
  /** How questions are put to a PDP that speaks AuthZEN. Only with `protocol: 'authzen'`. */
  authzen: Type.Optional(Type.Union([AuthZenSchema], {
    description: 'How questions are put to a PDP that speaks AuthZEN.',
    expected: '{ discovery?, map? }'
  })),
  /**
   * The folder in which the embedded PDP keeps facts (users, tenants, roles, resource instances, relationship tuples), relative to
   * the working directory; it is made when it is not there. What was written survives the death of the process. The facts of the policy
   * are written into it once, when it is empty. One process at a time. Needs the package `lmdb`. Only with `policy`.
   * @defaultValue none: facts live in memory
   */
  data: Type.Optional(Type.String({
    minLength: 1,
    description: 'Where the embedded PDP keeps facts, so that they survive. Needs `npm i lmdb`.',
    expected: 'the path of a folder',
    shownDefault: 'in memory'
  })),
  user: Type.Optional(callable<UserOption<unknown>>({
    description: 'Who asks. Nothing (`undefined`, `null`) is 401.',
    expected: 'a function from the request to a key, { key, email?, attributes? } or nothing; may be async',
    shownDefault: '`request => request.user?.sub`'
  })),
  tenant: Type.Optional(callable<TenantOption<unknown>>({
    description: 'Which tenant a request is about, where the annotation or the resource does not say.',
    expected: 'a function from the request to a tenant key or nothing; may be async',
    shownDefault: '`default`'
  })),
  /**
   * Remember decisions for a short while, allow and deny alike; `false` asks each time.
   * @defaultValue `{ ttl: 2000, max: 50000 }` with `pdp`, `false` with `policy`, which is faster than any cache
   */
  cache: Type.Optional(Type.Union([Type.Literal(false), CacheSchema], {
    description: 'Remember decisions, allow and deny alike, or `false`.',
    expected: 'false or { ttl?, max?, staleIfError? }',
    shownDefault: 'on with `pdp`, `false` with `policy`'
  })),
  /**
   * The deadline of a whole check in ms: waiting for a connection, asking, answering. Past it there is no decision: 503.
   * @defaultValue 1000
   */
  timeout: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 60_000,
    default: 1_000,
    description: 'The whole check: queueing, connecting, answering. Past it: 503.',
    expected: 'milliseconds, an integer from 1 to 60000'
  })),
  /**
   * Sockets to each PDP at most.
   * @defaultValue 32
   */
  connections: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 1_024,
    default: 32,
    description: 'Sockets to each PDP at most.',
    expected: 'an integer from 1 to 1024'
  })),
  /**
   * Checks that may wait for the PDP; one more is refused at once, with 503.
   * @defaultValue 2000
   */
  queue: Type.Optional(Type.Integer({
    minimum: 0,
    maximum: 1_000_000,
    default: 2_000,
    description: 'Checks that may wait for the PDP. One more: 503 at once.',
    expected: 'an integer from 0 to 1000000'
  })),
  /**
   * Checks that travel together at most, when there are many. Fewer than what the PDP takes in one bulk request.
   * @defaultValue 50
   */
  batch: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 1_000,
    default: 50,
    description: 'Checks in one request to the PDP at most.',
    expected: 'an integer from 1 to 1000'
  })),
  /**
   * How often the same PDP is asked again, within the deadline, after a failure that may pass: no connection, a connection that
   * broke before the answer, 429, and once after 502, 503 and 504. Replicas are asked anyway; a write is never repeated.
   * @defaultValue 1
   */
  retries: Type.Optional(Type.Integer({
    minimum: 0,
    maximum: 10,
    default: 1,
    description: 'How often a PDP is asked again after a failure that may pass, within `timeout`.',
    expected: 'an integer from 0 to 10'
  })),
  /**
   * Do not ask a PDP that is dead: checks fail at once, or go to its replicas, until it is back. `false` asks whatever happens.
   * @defaultValue `{ failures: 5, halfOpenAfter: 500 }`
   */
  breaker: Type.Optional(Type.Union([Type.Literal(false), BreakerSchema], {
    description: 'Do not ask a PDP that is dead until it is back, or `false`.',
    expected: 'false or { failures?, halfOpenAfter? }',
    shownDefault: 'on'
  })),
  /**
   * Ask a second replica, or by a second connection, when the first answer is late; at most one such request for ten others.
   * @defaultValue false
   */
  hedge: Type.Optional(Type.Union([Type.Literal(false), HedgeSchema], {
    description: 'Ask a second PDP when the first is slower than usual; at most 10 % more requests.',
    expected: 'false or { percentile?, min? }',
    shownDefault: '`false`'
  })),
  /**
   * How long a write waits until the PDP has it, in ms. Past it the write fails, although it was made. Of no use to the embedded PDP.
   * @defaultValue 10000
   */
  factsTimeout: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 600_000,
    default: 10_000,
    description: 'How long a write waits until the PDP has it.',
    expected: 'milliseconds, an integer from 1 to 600000'
  })),
  /**
   * Takes the PDP's reports of changes at this path, and forgets what it had decided before: the path, or the path and the secret that the
   * reports carry. Only with `pdp`; the embedded PDP needs no reports.
   * @defaultValue none: a change that this app did not make is seen when `cache.ttl` has passed
   */
  updates: Type.Optional(Type.Union([UpdatesPath, UpdatesSchema], {
    description: 'Take the reports of changes that the PDP sends, at this path.',
    expected: "a path such as '/permit/updates', or { path, secret? }"
  })),
  onDenied: Type.Optional(callable<OnDenied<unknown, unknown>>({
    description: 'Answer a denied request in another way than with the 403.',
    expected: 'a function from the request, the reply and the denial to an error, the reply that it sends, or nothing; may be async'
  })),
  onDecision: Type.Optional(callable<OnDecision<unknown>>({
    description: 'Hear of every decision, after the response, for an audit trail.',
    expected: 'a function of the event and the request; may be async'
  })),
  /**
   * Prometheus metrics through `prom-client`, which has to be installed: `true` registers them with its own registry.
   * @defaultValue `false`
   */
  metrics: Type.Optional(Type.Union([Type.Boolean(), MetricsSchema], {
    description: 'Prometheus metrics. Needs `npm i prom-client`.',
    expected: 'true, false or { register?, prefix? }',
    shownDefault: '`false`'
  })),
  /**
   * Spans and metrics through `@opentelemetry/api`, which has to be installed: `true` takes the providers that the app has registered.
   * @defaultValue `false`
   */
  openTelemetry: Type.Optional(Type.Union([Type.Boolean(), OpenTelemetrySchema], {
    description: 'OpenTelemetry spans and metrics. Needs `npm i @opentelemetry/api`.',
    expected: 'true, false or { tracerProvider?, meterProvider? }',
    shownDefault: '`false`'
  })),
  /**
   * An app with a route that says neither what it requires nor that it is public does not start. For Fastify.
   * @defaultValue `false`
   */
  strict: Type.Optional(Type.Union([Type.Boolean(), StrictSchema], {
    description: '[An app with a route that says nothing does not start.](routes.md)',
    expected: 'true, false or { public? }',
    shownDefault: '`false`'
  })),
  /**
   * Guarded routes document themselves where `@fastify/swagger` is registered: refusals, `x-permit-resource` and `x-permit-action`. For Fastify.
   * @defaultValue `true`
   */
  openapi: Type.Optional(Type.Boolean({
    default: true,
    description: '[Guarded routes document themselves](openapi.md), where `@fastify/swagger` is.',
    expected: 'true or false'
  }))
}, { additionalProperties: false })

export type AnyOptions = Static<typeof OptionsSchema>

/** The options, for a framework whose request is `R`. Exactly one of `pdp` and `policy`. */
export type PermitOptions<R, Reply> = Omit<AnyOptions, 'user' | 'tenant' | 'onDenied' | 'onDecision'> & {
  /**
   * Who asks: a function from the request to the user's key, or `{ key, email?, attributes? }`; it may be async.
   * `undefined` or `null` means that nobody is authenticated: 401 on a guarded route.
   * @defaultValue `request => request.user?.sub`, what `@fastify/jwt` leaves behind
   */
  user?: UserOption<R>
  /**
   * The tenant that a request is about, where neither the annotation nor the resource says; may be async.
   * `undefined` or `null` means `default`. An empty string is refused: it is more likely lost than meant.
   * @defaultValue `default`, for every request
   */
  tenant?: TenantOption<R>
  /**
   * Answers a denied request in another way than with the 403: by an error that goes out instead, or by sending a reply.
   * @defaultValue the 403
   */
  onDenied?: OnDenied<R, Reply>
  /**
   * Hears of every decision, after the response: allowed, denied, or none. What it throws is logged once; it changes nothing.
   * @defaultValue nobody hears of them
   */
  onDecision?: OnDecision<R>
}

export const validator = Compile(OptionsSchema)
