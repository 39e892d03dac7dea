// One change of the schema: what it takes away is taken away everywhere, and all of it happens, or nothing.
import { compilePolicy } from '../../../engine/policy/compile-policy.js'
import { splitAtColon } from '../../../kit/split-at-colon.js'
import { excessOf } from '../../../kit/excess.js'
import { invalid } from '../../http/failures.js'
import { makeRoom, needsRoom, ofRelation, ofResourceRole, ofRole, ofType } from '../facts/make-room.js'
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
 * Facts that go with it, if there are many, are deleted before, in pieces.
 *
 * @param change - changes the draft; called twice
 * @throws `PolicyError` when the schema would be invalid; then nothing has changed
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
    // Facts that are gone are not back when the schema turns out to be invalid.
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

/** The type and the part of `type:part`. */
function partOf (key: string): [type: string, part: string] {
  const { before, after = '' } = splitAtColon(key)
  return [before, after]
}

/** The whole schema is checked and compiled with each change, in one piece: what is decided meanwhile must be decided by one schema or the other. */
function requireSize (schema: SchemaDocument): void {
  if (excessOf(schema, MAX_SCHEMA) !== undefined) throw invalid('the schema is too large to be changed by the API: change the policy file')
}
