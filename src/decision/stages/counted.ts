// The outermost stage: counts checks by their result.
import type { Decision, DecisionPoint, DecisionPointStats } from '../../contract/point.js'

export function counted (next: DecisionPoint): DecisionPoint {
  let allowed = 0
  let denied = 0
  let failed = 0

  function count (decision: Decision): Decision {
    if (decision.allow === true) allowed++
    else denied++
    return decision
  }

  function fail (error: unknown): never {
    failed++
    throw error
  }

  return {
    peek (query) {
      const known = next.peek(query)
      return known === undefined ? undefined : count(known)
    },
    decide (query, deadline, trace, caller) {
      const answer = next.decide(query, deadline, trace, caller)
      return answer instanceof Promise ? answer.then(count, fail) : count(answer)
    },
    stats: (): DecisionPointStats => ({ ...next.stats(), checks: { allowed, denied, failed } })
  }
}
