// Resolves the options: validates them, and fills in environment variables and defaults.
import type { TSchema } from 'typebox'
import type { DecisionOrigin, PathOptions, UpdatesEndpoint } from '../../decision/path-options.js'
import { OptionsError } from '../../contract/errors.js'
import { isRedisCluster, targetOfClient, targetOfText, type BusSettings, type BusTarget } from '../../bus/bus-target.js'
import type { ShadowReport } from '../../contract/shadow-difference.js'
import type { OnDecision } from '../../observe/audit-trail.js'
import type { MetricsOptions, OpenTelemetryOptions } from '../../observe/telemetry-options.js'
import type { BreakerOptions, HedgeOptions } from '../../pdp/http/transport.js'
import type { Requirement, RequirementFunction } from '../../guard/annotation.js'
import { isMethodMap } from '../../guard/method-map.js'
import type { DenialLevel, OnDenied } from '../../guard/on-denied.js'
import {
  DEFAULT_CHANNEL, headersChecker,
  HEADER_SAFE, BusSchema, CacheSchema, BreakerSchema, HedgeSchema, UpdatesSchema, OptionsSchema, busChecker,
  DEFAULT_INSPECTOR_PATH,
  optionsChecker, ShadowSchema, type BusOption, type HeadersFunction, type UserOption, type RolesOption, type TenantOption, type Words,
  type AnyOptions
} from './schema.js'
import { optionMistake, show } from '../../kit/option-mistakes.js'
import { isProduction } from '../../kit/is-production.js'
import type { MappingSettings } from '../../pdp/authzen/mapping.js'
import { typeObjectMistake } from '../../pdp/authzen/type-objects.js'
import { DEFAULT_RESERVED, withPreset, withStore } from './authzen-presets.js'

/** The options with all defaults filled in. */
export interface ResolvedOptions<R, Reply> extends PathOptions {
  readonly user: UserOption<R>
  readonly tenant: TenantOption<R> | undefined
  readonly roles: RolesOption<R> | undefined
  /** Headers that depend on the request. */
  readonly headersOf: HeadersFunction<R> | undefined
  readonly updates: UpdatesEndpoint | undefined
  readonly denials: DenialLevel
  readonly onDenied: OnDenied<R, Reply> | undefined
  readonly onDecision: OnDecision<R> | undefined
  readonly metrics: MetricsOptions | false
  readonly openTelemetry: OpenTelemetryOptions | false
  readonly inspector: ResolvedInspector<R> | undefined
  readonly strict: { readonly public?: readonly string[] } | false
  readonly openapi: boolean
  readonly routes: NonNullable<AnyOptions['routes']>
  readonly urls: AnyOptions['urls']
  readonly shadow: ShadowSettings | undefined
}

/** The option `shadow`, with its defaults. */
export interface ShadowSettings {
  readonly origin: DecisionOrigin
  /** From 0 to 1. */
  readonly sample: number
  /** The most questions to the shadow at a time. */
  readonly max: number
  readonly report: ShadowReport | undefined
}

