// Guards every annotated route of a scope, whenever and however the route is declared.
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction, preHandlerHookHandler, RouteOptions } from 'fastify'
import { AnnotationError, UndeclaredRouteError } from '../contract/errors.js'
import { printable } from '../kit/printable.js'
import {
  asksRoute, asksUrl, compileGuard, compileNamed, type CompiledAnnotation as AnyCompiledAnnotation, type CompiledGuard
} from '../guard/compile-annotation.js'
import { NO_URLS } from '../guard/url-query.js'
import { describeAnnotation, type DescribedPermission, type Description } from '../guard/description.js'
import { forMethods, isMethodMap } from '../guard/method-map.js'
import { guardsRoute, opensRoute, ROUTE_PATTERN } from '../guard/route-patterns.js'
import { readGuardOptions, type GuardOptions } from '../guard/guard-options.js'
import { undeclared, type RouteIdentity, type Strictness } from '../guard/strict.js'
import { createGuard, type AnswersDenied, type FastifyEnforcement, type GuardHook } from './guard-hook.js'
import { documentRoute } from './openapi.js'
import { behindGuards, guardsWorn, type Post } from './guarded-handler.js'
import { isInside, ScopeRequirements } from './scope-requirements.js'
import { notFoundBehindGuards, watchNotFound, type NotFoundHandler, type NotFoundOptions } from './not-found.js'
import { runNotFoundHooks, verifyNotFoundHooks } from './not-found-hooks.js'
import { PASS_SLOTS, type GuardIdentity } from './passed-guards.js'
import { annotationIn, readConfig, refuseMisplaced, type Boxed } from './route-annotation.js'
import { identityOf, rowOf, rowsWithoutHeadTwins, unknownRow, type RouteRow } from './route-table.js'
import { routesBeforePlugin } from './routes-before-plugin.js'
import { GUARD_STATES_SLOT } from './blocking-guards.js'
import { keepReply, REPLY_SLOT } from './reply-of-request.js'
import type { Annotation } from './fastify-types.js'
import { descendantsOf, isUntouched, rootOf } from './scopes.js'
import { paramsOfUrl } from './route-url.js'
import { paramNames } from './url-params.js'

type CompiledAnnotation = AnyCompiledAnnotation<FastifyRequest>

/** What was read of a route or a 404 handler when it was declared. */
interface Declared {
  readonly annotation: Boxed | undefined
}

interface SeenRoute extends Declared {
  readonly route: RouteOptions
  readonly scope: FastifyInstance
  /** Its methods and its URL as they were read: a later onRoute hook can change them. */
  readonly identity: RouteIdentity
  /** What the annotation means for the methods of the route. */
  readonly required: Annotation | undefined
  readonly guard: preHandlerHookHandler | undefined
  /** The guards among its hooks, and those that `require()` has added. */
  readonly hooks: readonly preHandlerHookHandler[]
  /** The lists of guards that its handlers wait for. */
  readonly lists: GuardIdentity[][]
  /** Whether `require()` makes an exception for it. */
  readonly isExcepted: boolean
  /** Whether it is one of the plugin's own. */
  readonly isOwn: boolean
}

/** An entry of the option `routes`. */
interface RouteEntry {
  readonly name: string
  readonly value: Annotation
  readonly covers: (route: RouteIdentity) => boolean
  isUsed: boolean
}

/** What the adapter of Fastify enforces besides annotations. */
export interface RouteRules {
  /** Undefined when routes may have no annotation. */
  readonly strict: Strictness | undefined
  /** Whether guarded routes are documented. */
  readonly openapi: boolean
  /** The option `routes`. */
  readonly routes: ReadonlyArray<{ readonly url: string, readonly permit: Annotation }>
}

/** The options of `require()`. */
export interface RequireOptions {
  /**
   * The routes of the scope that need not meet the requirement, such as `/admin/login`. URLs as they are declared, with prefixes; a
   * trailing `/*` includes all routes below, and a method before the URL restricts the entry to it.
   * @defaultValue none
   */
  readonly except?: readonly string[]
}

