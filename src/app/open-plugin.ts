// Opens the plugin: creates everything that a framework's adapter needs from the options. All adapters use this one function.
import type { Shadow } from './shadow.js'
import type { ServerResponse } from 'node:http'
import { Checks } from '../decision/checks.js'
import { Observation } from '../observe/observation.js'
import type { Generations } from '../decision/generations.js'
import { openPath, PROBING_KEY, type DecisionPath } from '../decision/path.js'
import { createQuery } from '../decision/query.js'
import { openObservers, type Observers } from '../observe/observers.js'
import { resolveOptions, type ResolvedOptions } from './options/resolve.js'
import type { Caller } from '../contract/point.js'
import { Writer } from './write/writer.js'
import { loadOnce } from '../kit/load-once.js'
import type { UrlAsking } from '../guard/url-query.js'
import type { Enforcement } from '../guard/enforce.js'
import type { Inspected } from './inspector-source.js'
import { callerWithHeaders } from './caller-with-headers.js'
import { logRefusal, type RefusalLog } from '../guard/on-denied.js'
import { AnnotationError, ForbiddenError, OptionsError } from '../contract/errors.js'
import { BY_FUNCTION, type DescribedPermission } from '../guard/description.js'

/** The plugin's logger, in the shape of pino and Fastify. */
export interface OpeningLog {
  debug (details: object, message: string): void
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}

/** The opened plugin. Until `open` has resolved, every request is refused. */
export interface Opening<R, Reply> {
  readonly enforcement: Enforcement<R>
  readonly checks: Checks
  readonly writer: Writer
  /** Observers of checks are added here. */
  readonly observation: Observation
  /** What the inspector reads. */
  readonly inspected: Inspected
  /** Options that the framework's adapter implements itself. */
  readonly options: Pick<ResolvedOptions<R, Reply>, 'updates' | 'onDenied' | 'onDecision' | 'inspector' | 'strict' | 'openapi' | 'routes'>
  /** Opens the decision point. Rejects with `PolicyFileError` or `DataError`. */
  open (): Promise<void>
  /**
   * Returns a sentence when the resource type or action of a permission is not in the embedded policy, with the most similar name. Returns
   * undefined otherwise, and always for a PDP over the network.
   */
  unknownWord (type: string, action: string): Promise<string | undefined>
  /**
   * Checks that the PDP can be asked for the permissions of an annotation. For PDPs that are asked by AuthZEN.
   * @param name - of the annotation, for the message
   * @throws `AnnotationError`
   */
  requireAskable (name: string, permissions: readonly DescribedPermission[]): void
  /** Asks the PDP the first of these that is known before a request, and logs why there is no decision. For PDPs asked by AuthZEN. */
  probeWith (permissions: readonly DescribedPermission[]): Promise<void>
  /** Waits for checks in flight, at most for the deadline of a check, then closes everything. */
  close (): Promise<void>
}

export interface OpeningContext<R> {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: OpeningLog
  /** The caller that waits for the answer to a request. */
  readonly caller: (request: R) => Caller | undefined
  /** The request's id in the app's log, if there is one. */
  readonly requestId: (request: R) => string | undefined
  /** The response of the request, if known. */
  readonly response: (request: R) => ServerResponse | undefined
  /** The log of a request. */
  readonly logOf: (request: R) => RefusalLog
  /** Keeps the framework from logging a denial that is in the log already. */
  readonly quiet?: (request: R, error: ForbiddenError) => void
  /** Reads the URL of a request for URL mapping rules; undefined for a framework that does not tell the route. */
  readonly readUrl?: NonNullable<UrlAsking<R>['read']>
}

/** The resolved options, and a decision path that is not loaded yet. */
export interface Prepared<R, Reply> {
  readonly options: ResolvedOptions<R, Reply>
  /** Loads the modules that the options need and assembles the decision path. It opens nothing yet. */
  load (generations?: Generations): Promise<DecisionPath>
  /** Creates what an adapter needs around the decision path, or around a path that waits for it. */
  around (path: DecisionPath): Opening<R, Reply>
}

/**
 * Resolves the options.
 * @throws `OptionsError`
 */
