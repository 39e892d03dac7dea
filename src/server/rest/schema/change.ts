// One change of the schema: what it takes away is taken away everywhere, and all of it happens, or nothing.
import { Removed } from './removed.js'
import type { Environment, SchemaDocument } from '../../../environment/environment.js'

/** A schema that is being changed. */
export type Draft = SchemaDocument

/**
 * Changes the schema. What refers to something that the change takes away goes with it: out of roles, derivations and rules. (The facts
 * that need it are the environment's to remove.) A reference to something that never was there stays, and is the error that it is.
 *
 * @param change - changes the draft
 * @throws `PolicyError` when the schema would be invalid; then nothing has changed
 */
export async function changeSchema (environment: Environment, change: (draft: Draft) => void): Promise<void> {
  await environment.updateSchema(draft => {
    change(draft)
    new Removed(environment.schema, draft).clear(draft)
  })
}
