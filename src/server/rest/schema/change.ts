// One change of the schema: what it takes away is taken away everywhere, and all of it happens, or nothing.
import { excessOf } from '../../../kit/excess.js'
import { invalid } from '../../http/failures.js'
import { Removed } from './removed.js'
import type { Environment, SchemaDocument } from '../../../environment/environment.js'

/** Values of a schema that the API changes, names of large objects counted several times: some thousand actions, roles and rules. */
const MAX_SCHEMA = 20_000

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
  requireSize(environment.schema)
  await environment.updateSchema(draft => {
    change(draft)
    requireSize(draft)
    new Removed(environment.schema, draft).clear(draft)
  })
}

/** The whole schema is checked and compiled with each change, in one piece: what is decided meanwhile must be decided by one schema or the other. */
function requireSize (schema: SchemaDocument): void {
  if (excessOf(schema, MAX_SCHEMA) !== undefined) throw invalid('the schema is too large to be changed by the API: change the policy file')
}
