// The options of the plugin: one schema, from which the types, the defaults, the messages and the README's table come.
import Type, { type Static, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import type { FastifyRequest } from 'fastify'
import type { UserInput } from './decision/query.js'
import type { Policy } from './engine/policy.js'
import type { EvaluationMap } from './pdp/authzen-mapping.js'
import { OptionsError } from './errors.js'

/** Who asks, for a request; nothing means that nobody is authenticated, which is 401 on a guarded route. */
export type UserOption = (request: FastifyRequest) => UserInput | null | undefined | Promise<UserInput | null | undefined>
/**
 * The tenant that a request is about; nothing means `default`. An array is in the type because a header may be one, so
 * that `request => request.headers['x-tenant']` can be written; it is refused when it happens: it names no one tenant.
 */
export type TenantOption = (request: FastifyRequest) =>
  string | readonly string[] | null | undefined | Promise<string | readonly string[] | null | undefined>

/** What an option's schema says besides its type: `expected` is for messages and, with the others, for the README's table. */
interface Words { description: string, expected: string, shownDefault?: string }

function callable<T> (words: Words) {
  return Type.Refine(Type.Unsafe<T>({ ...words }), value => typeof value === 'function')
}

// What Node refuses in a header would come back in an error that quotes it.
const HEADER_SAFE = '^[\\x21-\\x7e]+$'

const CacheSchema = Type.Object({
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
  }))
}, { additionalProperties: false })

