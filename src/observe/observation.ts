// Reports checks, plans and searches to observers: those that options add, and for checks the diagnostics channel. Without observers it
// costs one comparison.
import { tracingChannel } from 'node:diagnostics_channel'
import type { Denial } from '../contract/errors.js'
import type { Decision, DecisionSource, Query } from '../contract/point.js'

/** How a check ended. */
export interface CheckOutcome {
  /** The decision; undefined for a check without one. */
  readonly decision?: Decision
  /** The error of a check without a decision: an `UnavailableError` with a cause. */
  readonly error?: unknown
  /** Where the decision came from, or without one, where it was expected from; undefined when the check failed before. */
  readonly source: DecisionSource | undefined
  /** How long it took, ms. */
  readonly duration: number
}

/** A question with many results: a plan or a search. */
export interface ListQuestion {
  readonly kind: ListKind
  /** The user's key; undefined when the question is which users. */
  readonly user: string | undefined
  /** Undefined when the question is which actions. */
  readonly action: string | undefined
  /** `type`, or `type:key` when the question is about one resource. Undefined for `tenants` without a resource. */
  readonly resource: string | undefined
  /** Undefined when the question is which tenants. */
  readonly tenant: string | undefined
}

/** The method that asks such a question. */
export type ListKind = 'plan' | 'searchResources' | 'searchActions' | 'searchUsers' | 'tenants'

/** How such a question ended. */
export interface ListOutcome {
  /** Which rows or results: all of the tenant, some, or none. Undefined for a question without a whole answer. */
  readonly rows?: 'all' | 'some' | 'none'
  /** Of a search: how many results the caller got, those before an error included. */
  readonly found?: number
  /** The error of a question without an answer. */
  readonly error?: unknown
  /** Whether the error is that of the caller's own `AbortSignal`. */
  readonly aborted?: boolean
  /** Where the answer came from, as for a check. */
  readonly source: DecisionSource | undefined
  /** How long the PDP took, ms. Of a search: the time of its pages, without that of the caller between them. */
  readonly duration: number
}

/** What is told to the observers of one plan or search. */
export interface ListWatch {
  /** Runs a part of the question within the observers' contexts. Its time counts. */
  run<T> (ask: () => Promise<T>): Promise<T>
  /** The question has ended. Only the first call counts. */
  ended (outcome: Omit<ListOutcome, 'duration'>): void
}

/**
 * Observes checks, plans and searches. Its errors are caught: it can neither change nor delay a decision.
 */
export interface CheckObserver {
  /** A check starts that is not answered in the same tick. The return value is passed to `within` and `ended`. */
  started? (query: Query): unknown
  /**
   * Calls `ask` synchronously in the context that `started` returned, so that everything it causes belongs to that context. The check runs
   * exactly once, whatever this does.
   */
  within? (begun: unknown, ask: () => void): void
  /**
   * A check has ended.
   * @param asker - the request that the check belongs to, if there is one
   * @param begun - the return value of `started`
   */
  ended (query: Query, outcome: CheckOutcome, asker: object | undefined, begun: unknown): void
  /** The guard refused a request without a check: no URL mapping rule matches, or a part of the question is missing. */
  refused? (denial: Denial, asker: object | undefined): void
  /** A request with this number of checks was sent to the PDP. */
  sent? (checks: number): void
  /** A plan is made that was not kept, or a search begins. The return value is passed to `within` and `listEnded`. */
  listStarted? (question: ListQuestion): unknown
  /**
   * A plan was made, or was kept; or a search has ended, by its end, its limit, an error, or because the caller takes no more results.
   * @param begun - the return value of `listStarted`
   */
  listEnded? (question: ListQuestion, outcome: ListOutcome, asker: object | undefined, begun: unknown): void
}

/**
 * The message of the diagnostics channel: one object for each check, to which the outcome is added when it is known.
 */
export interface CheckMessage {
  /** A copy of the query, including attribute values. */
  readonly query: Query
  decision?: Decision
  source?: DecisionSource
  /** Ms. */
  duration?: number
  /** The error of a check without a decision, as Node's tracing channels set it. */
  error?: unknown
}

/**
 * The name of the tracing channel: subscribe to `tracing:fastify-permit:check:start`, `:end`, `:asyncStart`, `:asyncEnd` and `:error`.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * import { CHECK_CHANNEL, type CheckMessage } from 'fastify-permit'
 *
 * subscribe(`tracing:${CHECK_CHANNEL}:asyncEnd`, message => console.log((message as CheckMessage).duration))
 * ```
 */
export const CHECK_CHANNEL = 'fastify-permit:check'

const channel = tracingChannel<'', CheckMessage>(CHECK_CHANNEL)

/** One for each registration of the plugin. */
export class Observation {
  readonly #observers: CheckObserver[] = []
  readonly #failed: (error: unknown) => void

  /** @param failed - called with the errors of observers */
  constructor (failed: (error: unknown) => void = () => {}) {
    this.#failed = failed
  }

  add (observer: CheckObserver): void {
    this.#observers.push(observer)
  }

