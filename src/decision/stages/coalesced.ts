// The stage that lets equal questions share one answer, so that a burst of the same check is one request.
import type { Caller, Decision, DecisionPoint, DecisionPointStats, Query, Trace } from '../../contract/point.js'
import type { MaybePromise } from '../../kit/whenever.js'
import type { Generations } from '../generations.js'

/** A question on its way. As a caller it is gone when everybody on board is. */
class Flight implements Caller {
  answer!: Promise<Decision>
  readonly #first: Caller | undefined
  /** Most flights carry nobody else. */
  #others: (Caller | undefined)[] | undefined

  constructor (readonly stamp: number, caller: Caller | undefined) {
    this.#first = caller
  }

  board (caller: Caller | undefined): void {
    (this.#others ??= []).push(caller)
  }

  get destroyed (): boolean {
    return isGone(this.#first) && (this.#others === undefined || this.#others.every(isGone))
  }

  /** That of the first on board who has one: the others are told by the log that they were answered by a flight. */
  get requestId (): string | undefined {
    return this.#first?.requestId ?? this.#others?.find(caller => caller?.requestId !== undefined)?.requestId
  }
}

function isGone (caller: Caller | undefined): boolean {
  return caller?.destroyed === true
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
    takeOff(key, flight, answer)
    return answer
  }

  function takeOff (key: string, flight: Flight, answer: Promise<Decision>): void {
    flight.answer = answer
    flights.set(key, flight)
    const land = () => {
      // A newer flight for the same question may have taken the place.
      if (flights.get(key) === flight) flights.delete(key)
    }
    answer.then(land, land)
  }

  function stats (): DecisionPointStats {
    return { ...next.stats(), coalesced: joined }
  }

  return { peek: query => next.peek(query), decide, stats }
}
