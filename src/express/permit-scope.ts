// Which of the app's `permit(…)` is in charge of a request: the last one that it has met in an app that it has not left.
import { OptionsError } from '../contract/errors.js'
import type { Enforcement } from '../guard/enforce.js'
import type { Request } from 'express'
import type { Log } from './log.js'
import type { OnDenied } from './express-types.js'
import { unshielded } from './pending.js'
import { isVersion4, stackOf, type App } from './stack.js'
import { follow, wayOf, type Run, type Way } from './way.js'

/** One `permit(…)`, as far as guards are concerned. */
export interface Scope {
  readonly enforcement: Enforcement<Request>
  readonly log: Log
  readonly onDenied?: OnDenied
}

/** That a request has met a `permit(…)` in a router. */
interface Mark {
  /** Undefined: two have met here, and which one is meant cannot be told. */
  readonly scope: Scope | undefined
  readonly app: App | undefined
  /** How many routers around this one belong to the same app, where that is known: there the scope stays in charge of a request that falls out of this one. */
  readonly routers: number | undefined
}

interface Layer { readonly handle?: unknown, readonly route?: { readonly stack?: unknown } }

/**
 * Puts a scope in charge, for as long as the request is in this app and those mounted in it.
 * @param middleware - the one that the request has met
 * @throws `OptionsError` when another one is in charge of the very same app: which of them would be meant by a guard could not be told.
 */
export function enter (request: object, scope: Scope, middleware: object): void {
  const way = follow<Mark>(request, leave)
  requireWay(way)
  const { app } = request as { app?: App }
  for (let run: Run<Mark> | undefined = way.run; run !== undefined; run = isLeft(run, app) ? undefined : run.around) {
    if (run.mark !== undefined && run.mark.scope !== scope) {
      throw new OptionsError('a request has come through two different permit(…) of one app: which one decides could not be told. Use one for each app, mount an app of its own for the other, or use its own guard: authz.guard(…)')
    }
  }
  way.run.app ??= app
  way.run.mark ??= { scope, app, routers: app === undefined ? 0 : routersAround(app, middleware) }
}

/**
 * The scope in charge of a request, if there is one.
 * @throws `OptionsError` when it cannot be told
 */
export function scopeOf (request: object): Scope | undefined {
  const way = wayOf<Mark>(request)
  if (way === undefined) return undefined
  requireWay(way)
  for (let run: Run<Mark> | undefined = way.run; run !== undefined; run = run.around) {
    if (run.mark === undefined) continue
    if (run.mark.scope === undefined) throw new OptionsError('a request has come through routers with different permit(…): which one decides could not be told. Use one for each app, or its own guard: authz.guard(…)')
    return run.mark.scope
  }
  return undefined
}

function requireWay ({ isLost }: Way<Mark>): void {
  if (isLost) throw new OptionsError('a middleware has called next twice, and the request is in two routers at once: which permit(…) decides could not be told')
}

/** A `permit(…)` in a router is in charge of that router's app. One in the app itself is left with it. */
function leave (left: Run<Mark>, to: Run<Mark>): void {
  const { mark } = left
  if (mark === undefined || mark.routers === 0 || (mark.routers === undefined && isLeft(left, mark.app))) return
  const { scope } = mark
  if (to.mark === undefined) to.mark = { ...mark, routers: mark.routers === undefined ? undefined : mark.routers - 1 }
  else if (to.mark.scope !== scope) to.mark = { ...to.mark, scope: undefined }
}

/** Whether an app is left when a run of it is left: whether that is its own router. Also where nothing is known of what is around. */
function isLeft (run: Run<Mark>, app: App | undefined): boolean {
  if (run.around === undefined || app === undefined) return true
  // Express 4 changes the app of a request in a layer of the app's router, Express 5 before it enters that.
  return (isVersion4(app) ? run.app : run.around.app) !== app
}

interface Depth { readonly layers: number, readonly routers: number | undefined }

/** By app and middleware, as long as the app has as many layers. */
const known = new WeakMap<object, WeakMap<object, Depth>>()

/** How deep in the routers of an app a middleware is: 0 in the app itself. Undefined when it is in several places, or inside of a function. */
function routersAround (app: App, middleware: object): number | undefined {
  const stack = stackOf(app)
  if (!Array.isArray(stack)) return undefined
  const ofApp = known.get(app) ?? new WeakMap<object, Depth>()
  known.set(app, ofApp)
  const before = ofApp.get(middleware)
  if (before?.layers === stack.length) return before.routers
  const depths = new Set<number>()
  findDepths(stack, middleware, 0, depths, new Set())
  const routers = depths.size === 1 ? Math.max(...depths) : undefined
  ofApp.set(middleware, { layers: stack.length, routers })
  return routers
}

function findDepths (stack: unknown, middleware: object, depth: number, depths: Set<number>, inside: Set<unknown>): void {
  if (!Array.isArray(stack) || inside.has(stack)) return
  inside.add(stack)
  for (const { handle, route } of stack as Layer[]) {
    const original = unshielded(handle)
    if (original === middleware || isCopy(original, middleware)) depths.add(depth)
    findDepths(route?.stack, middleware, depth, depths, inside)
    if (typeof original === 'function') findDepths((original as { stack?: unknown }).stack, middleware, depth + 1, depths, inside)
  }
  inside.delete(stack)
}

/** What instruments an app puts functions of its own around those of its layers, which have their properties. */
function isCopy (handle: unknown, { ready }: { ready?: unknown }): boolean {
  return typeof handle === 'function' && ready !== undefined && (handle as { ready?: unknown }).ready === ready
}
