// The guard as Express middleware: what comes after it runs after a yes, and after nothing else.
import type { ServerResponse } from 'node:http'
import type { Request, Response } from 'express'
import { ForbiddenError, OptionsError, UnauthenticatedError, UnavailableError } from '../contract/errors.js'
import { compileGuard, type CompiledGuard } from '../guard/compile.js'
import { enforce, type Verdict } from '../guard/enforce.js'
import { answerToDenied, forClient, logRefusal, toError } from '../guard/refusal.js'
import { ignore, type MaybePromise } from '../kit/whenever.js'
import { keepWaiting, requireNoWaiting, startWaiting, stopWaiting } from './pending.js'
import { scopeOf, type Scope } from './scope.js'
import type { Annotation, Middleware, Next } from './express-types.js'

/**
 * A guard: it lets requests through whose user may do what is required, and hands an error to `next` for all others. It is
 * decided by the options of the `permit(…)` in charge of the request: that of its app, else of the app around that.
 *
 * @throws `AnnotationError` when the requirement makes none.
 */
export function guard (requirement: Annotation): Middleware {
  // What is wrong with it should come out when the route is declared.
  compileGuard<Request>(requirement, undefined)
  let last: Bound | undefined
  return createGuard(request => {
    const scope = scopeOf(request)
    if (scope === undefined) throw new OptionsError('guard(…) was reached by a request that no permit(…) is in charge of: write app.use(permit({ … })) above the routes, in the same app or one around it')
    if (last?.scope !== scope) last = { scope, compiled: compileGuard<Request>(requirement, scope.enforcement.tenant) }
    return last
  })
}

/** A guard that is always decided by one `permit(…)`, whether requests have come through it or not. */
export function guardOf (scope: Scope, requirement: Annotation): Middleware {
  const bound = { scope, compiled: compileGuard<Request>(requirement, scope.enforcement.tenant) }
  return createGuard(() => bound)
}

interface Bound {
  readonly scope: Scope
  readonly compiled: CompiledGuard<Request>
}

/** In the form of a callback, because an answer that is at hand then costs no promise. */
function createGuard (bind: (request: Request) => Bound): Middleware {
  const known = new WeakSet<object>()
  return function permitGuard (message, response, next) {
    const request = message as Request
    let bound: Bound | undefined
    let verdict: MaybePromise<Verdict> | undefined
    try {
      requireNoWaiting(request)
      bound = bind(request)
      verdict = enforce(bound.scope.enforcement, bound.compiled, request)
      if (verdict instanceof Promise) startWaiting(request, known)
    } catch (error) {
      ignore(verdict)
      verdict = toError(error)
    }
    // `next` is called outside of the try: what comes after the guard throws is not the guard's to catch.
    if (verdict === true) {
      next()
    } else if (verdict instanceof Promise) {
      const { scope } = bound as Bound
      verdict.then(
        verdict => conclude(verdict, scope, known, request, response, next),
        error => conclude(toError(error), scope, known, request, response, next)
      )
    } else {
      refuse(verdict, bound?.scope, known, request, response, next)
    }
  }
}

function conclude (verdict: Verdict, scope: Scope, known: WeakSet<object>, request: Request, response: ServerResponse, next: Next): void {
  if (!stopWaiting(request)) return
  if (verdict === true) next()
  else refuse(toError(verdict), scope, known, request, response, next)
}

function refuse (error: Error, scope: Scope | undefined, known: WeakSet<object>, request: Request, response: ServerResponse, next: Next): void {
  if (scope !== undefined) {
    logRefusal(error, scope.log)
    logMistake(error, scope.log)
  }
  // Somebody else has answered while the guard waited: there is nobody left to tell, and Express would cut the connection.
  if (response.writableEnded) {
    keepWaiting(request, known)
    return
  }
  // For an error handler of the app that sends a body of its own: the client is told all the same when to come back.
  if (error instanceof UnavailableError && !response.headersSent) {
    for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value)
  }
  if (error instanceof ForbiddenError && scope?.onDenied !== undefined) {
    // It may take its time, and nothing behind the guard may run meanwhile.
    keepWaiting(request, known)
    answerToDenied(scope.onDenied, request, response as Response, error, isAnswered, scope.log).then(error => {
      // Without an error there is a reply already; and to go on without one would run the handler. So the request waits for good.
      if (error !== undefined && stopWaiting(request)) next(error)
    })
  } else {
    next(forClient(error))
  }
}

function isAnswered (response: ServerResponse): boolean {
  return response.headersSent || response.writableEnded
}

/** A mistake in the app's own code. Fastify logs such errors with their causes; Express has no log. */
function logMistake (error: Error, log: Scope['log']): void {
  if (error instanceof ForbiddenError || error instanceof UnauthenticatedError || error instanceof UnavailableError) return
  try {
    log.error({ err: error }, 'permit: a guard could not work out what to ask')
  } catch {}
}