/** The property of a config that marks the plugin's own routes, which protect themselves. */
export const OWN_ROUTE: unique symbol = Symbol('fastify-permit.own-route')

interface Late {
  readonly value: Annotation
  readonly guard: preHandlerHookHandler | 'public'
}

interface Made {
  readonly params: readonly string[]
  readonly by: 'annotation' | 'hook' | 'scope'
  readonly annotation: Exclude<Annotation, false>
}

/** The guards of one registration of the plugin. */
export class RouteGuards {
  #enforcement: FastifyEnforcement | undefined
  #strict: Strictness | undefined
  #openapi = false
  #entries: readonly RouteEntry[] = []
  readonly #scopes = new ScopeRequirements()
  #isVerified = false
  /** Whether every route is in `#seen` or in `#unseen`. */
  #seesAll = false
  /** Routes declared before the plugin. Their annotations cannot be read. */
  #unseen: readonly RouteIdentity[] = []
  /** Every guard created here, with the params in its templates. */
  readonly #made = new WeakMap<object, Made>()
  readonly #seen: SeenRoute[] = []
  /**
   * What was read of a route, by the handler that Fastify runs for it. That handler was created here, and refuses requests that have not
   * passed the guards. A config or a hook would prove nothing, because it can be copied to another route.
   */
  readonly #declared = new WeakMap<object, Declared>()
  /** The scopes whose 404 handler is wrapped with its guards. */
  readonly #withNotFound = new Set<FastifyInstance>()
  /** Guards of routes whose declaration was not seen, by their config. */
  readonly #late = new WeakMap<object, Late>()
  /** Why the app did not start. Requests may still arrive, because a second `inject` ignores Fastify's error. */
  #broken: Error | undefined

  /** Installs the guards in a scope, for existing and future routes. They refuse every request until `start` is called. */
  install (app: FastifyInstance): void {
    for (const slot of [...PASS_SLOTS, REPLY_SLOT, GUARD_STATES_SLOT]) if (!app.hasRequestDecorator(slot)) app.decorateRequest(slot, null)
    const onRoute = (scope: FastifyInstance, route: RouteOptions) => this.#onRoute(scope, route)
    app.addHook('onRoute', function (route) { onRoute(this, route) })
    this.#scopes.watchHooks(app, hook => this.#made.has(hook))
    watchNotFound(app, (scope, options, handler) => this.#onNotFoundHandler(scope, options, handler))
    runNotFoundHooks(app)
    // onRoute does not see existing routes, nor future routes of existing scopes. A hook of the whole scope runs for all of them, and for
    // 404 handlers. Finding the route of a request costs time, so when only a 404 handler can have been missed, other requests skip it.
    const onlyNotFound = isUntouched(app)
    for (const scope of descendantsOf(app)) scope.addHook('onRoute', prepareLate)
    // A router contains the routes of the whole app. Only at the root do all of them belong to this plugin.
    if (!onlyNotFound && rootOf(app) === app) this.#unseen = routesBeforePlugin(app)
    this.#seesAll = onlyNotFound || (rootOf(app) === app && descendantsOf(app).length === 0)
    app.addHook('preHandler', (request, reply, done) => {
      keepReply(request, reply)
      if (onlyNotFound && !request.is404) done()
      else this.#onRequest(request, reply, done)
    })
    app.addHook('onReady', async () => this.#verify(app))
  }

  /**
   * Starts to decide requests.
   * @throws `AnnotationError` when an entry of the option `routes` is invalid
   */
  start (enforcement: FastifyEnforcement, { strict, openapi, routes }: RouteRules): void {
    this.#enforcement = enforcement
    this.#strict = strict
    this.#openapi = openapi
    this.#entries = routes.map(({ url, permit: value }, index) => {
      const name = `option "routes[${index}].permit"`
      this.#compile(value, name)
      return { name, value, covers: value === false ? opensRoute([url]) : guardsRoute(url), isUsed: false }
    })
  }

