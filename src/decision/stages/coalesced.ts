// The stage that coalesces equal checks in flight, so that a burst of the same check is one request.
import type { Caller, Decision, DecisionPoint, DecisionPointStats, Query, Trace } from '../../contract/point.js'
import type { MaybePromise } from '../../kit/whenever.js'
import type { Generations } from '../generations.js'

/** A check in flight. As a caller it is gone when all of its callers are gone. */
class Flight implements Caller {
  answer!: Promise<Decision>
  readonly #first: Caller | undefined
  /** Undefined for most flights, which have a single caller. */
  #others: (Caller | undefined)[] | undefined

  constructor (readonly stamp: number, caller: Caller | undefined) {
    this.#first = caller
  }

  join (caller: Caller | undefined): void {
    (this.#others ??= []).push(caller)
  }

  get destroyed (): boolean {
    return isGone(this.#first) && (this.#others === undefined || this.#others.every(isGone))
  }

  /** The id of the first caller that has one. For the others the log names `flight` as the source. */
  get requestId (): string | undefined {
    return this.#first?.requestId ?? this.#others?.find(caller => caller?.requestId !== undefined)?.requestId
  }
}

function isGone (caller: Caller | undefined): boolean {
  return caller?.destroyed === true
}

/**
 * Joins a check to an equal one that is already in flight to `next`. A flight that started before its user, or everything, was invalidated
 * takes no more callers: a check that starts after an invalidation gets a decision from after it.
 *
 * A caller that joins shares the flight's deadline. It is never later than the caller's own, except in a bulk check, which enforces its
 * own deadline.
 */
export function coalesced (next: DecisionPoint, generations: Generations): DecisionPoint {
  const flights = new Map<string, Flight>()
  let joined = 0

  function decide (query: Query, deadline: number, trace?: Trace, caller?: Caller): MaybePromise<Decision> {
    const { key } = query
    const known = flights.get(key)
    if (known !== undefined && generations.isCurrent(known.stamp, query.user.key)) {
      joined++
      if (trace !== undefined) trace.source = 'flight'
      known.join(caller)
      return known.answer
    }
    const flight = new Flight(generations.now, caller)
    const answer = next.decide(query, deadline, trace, flight)
    if (!(answer instanceof Promise)) return answer
    track(key, flight, answer)
    return answer
  }

  function track (key: string, flight: Flight, answer: Promise<Decision>): void {
    flight.answer = answer
    flights.set(key, flight)
    const done = () => {
      // A newer flight for the same check may have replaced this one.
      if (flights.get(key) === flight) flights.delete(key)
    }
    answer.then(done, done)
  }

  function stats (): DecisionPointStats {
    return { ...next.stats(), coalesced: joined }
  }

  return { peek: query => next.peek(query), decide, stats }
}
