// A mutation: a write that is applied when it is passed to `write`, or awaited.
import type { MutationResult } from '../../contract/mutation-result.js'
import type { FactMutation } from '../../pdp/mutation-kinds.js'

/**
 * A write that is not applied yet. `app.permit.write` applies it each time it is passed; awaiting applies it once. As with every thenable,
 * an async function that returns a mutation awaits it.
 */
export class Mutation implements Promise<MutationResult> {
  readonly [Symbol.toStringTag] = 'Mutation'
  /** The change that it makes. */
  readonly description: FactMutation
  readonly #run: (mutation: Mutation) => Promise<MutationResult>
  #result: Promise<MutationResult> | undefined

  /** @param run - applies the mutation by itself */
  constructor (description: FactMutation, run: (mutation: Mutation) => Promise<MutationResult>) {
    this.description = description
    this.#run = run
  }

  then<R = MutationResult, E = never> (
    fulfilled?: ((result: MutationResult) => R | PromiseLike<R>) | null, rejected?: ((error: unknown) => E | PromiseLike<E>) | null
  ): Promise<R | E> {
    this.#result ??= this.#run(this)
    return this.#result.then(fulfilled, rejected)
  }

  /** As `then` does, it makes the write. */
  catch<E = never> (rejected?: ((error: unknown) => E | PromiseLike<E>) | null): Promise<MutationResult | E> {
    return this.then(null, rejected)
  }

  /** As `then` does, it makes the write. */
  finally (settled?: (() => void) | null): Promise<MutationResult> {
    return this.then().finally(settled)
  }
}
