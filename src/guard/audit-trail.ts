// The option `onDecision`: every decision, told to the app after the response, when nothing can be changed or delayed any more.
import type { CheckObserver, CheckOutcome } from '../decision/observation.js'
import { PdpError, UnavailableError, type PdpFailure } from '../errors.js'
import type { DecisionSource, Query } from '../pdp/point.js'
import { ignore, isThenable } from './whenever.js'

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

/**
 * Keeps the events of a request until it has been answered. One that belongs to no request, or to one that has been answered already, is told
 * in a later turn of the event loop.
 */
export class AuditTrail<R extends object> implements CheckObserver {
  readonly #tell: OnDecision<R>
  readonly #failed: (error: unknown) => void
  readonly #waiting = new WeakMap<object, DecisionEvent[] | 'answered'>()

  /** @param failed - told what the option throws, once */
  constructor (tell: OnDecision<R>, failed: (error: unknown) => void) {
    this.#tell = tell
    let told = false
    this.#failed = error => {
      if (told) return
      told = true
      failed(error)
    }
  }

  ended (query: Query, outcome: CheckOutcome, asker: object | undefined): void {
    const event = eventOf(query, outcome)
    const waiting = asker === undefined ? 'answered' : this.#waiting.get(asker)
    if (waiting === 'answered') setImmediate(() => this.#deliver(event, asker as R | undefined))
    else if (waiting === undefined) this.#waiting.set(asker as object, [event])
    else waiting.push(event)
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
  const cause = error instanceof UnavailableError ? error.cause : undefined
  return {
    user: user.key,
    action,
    resource: resource.key === undefined ? resource.type : `${resource.type}:${resource.key}`,
    tenant: resource.tenant,
    allow: decision === undefined ? undefined : decision.allow === true,
    code: decision?.code,
    reason: decision?.reason,
    failure: cause instanceof PdpError ? cause.failure : undefined,
    source,
    duration,
    time: new Date()
  }
}