/** The option `inspector`, when it is on. */
export interface ResolvedInspector<R> {
  readonly path: string
  readonly guard: Requirement<R> | RequirementFunction<R> | undefined
  readonly attributes: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

/** The options of `register` that Fastify itself reads. */
const FASTIFY_OPTIONS = new Set(['prefix', 'logLevel', 'logSerializers'])

/**
 * Validates the options and fills in environment variables and defaults. An explicit option takes precedence over the environment: with
 * `policy`, PERMIT_PDP_URL is ignored.
 * @throws {@link OptionsError}
 */
export function resolveOptions<R, Reply> (input: unknown, env: Environment): ResolvedOptions<R, Reply> {
  if (typeof input !== 'object' || input === null) throw new OptionsError(`the options are ${show(input)}; expected an object`)
  // An undefined option counts as not given, because `pdp: process.env.X` may be undefined.
  const options: unknown = Object.fromEntries(
    Object.entries(input).filter(([name, value]) => !FASTIFY_OPTIONS.has(name) && value !== undefined))
  if (!optionsChecker.Check(options)) throw new OptionsError(optionMistake(OptionsSchema, options))

  const origin = resolveOrigin(options, env)
  const cache = resolveCache(options.cache, origin)
  return {
    origin,
    user: options.user ?? subjectOfToken,
    tenant: options.tenant,
    roles: resolveRoles(options, origin),
    headersOf: typeof options.headers === 'function' ? options.headers : undefined,
    cache,
    timeout: options.timeout ?? defaultOf(OptionsSchema.properties.timeout),
    bus: resolveBus(options, origin, cache, env),
    updates: resolveUpdates(options.updates, origin, env),
    denials: options.denials ?? 'info',
    onDenied: options.onDenied as OnDenied<R, Reply> | undefined,
    onDecision: options.onDecision,
    metrics: options.metrics === true ? {} : options.metrics ?? false,
    openTelemetry: options.openTelemetry === true ? {} : options.openTelemetry ?? false,
    inspector: resolveInspector(options.inspector, env),
    strict: options.strict === true ? {} : options.strict ?? false,
    openapi: options.openapi ?? true,
    routes: options.routes ?? [],
    urls: options.urls,
    shadow: resolveShadow(options.shadow, env)
  }
}

/** A PDP over the network knows roles by its own facts only. */
function resolveRoles (options: AnyOptions, { kind }: DecisionOrigin): AnyOptions['roles'] {
  if (options.roles === undefined) return undefined
  const other = kind !== 'policy' ? 'pdp' : options.shadow?.pdp !== undefined ? 'shadow.pdp' : undefined
  if (other === undefined) return options.roles
  throw new OptionsError(`option "roles" is given with "${other}"; expected it with "policy" only, because a PDP over the network takes ` +
    'no roles with a question. Assign the roles there, or use attributes of the user')
}

function resolveInspector<R> (inspector: AnyOptions['inspector'], env: Environment): ResolvedInspector<R> | undefined {
  if (inspector === undefined || inspector === false) return undefined
  const { path = DEFAULT_INSPECTOR_PATH, guard, attributes = false } = inspector === true ? {} : inspector
  if (guard === undefined && isProduction(env)) {
    throw new OptionsError('option "inspector" is on with NODE_ENV=production, and does not say who may see it; ' +
      "expected inspector: { guard: 'type:action' }, or inspector: false")
  }
  // An entry could be `false`, which guards nothing.
  if (isMethodMap(guard)) {
    throw new OptionsError('option "inspector.guard" is a map of methods; expected one requirement, because the inspector only answers GET')
  }
  return { path, guard: guard as ResolvedInspector<R>['guard'], attributes }
}

function resolveOrigin (given: AnyOptions, env: Environment): DecisionOrigin {
  const { options, authzen, path, headers } = withPreset(given)
  if (options.authzen !== undefined && (options.protocol === 'permit' || options.policy !== undefined)) {
    const other = options.policy === undefined ? "protocol: 'permit'" : 'option "policy"'
    throw new OptionsError(`option "authzen" is given with ${other}; expected one of them`)
  }
  if (options.pdp !== undefined && options.policy !== undefined) {
    throw new OptionsError('both options "pdp" and "policy" are given; expected exactly one: ' +
      '"pdp" for a PDP over the network, or "policy" for the embedded PDP')
  }
  if (options.policy !== undefined && options.protocol !== undefined) {
    throw new OptionsError('both options "policy" and "protocol" are given; expected "protocol" with "pdp" only, ' +
      'because the embedded PDP uses no protocol')
  }
  if (options.policy !== undefined) {
    const { policy, data, unknown } = options
    return { kind: 'policy', policy, ...(data === undefined ? {} : { data }), ...(unknown === undefined ? {} : { unknown }) }
  }
  if (options.unknown !== undefined) {
    throw new OptionsError('option "unknown" is given without option "policy"; expected both, ' +
      'because a PDP over the network decides for itself')
  }
  if (options.data !== undefined) {
    throw new OptionsError('option "data" is given without option "policy"; expected both, because only the embedded PDP stores facts here')
  }

  const urls = options.pdp ?? env.PERMIT_PDP_URL
  if (urls === undefined || urls === '') {
    throw new OptionsError('neither option "pdp" (nor PERMIT_PDP_URL) nor option "policy" is given; expected exactly one, ' +
      "such as pdp: 'http://localhost:7766' or policy: './permit.yaml'")
  }
  const { connections, queue, batch, factsTimeout, retries } = OptionsSchema.properties
  const isAuthZen = options.protocol === 'authzen' || options.authzen !== undefined
  const name = options.pdp === undefined ? 'PERMIT_PDP_URL' : 'option "pdp"'
  const parsed = withStore(parseUrls(name, urls), name, path, presetOf(options))
  const hasSocket = parsed.some(({ protocol }) => protocol === 'unix:')
  if (isAuthZen && hasSocket && authzen.discovery === true) {
    throw new OptionsError('option "authzen.discovery" is true and option "pdp" a Unix socket; expected one of them, ' +
      'because the metadata of a PDP names URLs')
  }
  if (isAuthZen && !hasSocket && new Set(parsed.map(({ pathname }) => pathname.replace(/\/+$/, ''))).size > 1) {
    throw new OptionsError('option "pdp" has URLs with different paths; expected the same path for all replicas of an AuthZEN PDP')
  }
  const mapping = isAuthZen ? resolveMapping(options, authzen) : undefined
  const most = options.batch ?? (isAuthZen ? AUTHZEN_BATCH : defaultOf(batch))
  return {
    kind: 'pdp',
    urls: parsed,
    named: { pdp: name, token: options.token === undefined && !isAuthZen ? 'PERMIT_API_KEY' : 'option "token"' },
    token: options.token ?? (isAuthZen ? undefined : tokenOf(env)),
    headers: resolveHeaders(typeof options.headers === 'function' ? undefined : options.headers, headers),
    tls: resolveTls(options.tls, parsed),
    http2: resolveHttp2(options.http2, parsed),
    proxy: resolveProxy(options.proxy),
    dispatcher: resolveDispatcher(options, hasSocket),
    authzen: mapping === undefined
      ? undefined
      : { discovery: authzen.discovery ?? !hasSocket, mapping, plans: authzen.plans, probe: authzen.probe },
    connections: options.connections ?? defaultOf(connections),
    queue: options.queue ?? defaultOf(queue),
    batch: asksTwice(mapping) ? Math.max(1, Math.floor(most / 2)) : most,
    factsTimeout: options.factsTimeout ?? defaultOf(factsTimeout),
    retries: options.retries ?? defaultOf(retries),
    breaker: resolveBreaker(options.breaker),
    readiness: options.readiness ?? (isAuthZen ? false : PERMIT_HEALTH),
    hedge: resolveHedge(options.hedge)
  }
}

function presetOf ({ authzen }: AnyOptions): string | undefined {
  return typeof authzen === 'object' ? authzen.preset : authzen
}

function resolveMapping (options: AnyOptions, authzen: ReturnType<typeof withPreset>['authzen']): MappingSettings {
  const { map, ids, tenants, types, inheritFromType, longest, reserved = DEFAULT_RESERVED, named, cacheBuster } = authzen
  if (options.tenant !== undefined && tenants === undefined) {
    throw new OptionsError('option "tenant" is given, and option "authzen.tenants" does not say where the tenant goes; ' +
      "expected 'properties' for a PDP whose policies compare resource.properties.tenant (Cerbos, Permit), 'ids' for one that does not " +
      "know tenants (OpenFGA), { relation: 'name' }, { context: 'name' }, or 'map'. Otherwise tenants could separate nothing")
  }
  if (tenants === 'map' && map === undefined) {
    throw new OptionsError('option "authzen.tenants" is \'map\', and there is no option "authzen.map"; expected both')
  }
  const byRelation = typeof tenants === 'object' && 'relation' in tenants
  if (byRelation && map !== undefined) {
    throw new OptionsError('option "authzen.tenants" has a relation, and there is an option "authzen.map"; expected one of them, ' +
      'because the question about the relation is not mapped')
  }
  if (byRelation && authzen.plans === 'cerbos') {
    throw new OptionsError('option "authzen.tenants" has a relation, and option "authzen.plans" is \'cerbos\'; expected one of them, ' +
      'because plans of Cerbos have no relations')
  }
  if (byRelation && inheritFromType === true) {
    throw new OptionsError('option "authzen.tenants" has a relation, and option "authzen.inheritFromType" is true; expected one of ' +
      "them. The PDP's model can say what is inherited by this relation")
  }
  const mistake = types === undefined ? undefined : typeObjectMistake(types, tenants === 'ids' || byRelation)
  if (mistake !== undefined) throw new OptionsError(`option ${mistake}`)
  return { map, ids, tenants, types, inheritFromType, longest, reserved, named, cacheBuster }
}

/** Whether a check is two evaluations. */
function asksTwice (mapping: MappingSettings | undefined): boolean {
  const { inheritFromType, tenants } = mapping ?? {}
  return inheritFromType === true || (typeof tenants === 'object' && 'relation' in tenants)
}

/** The most checks in one AuthZEN batch, unless an option says otherwise: what Cerbos accepts by default. */
const AUTHZEN_BATCH = 50

/** The path at which Permit's PDP says whether it is ready. */
const PERMIT_HEALTH = '/healthy'

/** Headers that say how a request is read, or who sends it: with one of them, a request could become two, or another user's. */
const OWN_HEADERS = new Set([
  'accept', 'authorization', 'connection', 'content-encoding', 'content-length', 'content-type', 'expect', 'host', 'keep-alive',
  'proxy-authorization', 'te', 'trailer', 'transfer-encoding', 'upgrade'
])

type FixedHeaders = Readonly<Record<string, string>> | undefined

function resolveHeaders (headers: FixedHeaders, ofPreset: Readonly<Record<string, string>>): FixedHeaders {
  const own = ownHeaderIn(headers)
  if (own !== undefined) {
    throw new OptionsError(`option "headers" contains ${own}, which requests to the PDP already have; expected other headers` +
      (own.toLowerCase() === 'authorization' ? '. The option "token" is sent as authorization' : ''))
  }
  return Object.keys(ofPreset).length === 0 ? headers : { ...ofPreset, ...headers }
}

function ownHeaderIn (headers: FixedHeaders): string | undefined {
  return Object.keys(headers ?? {}).find(name => OWN_HEADERS.has(name.toLowerCase()))
}

/**
 * Checks what a function has returned as headers, with their names in lower case.
 * @param fixed - headers of every request: decisions are shared by requests, so none of them can choose another value
 * @throws `OptionsError`, without a value of a header
 */
export function readHeaders (given: Readonly<Record<string, string | undefined>> | undefined, fixed: FixedHeaders = {}): FixedHeaders {
  if (given === undefined) return undefined
  const headers: unknown = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  if (!headersChecker.Check(headers)) throw new OptionsError('the function in the option "headers" returned headers that cannot be sent')
  const own = ownHeaderIn(headers)
  if (own !== undefined) {
    throw new OptionsError(`the function in the option "headers" returned ${own}, which requests to the PDP already have`)
  }
  const read = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  const again = Object.keys(fixed).find(name => Object.hasOwn(read, name.toLowerCase()))
  if (again !== undefined) {
    throw new OptionsError(`the function in the option "headers" returned ${again}, which every request to the PDP already has`)
  }
  return read
}

function resolveHttp2 (http2: boolean | undefined, urls: readonly URL[]): boolean {
  if (http2 === true && !urls.every(({ protocol }) => protocol === 'https:')) {
    throw new OptionsError('option "http2" is given, and a URL of the PDP does not begin with https:; expected both, ' +
      'because HTTP/2 is agreed on in the TLS handshake')
  }
  return http2 ?? false
}

function resolveProxy (proxy: AnyOptions['proxy']): string | false | undefined {
  if (typeof proxy === 'string' && !URL.canParse(proxy)) {
    throw new OptionsError('option "proxy" is not a URL; expected the http(s) URL of a proxy, such as \'http://proxy:3128\'')
  }
  return proxy
}

function resolveDispatcher (options: AnyOptions, hasSocket: boolean): AnyOptions['dispatcher'] {
  const { dispatcher } = options
  if (dispatcher === undefined) return undefined
  const other = (['tls', 'http2', 'proxy'] as const).find(name => options[name] !== undefined)
  if (other !== undefined || hasSocket) {
    const what = other === undefined ? 'a Unix socket in "pdp"' : `option "${other}"`
    throw new OptionsError(`option "dispatcher" is given with ${what}; expected one of them, ` +
      'because a dispatcher opens its own connections')
  }
  return dispatcher
}

function resolveTls (tls: AnyOptions['tls'], urls: readonly URL[]): AnyOptions['tls'] {
  if (tls === undefined) return undefined
  if (!urls.some(({ protocol }) => protocol === 'https:')) {
    throw new OptionsError('option "tls" is given, and no URL of the PDP begins with https:; expected both, ' +
      'because other connections are not encrypted')
  }
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    const given = tls.cert === undefined ? 'key' : 'cert'
    throw new OptionsError(`option "tls.${given}" is given alone; expected "tls.cert" and "tls.key" together`)
  }
  return tls
}

