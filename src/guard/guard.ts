// The guard as a Fastify hook: the handler behind it runs after a yes, and after nothing else.
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction, preHandlerHookHandler } from 'fastify'
import { AnnotationError, ForbiddenError, PdpError, QueryError, UnavailableError } from '../errors.js'
import type { CompiledAnnotation } from './compile.js'
import { enforce, type Enforcement, type Verdict } from './enforce.js'
import { recordPass } from './passes.js'

/**
 * A hook that refuses requests that do not meet the annotation. In callback form, because an answer that is at hand
 * then costs no promise.
 * @param enforcement undefined as long as the plugin has not started: then everybody is refused.
 */
export function createGuard (enforcement: () => Enforcement | undefined, annotation: Exclude<CompiledAnnotation, { kind: 'public' }>): preHandlerHookHandler {
  return function permitGuard (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    let verdict: Verdict | Promise<Verdict>
    try {
      const started = enforcement()
      verdict = started === undefined ? NOT_STARTED : enforce(started, annotation, request)
    } catch (error) {
      verdict = toError(error)
    }
    // `done` is called outside of the try: what the handler throws is not the guard's to catch.
    if (verdict === true) {
      recordPass(request, permitGuard)
      done()
    } else if (verdict instanceof Promise) {
      verdict.then(
        verdict => conclude(verdict, permitGuard, request, reply, done),
        error => refuse(toError(error), request, reply, done)
      )
    } else {
      refuse(verdict, request, reply, done)
    }
  }
}

const NOT_STARTED = new UnavailableError(new PdpError('closed', 'fastify-permit has not started: its options were refused'))

function conclude (verdict: Verdict, guard: object, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
  if (verdict === true) {
    recordPass(request, guard)
    done()
  } else {
    refuse(toError(verdict), request, reply, done)
  }
}

function refuse (error: Error, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
  try {
    log(error, request)
  } catch {
    // A serializer of the app that throws must not leave the client without an answer.
  }
  // For an error handler of the app that sends a body of its own: the client is told all the same when to come back.
  if (error instanceof UnavailableError) reply.headers(error.headers)
  done(forClient(error))
}

function log (error: Error, request: FastifyRequest): void {
  if (error instanceof ForbiddenError) {
    request.log.info({ permit: error.denial }, 'permit: denied')
  } else if (error instanceof UnavailableError) {
    const { cause } = error
    request.log.warn({
      permit: { failure: cause instanceof PdpError ? cause.failure : 'unknown', reason: cause instanceof Error ? cause.message : undefined }
    }, 'permit: no decision')
  }
}

/** A mistake in the app's own functions is described in the log, through the cause; the client is told that there is one. */
function forClient (error: Error): Error {
  if (error instanceof QueryError) return new QueryError(NOT_THE_CLIENTS, { cause: error })
  if (error instanceof AnnotationError) return new AnnotationError(NOT_THE_CLIENTS, { cause: error })
  return error
}

const NOT_THE_CLIENTS = 'What this request needs a permission for could not be worked out.'

/** Whatever was thrown, as an error: `done(undefined)` would run the handler. */
function toError (thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('A function of an annotation or an option threw something that is not an error.')
}
