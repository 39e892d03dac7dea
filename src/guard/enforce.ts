// Decides on a request with a compiled annotation: the handler may run, or the request gets 401, 403 or 503.
import type { ServerResponse } from 'node:http'
import { forbidden, type Checks } from '../decision/checks.js'
import { normaliseUser, Question, type UserInput } from '../decision/query.js'
import { AnnotationError, ForbiddenError, UnauthenticatedError } from '../contract/errors.js'
import type { Caller, Decision, DecisionSource, Outcome, QueryUser, Trace } from '../contract/point.js'
import { isThenable, whenResolved, type MaybePromise } from '../kit/maybe-promise.js'
import type { UrlTemplate } from './asked-url.js'
import { askByUrl, type UrlAsking } from './url-query.js'
import type {
  AskPermission, CompiledAnnotation, CompiledGuard, CompiledRequirement, QueryOrRefusal, TenantOf
} from './compile-annotation.js'
import { entryOf } from './method-map.js'

/** Only `true` lets a request through. An error refuses it. */
export type Verdict = true | Error

/** What enforcement needs of the plugin. */
export interface Enforcement<R> {
  readonly checks: Checks
  readonly user: (request: R) => MaybePromise<UserInput | null | undefined>
  readonly tenant: TenantOf<R>
  /** Undefined when requests are not decided by their URLs. */
  readonly urls: UrlAsking<R> | undefined
  /** The caller that waits for the answer, if known. */
  readonly caller: (request: R) => Caller | undefined
  /** The request's id in the app's log, if there is one. */
  readonly requestId: (request: R) => string | undefined
  /** The response of the request, if known. */
  readonly response: (request: R) => ServerResponse | undefined
  /** Logs that a request was refused, by a guard or by `assert`: one line for each denial. */
  readonly refused: (request: R, error: Error) => void
}

/**
 * Decides whether a request meets an annotation. Returns synchronously when the user, the resource and the decision are available. Throws
 * or rejects when there is no decision; the caller must refuse the request then, too.
 *
 * This is the hot path: it creates no closure and no promise unless it has to wait.
 */
export function enforce<R> (enforcement: Enforcement<R>, annotation: CompiledGuard<R>, request: R): MaybePromise<Verdict> {
  if (annotation.kind === 'methods') {
    const own = ofMethod(annotation.of, request)
    return own.kind === 'public' || enforce(enforcement, own, request)
  }
  const who = enforcement.user(request)
  return isThenable(who)
    ? Promise.resolve(who).then(who => enforceFor(enforcement, annotation, request, who))
    : enforceFor(enforcement, annotation, request, who)
}

/** What the method of a request requires. A method that the map does not have is a mistake of the app, and gets in nowhere. */
function ofMethod<R> (map: ReadonlyMap<string, CompiledAnnotation<R>>, request: R): CompiledAnnotation<R> {
  const { method } = request as { method?: unknown }
  const own = typeof method === 'string' ? entryOf(map, method) : undefined
  if (own === undefined) throw new AnnotationError(`the annotation has no requirement for the method ${String(method)}`)
  return own
}

function enforceFor<R> (
  enforcement: Enforcement<R>, annotation: Exclude<CompiledGuard<R>, { kind: 'methods' }>, request: R, who: UserInput | null | undefined
): MaybePromise<Verdict> {
  if (who === undefined || who === null || who === '') return new UnauthenticatedError()
  const user = normaliseUser(who)
  if (annotation.kind === 'permission') return isPermitted(enforcement, annotation.ask, request, user)
  if (annotation.kind !== 'function') return meets(enforcement, annotation, request, user)
  return whenResolved(annotation.requirement(request), requirement => meets(enforcement, requirement, request, user))
}

function meets<R> (enforcement: Enforcement<R>, requirement: CompiledRequirement<R>, request: R, user: QueryUser): MaybePromise<Verdict> {
  if (requirement.kind === 'permission') return isPermitted(enforcement, requirement.ask, request, user)
  if (requirement.kind === 'url') return isUrlPermitted(enforcement, requirement.template, request, user)
  const attempts = requirement.parts.map(part => attempt(() => meets(enforcement, part, request, user)))
  return combine(attempts, requirement.kind === 'any' ? anyOf : allOf)
}

function isPermitted<R> (enforcement: Enforcement<R>, ask: AskPermission<R>, request: R, user: QueryUser): MaybePromise<Verdict> {
  const query = ask(request, user)
  return query instanceof Promise
    ? query.then(query => decideOn(enforcement, query, request))
    : decideOn(enforcement, query, request)
}

function isUrlPermitted<R> (
  enforcement: Enforcement<R>, template: UrlTemplate | undefined, request: R, user: QueryUser
): MaybePromise<Verdict> {
  const { urls, tenant } = enforcement
  // The rules are not known before.
  const opening = urls?.opened?.()
  if (opening !== undefined) return opening.then(() => isUrlPermitted(enforcement, template, request, user))
  return whenResolved(tenant?.(request), tenant => decideOn(enforcement, askByUrl(urls, request, template, user, tenant), request))
}

function decideOn<R> ({ checks, caller }: Enforcement<R>, query: QueryOrRefusal, request: R): MaybePromise<Verdict> {
  if (!(query instanceof Question)) {
    checks.refused(query, request as object)
    return query
  }
  const known = checks.peek(query, request as object)
  if (known !== undefined) return judge(query, known)
  return new Promise((resolve, reject) => {
    checks.ask(query, new Judgement(query, resolve, reject), caller(request), request as object)
  })
}

/** The verdict that a request waits for. The one promise of its check: what runs after it runs in the context of the request. */
class Judgement implements Outcome, Trace {
  source: DecisionSource | undefined

  constructor (
    private readonly query: Question,
    private readonly resolve: (verdict: Verdict) => void,
    /** Takes the error of a check without a decision. */
    readonly fail: (error: unknown) => void
  ) {}

  settle (decision: Decision): void {
    this.resolve(judge(this.query, decision))
  }
}

function judge (query: Question, decision: Decision): Verdict {
  return decision.allow === true ? true : forbidden(query, decision)
}

/** The verdict of a part, or its failure. In a combination, the failure of one part does not decide the result. */
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

/** One allow is enough. Without an allow, a part without a decision might have allowed, so the result is no decision rather than a deny. */
function anyOf (attempts: readonly Attempt[]): Verdict {
  if (attempts.some(isYes)) return true
  return orThrow(attempts)
}

/** All parts must allow. One deny is final, even if other parts have no decision. */
function allOf (attempts: readonly Attempt[]): Verdict {
  if (attempts.length > 0 && attempts.every(isYes)) return true
  const denied = attempts.find(attempt => 'verdict' in attempt && attempt.verdict !== true)
  return denied === undefined ? orThrow(attempts) : orThrow([denied])
}

function isYes (attempt: Attempt): boolean {
  return 'verdict' in attempt && attempt.verdict === true
}

/** Throws the first failure, or returns the first denial. */
function orThrow (attempts: readonly Attempt[]): Error {
  for (const attempt of attempts) if ('failure' in attempt) throw attempt.failure
  for (const attempt of attempts) if ('verdict' in attempt && attempt.verdict !== true) return attempt.verdict
  return new ForbiddenError()
}