function resolveBreaker (breaker: AnyOptions['breaker']): BreakerOptions | false {
  if (breaker === false) return false
  const { failures, halfOpenAfter } = BreakerSchema.properties
  return { failures: breaker?.failures ?? defaultOf(failures), halfOpenAfter: breaker?.halfOpenAfter ?? defaultOf(halfOpenAfter) }
}

function resolveHedge (hedge: AnyOptions['hedge'] = false): HedgeOptions | false {
  if (hedge === false) return false
  const { percentile, min } = HedgeSchema.properties
  return { percentile: hedge.percentile ?? defaultOf(percentile), min: hedge.min ?? defaultOf(min) }
}

function tokenOf (env: Environment): string {
  const token = env.PERMIT_API_KEY
  if (token === undefined || token === '') {
    throw new OptionsError('option "token" is missing, and so is PERMIT_API_KEY; expected the API key of the PDP')
  }
  if (!new RegExp(HEADER_SAFE).test(token)) {
    throw new OptionsError('PERMIT_API_KEY contains a character that is not allowed in a header; ' +
      'expected a string of visible ASCII characters, without spaces')
  }
  return token
}

/** Parses one URL or several, in an array or separated by commas. */
function parseUrls (name: string, texts: string | readonly string[]): URL[] {
  const urls = [texts].flat().flatMap(text => text.split(',')).map(text => parseUrl(name, text.trim()))
  if (new Set(urls.map(({ href }) => href)).size < urls.length) {
    throw new OptionsError(`${name} contains the same URL twice; expected each replica once`)
  }
  return urls
}

