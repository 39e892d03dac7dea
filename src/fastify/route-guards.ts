// Guards every annotated route of a scope, whenever and however the route is declared.
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction, preHandlerHookHandler, RouteOptions } from 'fastify'
import { AnnotationError, UndeclaredRouteError } from '../contract/errors.js'
import { printable } from '../kit/printable.js'
import {
  asksUrl, compileGuard, compileNamed, type CompiledAnnotation as AnyCompiledAnnotation, type CompiledGuard
} from '../guard/compile-annotation.js'
import { NO_URLS } from '../guard/asked-url.js'
import { describeAnnotation, type Description } from '../guard/description.js'
import { readGuardOptions, type GuardOptions } from '../guard/guard-options.js'
import { undeclared, type RouteIdentity, type Strictness } from '../guard/strict.js'
import { createGuard, type AnswersDenied, type FastifyEnforcement, type GuardHook } from './hook.js'
import { documentRoute } from './openapi.js'
import { behindGuards, guardsWorn, type Post } from './guarded-handler.js'
import { notFoundBehindGuards, watchNotFound, type NotFoundHandler, type NotFoundOptions } from './not-found.js'
import { runNotFoundHooks, verifyNotFoundHooks } from './not-found-hooks.js'
import { PASS_SLOTS } from './passes.js'
import { annotationIn, readConfig, refuseMisplaced, type Boxed } from './route-annotation.js'
import { identityOf, rowOf, rowsWithoutHeadTwins, unknownRow, type RouteRow } from './route-table.js'
import { routesBeforePlugin } from './routes-before-plugin.js'
import { HELD_SLOT } from './held.js'
import { keepReply, REPLY_SLOT } from './replies.js'
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
  readonly guard: preHandlerHookHandler | undefined
  /** The guards among its hooks. */
  readonly hooks: readonly preHandlerHookHandler[]
}

interface Late {
  readonly value: Annotation
  readonly guard: preHandlerHookHandler | 'public'
}

interface Made {
  readonly params: readonly string[]
  readonly byAnnotation: boolean
  readonly annotation: Exclude<Annotation, false>
}

/** The guards of one registration of the plugin. */
export class RouteGuards {
  #enforcement: FastifyEnforcement | undefined
  #strict: Strictness | undefined
  #openapi = false
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
  readonly #withNotFound = new WeakSet<object>()
  /** Guards of routes whose declaration was not seen, by their config. */
  readonly #late = new WeakMap<object, Late>()
  /** Why the app did not start. Requests may still arrive, because a second `inject` ignores Fastify's error. */
  #broken: Error | undefined

