// Deletions that take thousands of facts along: most of them are deleted before, in pieces, because one write is applied in one piece.
import { Turns } from '../../../kit/turns.js'
import type { RelationshipTupleFact, RoleAssignmentFact } from '../../../engine/facts/fact.js'
import type { EntityKind, Environment, FactWriter } from '../../../environment/environment.js'

/** The facts that one write deletes, and that are left to the deletion itself. */
const PIECE = 500

/** A fact that goes with another. */
type Dependent =
  | { readonly assignment: RoleAssignmentFact }
  | { readonly tuple: RelationshipTupleFact }
  | { readonly instance: string }

/** Whether more facts go with the others than one write deletes. */
export function needsRoom (dependents: Iterable<Dependent>): boolean {
  const iterator = dependents[Symbol.iterator]()
  for (let count = 0; count <= PIECE; count++) if (iterator.next().done === true) return false
  return true
}

/**
 * Deletes what goes with the facts, in pieces, until one write can delete the rest. Not undone if that fails: to repeat the deletion completes it.
 *
 * @param dependents - called for each piece: what is deleted is not there any more
 */
export async function makeRoom (environment: Environment, dependents: () => Iterable<Dependent>): Promise<void> {
  const turns = new Turns()
  while (needsRoom(dependents())) {
    const piece = new Map<string, Dependent>()
    for (const dependent of dependents()) {
      // A tuple goes with both of its ends.
      piece.set(JSON.stringify(dependent), dependent)
      if (piece.size >= PIECE) break
    }
    await environment.write(writer => { for (const dependent of piece.values()) remove(writer, dependent) })
    await turns.next()
  }
}

/** {@link makeRoom} for entities by key or id. When one of them is not there nothing is deleted: the deletion itself refuses. */
export async function makeRoomFor (environment: Environment, kind: EntityKind, given: readonly string[]): Promise<void> {
  const keys = new Set<string>()
  for (const keyOrId of given) {
    const key = environment.resolve(kind, keyOrId)
    if (key === undefined || (kind === 'tenant' && key === 'default')) return
    keys.add(key)
  }
  await makeRoom(environment, function * () {
    for (const key of keys) yield * dependentsOf(environment, kind, key)
  })
}

function remove (writer: FactWriter, dependent: Dependent): void {
  if ('assignment' in dependent) writer.unassignRole(dependent.assignment)
  else if ('tuple' in dependent) writer.deleteRelationshipTuple(dependent.tuple)
  else writer.deleteResourceInstance(dependent.instance)
}

function * dependentsOf ({ engine: { facts } }: Environment, kind: EntityKind, key: string): Generator<Dependent> {
  switch (kind) {
    case 'user':
      for (const assignment of facts.roleAssignments({ user: key })) yield { assignment }
      break
    case 'resource_instance':
      yield * ofInstance(facts, key)
      break
    case 'tenant':
      for (const assignment of facts.roleAssignmentsNear({ tenant: key })) yield { assignment }
      for (const tuple of facts.relationshipTuplesNear({ tenant: key })) yield { tuple }
      for (const instance of facts.resourceInstances({ tenant: key })) yield { instance: `${instance.resource}:${instance.key}` }
  }
}

function * ofInstance (facts: Environment['engine']['facts'], id: string): Generator<Dependent> {
  for (const assignment of facts.roleAssignments({ resource_instance: id })) yield { assignment }
  for (const tuple of facts.relationshipTuples({ object: id })) yield { tuple }
  for (const tuple of facts.relationshipTuples({ subject: id })) yield { tuple }
}

/** What goes with a resource type: its instances, and what goes with them. */
export function * ofType ({ engine: { facts } }: Environment, type: string): Generator<Dependent> {
  for (const { key } of facts.resourceInstances({ resource: type })) {
    const id = `${type}:${key}`
    yield * ofInstance(facts, id)
    yield { instance: id }
  }
}

/** What goes with a role in tenants. */
export function * ofRole ({ engine: { facts } }: Environment, role: string): Generator<Dependent> {
  for (const assignment of facts.assignmentsOfRole(role)) yield { assignment }
}

/** What goes with a role on instances of a type. */
export function * ofResourceRole ({ engine: { facts } }: Environment, type: string, role: string): Generator<Dependent> {
  for (const assignment of facts.assignmentsOfResourceRole(type, role)) yield { assignment }
}

/** What goes with a relation. */
export function * ofRelation ({ engine: { facts } }: Environment, type: string, relation: string): Generator<Dependent> {
  for (const tuple of facts.tuplesOfRelation(type, relation)) yield { tuple }
}
