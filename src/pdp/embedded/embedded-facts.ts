// Writes to the facts of the embedded PDP.
import type { Environment, FactWriter } from '../../environment/environment.js'
import type { MutationResult } from '../../contract/mutation-result.js'
import { kindOfMutation, type FactMutation, type FactsApi } from '../mutation-kinds.js'

/**
 * @param environment - called for each write, because the environment opens later than this is created
 * @param written - called after each write
 */
export function embeddedFacts (environment: () => Environment, written: () => Promise<void>): FactsApi {
  return {
    async apply (mutation) {
      const result = await environment().perform(mutation) as MutationResult
      await written()
      return result
    }
  }
}

/** Writes a mutation of this process. */
export function performOwn (facts: FactWriter, mutation: unknown): MutationResult {
  const known = mutation as FactMutation
  return { status: kindOfMutation(known).embedded(facts, known) }
}

/** Returns a function that writes a mutation which may come from another process. */
export async function performer (): Promise<typeof performOwn> {
  const { mutationChecker } = await import('./mutation-schema.js')
  return (facts, mutation) => {
    if (!mutationChecker.Check(mutation)) throw new TypeError('it is not a mutation')
    return performOwn(facts, mutation)
  }
}
