// Drops the cached decisions that a write to a remote PDP could change.
import { kindOfMutation, type FactsApi } from '../pdp/mutation-kinds.js'
import type { Generations } from './generations.js'

/** Invalidates after each write of `facts`, including decisions in flight. */
export function invalidating (facts: FactsApi, generations: Generations): FactsApi {
  return {
    async apply (mutation) {
      try {
        return await facts.apply(mutation)
      } finally {
        // Also after a failure: a write without an acknowledgement may have been applied.
        generations.invalidate(kindOfMutation(mutation).user?.(mutation))
        await generations.told()
      }
    }
  }
}

/** Resolves a write of `facts`, which invalidates by itself, when the other instances have received the invalidation. */
export function telling (facts: FactsApi, generations: Generations): FactsApi {
  return {
    async apply (mutation) {
      try {
        return await facts.apply(mutation)
      } finally {
        await generations.told()
      }
    }
  }
}
