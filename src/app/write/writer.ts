// Applies mutations one after the other.
import { MutationError, UnsupportedError, WriteError } from '../../contract/errors.js'
import { PartlyAppliedError, type MutationResult } from '../../contract/mutation-result.js'
import type { FactsApi } from '../../pdp/mutation-kinds.js'
import { Mutation } from './mutation.js'

export class Writer {
  readonly #facts: FactsApi

  constructor (facts: FactsApi) {
    this.#facts = facts
  }

  /**
   * Applies the mutations in order, one after the other, and stops at the first that fails.
   * @throws `WriteError`
   */
  async write (mutations: readonly Mutation[]): Promise<MutationResult[]> {
    for (const [index, mutation] of mutations.entries()) {
      if (!(mutation instanceof Mutation)) {
        throw new MutationError(`write: argument ${index} is not a mutation; expected the result of a method of app.permit.api`)
      }
    }
    const applied: MutationResult[] = []
    for (const [index, { description }] of mutations.entries()) {
      try {
        applied.push(await this.#facts.apply(description))
      } catch (error) {
        // The PDP does not support writes, so no mutation was applied.
        if (error instanceof UnsupportedError) throw error
        const partly = error instanceof PartlyAppliedError ? error : undefined
        const cause = partly === undefined ? error : partly.cause
        throw new WriteError(description.kind, { index, applied, partly: partly?.applied, cause })
      }
    }
    return applied
  }
}