const AuthZenSchema = Type.Object({
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

/** The schema of the options, for tools and documents. */
export const OptionsSchema = Type.Object({
  /**
   * The URL of Permit's PDP, for example `http://localhost:7766`, or with `protocol: 'authzen'` that of another one. A path in it is a prefix. Exactly one of `pdp` and `policy`.
   * @defaultValue the environment's PERMIT_PDP_URL, unless `policy` is given
   */
  pdp: Type.Optional(Type.String({
    minLength: 1,
    description: "The URL of the PDP: Permit's, or with `protocol` another one. This or `policy`.",
    expected: "an http(s) URL without credentials, query or hash, such as 'http://localhost:7766'",
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
    expected: 'a string of visible ASCII characters',
    shownDefault: "`PERMIT_API_KEY`; none with `protocol: 'authzen'`"
  })),
  /**
   * What the PDP speaks: Permit's own wire, or OpenID AuthZEN 1.0 as many others do. Only with `pdp`.
   * @defaultValue `permit`
   */
  protocol: Type.Optional(Type.Union([Type.Literal('permit'), Type.Literal('authzen')], {
    default: 'permit',
    description: "What the PDP speaks: Permit's wire, or [AuthZEN](docs/authzen.md).",
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
  /**
   * Who asks: a function from the request to the user's key, or `{ key, email?, attributes? }`; it may be async.
   * `undefined` or `null` means that nobody is authenticated: 401 on a guarded route.
   * @defaultValue `request => request.user?.sub`, what `@fastify/jwt` leaves behind
   */
  user: Type.Optional(callable<UserOption>({
    description: 'Who asks. Nothing (`undefined`, `null`) is 401.',
    expected: 'a function from the request to a key, { key, email?, attributes? } or nothing; may be async',
    shownDefault: '`request => request.user?.sub`'
  })),
  /**
   * The tenant that a request is about, where neither the annotation nor the resource says; may be async.
   * `undefined` or `null` means `default`. An empty string is refused: it is more likely lost than meant.
   * @defaultValue `default`, for every request
   */
  tenant: Type.Optional(callable<TenantOption>({
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
    expected: 'false or { ttl?, max? }',
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
   * Sockets to the PDP at most.
   * @defaultValue 32
   */
  connections: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 1_024,
    default: 32,
    description: 'Sockets to the PDP at most.',
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
   * How long a write waits until the PDP has it, in ms. Past it the write fails, although it was made. Of no use to the embedded PDP.
   * @defaultValue 10000
   */
  factsTimeout: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 600_000,
    default: 10_000,
    description: 'How long a write waits until the PDP has it.',
    expected: 'milliseconds, an integer from 1 to 600000'
  }))
}, { additionalProperties: false })

/** The options of `app.register(permit, options)`. Exactly one of `pdp` and `policy`. */
export type PermitOptions = Static<typeof OptionsSchema>

/** How a PDP is asked that speaks AuthZEN. */
export interface AuthZenSettings {
  readonly discovery: boolean
  readonly map: EvaluationMap | undefined
}

/** Where decisions come from; over the network by Permit's wire where `authzen` is undefined. */
export type DecisionOrigin =
  | { readonly kind: 'pdp', readonly url: URL, readonly token: string | undefined, readonly authzen: AuthZenSettings | undefined, readonly connections: number, readonly queue: number, readonly batch: number, readonly factsTimeout: number }
  | { readonly kind: 'policy', readonly policy: string | Policy, readonly data?: string }

/** The options with everything filled in. */
export interface ResolvedOptions {
  readonly origin: DecisionOrigin
  readonly user: UserOption
  readonly tenant: TenantOption | undefined
  readonly cache: { readonly ttl: number, readonly max: number } | false
  /** Milliseconds. */
  readonly timeout: number
}

type Environment = Readonly<Record<string, string | undefined>>

const validator = Compile(OptionsSchema)

/** What Fastify itself reads from the options of a `register`. */
const FASTIFY_OPTIONS = new Set(['prefix', 'logLevel', 'logSerializers'])

/**
 * Checks the options and fills in the environment and the defaults. An explicit option wins over the environment:
 * with `policy`, PERMIT_PDP_URL is not looked at.
 * @throws {@link OptionsError}
 */
export function resolveOptions (input: unknown, env: Environment): ResolvedOptions {
  if (typeof input !== 'object' || input === null) throw new OptionsError(`the options are ${show(input)}; expected an object`)
  // An option that is undefined is one that was not given: `pdp: process.env.X` may well be undefined.
  const options: unknown = Object.fromEntries(
    Object.entries(input).filter(([name, value]) => !FASTIFY_OPTIONS.has(name) && value !== undefined))
  if (!validator.Check(options)) throw new OptionsError(complain(options))

  const origin = resolveOrigin(options, env)
  return {
    origin,
    user: options.user ?? subjectOfToken,
    tenant: options.tenant,
    cache: resolveCache(options.cache, origin),
    timeout: options.timeout ?? defaultOf(OptionsSchema.properties.timeout)
  }
}

function resolveOrigin (options: PermitOptions, env: Environment): DecisionOrigin {
  if (options.authzen !== undefined && options.protocol !== 'authzen') {
    throw new OptionsError("option \"authzen\" is given without protocol: 'authzen'; expected both")
  }
  if (options.pdp !== undefined && options.policy !== undefined) {
    throw new OptionsError('both options "pdp" and "policy" are given; expected exactly one: a PDP over the network, or a policy that is decided in this process')
  }
  if (options.policy !== undefined && options.protocol !== undefined) {
    throw new OptionsError('both options "policy" and "protocol" are given; expected "protocol" with "pdp" only: a policy is decided in this process')
  }
  if (options.policy !== undefined) return { kind: 'policy', policy: options.policy, ...(options.data === undefined ? {} : { data: options.data }) }
  if (options.data !== undefined) {
    throw new OptionsError('option "data" is given without option "policy"; expected both: only the embedded PDP keeps facts, a PDP over the network has its own')
  }

  const url = options.pdp ?? env.PERMIT_PDP_URL
  if (url === undefined || url === '') {
    throw new OptionsError("neither option \"pdp\" (nor PERMIT_PDP_URL) nor option \"policy\" is given; expected exactly one, such as pdp: 'http://localhost:7766' or policy: './permit.yaml'")
  }
  const { connections, queue, batch, factsTimeout } = OptionsSchema.properties
  const isAuthZen = options.protocol === 'authzen'
  return {
    kind: 'pdp',
    url: parseUrl(options.pdp === undefined ? 'PERMIT_PDP_URL' : 'option "pdp"', url),
    token: options.token ?? (isAuthZen ? undefined : tokenOf(env)),
    authzen: isAuthZen ? { discovery: options.authzen?.discovery ?? true, map: options.authzen?.map } : undefined,
    connections: options.connections ?? defaultOf(connections),
    queue: options.queue ?? defaultOf(queue),
    batch: options.batch ?? defaultOf(batch),
    factsTimeout: options.factsTimeout ?? defaultOf(factsTimeout)
  }
}

function tokenOf (env: Environment): string {
  const token = env.PERMIT_API_KEY
  if (token === undefined || token === '') {
    throw new OptionsError('option "token" is missing, and so is PERMIT_API_KEY; a PDP wants Permit\'s API key')
  }
  if (!new RegExp(HEADER_SAFE).test(token)) {
    throw new OptionsError('PERMIT_API_KEY holds a character that a header cannot carry; expected a string of visible ASCII characters')
  }
  return token
}

function parseUrl (name: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const usable = url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  // The text is not quoted: it may hold a password.
  if (!usable) throw new OptionsError(`${name} cannot be used; expected ${(OptionsSchema.properties.pdp as Partial<Words>).expected}`)
  return url
}

function resolveCache (cache: PermitOptions['cache'], origin: DecisionOrigin): ResolvedOptions['cache'] {
  if (cache === false || (cache === undefined && origin.kind === 'policy')) return false
  const { ttl, max } = CacheSchema.properties
  return { ttl: cache?.ttl ?? defaultOf(ttl), max: cache?.max ?? defaultOf(max) }
}

/** The default of `user`: the subject of the token that `@fastify/jwt` verified. */
function subjectOfToken (request: FastifyRequest): string | undefined {
  const user: unknown = (request as { user?: unknown }).user
  if (typeof user !== 'object' || user === null || !('sub' in user)) return undefined
  return user.sub as string | undefined
}

function defaultOf (schema: TSchema & { default?: number }): number {
  return schema.default as number
}

/** The first thing that is wrong with the options, as a sentence. */
function complain (options: unknown): string {
  const errors = validator.Errors(options)
  const unknown = errors.find(error => error.keyword === 'additionalProperties')
  if (unknown?.keyword === 'additionalProperties') {
    const [, holder] = unknown.instancePath.split('/')
    const known = holder === undefined ? OptionsSchema.properties : innerOf(holder)
    const name = [...unknown.instancePath.split('/').slice(1), unknown.params.additionalProperties[0]].join('.')
    return `option "${name}" is not known; expected one of ${Object.keys(known).join(', ')}`
  }
  // Of a union every branch complains; the deepest place is the one that was meant.
  const [deepest] = errors.sort((a, b) => depth(b.instancePath) - depth(a.instancePath))
  const path = deepest?.instancePath.split('/').slice(1) ?? []
  const [name = '', inner = ''] = path
  const schema = (path.length > 1 ? innerOf(name) : OptionsSchema.properties) as Record<string, TSchema & Partial<Words>>
  const value = path.reduce<unknown>((holder, key) => (holder as Record<string, unknown>)[key], options)
  return `option "${path.join('.')}" is ${show(value)}; expected ${schema[inner || name]?.expected}`
}

/** The options within an option. */
function innerOf (name: string): Readonly<Record<string, TSchema>> {
  return name === 'authzen' ? AuthZenSchema.properties : CacheSchema.properties
}

function depth (pointer: string): number {
  return pointer.split('/').length
}

/** What was given. Of a text or an object only the kind is told: it may hold a token, or a password in a URL. */
function show (value: unknown): string {
  if (value === '') return 'an empty string'
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return String(value)
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value} that cannot be used`
}
