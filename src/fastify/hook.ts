// The guard as a Fastify hook: the handler behind it runs only after a yes.
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction, preHandlerHookHandler } from 'fastify'
import { ForbiddenError, UnavailableError } from '../contract/errors.js'
import type { CompiledGuard } from '../guard/compile-annotation.js'
import { enforce, type Enforcement, type Verdict } from '../guard/enforce.js'
import { askToComeBack } from '../guard/retry-after.js'
import { answerToDenied, forClient, logRefusal, NOT_STARTED, toError } from '../guard/on-denied.js'
import { answerWhenSent } from './answer-when-sent.js'
import { recordRefusal, recordWaiting, wasBypassed } from './held.js'
import { recordPass } from './passes.js'
import type { OnDenied } from './fastify-types.js'

/** What enforcement in Fastify needs. */
export interface FastifyEnforcement extends Enforcement<FastifyRequest> {
  readonly onDenied?: OnDenied
}

/**
 * A guard as a hook. Without a callback it is a promise, which rejects with the refusal: for those who combine guards themselves. Were it to
 * return nothing then, it would look as if it had let the request through.
 */
export type GuardHook = ((request: FastifyRequest, reply: FastifyReply) => Promise<void>) & preHandlerHookHandler

/**
 * When `onDenied` answers a denied request: at once, where nothing but the guard decides; when the refusal is sent, where the guard may be
 * one of several; never.
 */
export type AnswersDenied = 'at once' | 'when sent' | 'never'

/**
 * A hook that refuses requests that do not meet the annotation. In callback form, because an answer that is at hand
 * then costs no promise.
 * @param enforcement undefined as long as the plugin has not started: then every request is refused.
 */
export function createGuard (enforcement: () => FastifyEnforcement | undefined, annotation: CompiledGuard<FastifyRequest>, answers: AnswersDenied): GuardHook {
  function permitGuard (request: FastifyRequest, reply: FastifyReply, done?: HookHandlerDoneFunction): void | Promise<void> {
    if (typeof done !== 'function') {
      return new Promise((resolve, reject) => { permitGuard(request, reply, error => { if (error === undefined) resolve(); else reject(error) }) })
    }
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
      recordWaiting(request, permitGuard)
      verdict.then(
        verdict => conclude(verdict, permitGuard, answers, started, request, reply, done),
        error => refuse(toError(error), permitGuard, answers, started, request, reply, done)
      )
    } else {
      refuse(verdict, permitGuard, answers, started, request, reply, done)
    }
  }
  return permitGuard as GuardHook
}

function conclude (
  verdict: Verdict, guard: object, answers: AnswersDenied, enforcement: FastifyEnforcement | undefined,
  request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction
): void {
  if (verdict === true) {
    if (wasBypassed(request)) return
    recordPass(request, guard)
    done()
  } else {
    refuse(toError(verdict), guard, answers, enforcement, request, reply, done)
  }
}

function refuse (
  error: Error, guard: object, answers: AnswersDenied, enforcement: FastifyEnforcement | undefined,
  request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction
): void {
  logRefusal(error, request.log)
  if (wasBypassed(request)) return
  recordRefusal(request, guard)
  if (error instanceof UnavailableError) askToComeBack(reply.raw, error)
  if (!(error instanceof ForbiddenError) || enforcement?.onDenied === undefined || answers === 'never') {
    done(forClient(error))
    return
  }
  const { onDenied } = enforcement
  const answer = () => {
    const watch = watchAnswer(reply)
    return answerToDenied(onDenied, request, reply, error, watch.isAnswered, request.log).finally(watch.end)
  }
  if (answers === 'when sent') {
    answerWhenSent(reply, error, answer)
    done(error)
  } else {
    // Without an error there is a reply already; and to go on without one would run the handler.
    answer().then(error => { if (error !== undefined) done(error) }, () => done(error))
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
