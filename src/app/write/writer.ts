// Makes writes, one after the other, and forgets the decisions that they could change.
import { MutationError, UnsupportedError, WriteError } from '../../contract/errors.js'
import { PartlyAppliedError, type FactMutation, type FactsApi, type MutationResult } from '../../contract/fact-mutation.js'
import { Mutation } from './mutation.js'

export class Writer {
  readonly #facts: FactsApi
  readonly #forget: (user: string | undefined) => void

  /** @param forget - forgets the decisions of a user, or all, those on their way included */
  constructor (facts: FactsApi, forget: (user: string | undefined) => void) {
    this.#facts = facts
    this.#forget = forget
  }

  /**
   * Makes the mutations in their order, each after the one before it, and stops at the first that fails.
   * @throws `WriteError`
   */
  async write (mutations: readonly Mutation[]): Promise<MutationResult[]> {
    for (const [index, mutation] of mutations.entries()) {
      if (!(mutation instanceof Mutation)) throw new MutationError(`write: argument ${index} is not a mutation; expected what a method of api returns`)
    }
    const applied: MutationResult[] = []
    for (const [index, { description }] of mutations.entries()) {
      try {
        applied.push(await this.#apply(description))
      } catch (error) {
        // Nothing was applied, and nothing will be.
        if (error instanceof UnsupportedError) throw error
        const partly = error instanceof PartlyAppliedError ? error : undefined
        throw new WriteError(description.kind, { index, applied, partly: partly?.applied, cause: partly === undefined ? error : partly.cause })
      }
    }
    return applied
  }

  async #apply (mutation: FactMutation): Promise<MutationResult> {
    try {
      return await this.#facts.apply(mutation)
    } finally {
      // After a failure, too: what was not acknowledged may have been applied.
      this.#forget(userOf(mutation))
    }
  }
}

/** The only user whose decisions the mutation can change; undefined when it can change those of others. */
function userOf (mutation: FactMutation): string | undefined {
  switch (mutation.kind) {
    case 'syncUser': return mutation.user.key
    case 'deleteUser': return mutation.user
    case 'assignRole':
    case 'unassignRole': return mutation.assignment.user
    default: return undefined
  }
}