  /** Whether there are observers. Read for each check, because subscribers of a channel come and go. */
  get active (): boolean {
    return this.#observers.length > 0 || channel.hasSubscribers
  }

  /** Reports a check that was answered in the same tick. */
  answered (query: Query, decision: Decision, source: DecisionSource, duration: number, asker: object | undefined): void {
    if (channel.hasSubscribers) {
      const message = messageOn(query)
      channel.start.publish(message)
      channel.end.publish(Object.assign(message, { decision: copyOf(decision), source, duration }))
    }
    this.#end(query, { decision, source, duration }, asker, undefined)
  }

  /** Runs a check that may take a while, and reports its start and end. */
  async watch (
    query: Query, asker: object | undefined, source: () => DecisionSource | undefined, ask: () => Decision | Promise<Decision>
  ): Promise<Decision> {
    const begun = this.#observers.map(observer => this.#guarded(() => observer.started?.(query)))
    const start = performance.now()
    let duration = 0
    const asked = async () => {
      try {
        return await ask()
      } finally {
        duration = performance.now() - start
      }
    }
    try {
      const decision = await this.#within(begun, () => channel.hasSubscribers ? trace(query, asked, source) : asked())
      this.#end(query, { decision, source: source(), duration }, asker, begun)
      return decision
    } catch (error) {
      this.#end(query, { error, source: source(), duration }, asker, begun)
      throw error
    }
  }

  /** Whether there are observers of plans and searches. */
  get watchesLists (): boolean {
    return this.#observers.some(({ listEnded }) => listEnded !== undefined)
  }

  /** Reports a plan that was kept. */
  listed (question: ListQuestion, outcome: ListOutcome, asker: object | undefined): void {
    this.#each((observer, begun) => observer.listEnded?.(question, outcome, asker, begun))
  }

  /** Reports the start of a plan or a search, and its end when the caller of this tells it. */
  watchList (question: ListQuestion, asker: object | undefined): ListWatch {
    const begun = this.#observers.map(observer => this.#guarded(() => observer.listStarted?.(question)))
    let duration = 0
    let isOver = false
    return {
      run: async ask => {
        const start = performance.now()
        try {
          return await this.#within(begun, ask)
        } finally {
          duration += performance.now() - start
        }
      },
      ended: outcome => {
        if (isOver) return
        isOver = true
        this.#each((observer, begun) => observer.listEnded?.(question, { ...outcome, duration }, asker, begun), begun)
      }
    }
  }

  /** Reports a request that was refused without a check. */
  refused (denial: Denial, asker: object | undefined): void {
    this.#each(observer => observer.refused?.(denial, asker))
  }

  /** Reports a request with this number of checks. */
  sent (checks: number): void {
    this.#each(observer => observer.sent?.(checks))
  }

  /** Runs the check within the observers' contexts. Its result does not pass through them. */
  #within<T> (begun: readonly unknown[], ask: () => Promise<T>): Promise<T> {
    let answer: Promise<T> | undefined
    const once = () => { answer ??= ask() }
    const around = this.#observers.reduceRight((inner, observer, index) => observer.within === undefined
      ? inner
      : () => {
          try {
            observer.within?.(begun[index], inner)
          } catch (error) {
            this.#failed(error)
          }
          // Runs the check even if the observer did not.
          inner()
        }, once)
    around()
    return answer as unknown as Promise<T>
  }

  /** Runs for every observed check, so it makes no closure. */
  #end (query: Query, outcome: CheckOutcome, asker: object | undefined, begun: readonly unknown[] | undefined): void {
    for (let index = 0; index < this.#observers.length; index++) {
      try {
        (this.#observers[index] as CheckObserver).ended(query, outcome, asker, begun?.[index])
      } catch (error) {
        this.#failed(error)
      }
    }
  }

  #each (tell: (observer: CheckObserver, begun: unknown) => void, begun?: readonly unknown[]): void {
    this.#observers.forEach((observer, index) => this.#guarded(() => tell(observer, begun?.[index])))
  }

  /** The errors of observers change nothing. */
  #guarded<T> (call: () => T): T | undefined {
    try {
      return call()
    } catch (error) {
      this.#failed(error)
      return undefined
    }
  }
}

/** Subscribers get copies, so they cannot change the query and the decision that the guard and the cache use. */
function messageOn ({ user, action, resource, context, key }: Query): CheckMessage {
  return { query: structuredClone({ user, action, resource, context, key }) }
}

/** The reason may be a getter, which `structuredClone` would leave out. */
function copyOf (decision: Decision): Decision {
  const { reason } = decision
  return structuredClone(reason === undefined ? decision : { ...decision, reason })
}

/** Traces a check. The traced promise resolves with undefined, because Node passes its result to subscribers uncopied. */
async function trace (query: Query, ask: () => Promise<Decision>, source: () => DecisionSource | undefined): Promise<Decision> {
  const message = messageOn(query)
  const start = performance.now()
  const decided: { decision?: Decision } = {}
  await channel.tracePromise(async () => {
    try {
      decided.decision = await ask()
      message.decision = copyOf(decided.decision)
    } finally {
      message.source = source()
      message.duration = performance.now() - start
    }
  }, message)
  return decided.decision as Decision
}