export function prepare<R, Reply> (input: unknown, context: OpeningContext<R>): Prepared<R, Reply> {
  const { env, log, requestId, response, readUrl } = context
  const options = resolveOptions<R, Reply>(input, env)
  const fixed = options.origin.kind === 'pdp' ? options.origin.headers : undefined
  const caller = options.headersOf === undefined ? context.caller : callerWithHeaders(context.caller, options.headersOf, log, fixed)
  const { origin, cache, timeout, bus, tenant, urls } = options
  const user = userOf(options)
  const observation = new Observation(error => log.error({ err: error }, 'permit: a subscriber of checks threw an error'))
  const measures = options.metrics !== false || options.openTelemetry !== false
  const onSent = measures ? (questions: number) => observation.sent(questions) : undefined
  return {
    options,
    load: generations => openPath({ origin, cache, timeout, bus }, log, onSent, generations),
    around: path => openingOf(path)
  }

  function refused (request: R, error: Error): void {
    logRefusal(error, context.logOf(request), options.denials)
    if (error instanceof ForbiddenError) context.quiet?.(request, error)
  }

  function urlsOf ({ pdp, opened }: DecisionPath): UrlAsking<R> | undefined {
    if (urls === undefined) return undefined
    if (pdp.mapUrl === undefined && pdp.decidesUrls !== true) {
      throw new OptionsError("option \"urls\" is given with protocol: 'authzen'; expected it with Permit's PDP or \"policy\", " +
        'because AuthZEN has no URL mapping rules')
    }
    return { base: urls.base.replace(/\/+$/, ''), isDefault: urls.default ?? false, read: readUrl, opened, pdp }
  }

  function openingOf (path: DecisionPath): Opening<R, Reply> {
    const checks = new Checks(path, timeout, observation)
    let observers: Observers | undefined
    let shadow: Shadow | undefined
    return {
      enforcement: { checks, user, tenant, urls: urlsOf(path), caller, requestId, response, refused },
      checks,
      writer: new Writer(path.facts),
      observation,
      inspected: { path, timeout, checks },
      options,
      async open () {
        observers = await openObservers(options)
        for (const observer of observers.list) observation.add(observer)
        observers.read(() => checks.stats())
        await path.pdp.open()
        if (options.shadow !== undefined) {
          const { Shadow } = await import('./shadow.js')
          const opened = await Shadow.open(options.shadow, timeout, log)
          shadow = opened
          observation.add(opened)
          checks.countShadow(() => opened.stats)
        }
        // Last, so that no decision is cached before this instance hears the others.
        await path.bus?.open()
        log.debug({ permit: { pdp: origin.kind === 'pdp' ? path.pdp.name : 'embedded', cache, timeout } }, 'permit: ready')
      },
      async unknownWord (type, action) {
        if (origin.kind !== 'policy') return undefined
        // Asks the engine directly: this is not a user's check and must not be counted or reported as one.
        const { code, reason } = await path.pdp.decide(createQuery('nobody', action, type), Infinity, { source: undefined })
        return code === 'no_such_resource' || code === 'no_such_action' ? reason : undefined
      },
      requireAskable (name, permissions) {
        for (const { type, resource, tenant: of } of permissions) {
          // The resource of a function is not known before a request.
          if (type === undefined) continue
          const mistake = path.pdp.mistakeIn?.(type, resource === type, of === BY_FUNCTION ? undefined : of)
          if (mistake !== undefined) throw new AnnotationError(`${name} cannot be asked: ${mistake}`)
        }
      },
      async probeWith (permissions) {
        const known = permissions.find(({ type, resource }) => type !== undefined && resource !== BY_FUNCTION)
        if (known === undefined || path.pdp.probeWith === undefined) return
        const { type = '', resource, action, tenant: of } = known
        const key = resource === type ? {} : { key: PROBING_KEY }
        await path.pdp.probeWith(createQuery(PROBING_KEY, action, { type, ...key }, of === BY_FUNCTION ? undefined : of))
      },
      async close () {
        await Promise.all([checks.close(), shadow?.close(performance.now() + timeout)])
        observers?.close()
      }
    }
  }
}

/** The option `user`, with the roles of the option `roles`. An app without that option does not load what it needs. */
function userOf<R, Reply> ({ user, roles, tenant }: ResolvedOptions<R, Reply>): Enforcement<R>['user'] {
  if (roles === undefined) return user
  const load = loadOnce(() => import('../decision/roles-of-request.js').then(({ userWithRoles }) => userWithRoles(user, roles, tenant)))
  return request => {
    const loaded = load()
    return loaded instanceof Promise ? loaded.then(userWithRoles => userWithRoles(request)) : loaded(request)
  }
}
