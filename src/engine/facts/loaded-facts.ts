// The facts of the loaded document. When the next document is loaded, facts that only the old one listed are removed, new ones are added,
// and facts that were written at run time stay.

import { NO_FACTS, type DocumentFacts } from '../policy/compile-facts.js'
import { type Facts } from './facts.js'
import {
  DEFAULT_TENANT, type RelationshipTupleFact, type ResourceInstanceFact, type RoleAssignmentFact, type TenantFact, type UserFact
} from './fact.js'
import { newAssignmentsWithEnd, newTuples, type Links } from './link-set.js'

/** The facts that the document listed. */
export class LoadedFacts {
  readonly #facts: Facts
  #loaded: DocumentFacts = NO_FACTS

  constructor (facts: Facts) {
    this.#facts = facts
  }

  /**
   * Compares the facts of the previous document with those of the next one, in steps. Facts that both list alike are not touched: a role
   * that was removed at run time must not come back because another line was edited. Only the documents are compared, so writes at run time
   * in the meantime make no difference.
   */
  * compare (next: DocumentFacts): Generator<undefined, FactsDelta> {
    const before = this.#loaded
    const isAlike = (id: string) => before.mentioned.has(id) === next.mentioned.has(id)
    return {
      before,
      next,
      tuples: yield * differences(before.relationshipTuples, next.relationshipTuples, newTuples),
      assignments: yield * differences(before.roleAssignments, next.roleAssignments, newAssignmentsWithEnd),
      instances: yield * changes(before.resourceInstances, next.resourceInstances, isAlike),
      users: yield * changes(before.users, next.users),
      tenants: yield * changes(before.tenants, next.tenants)
    }
  }

