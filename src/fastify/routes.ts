// Sees to it that every annotated route of a scope is guarded, whenever and however it is declared.
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction, preHandlerHookHandler, RouteOptions } from 'fastify'
import { isNearly } from '../kit/suggest.js'
import { AnnotationError, UndeclaredRouteError } from '../contract/errors.js'
import { compileGuard, compileNamed, type CompiledAnnotation as AnyCompiledAnnotation, type CompiledGuard } from '../guard/compile.js'
import { describeAnnotation, type Description } from '../guard/description.js'
import { undeclared, type RouteIdentity, type Strictness } from '../guard/strict.js'
import { createGuard, type FastifyEnforcement } from './hook.js'
import { documentRoute } from './openapi.js'
import { behindGuards, PASSED_SLOT } from './passes.js'
import { identityOf, routesPrinted, rowOf, unknownRow, withoutHeadTwins, type RouteRow } from './route-table.js'
import type { Annotation } from './fastify-types.js'
import { paramNames } from './url-params.js'

type CompiledAnnotation = AnyCompiledAnnotation<FastifyRequest>

/** In the config of a route that was seen when it was declared: which guard stands before which route. */
const GUARDED = Symbol('fastify-permit.guarded')

interface Guarded {
  readonly guard: preHandlerHookHandler
  /** With these, a config that was copied to another route is told from the one that it was made for. */
  readonly url: string
  readonly method: RouteOptions['method']
}

/** In the config of every route that was seen when it was declared. Whose it is, and which route it was made for: see {@link Guarded}. */
const SEEN = Symbol('fastify-permit.seen')

interface Seen {
  readonly by: RouteGuards
  readonly url: string
  readonly method: RouteOptions['method']
}

interface SeenRoute {
  readonly route: RouteOptions
  readonly annotation: Boxed | undefined
  readonly guard: preHandlerHookHandler | undefined
  /** The guards that it was given as hooks. */
  readonly hooks: readonly preHandlerHookHandler[]
}

interface Made {
  readonly params: readonly string[]
  readonly byAnnotation: boolean
  readonly annotation: Exclude<Annotation, false>
}

/** An annotation in a box. `permit: undefined` is one, and a wrong one: it is what a misspelt constant looks like. */
interface Boxed { readonly value: Annotation }

/** The guards of one registration of the plugin. */
export class RouteGuards {
  #enforcement: FastifyEnforcement | undefined
  #strict: Strictness | undefined
  #openapi = false
  /** What was there before the plugin was: nobody can tell what these routes say. */
  #unseen: readonly RouteIdentity[] = []
  /** Every guard made here, with the params that its templates name. */
  readonly #made = new WeakMap<object, Made>()
  readonly #seen: SeenRoute[] = []
  /** Guards of routes that were not seen when they were declared, by their config. */
  readonly #late = new WeakMap<object, preHandlerHookHandler | 'public'>()
  /** Why the app did not start. A request may come all the same: whoever injects one twice gets past Fastify's own error. */
  #broken: Error | undefined

