// The guard as Express middleware: what comes after it runs after a yes, and after nothing else.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request, Response } from 'express'
import { ForbiddenError, OptionsError, UnauthenticatedError, UnavailableError } from '../contract/errors.js'
import { compileGuard, type CompiledGuard } from '../guard/compile-annotation.js'
import { enforce, type Verdict } from '../guard/enforce.js'
import { readGuardOptions, type GuardOptions } from '../guard/guard-options.js'
import { askToComeBack } from '../guard/retry-after.js'
import { answerToDenied, forClient, logRefusal, toError } from '../guard/on-denied.js'
import { ignore, type MaybePromise } from '../kit/whenever.js'
import { keepWaiting, requireNoWaiting, startWaiting, stopWaiting } from './pending.js'
import { scopeOf, type Scope } from './permit-scope.js'
import type { Annotation, Guard, Next } from './express-types.js'

/**
 * A guard: it lets requests through whose user may do what is required, and hands an error to `next` for all others. It is
 * decided by the options of the `permit(…)` in charge of the request: that of its app, else of the app around that.
 *
 * A guard that is one of several needs `{ onDenied: false }` where that option answers by itself: Express does not tell who calls it. Called
 * without `next` it is a promise, which rejects with the refusal, and nothing is answered.
 * @throws `AnnotationError` when the requirement makes none, `QueryError` when the options are wrong.
 */
export function guard (requirement: Annotation, options?: GuardOptions): Guard {
  // What is wrong with it should come out when the route is declared.
  compileGuard<Request>(requirement, undefined)
  let last: Bound | undefined
  return createGuard(readGuardOptions(options), request => {
    const scope = scopeOf(request)
    if (scope === undefined) throw new OptionsError('guard(…) was reached by a request that no permit(…) is in charge of: write app.use(permit({ … })) above the routes, in the same app or one around it')
    if (last?.scope !== scope) last = { scope, compiled: compileGuard<Request>(requirement, scope.enforcement.tenant) }
    return last
  })
}

/** A guard that is always decided by one `permit(…)`, whether requests have come through it or not. */
export function guardOf (scope: Scope, requirement: Annotation, options?: GuardOptions): Guard {
  const bound = { scope, compiled: compileGuard<Request>(requirement, scope.enforcement.tenant) }
  return createGuard(readGuardOptions(options), () => bound)
}

interface Bound {
  readonly scope: Scope
  readonly compiled: CompiledGuard<Request>
}

/** In the form of a callback, because an answer that is at hand then costs no promise. */
function createGuard ({ onDenied }: Required<GuardOptions>, bind: (request: Request) => Bound): Guard {
  const known = new WeakSet<object>()
  function permitGuard (message: IncomingMessage, response: ServerResponse, next?: Next): void | Promise<void> {
    const request = message as Request
    if (typeof next === 'function') {
      decide({ bind, request, response, known, isOneOfSeveral: false, onDenied, next })
      return
    }
    return new Promise((resolve, reject) => {
      // Whoever waits for a promise says what comes next: there, no guard answers by itself.
      const next: Next = error => { if (error === undefined) resolve(); else reject(error) }
      decide({ bind, request, response, known, isOneOfSeveral: true, onDenied: false, next })
    })
  }
  return permitGuard as Guard
}

/** One request at one guard. */
interface Attempt {
  readonly bind: (request: Request) => Bound
  readonly request: Request
  readonly response: ServerResponse
  readonly known: WeakSet<object>
  /** Then others may be asked at the same time. */
  readonly isOneOfSeveral: boolean
  readonly onDenied: boolean
  readonly next: Next
}

function decide (attempt: Attempt): void {
  const { bind, request, known, isOneOfSeveral, next } = attempt
  let bound: Bound | undefined
  let verdict: MaybePromise<Verdict> | undefined
  try {
    if (!isOneOfSeveral) requireNoWaiting(request)
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
    verdict.then(verdict => conclude(verdict, scope, attempt), error => conclude(toError(error), scope, attempt))
  } else {
    refuse(verdict, bound?.scope, attempt)
  }
}

function conclude (verdict: Verdict, scope: Scope, attempt: Attempt): void {
  if (!stopWaiting(attempt.request)) return
  if (verdict === true) attempt.next()
  else refuse(toError(verdict), scope, attempt)
}

function refuse (error: Error, scope: Scope | undefined, { request, response, known, onDenied, next }: Attempt): void {
  if (scope !== undefined) {
    logRefusal(error, scope.log)
    logMistake(error, scope.log)
  }
  // Somebody else has answered while the guard waited: there is nobody left to tell, and Express would cut the connection.
  if (response.writableEnded) {
    keepWaiting(request, known)
    return
  }
  if (error instanceof UnavailableError) askToComeBack(response, error)
  if (error instanceof ForbiddenError && onDenied && scope?.onDenied !== undefined) {
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
