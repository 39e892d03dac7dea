// Splits deletions that remove thousands of facts: most of the facts are deleted before, in pieces, because a single write blocks others.
import { TimeSlices } from '../../../kit/time-slices.js'
import type { RelationshipTupleFact, RoleAssignmentFact } from '../../../engine/facts/fact.js'
import type { EntityKind, Environment, FactWriter } from '../../../environment/environment.js'

/** The most facts that are deleted in one write. The last of them are deleted together with their owner. */
const PIECE = 500

/** A fact that is deleted together with another object. */
type Dependent =
  | { readonly assignment: RoleAssignmentFact }
  | { readonly tuple: RelationshipTupleFact }
  | { readonly instance: string }

/** Whether there are more dependent facts than one write may delete. */
export function needsRoom (dependents: Iterable<Dependent>): boolean {
  const iterator = dependents[Symbol.iterator]()
  for (let count = 0; count <= PIECE; count++) if (iterator.next().done === true) return false
  return true
}

/**
 * Deletes dependent facts in pieces, until the rest fits into one write. If it fails, the deleted facts stay deleted, and the deletion can
 * be repeated.
 *
 * @param dependents - called for each piece; it must not return deleted facts
 */
export async function makeRoom (environment: Environment, dependents: () => Iterable<Dependent>): Promise<void> {
  const turns = new TimeSlices()
  while (needsRoom(dependents())) {
    const piece = new Map<string, Dependent>()
    for (const dependent of dependents()) {
      // A tuple is found twice when both of its ends are deleted.
      piece.set(JSON.stringify(dependent), dependent)
      if (piece.size >= PIECE) break
    }
    await environment.write(writer => { for (const dependent of piece.values()) remove(writer, dependent) })
    await turns.next()
  }
}

/** {@link makeRoom} for entities, given as keys or ids. When one of them does not exist, nothing is deleted, because the deletion fails. */
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

/** The dependents of a resource type: its instances, and their dependents. */
export function * ofType ({ engine: { facts } }: Environment, type: string): Generator<Dependent> {
  for (const { key } of facts.resourceInstances({ resource: type })) {
    const id = `${type}:${key}`
    yield * ofInstance(facts, id)
    yield { instance: id }
  }
}

/** The dependents of a role in tenants. */
export function * ofRole ({ engine: { facts } }: Environment, role: string): Generator<Dependent> {
  for (const assignment of facts.assignmentsOfRole(role)) yield { assignment }
}

/** The dependents of a role on instances of a type. */
export function * ofResourceRole ({ engine: { facts } }: Environment, type: string, role: string): Generator<Dependent> {
  for (const assignment of facts.assignmentsOfResourceRole(type, role)) yield { assignment }
}

/** The dependents of a relation. */
export function * ofRelation ({ engine: { facts } }: Environment, type: string, relation: string): Generator<Dependent> {
  for (const tuple of facts.tuplesOfRelation(type, relation)) yield { tuple }
}
