// The stage that lets equal questions share one answer, so that a burst of the same check is one request.
import type { Caller, Decision, DecisionPoint, DecisionPointStats, MaybePromise, Query, Trace } from '../pdp/point.js'
import type { Generations } from './generations.js'

/** A question on its way. As a caller it is gone when everybody on board is. */
class Flight implements Caller {
  answer!: Promise<Decision>
  readonly #callers: (Caller | undefined)[]

  constructor (readonly stamp: number, caller: Caller | undefined) {
    this.#callers = [caller]
  }

  board (caller: Caller | undefined): void {
    this.#callers.push(caller)
  }

  get destroyed (): boolean {
    return this.#callers.every(caller => caller?.destroyed === true)
  }

  /** That of the first on board who has one: the others are told by the log that they were answered by a flight. */
  get requestId (): string | undefined {
    return this.#callers.find(caller => caller?.requestId !== undefined)?.requestId
  }
}

/**
 * Joins a question to an equal one that is already on its way to `next`. A flight that took off before its user, or
 * everything, was invalidated takes nobody else on: whoever asks afterwards gets an answer from afterwards.
 *
 * Whoever joins shares the flight's deadline, which is never later than their own, but for late questions of a bulk check, which watches its
 * deadline by itself.
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
      known.board(caller)
      return known.answer
    }
    const flight = new Flight(generations.now, caller)
    const answer = next.decide(query, deadline, trace, flight)
    if (!(answer instanceof Promise)) return answer
    flight.answer = answer
    flights.set(key, flight)
    const land = () => {
      // A newer flight for the same question may have taken the place.
      if (flights.get(key) === flight) flights.delete(key)
    }
    answer.then(land, land)
    return answer
  }

  function stats (): DecisionPointStats {
    return { ...next.stats(), coalesced: joined }
  }

  return { peek: query => next.peek(query), decide, stats }
}