  /** Puts the guards into a scope: routes declared from now on, and those declared before. They refuse everybody until `start`. */
  install (app: FastifyInstance): void {
    if (!app.hasRequestDecorator(PASSED_SLOT)) app.decorateRequest(PASSED_SLOT, null)
    const onRoute = (scope: FastifyInstance, route: RouteOptions) => this.#onRoute(scope, route)
    app.addHook('onRoute', function (route) { onRoute(this, route) })
    // onRoute does not see routes that are there already, nor those that a scope which is there already declares later,
    // nor a 404 handler. A hook of the whole scope runs for them all. Finding out which route a request is for costs
    // something; where only a 404 handler can have been missed, nobody else pays for it.
    const onlyNotFound = isUntouched(app)
    // A router is the whole app's: only at the root are all of its routes this plugin's business.
    if (!onlyNotFound && isRoot(app)) this.#unseen = unseenOf(app)
    app.addHook('preHandler', (request, reply, done) => {
      if (onlyNotFound && !request.is404) done()
      else this.#onRequest(request, reply, done)
    })
    app.addHook('onReady', async () => this.#verify())
  }

  /**
   * From now on, requests are decided.
   * @param strict - undefined: a route may do without an annotation
   * @param openapi - whether guarded routes document themselves
   */
  start (enforcement: FastifyEnforcement, strict: Strictness | undefined, openapi: boolean): void {
    this.#enforcement = enforcement
    this.#strict = strict
    this.#openapi = openapi
  }

  /** What each route requires, as far as that is known. */
  rows (): RouteRow[] {
    const unseen = this.#unseen.map(route => unknownRow(route, this.#strict?.isPublic(route) === true))
    return withoutHeadTwins([...unseen, ...this.#seen.map(({ route, annotation, hooks }) => rowOf({
      route,
      byAnnotation: this.#describe(annotation, [])[0],
      byHooks: this.#describe(undefined, hooks),
      isPublic: hooks.length === 0 && (annotation === undefined ? this.#strict?.isPublic(identityOf(route)) === true : annotation.value === false)
    }))])
  }

  /** What a route requires, in words: by its hooks, then by its annotation. */
  #describe (annotation: Boxed | undefined, hooks: readonly object[]): Description[] {
    const required = hooks.map(hook => this.#made.get(hook)?.annotation)
    return [...required, annotation?.value].flatMap(annotation =>
      annotation === undefined || annotation === false ? [] : [describeAnnotation(annotation, this.#enforcement?.tenant !== undefined)])
  }

  /** The guard as a hook, for those who put it into a route themselves. */
  guard (requirement: Exclude<Annotation, false>): preHandlerHookHandler {
    return this.#make(compileGuard<FastifyRequest>(requirement, this.#enforcement?.tenant), requirement, false)
  }

  #make (compiled: CompiledGuard<FastifyRequest>, annotation: Exclude<Annotation, false>, byAnnotation: boolean): preHandlerHookHandler {
    const guard = createGuard(() => this.#enforcement, compiled)
    this.#made.set(guard, { params: compiled.params, byAnnotation, annotation })
    return guard
  }

  #onRoute (scope: FastifyInstance, route: RouteOptions): void {
    const name = nameOf(route.method, route.url)
    const guards: preHandlerHookHandler[] = []
    for (const hook of [route.onRequest, route.preParsing, route.preValidation, route.preHandler].flatMap(toArray)) {
      const made = this.#made.get(hook)
      if (made === undefined || made.byAnnotation) continue
      requireParams(made.params, route.url, `guard() on ${name}`)
      guards.push(hook as preHandlerHookHandler)
    }

    const hooks = [...guards]
    const annotation = annotationOf(route.config)
    if (annotation === undefined) refuseMisplaced(route, name)
    const compiled = annotation === undefined ? undefined : this.#compile(annotation.value, `config.permit of ${name}`)
    let guard: preHandlerHookHandler | undefined
    if (annotation !== undefined && compiled !== undefined && compiled.kind !== 'public') {
      requireParams(compiled.params, route.url, `config.permit of ${name}`)
      guard = this.#make(compiled, annotation.value as Exclude<Annotation, false>, true)
      guards.push(guard)
      // After the route's own hooks, so that any style of authentication has run. A route that was made by copying
      // another one's options brings that one's guard along: its own takes the place.
      route.preHandler = [...toArray(route.preHandler).filter(hook => this.#made.get(hook)?.byAnnotation !== true), guard]
      const mark: Guarded = { guard, url: route.url, method: route.method }
      route.config = { ...route.config, permit: annotation.value, [GUARDED]: mark } as RouteOptions['config']
    }
    if (this.#openapi && guards.length > 0) documentRoute(scope, route, this.#describe(annotation, hooks))
    const seen: Seen = { by: this, url: route.url, method: route.method }
    route.config = { ...route.config, [SEEN]: seen } as RouteOptions['config']
    putBehind(route, guards, () => this.#broken)
    this.#seen.push({ route, annotation, guard, hooks })
  }

  /** For each request: guards it where its route was not seen, and refuses it when the app should not have started. */
  #onRequest (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    if (this.#broken !== undefined) {
      done(this.#broken)
      return
    }
    const { config } = request.routeOptions
    const annotation = annotationOf(config)
    if (annotation === undefined) {
      done(this.#strict === undefined || request.is404 ? undefined : this.#undeclaredLate(this.#strict, request))
      return
    }
    if (this.#wasSeen(config)) {
      done()
      return
    }
    let guard: preHandlerHookHandler | 'public'
    try {
      guard = this.#late.get(config) ?? this.#guardLate(annotation.value, request)
    } catch (error) {
      done(error as Error)
      return
    }
    if (guard === 'public') done()
    else guard.call(request.server, request, reply, done)
  }

  #wasSeen (config: object): boolean {
    const { [GUARDED]: mark, url, method } = config as { [GUARDED]?: Guarded, url?: string, method?: unknown }
    return mark !== undefined && mark.url === url && mark.method === method && this.#made.has(mark.guard)
  }

  /** In strict mode, why a route is refused that says nothing: nobody has looked at it when the app started. */
  #undeclaredLate (strict: Strictness, { routeOptions: { config, url = '', method } }: FastifyRequest): Error | undefined {
    const { [SEEN]: seen } = config as { [SEEN]?: Seen }
    if (seen !== undefined && seen.by === this && seen.url === config.url && seen.method === config.method) return undefined
    const route = identityOf({ url, method })
    return strict.isPublic(route) ? undefined : new UndeclaredRouteError(NOT_DECLARED, { cause: undeclared([route], []) })
  }

  #guardLate (annotation: Annotation, request: FastifyRequest): preHandlerHookHandler | 'public' {
    const { config, url = '', method } = request.routeOptions
    const name = nameOf(method, url)
    const compiled = this.#compile(annotation, `config.permit of ${name}`)
    let guard: preHandlerHookHandler | 'public' = 'public'
    if (compiled.kind !== 'public') {
      requireParams(compiled.params, url, `config.permit of ${name}`)
      guard = this.#make(compiled, annotation as Exclude<Annotation, false>, true)
      request.log.warn(`permit: ${name} was declared where fastify-permit could not see it: it is guarded, but before its own preHandler hooks. Write "await app.register(permit, …)" above it`)
    }
    this.#late.set(config, guard)
    return guard
  }

  /** When everything is declared: whether each route still is as it was guarded. */
  #verify (): void {
    try {
      for (const seen of this.#seen) verifyRoute(seen)
      if (this.#strict !== undefined) this.#verifyDeclared(this.#strict)
    } catch (error) {
      this.#broken = error as Error
      throw error
    }
  }

  #verifyDeclared (strict: Strictness): void {
    const silent = this.#seen.filter(({ annotation, hooks }) => annotation === undefined && hooks.length === 0).map(({ route }) => identityOf(route))
    const isSilent = (route: RouteIdentity) => !strict.isPublic(route)
    const error = undeclared(silent.filter(isSilent), this.#unseen.filter(isSilent))
    if (error !== undefined) throw error
  }

  #compile (annotation: Annotation, name: string): CompiledAnnotation {
    return compileNamed<FastifyRequest>(name, annotation, this.#enforcement?.tenant)
  }
}

function verifyRoute ({ route, annotation, guard }: SeenRoute): void {
  const name = nameOf(route.method, route.url)
  const now = annotationOf(route.config)
  if (now?.value !== annotation?.value || (now === undefined) !== (annotation === undefined)) {
    throw new AnnotationError(`config.permit of ${name} was changed after it had been read: add the onRoute hook that changes it before fastify-permit is registered`)
  }
  if (guard !== undefined && !toArray(route.preHandler).includes(guard)) {
    throw new AnnotationError(`the guard of ${name} is gone from its preHandler hooks: an onRoute hook replaced or wrapped them. Add that hook before fastify-permit is registered, or make it keep them`)
  }
}

/** Puts a route's handlers behind its guards, and behind the question whether the app should have started at all. */
function putBehind (route: RouteOptions, guards: readonly preHandlerHookHandler[], broken: () => Error | undefined): void {
  route.handler = behindGuards(route.handler, guards, broken)
  // @fastify/websocket keeps a second one there, for routes that answer both.
  const other = route as { wsHandler?: unknown }
  if (typeof other.wsHandler === 'function') other.wsHandler = behindGuards(other.wsHandler, guards, broken)
}

/** For the client of a route that was refused so: which one it is stands in the log, through the cause. */
const NOT_DECLARED = 'This route does not say what it requires.'

function isRoot (app: FastifyInstance): boolean {
  return !('printRoutes' in Object.getPrototypeOf(app))
}

function unseenOf (app: FastifyInstance): RouteIdentity[] {
  const printed = app.printRoutes()
  return printed.trim() === NO_ROUTES ? [] : routesPrinted(printed)
}

/** What Fastify prints of a router without routes. */
const NO_ROUTES = '(empty tree)'

/**
 * Whether a scope has neither routes nor child scopes yet: then every route that it will ever have is seen by onRoute.
 * Fastify does not say in public whether there are child scopes. Should it one day not say so in this way either, or
 * print an empty router in other words, the answer is no, which is safe and costs a little.
 */
function isUntouched (app: FastifyInstance): boolean {
  if (app.printRoutes() !== NO_ROUTES) return false
  const symbol = Object.getOwnPropertySymbols(app).find(({ description }) => description === 'fastify.children')
  const children: unknown = symbol === undefined ? undefined : (app as unknown as Record<symbol, unknown>)[symbol]
  return Array.isArray(children) && children.length === 0
}

function annotationOf (config: unknown): Boxed | undefined {
  if ((typeof config !== 'object' && typeof config !== 'function') || config === null || !('permit' in config)) return undefined
  return { value: config.permit as Annotation }
}

/**
 * Nothing tells a misspelt `permit` from what other plugins have in a config, and the route would be open to everybody. So what is one
 * letter away from it is taken for it, and so is a `permit` beside the config; an app that means something else says `permit` as well.
 */
function refuseMisplaced (route: RouteOptions, name: string): void {
  if ('permit' in route) {
    throw new AnnotationError(`${name} has "permit" beside its config, where nothing reads it: write config: { permit: … }`)
  }
  const nearly = Object.keys(route.config ?? {}).find(key => isNearly(key, 'permit'))
  if (nearly !== undefined) {
    throw new AnnotationError(`the config of ${name} has "${nearly}", and no "permit": without it the route would not be guarded. Did you mean config: { permit: … }? ` +
      `If "${nearly}" is something else, say permit: false, or what the route requires, beside it`)
  }
}

function requireParams (params: readonly string[], url: string, name: string): void {
  if (params.length === 0) return
  const known = paramNames(url)
  const missing = params.find(param => !known.has(param))
  if (missing !== undefined) {
    const names = [...known].map(param => `{${param}}`).join(', ')
    throw new AnnotationError(`${name}: the resource names {${missing}}, but the URL has ${names === '' ? 'no params' : `only ${names}`}`)
  }
}

function nameOf (method: string | readonly string[] | undefined, url: string): string {
  return `${typeof method === 'string' ? method : (method ?? []).join(',')} ${url}`
}

function toArray<T> (hooks: T | readonly T[] | undefined): readonly T[] {
  if (hooks === undefined) return []
  return Array.isArray(hooks) ? hooks : [hooks as T]
}
