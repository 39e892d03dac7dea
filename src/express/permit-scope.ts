// Finds the `permit(…)` that applies to a request: the last one that the request passed through, in an app that it has not left.
import { OptionsError } from '../contract/errors.js'
import type { Enforcement } from '../guard/enforce.js'
import type { Request } from 'express'
import type { Log } from './express-log.js'
import type { OnDenied } from './express-types.js'
import { unshielded } from './wait-for-decision.js'
import { isVersion4, stackOf, type App } from './router-layers.js'
import { trackRouters, positionOf, type RouterRun, type RouterPosition } from './router-tracking.js'

/** One `permit(…)`, as guards see it. */
export interface Scope {
  readonly enforcement: Enforcement<Request>
  readonly log: Log
  readonly onDenied?: OnDenied
}

/** Records that a request has passed through a `permit(…)` in a router. */
interface Mark {
  /** Undefined when the request has passed through two here, so that it is ambiguous which one applies. */
  readonly scope: Scope | undefined
  readonly app: App | undefined
  /** How many routers of the same app are around this one, if known. The scope still applies when the request leaves this router. */
  readonly routers: number | undefined
  /** Taken over from a router that only a search of the app has found: a `permit(…)` in a function cannot be found. */
  readonly unsure?: boolean
  /** Taken over from a router that may be of another app: it is ambiguous whether the scope applies here. */
  readonly unplaced?: boolean
}

interface Layer { readonly handle?: unknown, readonly route?: { readonly stack?: unknown } }

/**
 * Makes a scope apply to a request while the request is in this app, or in an app mounted in it.
 * @param middleware - the middleware that the request passes through
 * @throws `OptionsError` when another scope applies in the same app, because it would be ambiguous which one a guard uses
 */
export function enter (request: object, scope: Scope, middleware: object): void {
  const position = trackRouters<Mark>(request, leave)
  requirePosition(position)
  const { app } = request as { app?: App }
  const { mark } = position.run
  // The request passes through it here for sure.
  if ((mark?.unplaced === true && mark.scope === scope) || (mark?.unsure === true && mark.app !== app)) position.run.mark = undefined
  for (let run: RouterRun<Mark> | undefined = position.run; run !== undefined; run = isLeft(run, app) ? undefined : run.around) {
    if (run.mark !== undefined && run.mark.scope !== scope) {
      throw new OptionsError('a request has passed through two different permit(…) of one app, so it is ambiguous which one applies. ' +
        'Use one permit(…) for each app, mount a separate app for the other one, or use its own guard: authz.guard(…)')
    }
  }
  position.run.app ??= app
  position.run.mark ??= { scope, app, routers: app === undefined ? 0 : routersAround(app, middleware) }
}

/**
 * The scope that applies to a request, if there is one.
 * @throws `OptionsError` when it is ambiguous
 */
export function scopeOf (request: object): Scope | undefined {
  const position = positionOf<Mark>(request)
  if (position === undefined) return undefined
  requirePosition(position)
  let { app } = request as { app?: unknown }
  for (let run: RouterRun<Mark> | undefined = position.run; run !== undefined; run = run.around) {
    const around = app
    app = run.app
    if (run.mark === undefined || (run.mark.unsure === true && run.mark.app !== around)) continue
    if (run.mark.scope === undefined || run.mark.unplaced === true) {
      throw new OptionsError('a request has passed through routers with different permit(…), so it is ambiguous which one applies. ' +
        'Use one permit(…) for each app, or its own guard: authz.guard(…)')
    }
    return run.mark.scope
  }
  return undefined
}

function requirePosition ({ isLost }: RouterPosition<Mark>): void {
  if (isLost) {
    throw new OptionsError('a middleware has called next twice, and the request is in two routers at once, ' +
      'so it is ambiguous which permit(…) applies')
  }
}

/** A `permit(…)` in a router applies in the router's app. A `permit(…)` in the app itself ends when the request leaves the app. */
function leave (left: RouterRun<Mark>, to: RouterRun<Mark>): void {
  const { mark } = left
  if (mark === undefined || mark.routers === 0) return
  // A search of the app finds no `permit(…)` in a function, so the app may be left although a router is said to be around.
  if (isLeft(left, mark.app) && (mark.routers === undefined || left.around?.app !== undefined)) return
  const unsure = mark.unsure === true || left.around === undefined
  // Where a `permit(…)` in a function stands is not known, and `req.app` may still be that of an app that was called as a function.
  const unplaced = mark.unplaced === true || mark.routers === undefined
  const routers = mark.routers === undefined ? undefined : mark.routers - 1
  if (to.mark === undefined) to.mark = { ...mark, unsure, unplaced, routers }
  else if (to.mark.scope !== mark.scope) to.mark = { ...to.mark, scope: undefined }
}

/** Whether leaving a run means leaving the app, because the run is the app's own router. True if the outer run is unknown. */
function isLeft (run: RouterRun<Mark>, app: App | undefined): boolean {
  if (run.around === undefined || app === undefined) return true
  // Express 4 changes the request's app in a layer of the app's router, Express 5 before the request enters that router.
  return (isVersion4(app) ? run.app : run.around.app) !== app
}

interface Depth { readonly layers: number, readonly routers: number | undefined }

/** By app and middleware; valid while the app has the same number of layers. */
const known = new WeakMap<object, WeakMap<object, Depth>>()

/** How many routers of an app are around a middleware; 0 in the app itself. Undefined when it is in several places or inside a function. */
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

/** Whether a function is a wrapper of the middleware. Instrumentation wraps the functions of layers and copies their properties. */
function isCopy (handle: unknown, { ready }: { ready?: unknown }): boolean {
  return typeof handle === 'function' && ready !== undefined && (handle as { ready?: unknown }).ready === ready
}
