// What the stages have in common. Between them a check is a call with an outcome; its promise is made at the end of the path, once.
import type { MaybePromise } from '../../kit/maybe-promise.js'
import type {
  AskedPoint, Caller, Decision, DecisionPoint, DecisionPointStats, DecisionSource, Outcome, Query, Trace
} from '../../contract/point.js'

/** A stage: it delegates everything that it does not change to the next one. */
export abstract class Stage implements AskedPoint {
  protected readonly next: AskedPoint

  constructor (next: DecisionPoint) {
    this.next = asked(next)
  }

  peek (query: Query): Decision | undefined {
    return this.next.peek(query)
  }

  decide (query: Query, deadline: number, trace?: Trace, caller?: Caller): MaybePromise<Decision> {
    return decideBy(this, query, deadline, trace, caller)
  }

  abstract ask (query: Query, deadline: number, outcome: Outcome, trace: Trace, caller?: Caller): void

  stats (): DecisionPointStats {
    return this.next.stats()
  }
}

/** Asks a stage for a decision, or for a promise of it if it is not available at once. */
export function decideBy (
  point: AskedPoint, query: Query, deadline: number, trace?: Trace, caller?: Caller
): MaybePromise<Decision> {
  const answer = new Answer()
  point.ask(query, deadline, answer, trace ?? answer, caller)
  return answer.value()
}

/** An outcome that a caller waits for. */
class Answer implements Outcome, Trace {
  source: DecisionSource | undefined
  #decision: Decision | undefined
  #failure: { readonly error: unknown } | undefined
  #resolve: ((decision: Decision) => void) | undefined
  #reject: ((error: unknown) => void) | undefined

  settle (decision: Decision): void {
    if (this.#resolve === undefined) this.#decision = decision
    else this.#resolve(decision)
  }

  fail (error: unknown): void {
    if (this.#reject === undefined) this.#failure = { error }
    else this.#reject(error)
  }

  /** Called once, after the question was asked. */
  value (): MaybePromise<Decision> {
    if (this.#decision !== undefined) return this.#decision
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error)
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }
}

/** Adapts a decision point, such as the embedded PDP, to calls with an outcome. */
function asked (point: DecisionPoint): AskedPoint {
  return 'ask' in point ? point as AskedPoint : new Asked(point)
}

class Asked implements AskedPoint {
  constructor (private readonly point: DecisionPoint) {}

  peek (query: Query): Decision | undefined {
    return this.point.peek(query)
  }

  decide (query: Query, deadline: number, trace?: Trace, caller?: Caller): MaybePromise<Decision> {
    return this.point.decide(query, deadline, trace, caller)
  }

  ask (query: Query, deadline: number, outcome: Outcome, trace: Trace, caller?: Caller): void {
    let answer: MaybePromise<Decision>
    try {
      answer = this.point.decide(query, deadline, trace, caller)
    } catch (error) {
      outcome.fail(error)
      return
    }
    if (answer instanceof Promise) answer.then(decision => outcome.settle(decision), error => outcome.fail(error))
    else outcome.settle(answer)
  }

  stats (): DecisionPointStats {
    return this.point.stats()
  }
}