  /** Installs the guards in a scope, for existing and future routes. They refuse every request until `start` is called. */
  install (app: FastifyInstance): void {
    for (const slot of [...PASS_SLOTS, REPLY_SLOT, HELD_SLOT]) if (!app.hasRequestDecorator(slot)) app.decorateRequest(slot, null)
    const onRoute = (scope: FastifyInstance, route: RouteOptions) => this.#onRoute(scope, route)
    app.addHook('onRoute', function (route) { onRoute(this, route) })
    watchNotFound(app, (scope, options, handler) => this.#onNotFoundHandler(scope, options, handler))
    runNotFoundHooks(app)
    // onRoute does not see existing routes, nor future routes of existing scopes. A hook of the whole scope runs for all of them, and for
    // 404 handlers. Finding the route of a request costs time, so when only a 404 handler can have been missed, other requests skip it.
    const onlyNotFound = isUntouched(app)
    for (const scope of descendantsOf(app)) scope.addHook('onRoute', prepareLate)
    // A router contains the routes of the whole app. Only at the root do all of them belong to this plugin.
    if (!onlyNotFound && rootOf(app) === app) this.#unseen = routesBeforePlugin(app)
    app.addHook('preHandler', (request, reply, done) => {
      keepReply(request, reply)
      if (onlyNotFound && !request.is404) done()
      else this.#onRequest(request, reply, done)
    })
    app.addHook('onReady', async () => this.#verify(app))
  }

  /**
   * Starts to decide requests.
   * @param strict - undefined when routes may have no annotation
   * @param openapi - whether guarded routes are documented
   */
  start (enforcement: FastifyEnforcement, strict: Strictness | undefined, openapi: boolean): void {
    this.#enforcement = enforcement
    this.#strict = strict
    this.#openapi = openapi
  }

  /** What each route requires, as far as it is known. */
  rows (): RouteRow[] {
    const unseen = this.#unseen.map(route => unknownRow(route, this.#strict?.isPublic(route) === true))
    return rowsWithoutHeadTwins([...unseen, ...this.#seen.map(({ route, annotation, hooks }) => rowOf({
      route,
      byAnnotation: this.#describe(annotation, [])[0],
      byHooks: this.#describe(undefined, hooks),
      isPublic: hooks.length === 0 && this.#isPublic(route, annotation)
    }))])
  }

  /** Describes what a route requires: by its hooks, then by its annotation. */
  #isPublic (route: RouteOptions, annotation: Boxed | undefined): boolean {
    return annotation === undefined ? this.#strict?.isPublic(identityOf(route)) === true : annotation.value === false
  }

  #describe (annotation: Boxed | undefined, hooks: readonly object[]): Description[] {
    const required = hooks.map(hook => this.#made.get(hook)?.annotation)
    return [...required, annotation?.value].flatMap(annotation =>
      annotation === undefined || annotation === false ? [] : [describeAnnotation(annotation, this.#enforcement?.tenant !== undefined)])
  }

  /** Creates a guard as a hook, for apps that add it to a route themselves. */
  guard (requirement: Exclude<Annotation, false>, options?: GuardOptions): GuardHook {
    const { onDenied } = readGuardOptions(options)
    const compiled = compileGuard<FastifyRequest>(requirement, this.#enforcement?.tenant)
    if (asksUrl(compiled)) requireUrls(this.#enforcement, 'guard()', undefined)
    return this.#make(compiled, requirement, false, onDenied ? 'when sent' : 'never')
  }

  #make (
    compiled: CompiledGuard<FastifyRequest>, annotation: Exclude<Annotation, false>, byAnnotation: boolean,
    answers: AnswersDenied = 'at once'
  ): GuardHook {
    const guard = createGuard(() => this.#enforcement, compiled, answers)
    this.#made.set(guard, { params: compiled.params, byAnnotation, annotation })
    return guard
  }

  #onRoute (scope: FastifyInstance, route: RouteOptions): void {
    const name = nameOf(route.method, route.url)
    const own = this.#guardsAmong(route, route.url, name)
    const read = readConfig(route.config)
    const guards = [...own]
    if (read.annotation === undefined) {
      refuseMisplaced(route, read.config, name)
      guards.push(...wornBy(route, name))
    }
    const { config, annotation } = guards.length === 0 ? this.#withDefault(route, read) : read
    const compiled = annotation === undefined ? undefined : this.#compile(annotation.value, `config.permit of ${name}`, route.url)
    let guard: preHandlerHookHandler | undefined
    if (annotation !== undefined && compiled !== undefined && compiled.kind !== 'public') {
      requireParams(compiled.params, route.url, `config.permit of ${name}`)
      guard = this.#make(compiled, annotation.value as Exclude<Annotation, false>, true)
      guards.push(guard)
      // After the route's own hooks, so that every kind of authentication has run. A route that was created from a copy of another route's
      // options has that route's guard, which is replaced.
      route.preHandler = [...toArray(route.preHandler).filter(hook => this.#made.get(hook)?.byAnnotation !== true), guard]
    }
    if (this.#openapi && guards.length > 0) documentRoute(scope, route, this.#describe(annotation, own))
    route.config = config as RouteOptions['config']
    const seen: SeenRoute = { route, annotation, guard, hooks: own }
    putBehind(route, this.#post(scope, guards, seen))
    this.#seen.push(seen)
  }

  /** Adds the annotation of the option `urls.default`. */
  #withDefault (route: RouteOptions, read: ReturnType<typeof readConfig>): ReturnType<typeof readConfig> {
    const isDefault = this.#enforcement?.urls?.isDefault === true
    if (read.annotation !== undefined || !isDefault || this.#strict?.isPublic(identityOf(route)) === true) return read
    return { config: { ...read.config, permit: 'url' }, annotation: { value: 'url' } }
  }

  /** Returns the options and the handler to set instead of a 404 handler. */
  #onNotFoundHandler (
    scope: FastifyInstance, options: NotFoundOptions, handler: NotFoundHandler
  ): readonly [NotFoundOptions, NotFoundHandler] {
    const name = 'the 404 handler'
    const guards = this.#guardsAmong(options, '*', name)
    const { config, annotation } = readConfig(options.config)
    if (annotation === undefined) refuseMisplaced(options, config, name)
    const compiled = annotation === undefined ? undefined : this.#compile(annotation.value, `config.permit of ${name}`)
    const preHandler = [...toArray(options.preHandler)]
    if (annotation !== undefined && compiled !== undefined && compiled.kind !== 'public') {
      requireParams(compiled.params, '*', `config.permit of ${name}`)
      const guard = this.#make(compiled, annotation.value as Exclude<Annotation, false>, true)
      guards.push(guard)
      preHandler.push(guard)
    }
    const post = { ...this.#post(scope, guards, { annotation }), guards }
    this.#withNotFound.add(scope)
    return [{ ...options, preHandler, config: config as NotFoundOptions['config'] }, notFoundBehindGuards(handler, post)]
  }

  /** The guards among the hooks of a route. */
  #guardsAmong (hooks: NotFoundOptions, url: string, name: string): preHandlerHookHandler[] {
    const guards: preHandlerHookHandler[] = []
    for (const hook of hooksOf(hooks)) {
      const made = this.#made.get(hook)
      if (made === undefined || made.byAnnotation) continue
      requireParams(made.params, url, `guard() on ${name}`)
      guards.push(hook as preHandlerHookHandler)
    }
    return guards
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
    if (annotation === undefined) {
      const isSeen = declared !== undefined || request.is404
      done(this.#strict === undefined || isSeen ? undefined : undeclaredLate(this.#strict, request))
      return
    }
    if (declared?.annotation !== undefined && Object.is(declared.annotation.value, annotation.value)) {
      done()
      return
    }
    let guard: preHandlerHookHandler | 'public'
    try {
      guard = this.#guardLate(annotation.value, request)
    } catch (error) {
      done(error as Error)
      return
    }
    if (guard === 'public') done()
    else guard.call(request.server, request, reply, done)
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
      guard = this.#make(compiled, annotation as Exclude<Annotation, false>, true)
      request.log.warn(printable(`permit: ${name} was declared before fastify-permit was registered, so its guard runs before its own ` +
        'preHandler hooks. Move "await app.register(permit, …)" above it'))
    }
    this.#late.set(config, { value: annotation, guard })
    return guard
  }

  /** When all routes are declared: checks that the guards are still in place. */
  #verify (app: FastifyInstance): void {
    try {
      const isGuarded = (config: unknown, hooks: readonly object[]): boolean =>
        annotationIn(config) !== undefined || hooks.some(hook => this.#made.has(hook))
      verifyNotFoundHooks(app, this.#withNotFound, isGuarded)
      for (const seen of this.#seen) verifyRoute(seen)
      if (this.#strict !== undefined) this.#verifyDeclared(this.#strict)
    } catch (error) {
      this.#broken = error as Error
      throw error
    }
  }

  #verifyDeclared (strict: Strictness): void {
    const silent = this.#seen.filter(({ annotation, hooks }) => annotation === undefined && hooks.length === 0)
    const isNotPublic = (route: RouteIdentity): boolean => !strict.isPublic(route)
    const error = undeclared(silent.map(({ route }) => identityOf(route)).filter(isNotPublic), this.#unseen.filter(isNotPublic))
    if (error !== undefined) throw error
  }

  #compile (annotation: Annotation, name: string, url?: string): CompiledAnnotation {
    const compiled = compileNamed<FastifyRequest>(name, annotation, this.#enforcement?.tenant)
    if (asksUrl(compiled)) requireUrls(this.#enforcement, name, url)
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
 */
function putBehind (route: RouteOptions, post: Post): void {
  let handler = behindGuards(route.handler, post)
  Object.defineProperty(route, 'handler', {
    enumerable: true,
    get: () => handler,
    set (given: RouteOptions['handler']) {
      handler = behindGuards(given, { ...post, guards: [...new Set([...post.guards, ...guardsWorn(given)])] })
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

function nameOf (method: string | readonly string[] | undefined, url: string): string {
  return `${typeof method === 'string' ? method : (method ?? []).join(',')} ${url}`
}

function toArray<T> (hooks: T | readonly T[] | undefined): readonly T[] {
  if (hooks === undefined) return []
  return Array.isArray(hooks) ? hooks : [hooks as T]
}
