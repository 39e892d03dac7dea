// Applies one change of the schema: as a whole or not at all, and together with everything that refers to a removed part.
import { compilePolicy } from '../../../engine/policy/compile-policy.js'
import { splitAtColon } from '../../../kit/split-at-colon.js'
import { limitExceeded } from '../../../kit/value-size-limit.js'
import { invalid } from '../../http/error-responses.js'
import { makeRoom, needsRoom, ofRelation, ofResourceRole, ofRole, ofType } from '../facts/large-deletions.js'
import { Removed } from './cascading-removal.js'
import type { Environment, SchemaDocument } from '../../../environment/environment.js'

/** The largest schema that the API changes, in values; properties of large objects count several times. Some thousand actions and roles. */
const MAX_SCHEMA = 20_000

/** A copy of the schema that is being changed. */
export type Draft = SchemaDocument

/**
 * Changes the schema. References to a part that the change removes are removed, too, from roles, derivations and rules. The environment
 * removes the facts that need the part. A reference to a part that never existed stays, and is reported as an error.
 *
 * When many facts must be removed, they are deleted before, in pieces.
 *
 * @param change - changes the draft; called twice
 * @throws `PolicyError` when the new schema would be invalid; then nothing is changed
 */
export async function changeSchema (environment: Environment, change: (draft: Draft) => void): Promise<void> {
  requireSize(environment.schema)
  const draft = structuredClone(environment.schema)
  change(draft)
  requireSize(draft)
  const removed = new Removed(environment.schema, draft)
  const dependents = () => factsOf(environment, removed)
  if (needsRoom(dependents())) {
    removed.clear(draft)
    // Deleted facts cannot be restored, so check first that the new schema is valid.
    compilePolicy(draft)
    await makeRoom(environment, dependents)
  }
  await environment.updateSchema(draft => {
    change(draft)
    new Removed(environment.schema, draft).clear(draft)
  })
}

function * factsOf (environment: Environment, { types, roles, resourceRoles, relations }: Removed) {
  for (const type of types) yield * ofType(environment, type)
  for (const role of roles) yield * ofRole(environment, role)
  for (const key of resourceRoles) yield * ofResourceRole(environment, ...partOf(key))
  for (const key of relations) yield * ofRelation(environment, ...partOf(key))
}

/** Splits `type:part`. */
function partOf (key: string): [type: string, part: string] {
  const { before, after = '' } = splitAtColon(key)
  return [before, after]
}

/**
 * Limits the size of the schema. The whole schema is validated and compiled with each change, without a pause, because every decision must
 * use either the old schema or the new one.
 */
function requireSize (schema: SchemaDocument): void {
  if (limitExceeded(schema, MAX_SCHEMA) !== undefined) {
    throw invalid('the schema is too large to be changed by the API; change the policy file')
  }
}
