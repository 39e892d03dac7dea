// The stage that coalesces equal checks in flight, so that a burst of the same check is one request.
import type { AskedPoint, Caller, Decision, DecisionPoint, DecisionPointStats, Outcome, Query, Trace } from '../../contract/point.js'
import type { Generations } from '../generations.js'
import { Stage } from './stage.js'

/**
 * Joins a check to an equal one that is already in flight to `next`. A flight that started before its user, or everything, was invalidated
 * takes no more callers: a check that starts after an invalidation gets a decision from after it.
 *
 * A caller that joins shares the flight's deadline. It is never later than the caller's own, except in a bulk check, which enforces its
 * own deadline.
 */
export function coalesced (next: DecisionPoint, generations: Generations): AskedPoint {
  return new Coalesced(next, generations)
}

class Coalesced extends Stage {
  readonly #generations: Generations
  readonly #flights = new Map<string, Flight>()
  #joined = 0

  constructor (next: DecisionPoint, generations: Generations) {
    super(next)
    this.#generations = generations
  }

  override ask (query: Query, deadline: number, outcome: Outcome, trace: Trace, caller?: Caller): void {
    const { key } = query
    const known = this.#flights.get(key)
    if (known !== undefined && this.#generations.isCurrent(known.stamp, query.user.key)) {
      this.#joined++
      trace.source = 'flight'
      known.join(outcome, caller)
      return
    }
    const flight = new Flight(this.#flights, key, this.#generations.stampFor(query.user.key), outcome, caller)
    this.#flights.set(key, flight)
    this.next.ask(query, deadline, flight, trace, flight)
  }

  override stats (): DecisionPointStats {
    return { ...this.next.stats(), coalesced: this.#joined }
  }
}

/**
 * A check in flight. As a caller it is gone when all of its callers are gone.
 *
 * When it has landed, it refers to nothing. V8's maps remain reachable from their former tables until the old generation is collected, and
 * so do their former entries. With them, all objects of a check would become old: a third of the processor time of a miss (bench/).
 */
class Flight implements Outcome, Caller {
  /** Undefined for most flights, which have a single caller. */
  #others: Array<{ readonly outcome: Outcome, readonly caller: Caller | undefined }> | undefined
  #outcome: Outcome | undefined
  #caller: Caller | undefined

  constructor (
    private readonly flights: Map<string, Flight>,
    private readonly key: string,
    readonly stamp: number,
    outcome: Outcome,
    caller: Caller | undefined
  ) {
    this.#outcome = outcome
    this.#caller = caller
  }

  join (outcome: Outcome, caller: Caller | undefined): void {
    (this.#others ??= []).push({ outcome, caller })
  }

  settle (decision: Decision): void {
    const outcome = this.#outcome
    const others = this.#others
    this.#land()
    outcome?.settle(decision)
    if (others !== undefined) for (const { outcome } of others) outcome.settle(decision)
  }

  fail (error: unknown): void {
    const outcome = this.#outcome
    const others = this.#others
    this.#land()
    outcome?.fail(error)
    if (others !== undefined) for (const { outcome } of others) outcome.fail(error)
  }

  get destroyed (): boolean {
    return isGone(this.#caller) && (this.#others === undefined || this.#others.every(({ caller }) => isGone(caller)))
  }

  /** The id of the first caller that has one. For the others the log names `flight` as the source. */
  get requestId (): string | undefined {
    return this.#caller?.requestId ?? this.#others?.find(({ caller }) => caller?.requestId !== undefined)?.caller?.requestId
  }

  /** Those of the first caller that has some. */
  get headers (): Caller['headers'] {
    return this.#caller?.headers ?? this.#others?.find(({ caller }) => caller?.headers !== undefined)?.caller?.headers
  }

  #land (): void {
    // A newer flight for the same check may have replaced this one.
    if (this.flights.get(this.key) === this) this.flights.delete(this.key)
    this.#outcome = undefined
    this.#caller = undefined
    this.#others = undefined
  }
}

function isGone (caller: Caller | undefined): boolean {
  return caller?.destroyed === true
}
