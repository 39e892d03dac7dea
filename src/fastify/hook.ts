// The guard as a Fastify hook: the handler behind it runs after a yes, and after nothing else.
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction, preHandlerHookHandler } from 'fastify'
import { ForbiddenError, UnavailableError } from '../contract/errors.js'
import type { CompiledGuard } from '../guard/compile.js'
import { enforce, type Enforcement, type Verdict } from '../guard/enforce.js'
import { answerToDenied, forClient, logRefusal, NOT_STARTED, toError } from '../guard/refusal.js'
import { recordPass } from './passes.js'
import type { OnDenied } from './fastify-types.js'

/** What enforcement in Fastify needs. */
export interface FastifyEnforcement extends Enforcement<FastifyRequest> {
  readonly onDenied?: OnDenied
}

/**
 * A hook that refuses requests that do not meet the annotation. In callback form, because an answer that is at hand
 * then costs no promise.
 * @param enforcement undefined as long as the plugin has not started: then everybody is refused.
 */
export function createGuard (enforcement: () => FastifyEnforcement | undefined, annotation: CompiledGuard<FastifyRequest>): preHandlerHookHandler {
  return function permitGuard (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    let verdict: Verdict | Promise<Verdict>
    const started = enforcement()
    try {
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
        verdict => conclude(verdict, permitGuard, started, request, reply, done),
        error => refuse(toError(error), started, request, reply, done)
      )
    } else {
      refuse(verdict, started, request, reply, done)
    }
  }
}

function conclude (
  verdict: Verdict, guard: object, enforcement: FastifyEnforcement | undefined, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction
): void {
  if (verdict === true) {
    recordPass(request, guard)
    done()
  } else {
    refuse(toError(verdict), enforcement, request, reply, done)
  }
}

function refuse (error: Error, enforcement: FastifyEnforcement | undefined, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
  logRefusal(error, request.log)
  // For an error handler of the app that sends a body of its own: the client is told all the same when to come back.
  if (error instanceof UnavailableError) reply.headers(error.headers)
  if (error instanceof ForbiddenError && enforcement?.onDenied !== undefined) {
    const watch = watchAnswer(reply)
    answerToDenied(enforcement.onDenied, request, reply, error, watch.isAnswered, request.log)
      .finally(watch.end)
      // Without an error there is a reply already; and to go on without one would run the handler.
      .then(error => { if (error !== undefined) done(error) }, () => done(error))
  } else {
    done(forClient(error))
  }
}

/** What answers a request, also before `reply.sent` says so: that is false until the hooks of `onSend` are done with the payload. */
const ANSWERING = ['send', 'callNotFound'] as const

/**
 * Notices that a reply is being sent. Without it, an `onDenied` that sends a page and does not return the reply would get the 403 on top
 * of it while a hook still works on the page: its status, with the page's body.
 */
function watchAnswer (reply: FastifyReply): { readonly isAnswered: () => boolean, readonly end: () => void } {
  let answering = false
  const watched = reply as unknown as Record<string, (...args: unknown[]) => unknown>
  const before = ANSWERING.map(name => [name, Object.getOwnPropertyDescriptor(reply, name)] as const)
  for (const name of ANSWERING) {
    const answer = watched[name] as (...args: unknown[]) => unknown
    watched[name] = function (...args) {
      const result = answer.apply(this, args)
      // Not before: what could not be sent, because it threw, is no answer.
      answering = true
      return result
    }
  }
  return {
    isAnswered: () => answering || reply.sent,
    end () {
      for (const [name, descriptor] of before) {
        if (descriptor === undefined) delete watched[name]
        else Object.defineProperty(reply, name, descriptor)
      }
    }
  }
}