  /**
   * Requires a permission for every route of a scope, in addition to what the routes require themselves.
   * @throws `AnnotationError` when the requirement is invalid, or the scope has a route already
   */
  require (scope: FastifyInstance, requirement: Exclude<Annotation, false>, { except = [] }: RequireOptions): void {
    if (this.#isVerified) throw new AnnotationError('require() was called after the app is ready; call it where the scope is declared')
    const patterns: unknown = except
    const isPattern = (pattern: unknown): boolean => typeof pattern === 'string' && new RegExp(ROUTE_PATTERN).test(pattern)
    const wrong: unknown = Array.isArray(patterns) ? patterns.find(pattern => !isPattern(pattern)) : patterns
    if (wrong !== undefined) {
      const given = typeof wrong === 'string' ? JSON.stringify(wrong) : typeof wrong
      throw new AnnotationError(`require(): the option "except" has ${given}; expected an array of URLs as they are declared, with ` +
        "prefixes, such as '/admin/login', '/admin/docs/*' or 'GET /admin/health'")
    }
    const early = this.#seen.find(({ scope: of, isOwn }) => !isOwn && isInside(of, scope))
    if (early !== undefined || [...this.#withNotFound].some(of => isInside(of, scope))) {
      const name = early === undefined ? 'the 404 handler' : nameOf(early.route.method, early.route.url)
      throw new AnnotationError(`require() was called after ${name} was declared in its scope; call it before every route of the scope`)
    }
    const compiled = compileNamed<FastifyRequest>('require()', requirement, this.#enforcement?.tenant)
    if (compiled.kind === 'public') throw new AnnotationError('require(false) requires nothing; remove it')
    if (asksUrl(compiled)) requireUrls(this.#enforcement, 'require()', undefined)
    this.#scopes.add({ scope, guard: this.#make(compiled, requirement, 'scope'), isExcepted: opensRoute(except) })
  }

  /** What each route requires, as far as it is known. */
  rows (): RouteRow[] {
    const unseen = this.#unseen.map(route => unknownRow(route, this.#strict?.isPublic(route) === true))
    return rowsWithoutHeadTwins([...unseen, ...this.#seen.map(seen => {
      const guards = this.#guardsOf(seen)
      const isOfScope = (guard: preHandlerHookHandler): boolean => !seen.hooks.includes(guard) || this.#made.get(guard)?.by === 'scope'
      return rowOf({
        route: seen.route,
        byAnnotation: this.#describe(seen.route, seen.required, [])[0],
        byHooks: this.#describe(seen.route, undefined, guards.filter(guard => !isOfScope(guard))),
        byScope: this.#describe(seen.route, undefined, guards.filter(isOfScope)),
        isPublic: guards.length === 0 && this.#isPublic(seen)
      })
    })])
  }

  /** The permissions that the routes require, by the names of the routes. */
  described (): Array<{ readonly name: string, readonly permissions: readonly DescribedPermission[] }> {
    return this.#seen.map(seen => ({
      name: nameOf(seen.route.method, seen.route.url),
      permissions: this.#describe(seen.route, seen.required, this.#guardsOf(seen)).flatMap(({ permissions }) => permissions)
    }))
  }

  #isPublic ({ route, required, isExcepted }: SeenRoute): boolean {
    return required === undefined ? isExcepted || this.#strict?.isPublic(identityOf(route)) === true : required === false
  }

  /** The guards of a route that are not of its annotation, those of its scope first. */
  #guardsOf ({ scope, hooks }: SeenRoute): readonly preHandlerHookHandler[] {
    return [...new Set([...this.#scopes.hooksOf(scope), ...hooks])]
  }

  /** Describes what a route requires: by its hooks, then by its annotation. */
  #describe ({ method }: RouteOptions, required: Annotation | undefined, hooks: readonly object[]): Description[] {
    const annotations = [...hooks.map(hook => this.#made.get(hook)?.annotation), required]
    return annotations.flatMap(annotation => {
      const own = annotation === undefined ? undefined : forMethods(annotation, toArray(method))
      return own === undefined || own === false ? [] : [describeAnnotation(own, this.#enforcement?.tenant !== undefined)]
    })
  }

  /** Creates a guard as a hook, for apps that add it to a route themselves. */
  guard (requirement: Exclude<Annotation, false>, options?: GuardOptions): GuardHook {
    const { onDenied } = readGuardOptions(options)
    const compiled = compileGuard<FastifyRequest>(requirement, this.#enforcement?.tenant)
    if (asksUrl(compiled)) requireUrls(this.#enforcement, 'guard()', undefined)
    return this.#make(compiled, requirement, 'hook', onDenied ? 'when sent' : 'never')
  }

  #make (
    compiled: CompiledGuard<FastifyRequest>, annotation: Exclude<Annotation, false>, by: Made['by'],
    answers: AnswersDenied = 'at once'
  ): GuardHook {
    const guard = createGuard(() => this.#enforcement, compiled, answers)
    this.#made.set(guard, { params: compiled.params, by, annotation })
    return guard
  }

  #onRoute (scope: FastifyInstance, route: RouteOptions): void {
    const name = nameOf(route.method, route.url)
    const identity = identityOf(route)
    const own = this.#guardsAmong(route, route.url, name, identity.methods)
    const read = readConfig(route.config)
    const isOwn = OWN_ROUTE in read.config
    const guards = [...own]
    if (read.annotation === undefined) {
      refuseMisplaced(route, read.config, name)
      guards.push(...wornBy(route, name))
    }
    // A requirement of the scope is in addition to what the route requires, by its URL, too.
    const saysItself = guards.length > 0
    const ofScope = isOwn ? [] : this.#scopes.requiredOf(scope, identity).filter(guard => !guards.includes(guard))
    for (const guard of ofScope) this.#requireFits(guard, route.url, `require() on ${name}`, identity.methods)
    guards.push(...ofScope)
    const { config, annotation } = this.#withDefault(identity, read, saysItself)
    const required = annotation === undefined
      ? undefined
      : named(`config.permit of ${name}`, () => forMethods(annotation.value, identity.methods))
    // Undefined in a box is a mistake, and no missing annotation.
    const compiled = annotation === undefined ? undefined : this.#compile(required as Annotation, `config.permit of ${name}`, route.url)
    if (compiled?.kind === 'public' && ofScope.length > 0) {
      throw new AnnotationError(`${name} is public by permit: false, but its scope requires a permission; add ` +
        `${JSON.stringify(route.url)} to the option "except" of require(), or remove permit: false`)
    }
    let guard: preHandlerHookHandler | undefined
    if (compiled !== undefined && compiled.kind !== 'public') {
      requireParams(compiled.params, route.url, `config.permit of ${name}`)
      guard = this.#make(compiled, required as Exclude<Annotation, false>, 'annotation')
      guards.push(guard)
    }
    if (ofScope.length > 0 || guard !== undefined) {
      // After the route's own hooks, so that every kind of authentication has run. A route that was created from a copy of another route's
      // options has that route's guard, which is replaced.
      const replaced = (hook: object): boolean => guard !== undefined && this.#made.get(hook)?.by === 'annotation'
      route.preHandler = [
        ...toArray(route.preHandler).filter(hook => !replaced(hook)), ...ofScope, ...guard === undefined ? [] : [guard]
      ]
    }
    route.config = config as RouteOptions['config']
    const hooks = [...own, ...ofScope]
    const isExcepted = this.#scopes.isExcepted(scope, identity)
    const seen: SeenRoute = { route, scope, identity, annotation, required, guard, hooks, lists: [], isExcepted, isOwn }
    const described = this.#guardsOf(seen)
    if (this.#openapi && guards.length + described.length > 0) documentRoute(scope, route, this.#describe(route, required, described))
    const post = this.#post(scope, guards, seen)
    // Fastify binds the handler when all onRoute hooks have run.
    const onBound = (handler: object): void => {
      this.#requireUnchanged(seen)
      post.onBound(handler)
    }
    putBehind(route, { ...post, onBound }, seen.lists)
    this.#seen.push(seen)
  }

  /** Checks that a later onRoute hook has not given a route a method or a URL for which something else is required. */
  #requireUnchanged ({ route, scope, identity, annotation, isOwn }: SeenRoute): void {
    const now = identityOf(route)
    const isSlashAdded = identity.url === scope.prefix && now.url === `${scope.prefix}/`
    const isSameUrl = isSlashAdded || now.url === identity.url
    const isSameMethod = now.methods.length === identity.methods.length && now.methods.every(method => identity.methods.includes(method))
    if (isOwn || (isSameUrl && isSameMethod)) return
    const required = (route: RouteIdentity): readonly unknown[] =>
      [this.#entryOf(route)?.value, ...this.#scopes.requiredOf(scope, route), this.#defaultOf(route)]
    const before = required(identity)
    const after = required(now)
    const isByMethod = !isSameMethod && isMethodMap(annotation?.value)
    if (!isByMethod && before.length === after.length && before.every((value, index) => value === after[index])) return
    throw new AnnotationError(`${nameOf(identity.methods, identity.url)} became ${nameOf(now.methods, now.url)} after fastify-permit had ` +
      'read it, and something else is required of it; add the onRoute hook that changes it before you register fastify-permit')
  }

  /** Adds the annotation of the option `routes`, or of `urls.default`. */
  #withDefault (route: RouteIdentity, read: ReturnType<typeof readConfig>, isGuarded: boolean): ReturnType<typeof readConfig> {
    if (read.annotation !== undefined) return read
    const value = this.#entryOf(route)?.value ?? (isGuarded ? undefined : this.#defaultOf(route))
    return value === undefined ? read : { config: { ...read.config, permit: value }, annotation: { value } }
  }

  #defaultOf (route: RouteIdentity): Annotation | undefined {
    return this.#enforcement?.urls?.isDefault === true && this.#strict?.isPublic(route) !== true ? 'url' : undefined
  }

  /** The first entry of the option `routes` that covers a route. */
  #entryOf (route: RouteIdentity): RouteEntry | undefined {
    const entry = this.#entries.find(({ covers }) => covers(route))
    if (entry !== undefined) entry.isUsed = true
    return entry
  }

  /** Returns the options and the handler to set instead of a 404 handler. */
  #onNotFoundHandler (
    scope: FastifyInstance, options: NotFoundOptions, handler: NotFoundHandler
  ): readonly [NotFoundOptions, NotFoundHandler] {
    const name = 'the 404 handler'
    const guards = this.#guardsAmong(options, '*', name, undefined)
    const { config, annotation } = readConfig(options.config)
    if (annotation === undefined) refuseMisplaced(options, config, name)
    if (annotation !== undefined) named(`config.permit of ${name}`, () => forMethods(annotation.value, undefined))
    const compiled = annotation === undefined ? undefined : this.#compile(annotation.value, `config.permit of ${name}`)
    const preHandler = [...toArray(options.preHandler)]
    // A requirement of the scope is for its 404 handler, too, which may serve pages or hand requests on.
    const ofScope = compiled?.kind === 'public' ? [] : this.#scopes.requiredOf(scope, undefined).filter(guard => !guards.includes(guard))
    for (const guard of ofScope) this.#requireFits(guard, '*', `require() on ${name}`, undefined)
    guards.push(...ofScope)
    preHandler.push(...ofScope)
    if (annotation !== undefined && compiled !== undefined && compiled.kind !== 'public') {
      requireParams(compiled.params, '*', `config.permit of ${name}`)
      const guard = this.#make(compiled, annotation.value as Exclude<Annotation, false>, 'annotation')
      guards.push(guard)
      preHandler.push(guard)
    }
    const post = { ...this.#post(scope, guards, { annotation }), guards }
    this.#withNotFound.add(scope)
    return [{ ...options, preHandler, config: config as NotFoundOptions['config'] }, notFoundBehindGuards(handler, post)]
  }

  /** The guards among the hooks of a route. */
  #guardsAmong (hooks: NotFoundOptions, url: string, name: string, methods: readonly string[] | undefined): preHandlerHookHandler[] {
    const guards: preHandlerHookHandler[] = []
    for (const hook of hooksOf(hooks)) {
      const made = this.#made.get(hook)
      if (made === undefined || made.by === 'annotation') continue
      this.#requireFits(hook, url, `guard() on ${name}`, methods)
      guards.push(hook as preHandlerHookHandler)
    }
    return guards
  }

  /** Checks that the URL of a route has the params of a guard, and that the guard names the route's methods. */
  #requireFits (guard: object, url: string, name: string, methods: readonly string[] | undefined): void {
    const made = this.#made.get(guard)
    if (made === undefined) return
    requireParams(made.params, url, name)
    named(name, () => forMethods(made.annotation, methods))
  }

  #post (scope: FastifyInstance, guards: readonly preHandlerHookHandler[], declared: Declared): Post {
    return { scope, guards, broken: () => this.#broken, onBound: handler => { this.#declared.set(handler, declared) } }
  }

  /** Runs for each request: guards it when its route was not seen, and refuses it when the app must not have started. */
  #onRequest (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    if (this.#broken !== undefined) {
      done(this.#broken)
      return
    }
    const { config, handler } = request.routeOptions
    const declared = this.#declared.get(handler)
    const annotation = annotationIn(config)
    if (declared !== undefined && Object.is(declared.annotation?.value, annotation?.value) &&
      (declared.annotation === undefined) === (annotation === undefined)) {
      done()
      return
    }
    let guards: readonly preHandlerHookHandler[]
    try {
      guards = declared === undefined || annotation !== undefined ? this.#guardsLate(annotation, request, declared !== undefined) : []
    } catch (error) {
      done(error as Error)
      return
    }
    runInTurn(guards, request, reply, done)
  }

  /** The guards of a request whose route was not seen. */
  #guardsLate (annotation: Boxed | undefined, request: FastifyRequest, isSeen: boolean): readonly preHandlerHookHandler[] {
    const { url = '', method, handler } = request.routeOptions
    const identity = identityOf({ method, url })
    // The one that Fastify has without a handler of the app. All others are bound functions.
    const isPlainNotFound = request.is404 && handler.name === 'basic404'
    const ofScope = isSeen || isPlainNotFound ? [] : this.#scopes.requiredOf(request.server, request.is404 ? undefined : identity)
    const value = annotation === undefined && !request.is404
      ? this.#entryOf(identity)?.value ?? this.#defaultOf(identity)
      : annotation?.value
    if (annotation === undefined && value === undefined) {
      const isDeclared = request.is404 || ofScope.length > 0 || this.#scopes.isExcepted(request.server, identity)
      const error = this.#strict === undefined || isDeclared ? undefined : undeclaredLate(this.#strict, request)
      if (error !== undefined) throw error
      return ofScope
    }
    const guard = this.#guardLate(value as Annotation, request)
    return guard === 'public' ? ofScope : [...ofScope, guard]
  }

  #guardLate (annotation: Annotation, request: FastifyRequest): preHandlerHookHandler | 'public' {
    const { config, url = '', method } = request.routeOptions
    const known = this.#late.get(config)
    if (known !== undefined && Object.is(known.value, annotation)) return known.guard
    const name = nameOf(method, url)
    const compiled = this.#compile(annotation, `config.permit of ${name}`, url)
    let guard: preHandlerHookHandler | 'public' = 'public'
    if (compiled.kind !== 'public') {
      requireParams(compiled.params, url, `config.permit of ${name}`)
      guard = this.#make(compiled, annotation as Exclude<Annotation, false>, 'annotation')
      request.log.warn(printable(`permit: ${name} was declared before fastify-permit was registered, so its guard runs before its own ` +
        'preHandler hooks. Move "await app.register(permit, …)" above it'))
    }
    this.#late.set(config, { value: annotation, guard })
    return guard
  }

  /**
   * When all routes are declared: checks that the guards are still in place, and adds those among the hooks of scopes to what handlers wait
   * for.
   */
  #verify (app: FastifyInstance): void {
    this.#isVerified = true
    try {
      const isGuarded = (config: unknown, hooks: readonly object[]): boolean =>
        annotationIn(config) !== undefined || hooks.some(hook => this.#made.has(hook))
      verifyNotFoundHooks(app, this.#withNotFound, isGuarded)
      for (const seen of this.#seen) {
        verifyRoute(seen)
        for (const guard of this.#scopes.hooksOf(seen.scope)) {
          for (const list of seen.lists) if (!list.includes(guard)) list.push(guard)
        }
      }
      if (this.#strict !== undefined) this.#verifyDeclared(this.#strict, app)
      this.#verifyEntries(app)
    } catch (error) {
      this.#broken = error as Error
      throw error
    }
  }

  #verifyDeclared (strict: Strictness, app: FastifyInstance): void {
    const silent = this.#seen.filter(seen => seen.required === undefined && !seen.isExcepted && this.#guardsOf(seen).length === 0)
    const isNotPublic = (route: RouteIdentity): boolean => !strict.isPublic(route)
    const isUnsaid = (route: RouteIdentity): boolean => isNotPublic(route) && this.#entryOf(route) === undefined &&
      this.#scopes.requiredOf(app, route).length === 0 && !this.#scopes.isExcepted(app, route)
    const error = undeclared(silent.map(({ route }) => identityOf(route)).filter(isNotPublic), this.#unseen.filter(isUnsaid))
    if (error !== undefined) throw error
  }

  /** An entry that covers no route is a mistake: the routes that it was meant for are open. */
  #verifyEntries (app: FastifyInstance): void {
    if (this.#entries.every(({ isUsed }) => isUsed)) return
    for (const route of this.#unseen) this.#entryOf(route)
    const unused = this.#entries.find(({ isUsed, covers }) => !isUsed && !this.#seen.some(({ route }) => covers(identityOf(route))))
    // Routes that older scopes declared since then were not reported.
    if (unused === undefined || !this.#seesAll) return
    const [, index = ''] = /\[(\d+)\]/.exec(unused.name) ?? []
    throw new AnnotationError(`option "routes[${index}].url" covers no route; expected the URL of a route as it is declared, with its ` +
      `prefix. The routes are listed by app.permit.routes()${app.prefix === '' ? '' : `; the option is about those below ${app.prefix}`}`)
  }

  #compile (annotation: Annotation, name: string, url?: string): CompiledAnnotation {
    const compiled = compileNamed<FastifyRequest>(name, annotation, this.#enforcement?.tenant)
    if (asksUrl(compiled)) requireUrls(this.#enforcement, name, asksRoute(compiled) ? url : undefined)
    return compiled
  }
}

function verifyRoute ({ route, annotation, guard }: SeenRoute): void {
  const name = nameOf(route.method, route.url)
  const now = annotationIn(route.config)
  if (now?.value !== annotation?.value || (now === undefined) !== (annotation === undefined)) {
    throw new AnnotationError(`config.permit of ${name} was changed after fastify-permit had read it; ` +
      'add the onRoute hook that changes it before you register fastify-permit')
  }
  if (guard !== undefined && !toArray(route.preHandler).includes(guard)) {
    throw new AnnotationError(`the guard of ${name} is missing from its preHandler hooks, because an onRoute hook replaced or wrapped ` +
      'them. Add that hook before you register fastify-permit, or make it keep them')
  }
}

/**
 * Wraps the handlers of a route with its guards, and with the check that the app has started. When a later plugin replaces the handler by a
 * wrapper of its own, that one is wrapped, too, so that Fastify always runs one of our wrappers.
 * @param lists - receives the lists of guards, which may grow until the app is ready
 */
function putBehind (route: RouteOptions, { guards, ...rest }: Post, lists: GuardIdentity[][]): void {
  const listed = (guards: readonly GuardIdentity[]): Post => {
    const list = [...guards]
    lists.push(list)
    return { ...rest, guards: list }
  }
  const post = listed(guards)
  let handler = behindGuards(route.handler, post)
  Object.defineProperty(route, 'handler', {
    enumerable: true,
    get: () => handler,
    set (given: RouteOptions['handler']) {
      handler = behindGuards(given, listed([...new Set([...post.guards, ...guardsWorn(given)])]))
    }
  })
  // @fastify/websocket adds a second handler for routes that answer both.
  const other = route as { wsHandler?: unknown }
  if (typeof other.wsHandler === 'function') other.wsHandler = behindGuards(other.wsHandler, post)
}

/**
 * The guards that a route without an annotation has inherited with the handler of another route.
 * @throws {@link AnnotationError} when the guards are not among its hooks, because it is unclear whether the route should be public
 */
function wornBy (route: RouteOptions, name: string): preHandlerHookHandler[] {
  const guards = [...guardsWorn(route.handler), ...guardsWorn((route as { wsHandler?: unknown }).wsHandler)] as preHandlerHookHandler[]
  const hooks = hooksOf(route)
  if (!guards.every(guard => hooks.includes(guard))) {
    throw new AnnotationError(`${name} has the handler of a guarded route but no annotation; ` +
      'add config: { permit: … }, or permit: false if it is public on purpose')
  }
  return guards
}

function hooksOf ({ onRequest, preParsing, preValidation, preHandler }: NotFoundOptions): readonly object[] {
  return [onRequest, preParsing, preValidation, preHandler].flatMap<object>(toArray)
}

/** For a scope that existed before the plugin: prepares its later routes for the hook of the whole scope. */
function prepareLate (route: RouteOptions): void {
  route.config = readConfig(route.config).config as RouteOptions['config']
}

/** In strict mode: the error for a route without an annotation that did not exist when the app started. */
function undeclaredLate (strict: Strictness, { routeOptions: { url = '', method } }: FastifyRequest): Error | undefined {
  const route = identityOf({ url, method })
  return strict.isPublic(route) ? undefined : new UndeclaredRouteError(NOT_DECLARED, { cause: undeclared([route], []) })
}

/** The message for the client of such a route. The log shows the route, as the cause. */
const NOT_DECLARED = 'This route has no permission annotation.'

function requireParams (params: readonly string[], url: string, name: string): void {
  if (params.length === 0) return
  const known = paramNames(url)
  const missing = params.find(param => !known.has(param))
  if (missing !== undefined) {
    const names = [...known].map(param => `{${param}}`).join(', ')
    throw new AnnotationError(`${name}: the resource names {${missing}}, but the URL has ${names === '' ? 'no params' : `only ${names}`}`)
  }
}

/** Checks that a route can be decided by its URL. */
function requireUrls (enforcement: FastifyEnforcement | undefined, name: string, url: string | undefined): void {
  if (enforcement?.urls === undefined) throw new AnnotationError(`${name}: ${NO_URLS}`)
  if (url === undefined || url === '*') return
  const known = paramNames(url)
  const read = new Set(paramsOfUrl(url))
  if (known.size !== read.size || [...known].some(param => !read.has(param))) {
    throw new AnnotationError(`${name}: permit: 'url' cannot read the params of this URL; name the permission instead`)
  }
}

/** Runs guards one after the other, each at most once for a request. */
function runInTurn (
  guards: readonly preHandlerHookHandler[], request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction
): void {
  const [guard, ...others] = guards
  if (guard === undefined) done()
  else {
    guard.call(request.server, request, reply, error => {
      if (error === undefined || error === null) runInTurn(others, request, reply, done)
      else done(error)
    })
  }
}

/** Adds the name of a route to the message of an `AnnotationError`. */
function named<T> (name: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof AnnotationError ? new AnnotationError(`${name}: ${error.message}`) : error
  }
}

function nameOf (method: string | readonly string[] | undefined, url: string): string {
  return `${typeof method === 'string' ? method : (method ?? []).join(',')} ${url}`
}

function toArray<T> (hooks: T | readonly T[] | undefined): readonly T[] {
  if (hooks === undefined) return []
  return Array.isArray(hooks) ? hooks : [hooks as T]
}
