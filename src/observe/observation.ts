// Whoever watches decisions being made: in this process's diagnostics channel, and observers that options bring. Without any, it costs a look.
import { tracingChannel } from 'node:diagnostics_channel'
import type { Decision, DecisionSource, Query } from '../contract/point.js'

/** How a check ended. */
export interface CheckOutcome {
  /** The decision; absent when none could be had. */
  readonly decision?: Decision
  /** Why there is none: an `UnavailableError`, with the cause. */
  readonly error?: unknown
  /** Where the answer came from; where there is none, whence it was awaited, if that far. */
  readonly source: DecisionSource | undefined
  /** How long it took, ms. */
  readonly duration: number
}

/**
 * Watches checks. What it throws is caught: it can neither change a decision nor delay it.
 */
export interface CheckObserver {
  /** A check begins that is not answered in the same tick. What it returns is given back at the end. */
  started? (query: Query): unknown
  /**
   * Calls `ask`, at once, within what `started` returned: so that all that it causes can be told to belong to it.
   * The question is asked once in any case.
   */
  within? (begun: unknown, ask: () => void): void
  /**
   * A check has ended.
   * @param asker - the request that it was made for, where there is one
   * @param begun - what `started` returned
   */
  ended (query: Query, outcome: CheckOutcome, asker: object | undefined, begun: unknown): void
  /** So many checks leave for the PDP together; one by itself is 1. */
  sent? (checks: number): void
}

/**
 * What subscribers of the channel are handed: one object for each check, in which the outcome appears when it is known.
 */
export interface CheckMessage {
  /** A copy of the question, attribute values included: it stays in this process. */
  readonly query: Query
  decision?: Decision
  source?: DecisionSource
  /** Ms. */
  duration?: number
  /** Of a check without a decision, as Node's tracing channels have it. */
  error?: unknown
}

/** The name of the tracing channel: subscribe to `tracing:fastify-permit:check:start`, `:end`, `:asyncStart`, `:asyncEnd` and `:error`. */
export const CHECK_CHANNEL = 'fastify-permit:check'

const channel = tracingChannel<'', CheckMessage>(CHECK_CHANNEL)

/** One for each registration of the plugin. */
export class Observation {
  readonly #observers: CheckObserver[] = []
  readonly #failed: (error: unknown) => void

  /** @param failed - told what an observer throws */
  constructor (failed: (error: unknown) => void = () => {}) {
    this.#failed = failed
  }

  add (observer: CheckObserver): void {
    this.#observers.push(observer)
  }

  /** Whether anybody watches. Looked at for each check: subscribers of a channel come and go. */
  get active (): boolean {
    return this.#observers.length > 0 || channel.hasSubscribers
  }

  /** A check that was answered in the tick in which it was asked. */
  answered (query: Query, decision: Decision, source: DecisionSource, duration: number, asker: object | undefined): void {
    if (channel.hasSubscribers) {
      const message = messageOn(query)
      channel.start.publish(message)
      channel.end.publish(Object.assign(message, { decision: structuredClone(decision), source, duration }))
    }
    this.#end(query, { decision, source, duration }, asker, undefined)
  }

  /** Watches a check that may take a while: from its question to its answer. */
  async watch (query: Query, asker: object | undefined, source: () => DecisionSource | undefined, ask: () => Decision | Promise<Decision>): Promise<Decision> {
    const begun = this.#observers.map(observer => this.#start(observer, query))
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

  /** So many checks leave for the PDP together. */
  sent (checks: number): void {
    for (const observer of this.#observers) {
      try {
        observer.sent?.(checks)
      } catch (error) {
        this.#failed(error)
      }
    }
  }

  /** The answer passes by the observers, and not through them. */
  #within (begun: readonly unknown[], ask: () => Promise<Decision>): Promise<Decision> {
    let answer: Promise<Decision> | undefined
    const once = () => { answer ??= ask() }
    const around = this.#observers.reduceRight((inner, observer, index) => observer.within === undefined
      ? inner
      : () => {
          try {
            observer.within?.(begun[index], inner)
          } catch (error) {
            this.#failed(error)
          }
          // Whatever it did, the question is asked.
          inner()
        }, once)
    around()
    return answer as unknown as Promise<Decision>
  }

  #start (observer: CheckObserver, query: Query): unknown {
    try {
      return observer.started?.(query)
    } catch (error) {
      this.#failed(error)
      return undefined
    }
  }

  #end (query: Query, outcome: CheckOutcome, asker: object | undefined, begun: readonly unknown[] | undefined): void {
    this.#observers.forEach((observer, index) => {
      try {
        observer.ended(query, outcome, asker, begun?.[index])
      } catch (error) {
        this.#failed(error)
      }
    })
  }
}

/** Subscribers get copies: whatever they do with them, the question and the answer that the guard and the cache have stay what they are. */
function messageOn ({ user, action, resource, context, key }: Query): CheckMessage {
  return { query: structuredClone({ user, action, resource, context, key }) }
}

/** The promise that the channel traces resolves with nothing: Node hands its result to subscribers, too. */
async function trace (query: Query, ask: () => Promise<Decision>, source: () => DecisionSource | undefined): Promise<Decision> {
  const message = messageOn(query)
  const start = performance.now()
  const decided: { decision?: Decision } = {}
  await channel.tracePromise(async () => {
    try {
      decided.decision = await ask()
      message.decision = structuredClone(decided.decision)
    } finally {
      message.source = source()
      message.duration = performance.now() - start
    }
  }, message)
  return decided.decision as Decision
}