function parseUrl (name: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'unix:' && url.host === '' && /^\/[^/]/.test(url.pathname) && url.search === '' && url.hash === '') return url
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.hostname === 'unix') {
    throw new OptionsError(`${name} names the host "unix"; expected unix:/path/of.sock for a Unix socket, without http`)
  }
  const usable = url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  // The text is not quoted, because it may contain a password.
  if (!usable) throw new OptionsError(`${name} cannot be used; expected ${(OptionsSchema.properties.pdp as Partial<Words>).expected}`)
  return url
}

function resolveCache (cache: AnyOptions['cache'], origin: DecisionOrigin): PathOptions['cache'] {
  if (cache === false || (cache === undefined && origin.kind === 'policy')) return false
  const { max } = CacheSchema.properties
  const { ttl = defaultOf(CacheSchema.properties.ttl), staleIfError } = cache ?? {}
  if (staleIfError !== undefined && staleIfError <= ttl) {
    throw new OptionsError(`option "cache.staleIfError" is ${staleIfError}; expected more than cache.ttl, which is ${ttl}`)
  }
  return { ttl, max: cache?.max ?? defaultOf(max), ...(staleIfError === undefined ? {} : { staleIfError }) }
}

function resolveShadow (shadow: AnyOptions['shadow'], env: Environment): ShadowSettings | undefined {
  if (shadow === undefined) return undefined
  const { sample: share, max: most } = ShadowSchema.properties
  const { pdp, policy, token, sample = defaultOf(share), max = defaultOf(most), report } = shadow
  if ((pdp === undefined) === (policy === undefined)) {
    throw new OptionsError(`option "shadow" has ${pdp === undefined ? 'neither "pdp" nor "policy"' : 'both "pdp" and "policy"'}; ` +
      'expected exactly one of them')
  }
  if (policy !== undefined && token !== undefined) {
    throw new OptionsError('option "shadow.token" is given with "shadow.policy"; expected it with "shadow.pdp" only')
  }
  try {
    const given = policy === undefined ? { pdp, ...(token === undefined ? {} : { token }) } : { policy }
    return { origin: resolveOrigin(given as AnyOptions, env), sample, max, report }
  } catch (error) {
    if (error instanceof OptionsError) throw new OptionsError(error.message.replace(/\boption "(\w+)"/g, 'option "shadow.$1"'))
    throw error
  }
}

