// The option `onDecision`: every decision, told to the app after the response, when nothing can be changed or delayed any more.
import type { CheckObserver, CheckOutcome } from './observation.js'
import { pdpErrorOf, type PdpFailure } from '../contract/errors.js'
import type { DecisionSource, Query } from '../contract/point.js'
import { ignore, isThenable } from '../kit/whenever.js'

/** One check and how it ended, for an audit trail. Attribute values are not in it. */
export interface DecisionEvent {
  readonly user: string
  readonly action: string
  /** `type` or `type:key`. */
  readonly resource: string
  readonly tenant: string
  /** The decision; undefined when none could be had, which lets nobody in. */
  readonly allow: boolean | undefined
  /** The PDP's reason code, where it gave one. */
  readonly code?: string
  /** The PDP's sentence, where it gave one. */
  readonly reason?: string
  /** Why there is no decision. */
  readonly failure?: PdpFailure
  /** Where the answer came from: `cache`, `flight`, `pdp`, `embedded`, `stale`. */
  readonly source: DecisionSource | undefined
  /** How long it took, ms. */
  readonly duration: number
  /** When it was made. */
  readonly time: Date
}

/** The option: called for each check, allowed, denied or without a decision. What it throws, or rejects with, is logged once. */
export type OnDecision<R> = (event: DecisionEvent, request: R | undefined) => unknown

/** Events that are kept for one request at most: one whose answer is a stream may go on asking for as long as it likes. */
const MAX_KEPT = 1_000

/**
 * Keeps the events of a request until it has been answered. One that belongs to no request, to one whose answer nobody tells of, or to one that
 * has been answered already, is told in a later turn of the event loop. So are those of a request that has very many.
 */
export class AuditTrail<R extends object> implements CheckObserver {
  readonly #tell: OnDecision<R>
  readonly #failed: (error: unknown) => void
  readonly #isAwaited: (request: R) => boolean
  readonly #waiting = new WeakMap<object, DecisionEvent[] | 'answered'>()

  /**
   * @param failed - told what the option throws, once
   * @param isAwaited - whether `answered` will be called for a request; of one for which it is not, nothing may be kept
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
    const event = eventOf(query, outcome)
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

  /** The request has been answered, or nobody waits for its answer any more. May be said twice. */
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