  /**
   * Changes the facts to those of the next document, at once. It cannot fail: the document was checked, and where it contradicts a write at
   * run time (the tenant of an instance), the document wins.
   *
   * @param delta - the result of `compare`, after the last `replace`
   */
  replace ({ before, next, tuples, assignments, instances, users, tenants }: FactsDelta): void {
    if (before !== this.#loaded) throw new Error('the facts were compared with a document that is not loaded')
    const facts = this.#facts
    this.#loaded = next
    // Facts that refer to others are removed first, and added last.
    for (const tuple of tuples.gone) facts.deleteRelationshipTuple(tuple)
    for (const assignment of assignments.gone) facts.unassignRole(assignment)
    for (const id of instances.gone) {
      if (!before.mentioned.has(id) || this.#isBare(id)) facts.deleteResourceInstance(id)
    }
    for (const key of users.gone) facts.deleteUser(key)
    for (const key of tenants.gone) {
      if (key === DEFAULT_TENANT) facts.upsertTenant({ key })
      else facts.deleteTenant(key)
    }

    for (const tenant of tenants.come) facts.adoptTenant(tenant)
    for (const user of users.come) facts.adoptUser(user)
    for (const instance of instances.come) this.#setInstance(`${instance.resource}:${instance.key}`, instance, next, before)
    for (const assignment of assignments.come) {
      // With the first document, all users and tenants were just added.
      if (before !== NO_FACTS) this.#restoreUser(assignment.user, next)
      if (assignment.resource_instance === undefined) {
        if (before !== NO_FACTS) this.#restoreTenant(assignment.tenant, next)
      } else this.#restoreInstance(assignment.resource_instance, next)
      facts.assignRole(assignment)
    }
    for (const tuple of tuples.come) {
      this.#restoreInstance(tuple.subject, next)
      this.#restoreInstance(tuple.object, next)
      facts.addRelationshipTuple(tuple)
    }
  }

  // A fact that a new fact needs may have been listed before and deleted at run time: the document requires it again.

  #restoreUser (key: string, { users }: DocumentFacts): void {
    if (this.#facts.getUser(key) === undefined) this.#facts.adoptUser(users.get(key) ?? { key })
  }

  #restoreTenant (key: string, { tenants }: DocumentFacts): void {
    if (this.#facts.getTenant(key) === undefined) this.#facts.adoptTenant(tenants.get(key) ?? { key })
  }

  #restoreInstance (id: string, next: DocumentFacts): void {
    const instance = next.resourceInstances.get(id)
    if (instance === undefined || this.#facts.getResourceInstance(id)?.tenant === instance.tenant) return
    this.#setInstance(id, instance, next)
  }

  #setInstance (id: string, instance: ResourceInstanceFact, next: DocumentFacts, before?: DocumentFacts): void {
    const current = this.#facts.getResourceInstance(id)
    const wasListed = before !== undefined && before.resourceInstances.has(id) && !before.mentioned.has(id)
    if (current !== undefined && current.tenant !== instance.tenant) this.#facts.deleteResourceInstance(id)
    // An instance that is only mentioned must not remove attributes that were written at run time.
    else if (current !== undefined && next.mentioned.has(id) && !wasListed) return
    this.#restoreTenant(instance.tenant, next)
    this.#facts.adoptResourceInstance(instance)
  }

  /** Nothing is known of the instance but its key. */
  #isBare (id: string): boolean {
    const instance = this.#facts.getResourceInstance(id)
    return instance !== undefined && instance.attributes === undefined &&
      isEmpty(this.#facts.roleAssignments({ resource_instance: id })) &&
      isEmpty(this.#facts.relationshipTuples({ subject: id })) && isEmpty(this.#facts.relationshipTuples({ object: id }))
  }
}

/** Facts per step: a few hundred microseconds. */
const STEP = 256

/** The differences between two documents. */
export interface FactsDelta {
  readonly before: DocumentFacts
  readonly next: DocumentFacts
  readonly tuples: Differences<RelationshipTupleFact>
  readonly assignments: Differences<RoleAssignmentFact>
  readonly instances: Changes<ResourceInstanceFact>
  readonly users: Changes<UserFact>
  readonly tenants: Changes<TenantFact>
}

interface Differences<F> {
  readonly gone: readonly F[]
  readonly come: readonly F[]
}

interface Changes<F> {
  readonly gone: readonly string[]
  /** New or changed. */
  readonly come: Iterable<F>
}

/** Whether both documents list the same facts. */
export function isEmptyDelta ({ tuples, assignments, instances, users, tenants }: FactsDelta): boolean {
  return [tuples, assignments, instances, users, tenants].every(({ gone, come }) => gone.length === 0 && isEmpty(come))
}

function * differences<F extends object> (
  before: readonly F[], next: readonly F[], links: () => Links<F>
): Generator<undefined, Differences<F>> {
  // The most common case: the first document has nothing to compare with.
  if (before.length === 0 || next.length === 0) return { gone: before, come: next }
  return { gone: yield * without(before, next, links()), come: yield * without(next, before, links()) }
}

function * without<F extends object> (facts: readonly F[], others: readonly F[], links: Links<F>): Generator<undefined, F[]> {
  let count = 0
  for (const other of others) {
    links.add(other)
    if (++count % STEP === 0) yield
  }
  const left: F[] = []
  for (const fact of facts) {
    if (!links.has(fact)) left.push(fact)
    if (++count % STEP === 0) yield
  }
  return left
}

function * changes<F> (
  before: ReadonlyMap<string, F>, next: ReadonlyMap<string, F>, isAlike: (key: string) => boolean = () => true
): Generator<undefined, Changes<F>> {
  if (before.size === 0) return { gone: [], come: { [Symbol.iterator]: () => next.values() } }
  let count = 0
  const gone: string[] = []
  for (const key of before.keys()) {
    if (!next.has(key)) gone.push(key)
    if (++count % STEP === 0) yield
  }
  const come: F[] = []
  for (const [key, fact] of next) {
    if (!isAlike(key) || !isSame(before.get(key), fact)) come.push(fact)
    if (++count % STEP === 0) yield
  }
  return { gone, come }
}

/** Whether two facts are equal as JSON, or as the values that an app passes in its place. */
function isSame (a: unknown, b: unknown): boolean {
  return a === b || (a !== undefined && JSON.stringify(a) === JSON.stringify(b))
}

function isEmpty (items: Iterable<unknown>): boolean {
  return items[Symbol.iterator]().next().done === true
}
