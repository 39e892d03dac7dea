// The facts that the loaded document lists: what one document listed and the next does not goes, what it lists anew comes,
// and what was written at run time stays.

import { NO_FACTS, type DocumentFacts } from '../policy/compile-facts.js'
import { type Facts } from './facts.js'
import { DEFAULT_TENANT, type RelationshipTupleFact, type ResourceInstanceFact, type RoleAssignmentFact, type TenantFact, type UserFact } from './fact.js'
import { newAssignments, newTuples, type Links } from './links.js'

/** Remembers what the document listed. */
export class LoadedFacts {
  readonly #facts: Facts
  #loaded: DocumentFacts = NO_FACTS

  constructor (facts: Facts) {
    this.#facts = facts
  }

  /**
   * What brings the facts from the document before to this one, in steps. What both list alike is left as it is, so that a role taken
   * away at run time does not come back because another line was edited. Only documents are compared: what is written at run time
   * meanwhile makes no difference.
   */
  * compare (next: DocumentFacts): Generator<undefined, FactsDelta> {
    const before = this.#loaded
    return {
      before,
      next,
      tuples: yield * differences(before.relationshipTuples, next.relationshipTuples, newTuples),
      assignments: yield * differences(before.roleAssignments, next.roleAssignments, newAssignments),
      instances: yield * changes(before.resourceInstances, next.resourceInstances, id => before.mentioned.has(id) === next.mentioned.has(id)),
      users: yield * changes(before.users, next.users),
      tenants: yield * changes(before.tenants, next.tenants)
    }
  }

  /**
   * Brings the facts to the next document, at once. It cannot fail: the document was checked, and where it contradicts what was
   * written at run time (an instance's tenant) the document wins.
   *
   * @param delta - what `compare` returned, after the last `replace`
   */
  replace ({ before, next, tuples, assignments, instances, users, tenants }: FactsDelta): void {
    if (before !== this.#loaded) throw new Error('the facts were compared with another document than the one that is loaded')
    const facts = this.#facts
    this.#loaded = next
    // What hangs on others goes first, and comes last.
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
      // Of the first document all users and tenants have just come.
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

  // What a new fact of the document needs may have been listed before and deleted at run time: the document wants it again.

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
    // One that is only mentioned must not take the attributes of one written at run time.
    else if (current !== undefined && next.mentioned.has(id) && !wasListed) return
    this.#restoreTenant(instance.tenant, next)
    this.#facts.adoptResourceInstance(instance)
  }

  /** Nothing is known of the instance but that it exists. */
  #isBare (id: string): boolean {
    const instance = this.#facts.getResourceInstance(id)
    return instance !== undefined && instance.attributes === undefined &&
      isEmpty(this.#facts.roleAssignments({ resource_instance: id })) &&
      isEmpty(this.#facts.relationshipTuples({ subject: id })) && isEmpty(this.#facts.relationshipTuples({ object: id }))
  }
}

/** Facts between two steps: some hundred microseconds. */
const STEP = 256

/** What distinguishes two documents. */
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
  /** New, or another than before. */
  readonly come: Iterable<F>
}

/** Whether both documents list the same facts. */
export function isEmptyDelta ({ tuples, assignments, instances, users, tenants }: FactsDelta): boolean {
  return [tuples, assignments, instances, users, tenants].every(({ gone, come }) => gone.length === 0 && isEmpty(come))
}

function * differences<F extends object> (before: readonly F[], next: readonly F[], links: () => Links<F>): Generator<undefined, Differences<F>> {
  // Nothing to compare with is the most common case: the first document.
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

function * changes<F> (before: ReadonlyMap<string, F>, next: ReadonlyMap<string, F>, isAlike: (key: string) => boolean = () => true): Generator<undefined, Changes<F>> {
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

/** Whether two facts say the same: of JSON, or of what an app calls by that name. */
function isSame (a: unknown, b: unknown): boolean {
  return a === b || (a !== undefined && JSON.stringify(a) === JSON.stringify(b))
}

function isEmpty (items: Iterable<unknown>): boolean {
  return items[Symbol.iterator]().next().done === true
}
