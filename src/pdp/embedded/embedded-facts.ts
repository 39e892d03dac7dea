// Writes to the facts of the embedded PDP.
import type { Environment } from '../../environment/environment.js'
import { kindOfMutation, type FactsApi } from '../mutation-kinds.js'

/** @param environment - called for each write, because the environment opens later than this is created */
export function embeddedFacts (environment: () => Environment): FactsApi {
  return {
    async apply (mutation) {
      return environment().write(facts => ({ status: kindOfMutation(mutation).embedded(facts, mutation) }))
    }
  }
}
