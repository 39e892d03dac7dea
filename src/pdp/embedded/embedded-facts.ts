// Writes to the facts of the embedded PDP.
import type { Environment } from '../../environment/environment.js'
import { kindOfMutation, type FactsApi } from '../mutation-kinds.js'

/**
 * @param environment - called for each write, because the environment opens later than this is created
 * @param written - called after each write
 */
export function embeddedFacts (environment: () => Environment, written: () => Promise<void>): FactsApi {
  return {
    async apply (mutation) {
      const result = await environment().write(facts => ({ status: kindOfMutation(mutation).embedded(facts, mutation) }))
      await written()
      return result
    }
  }
}
