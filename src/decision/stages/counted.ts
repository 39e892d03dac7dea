// The outermost stage: counts checks by their result.
import type { AskedPoint, Caller, Decision, DecisionPoint, DecisionPointStats, Outcome, Query, Trace } from '../../contract/point.js'
import { Stage } from './stage.js'

/** Counts the checks that `next` decides. */
export function counted (next: DecisionPoint): AskedPoint {
  return new Counted(next)
}

class Counted extends Stage {
  readonly #counts = new Counts()

  override peek (query: Query): Decision | undefined {
    const known = this.next.peek(query)
    if (known !== undefined) this.#counts.decided(known)
    return known
  }

  override ask (query: Query, deadline: number, outcome: Outcome, trace: Trace, caller?: Caller): void {
    this.next.ask(query, deadline, new Counting(this.#counts, outcome), trace, caller)
  }

  override stats (): DecisionPointStats {
    const { allowed, denied, failed } = this.#counts
    return { ...this.next.stats(), checks: { allowed, denied, failed } }
  }
}

class Counts {
  allowed = 0
  denied = 0
  failed = 0

  decided ({ allow }: Decision): void {
    if (allow === true) this.allowed++
    else this.denied++
  }
}

class Counting implements Outcome {
  constructor (private readonly counts: Counts, private readonly outcome: Outcome) {}

  settle (decision: Decision): void {
    this.counts.decided(decision)
    this.outcome.settle(decision)
  }

  fail (error: unknown): void {
    this.counts.failed++
    this.outcome.fail(error)
  }
}
