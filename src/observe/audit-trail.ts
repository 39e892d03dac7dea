// The option `onDecision`: reports every decision to the app after the response, when it can neither be changed nor delayed.
import type { CheckObserver, CheckOutcome, ListKind, ListOutcome, ListQuestion } from './observation.js'
import { codeOf, pdpErrorOf, type Denial, type PdpFailure } from '../contract/errors.js'
import type { DecisionSource, Query } from '../contract/point.js'
import { ignore, isThenable } from '../kit/maybe-promise.js'

/** One check, plan or search and its result, for an audit trail. Without attribute values. */
export interface DecisionEvent {
  /** `check`, or the method that asks for a plan or searches. */
  readonly kind: 'check' | ListKind
  /** Empty for `searchUsers`. */
  readonly user: string
  /** Empty for `searchActions`, and for `tenants` without an action. */
  readonly action: string
  /** `type` or `type:key`. Empty for `tenants` without a resource. */
  readonly resource: string
  /** Empty for `tenants`. */
  readonly tenant: string
  /**
   * The decision; undefined without one, in which case access is refused. Of a plan: whether there may be rows. Of a search: whether there
   * are results; undefined for a search that failed or was aborted.
   */
  readonly allow: boolean | undefined
  /** Of a plan: all rows of the tenant, some or none. Of a search: some results or none. */
  readonly rows?: 'all' | 'some' | 'none'
  /** Of a search: how many results the caller got, those before an error included. */
  readonly found?: number
  /** The PDP's reason code, if it sent one; of a plan or a search without an answer, the error's code, or `aborted`. */
  readonly code?: string
  /** The PDP's reason as a sentence, if it sent one; of a plan or a search without an answer, the error's message. */
  readonly reason?: string
  /** Why there is no decision. */
  readonly failure?: PdpFailure
  /**
   * Where the decision came from: `cache`, `flight`, `pdp`, `embedded`, `stale`. Undefined for a denial of the guard without a check, such
   * as `no_url_mapping`.
   */
  readonly source: DecisionSource | undefined
  /** How long it took, ms. Of a search: the time of its pages. */
  readonly duration: number
  /** When it ended. */
  readonly time: Date
}

/**
 * The option `onDecision`: called for each check, plan and search, allowed, denied or without a decision. Its first error is logged.
 *
 * @example
 * ```ts
 * import Fastify from 'fastify'
 * import permit from 'fastify-permit'
 *
 * const app = Fastify({ logger: true })
 * await app.register(permit, {
 *   policy: './permit.yaml',
 *   onDecision: ({ user, action, resource, allow }) => { app.log.info({ user, action, resource, allow }, 'decision') }
 * })
 * ```
 */
export type OnDecision<R> = (event: DecisionEvent, request: R | undefined) => unknown

/** The most events that are kept for one request: a request with a streamed response may make any number of checks. */
const MAX_KEPT = 1_000

/**
 * Keeps the events of a request until its response was sent. Events without a request, or of a request whose response is not reported or
 * was sent already, are delivered in a later turn of the event loop. So are the events of a request that has too many.
 */
export class AuditTrail<R extends object> implements CheckObserver {
  readonly #tell: OnDecision<R>
  readonly #failed: (error: unknown) => void
  readonly #isAwaited: (request: R) => boolean
  readonly #waiting = new WeakMap<object, DecisionEvent[] | 'answered'>()

  /**
   * @param failed - called with the first error of the option
   * @param isAwaited - whether `answered` will be called for a request; otherwise its events must not be kept
   */
  constructor (tell: OnDecision<R>, failed: (error: unknown) => void, isAwaited: (request: R) => boolean) {
    this.#tell = tell
    this.#isAwaited = isAwaited
    let told = false
    this.#failed = error => {
      if (told) return
      told = true
      failed(error)
    }
  }

  ended (query: Query, outcome: CheckOutcome, asker: object | undefined): void {
    this.#take(eventOf(query, outcome), asker)
  }

  listEnded (question: ListQuestion, outcome: ListOutcome, asker: object | undefined): void {
    this.#take(eventOfList(question, outcome), asker)
  }

  refused ({ user, action, resource, tenant, code, reason }: Denial, asker: object | undefined): void {
    const time = new Date()
    this.#take({ kind: 'check', user, action, resource, tenant, allow: false, code, reason, source: undefined, duration: 0, time }, asker)
  }

  #take (event: DecisionEvent, asker: object | undefined): void {
    const request = asker as R | undefined
    const waiting = request === undefined ? 'answered' : this.#waiting.get(request) ?? (this.#isAwaited(request) ? [] : 'answered')
    if (waiting === 'answered') {
      setImmediate(() => this.#deliver(event, request))
      return
    }
    waiting.push(event)
    this.#waiting.set(request as R, waiting)
    if (waiting.length === MAX_KEPT) setImmediate(() => this.answered(request as R))
  }

  /** The response was sent, or the client is gone. May be called twice. */
  answered (request: R): void {
    const waiting = this.#waiting.get(request)
    this.#waiting.set(request, 'answered')
    if (Array.isArray(waiting)) for (const event of waiting) this.#deliver(event, request)
  }

  #deliver (event: DecisionEvent, request: R | undefined): void {
    try {
      const result = this.#tell(event, request)
      if (isThenable(result)) ignore(result.then(undefined, this.#failed))
    } catch (error) {
      this.#failed(error)
    }
  }
}

function eventOf ({ user, action, resource }: Query, { decision, error, source, duration }: CheckOutcome): DecisionEvent {
  return {
    kind: 'check',
    user: user.key,
    action,
    resource: resource.key === undefined ? resource.type : `${resource.type}:${resource.key}`,
    tenant: resource.tenant,
    allow: decision === undefined ? undefined : decision.allow === true,
    code: decision?.code,
    reason: decision?.reason,
    failure: pdpErrorOf(error)?.failure,
    source,
    duration,
    time: new Date()
  }
}

function eventOfList (question: ListQuestion, { rows, found, error, aborted, source, duration }: ListOutcome): DecisionEvent {
  const { kind, user = '', action = '', resource = '', tenant = '' } = question
  const failure = pdpErrorOf(error)?.failure
  return {
    kind,
    user,
    action,
    resource,
    tenant,
    allow: rows === undefined ? undefined : rows !== 'none',
    rows,
    ...(found === undefined ? {} : { found }),
    ...(failure === undefined ? whyNot(error, aborted) : {}),
    failure,
    source,
    duration,
    time: new Date()
  }
}

/** The reason of an `AbortSignal` is anything that the app gave, and may hold anything. */
function whyNot (error: unknown, aborted: boolean | undefined): Pick<DecisionEvent, 'code' | 'reason'> {
  if (aborted === true) return { code: 'aborted' }
  return error instanceof Error ? { code: codeOf(error), reason: error.message } : {}
}