function resolveUpdates (updates: AnyOptions['updates'], origin: DecisionOrigin, env: Environment): UpdatesEndpoint | undefined {
  if (updates === undefined) return undefined
  if (origin.kind === 'policy') {
    throw new OptionsError('both options "updates" and "policy" are given; expected "updates" with "pdp" only, ' +
      'because the embedded PDP needs no reports')
  }
  const { path, secret = env.PERMIT_UPDATES_SECRET } = typeof updates === 'string' ? { path: updates } : updates
  const { expected } = UpdatesSchema.properties.secret as Partial<Words>
  if (secret === undefined || secret === '') {
    throw new OptionsError('option "updates" requires a secret, in "updates.secret" or PERMIT_UPDATES_SECRET; ' +
      `expected ${expected}. Without a secret, any client could empty the cache`)
  }
  if (secret.length < 16 || !new RegExp(HEADER_SAFE).test(secret)) {
    throw new OptionsError(`PERMIT_UPDATES_SECRET cannot be used; expected ${expected}`)
  }
  if (secret === origin.token) {
    throw new OptionsError('option "updates" uses the token as its secret; expected a different secret, ' +
      'because the sender of reports must not get the rights of the token')
  }
  return { path, secret }
}

/** The secret of processes that meet at a socket which only their user can reach, where no other is given. */
const CLUSTER_SECRET = 'the processes of one machine'

