// From a compiled annotation and a request to a verdict: the handler may run, or the request gets 401, 403 or 503.
import type { ServerResponse } from 'node:http'
import { forbidden, type Checks } from '../decision/checks.js'
import { normaliseUser, Question, type UserInput } from '../decision/query.js'
import { ForbiddenError, UnauthenticatedError } from '../contract/errors.js'
import type { Caller, Decision, QueryUser } from '../contract/point.js'
import { isThenable, whenever, type MaybePromise } from '../kit/whenever.js'
import type { AskPermission, CompiledGuard, CompiledRequirement, QueryOrRefusal, TenantOf } from './compile-annotation.js'

/** Only `true` lets a request through; an error is the refusal. */
export type Verdict = true | Error

/** What enforcement needs of the plugin. */
export interface Enforcement<R> {
  readonly checks: Checks
  readonly user: (request: R) => MaybePromise<UserInput | null | undefined>
  readonly tenant: TenantOf<R>
  /** The caller that waits for the answer, where known. */
  readonly caller: (request: R) => Caller | undefined
  /** The request's id in the app's log, where it has one. */
  readonly requestId: (request: R) => string | undefined
  /** The response to the request, where known. */
  readonly response: (request: R) => ServerResponse | undefined
}

/**
 * Decides whether a request meets an annotation. Returns synchronously when the user, the resource and the decision are at
 * hand. Throws or rejects when there is no decision; the caller refuses the request then, too.
 *
 * This is the hot path: no closure and no promise before something has to be waited for.
 */
export function enforce<R> (enforcement: Enforcement<R>, annotation: CompiledGuard<R>, request: R): MaybePromise<Verdict> {
  const who = enforcement.user(request)
  return isThenable(who)
    ? Promise.resolve(who).then(who => enforceFor(enforcement, annotation, request, who))
    : enforceFor(enforcement, annotation, request, who)
}

function enforceFor<R> (
  enforcement: Enforcement<R>, annotation: CompiledGuard<R>, request: R, who: UserInput | null | undefined
): MaybePromise<Verdict> {
  if (who === undefined || who === null || who === '') return new UnauthenticatedError()
  const user = normaliseUser(who)
  if (annotation.kind === 'permission') return isPermitted(enforcement, annotation.ask, request, user)
  if (annotation.kind !== 'function') return meets(enforcement, annotation, request, user)
  return whenever(annotation.requirement(request), requirement => meets(enforcement, requirement, request, user))
}

function meets<R> (enforcement: Enforcement<R>, requirement: CompiledRequirement<R>, request: R, user: QueryUser): MaybePromise<Verdict> {
  if (requirement.kind === 'permission') return isPermitted(enforcement, requirement.ask, request, user)
  const attempts = requirement.parts.map(part => attempt(() => meets(enforcement, part, request, user)))
  return combine(attempts, requirement.kind === 'any' ? anyOf : allOf)
}

function isPermitted<R> (enforcement: Enforcement<R>, ask: AskPermission<R>, request: R, user: QueryUser): MaybePromise<Verdict> {
  const query = ask(request, user)
  return query instanceof Promise
    ? query.then(query => decideOn(enforcement, query, request))
    : decideOn(enforcement, query, request)
}

function decideOn<R> ({ checks, caller }: Enforcement<R>, query: QueryOrRefusal, request: R): MaybePromise<Verdict> {
  if (!(query instanceof Question)) return query
  const known = checks.peek(query, request as object)
  if (known !== undefined) return judge(query, known)
  const decision = checks.decide(query, undefined, caller(request), request as object)
  return decision instanceof Promise ? decision.then(decision => judge(query, decision)) : judge(query, decision)
}

function judge (query: Question, decision: Decision): Verdict {
  return decision.allow === true ? true : forbidden(query, decision)
}

/** A part's verdict, or its failure: in a combination, the failure of one part is not yet the outcome. */
type Attempt = { readonly verdict: Verdict } | { readonly failure: unknown }

function attempt (ask: () => MaybePromise<Verdict>): MaybePromise<Attempt> {
  try {
    const verdict = ask()
    if (!isThenable(verdict)) return { verdict }
    return verdict.then(verdict => ({ verdict }), (failure: unknown) => ({ failure }))
  } catch (failure) {
    return { failure }
  }
}

function combine (attempts: readonly MaybePromise<Attempt>[], rule: (attempts: readonly Attempt[]) => Verdict): MaybePromise<Verdict> {
  return attempts.some(isThenable)
    ? Promise.all(attempts).then(rule)
    : rule(attempts as readonly Attempt[])
}

/** One yes is enough. Without a yes, a part without a decision might have been one: the result is no decision, not a denial. */
function anyOf (attempts: readonly Attempt[]): Verdict {
  if (attempts.some(isYes)) return true
  return orThrow(attempts)
}

/** Each must be a yes. One denial is final, whatever the parts without a decision would have said. */
function allOf (attempts: readonly Attempt[]): Verdict {
  if (attempts.length > 0 && attempts.every(isYes)) return true
  const denied = attempts.find(attempt => 'verdict' in attempt && attempt.verdict !== true)
  return denied === undefined ? orThrow(attempts) : orThrow([denied])
}

function isYes (attempt: Attempt): boolean {
  return 'verdict' in attempt && attempt.verdict === true
}

/** The first failure, thrown; else the first denial. */
function orThrow (attempts: readonly Attempt[]): Error {
  for (const attempt of attempts) if ('failure' in attempt) throw attempt.failure
  for (const attempt of attempts) if ('verdict' in attempt && attempt.verdict !== true) return attempt.verdict
  return new ForbiddenError()
}
