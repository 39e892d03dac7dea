// Drops the cached decisions that a write to a remote PDP could change.
import type { FactMutation, FactsApi } from '../contract/fact-mutation.js'
import type { Generations } from './generations.js'

/** Invalidates after each write of `facts`, including decisions in flight. */
export function invalidating (facts: FactsApi, generations: Generations): FactsApi {
  return {
    async apply (mutation) {
      try {
        return await facts.apply(mutation)
      } finally {
        // Also after a failure: a write without an acknowledgement may have been applied.
        generations.invalidate(userOf(mutation))
      }
    }
  }
}

/** The only user whose decisions the mutation can change; undefined when it can change those of other users. */
function userOf (mutation: FactMutation): string | undefined {
  switch (mutation.kind) {
    case 'syncUser': return mutation.user.key
    case 'deleteUser': return mutation.user
    case 'assignRole':
    case 'unassignRole': return mutation.assignment.user
    default: return undefined
  }
}