function resolveBus (options: AnyOptions, origin: DecisionOrigin, cache: PathOptions['cache'], env: Environment): BusSettings | undefined {
  const { bus } = options
  if (bus === undefined) return undefined
  const { target, settings } = readBus(bus)
  if (cache === false) {
    const why = origin.kind === 'policy' ? ', and the embedded PDP has none unless "cache" is set' : ''
    throw new OptionsError(`option "bus" is given without a cache; expected both, because the bus empties caches${why}`)
  }
  const { secret } = BusSchema.properties
  const token = origin.kind === 'pdp' && typeof origin.token === 'string' ? origin.token : undefined
  const shared = settings.secret ?? (env.PERMIT_BUS_SECRET === '' ? undefined : env.PERMIT_BUS_SECRET) ?? token ??
    (target.kind === 'cluster' ? CLUSTER_SECRET : undefined)
  if (shared === undefined) {
    throw new OptionsError('option "bus" requires a secret that all instances share, in "bus.secret" or PERMIT_BUS_SECRET, ' +
      `because the token is not a fixed one; expected ${(secret as Partial<Words>).expected}`)
  }
  if (shared.length < 16 && shared !== token) {
    throw new OptionsError(`PERMIT_BUS_SECRET cannot be used; expected ${(secret as Partial<Words>).expected}`)
  }
  return { target, secret: shared, channel: settings.channel ?? DEFAULT_CHANNEL, degradedTtl: settings.degradedTtl ?? cache.ttl }
}

function readBus (bus: NonNullable<AnyOptions['bus']>): { readonly target: BusTarget, readonly settings: BusOption } {
  const expected = (OptionsSchema.properties.bus as Partial<Words>).expected
  if (typeof bus === 'string') {
    const target = targetOfText(bus)
    // The text is not quoted, because it may contain a password.
    if (target === undefined) throw new OptionsError(`option "bus" cannot be used; expected ${expected}`)
    return { target, settings: {} }
  }
  refuseCluster('bus', bus)
  const itself = targetOfClient(bus)
  if (itself !== undefined) return { target: itself, settings: {} }
  if (!busChecker.Check(bus)) throw new OptionsError(optionMistake(OptionsWithBus, { bus }))
  const { url, client } = bus
  if ((url === undefined) === (client === undefined)) {
    throw new OptionsError(`option "bus" has ${url === undefined ? 'neither "url" nor "client"' : 'both "url" and "client"'}; ` +
      'expected exactly one of them')
  }
  if (client !== undefined) refuseCluster('bus.client', client as object)
  const target = url === undefined ? targetOfClient(client as object) : targetOfText(url)
  if (target === undefined) {
    throw new OptionsError(`option "bus.${url === undefined ? 'client' : 'url'}" cannot be used; expected ${expected}`)
  }
  return { target, settings: bus }
}

function refuseCluster (option: string, client: object): void {
  if (!isRedisCluster(client)) return
  throw new OptionsError(`option "${option}" is a client of a Redis Cluster, which is not supported; ` +
    'expected a client of one of its nodes, or the URL of one: a message that one node gets reaches the subscribers of all')
}

/** The schema of the option with its settings, for a message that names the setting. */
const OptionsWithBus = { type: 'object', properties: { bus: BusSchema } }

/** The default of `user`: the subject of the token that `@fastify/jwt` verified. */
function subjectOfToken (request: unknown): string | undefined {
  const user: unknown = (request as { user?: unknown }).user
  if (typeof user !== 'object' || user === null || !('sub' in user)) return undefined
  return user.sub as string | undefined
}

function defaultOf (schema: TSchema & { default?: number }): number {
  return schema.default as number
}
