// The guard as Express middleware: the handlers after it run only after an allow.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request, Response } from 'express'
import { AnnotationError, ForbiddenError, OptionsError, UnauthenticatedError, UnavailableError } from '../contract/errors.js'
import { NO_ROUTE, NO_URLS } from '../guard/url-query.js'
import { asksRoute, asksUrl, compileGuard, type CompiledGuard } from '../guard/compile-annotation.js'
import { enforce, type Verdict } from '../guard/enforce.js'
import { readGuardOptions, type GuardOptions } from '../guard/guard-options.js'
import { askToComeBack } from '../guard/retry-after.js'
import { answerToDenied, forClient, toError } from '../guard/on-denied.js'
import { ignore, type MaybePromise } from '../kit/maybe-promise.js'
import { keepWaiting, requireNoWaiting, startWaiting, stopWaiting } from './wait-for-decision.js'
import { keepRequirement, keepUnbound } from './guard-requirements.js'
import { scopeOf, type Scope } from './permit-scope.js'
import type { Annotation, Guard, Next } from './express-types.js'

/**
 * Creates a guard: it lets a request through when the user may do what is required, and passes an error to `next` otherwise. It uses the
 * options of the `permit(…)` that applies to the request: the one of its app, or of the app around that.
 *
 * A guard that is combined with others needs `{ onDenied: false }` if that option sends a response itself, because Express does not tell
 * who calls the guard. Without `next` it returns a promise, which rejects when the request is refused, and sends no response.
 * @throws `AnnotationError` when the requirement is invalid, `QueryError` when the options are wrong
 *
 * @example
 * ```ts
 * import express from 'express'
 * import { guard, permit } from 'fastify-permit/express'
 *
 * const app = express()
 * app.use(permit({ policy: './permit.yaml', user: request => request.get('x-user') }))
 * app.delete('/tasks/:id', guard({ action: 'delete', resource: 'task:{id}' }), (_request, response) => { response.sendStatus(204) })
 * ```
 */
export function guard (requirement: Annotation, options?: GuardOptions): Guard {
  // Reports an invalid requirement when the route is declared.
  if (asksRoute(compileGuard<Request>(requirement, undefined))) throw new AnnotationError(`guard(): ${NO_ROUTE}`)
  keepUnbound(requirement)
  let last: Bound | undefined
  const created = createGuard(readGuardOptions(options), request => {
    const scope = scopeOf(request)
    if (scope === undefined) {
      throw new OptionsError('guard(…) was reached by a request without permit(…). ' +
        'Call app.use(permit({ … })) above the routes, in the same app or in an app around it')
    }
    if (last?.scope !== scope) last = { scope, compiled: compileGuard<Request>(requirement, scope.enforcement.tenant) }
    return last
  })
  keepRequirement(created, requirement)
  return created
}

/** Creates a guard that always uses one `permit(…)`, even if the request has not passed through it. */
export function guardOf (scope: Scope, requirement: Annotation, options?: GuardOptions): Guard {
  const bound = { scope, compiled: compileGuard<Request>(requirement, scope.enforcement.tenant) }
  if (asksRoute(bound.compiled)) throw new AnnotationError(`guard(): ${NO_ROUTE}`)
  if (scope.enforcement.urls === undefined && asksUrl(bound.compiled)) throw new AnnotationError(`guard(): ${NO_URLS}`)
  const created = createGuard(readGuardOptions(options), () => bound)
  keepRequirement(created, requirement)
  return created
}

interface Bound {
  readonly scope: Scope
  readonly compiled: CompiledGuard<Request>
}

/** Uses callbacks, so that a decision that is available at once costs no promise. */
function createGuard ({ onDenied }: Required<GuardOptions>, bind: (request: Request) => Bound): Guard {
  const known = new WeakSet<object>()
  function permitGuard (message: IncomingMessage, response: ServerResponse, next?: Next): void | Promise<void> {
    const request = message as Request
    if (typeof next === 'function') {
      decide({ bind, request, response, known, isOneOfSeveral: false, onDenied, next })
      return
    }
    return new Promise((resolve, reject) => {
      // The caller decides what comes next, so the guard sends no response.
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
  /** Whether other guards may wait for the same request at the same time. */
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
  // `next` is called outside of the try block, because errors of later handlers are not the guard's.
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
    scope.enforcement.refused(request, error)
    logMistake(error, scope.log)
  }
  // Another handler has responded while the guard waited. There is nothing to send, and Express would close the connection.
  if (response.writableEnded) {
    keepWaiting(request, known)
    return
  }
  if (error instanceof UnavailableError) askToComeBack(response, error)
  if (error instanceof ForbiddenError && onDenied && scope?.onDenied !== undefined) {
    // The option may be async. Nothing after the guard may run meanwhile.
    keepWaiting(request, known)
    answerToDenied(scope.onDenied, request, response as Response, error, isAnswered, scope.log).then(error => {
      // Without an error, a response was sent. Calling `next` would run the handler, so the request stays where it is.
      if (error !== undefined && stopWaiting(request)) next(error)
    })
  } else {
    next(forClient(error))
  }
}

function isAnswered (response: ServerResponse): boolean {
  return response.headersSent || response.writableEnded
}

/** Logs a mistake in the app's code. Fastify logs such errors itself; Express has no log. */
function logMistake (error: Error, log: Scope['log']): void {
  if (error instanceof ForbiddenError || error instanceof UnauthenticatedError || error instanceof UnavailableError) return
  try {
    log.error({ err: error }, 'permit: the required permission could not be determined')
  } catch {}
}
