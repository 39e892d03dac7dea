// A write that was described and not yet made: something to hand to `write`, or to await.
import type { FactMutation, MutationResult } from '../../contract/fact-mutation.js'

/**
 * A write, described. Nothing happens until it is handed to `app.permit.write`, which makes it each time, or awaited, which makes it
 * once. As with every thenable, an async function that returns one awaits it.
 */
export class Mutation implements Promise<MutationResult> {
  readonly [Symbol.toStringTag] = 'Mutation'
  /** What it does. */
  readonly description: FactMutation
  readonly #run: (mutation: Mutation) => Promise<MutationResult>
  #result: Promise<MutationResult> | undefined

  /** @param run - makes it, alone */
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
