// The guard as a Fastify hook: the handler runs only after an allow.
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction, preHandlerHookHandler } from 'fastify'
import { ForbiddenError, UnavailableError } from '../contract/errors.js'
import type { CompiledGuard } from '../guard/compile-annotation.js'
import { enforce, type Enforcement, type Verdict } from '../guard/enforce.js'
import { askToComeBack } from '../guard/retry-after.js'
import { answerToDenied, forClient, logRefusal, NOT_STARTED, toError } from '../guard/on-denied.js'
import { answerWhenSent } from './answer-when-sent.js'
import { recordRefusal, recordWaiting, wasBypassed } from './blocking-guards.js'
import { recordPass } from './passed-guards.js'
import type { OnDenied } from './fastify-types.js'

/** What a guard in Fastify needs to decide. */
export interface FastifyEnforcement extends Enforcement<FastifyRequest> {
  readonly onDenied?: OnDenied
}

/**
 * A guard as a hook. Without a callback it returns a promise, which rejects when the request is refused, for apps that combine guards. If
 * it returned nothing instead, it would look as if the request had been let through.
 */
export type GuardHook = ((request: FastifyRequest, reply: FastifyReply) => Promise<void>) & preHandlerHookHandler

/**
 * When `onDenied` responds to a denied request: at once, when only this guard decides; when the error is sent, when the guard may be
 * combined with others; or never.
 */
export type AnswersDenied = 'at once' | 'when sent' | 'never'

/**
 * Creates a hook that refuses requests that do not meet the annotation. It uses callbacks, so that a decision that is available at once
 * costs no promise.
 * @param enforcement - returns undefined while the plugin has not started; every request is refused then
 */
export function createGuard (
  enforcement: () => FastifyEnforcement | undefined, annotation: CompiledGuard<FastifyRequest>, answers: AnswersDenied
): GuardHook {
  function permitGuard (request: FastifyRequest, reply: FastifyReply, done?: HookHandlerDoneFunction): void | Promise<void> {
    if (typeof done !== 'function') {
      return new Promise((resolve, reject) => {
        permitGuard(request, reply, error => { if (error === undefined) resolve(); else reject(error) })
      })
    }
    let verdict: Verdict | Promise<Verdict>
    const started = enforcement()
    try {
      verdict = started === undefined ? NOT_STARTED : enforce(started, annotation, request)
    } catch (error) {
      verdict = toError(error)
    }
    // `done` is called outside of the try block, because errors of the handler are not the guard's.
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
  if (enforcement === undefined) logRefusal(error, request.log)
  else enforcement.refused(request, error)
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
    // Without an error, a reply was sent. Continuing without an error would run the handler.
    answer().then(error => { if (error !== undefined) done(error) }, () => done(error))
  }
}

/** The methods that answer a request. `reply.sent` is false until the `onSend` hooks have finished, so the calls are watched. */
const ANSWERING = ['send', 'callNotFound'] as const

/**
 * Notices that a reply is being sent. Otherwise, when `onDenied` sends a page without returning the reply, and an `onSend` hook is still
 * working on it, the 403 would be sent as well, with the body of the page.
 */
function watchAnswer (reply: FastifyReply): { readonly isAnswered: () => boolean, readonly end: () => void } {
  let answering = false
  const watched = reply as unknown as Record<string, (...args: unknown[]) => unknown>
  const before = ANSWERING.map(name => [name, Object.getOwnPropertyDescriptor(reply, name)] as const)
  for (const name of ANSWERING) {
    const answer = watched[name] as (...args: unknown[]) => unknown
    watched[name] = function (...args) {
      const result = answer.apply(this, args)
      // Only after the call, because a call that throws has sent nothing.
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
