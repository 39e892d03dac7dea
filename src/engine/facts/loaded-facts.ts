// The facts that the loaded document lists: what one document listed and the next does not goes, what it lists anew comes,
// and what was written at run time stays.

import { NO_FACTS, type DocumentFacts } from '../policy/compile-facts.js'
import { type Facts } from './facts.js'
import { DEFAULT_TENANT, type ResourceInstanceFact } from './fact.js'

/** Remembers what the document listed. */
export class LoadedFacts {
  readonly #facts: Facts
  #loaded: DocumentFacts = NO_FACTS

  constructor (facts: Facts) {
    this.#facts = facts
  }

  /**
   * Brings the facts from the document before to this one. What both list alike is left as it is, so that a role taken away at
   * run time does not come back because somebody edited another line. It cannot fail: the document was checked, and where it
   * contradicts what was written at run time (an instance's tenant) the document wins.
   */
  replace (next: DocumentFacts): void {
    const facts = this.#facts
    const before = this.#loaded
    this.#loaded = next
    // What hangs on others goes first, and comes last.
    for (const tuple of without(before.relationshipTuples, next.relationshipTuples)) facts.deleteRelationshipTuple(tuple)
    for (const assignment of without(before.roleAssignments, next.roleAssignments)) facts.unassignRole(assignment)
    for (const [id, { listed }] of before.resourceInstances) {
      if (!next.resourceInstances.has(id) && (listed || this.#isBare(id))) facts.deleteResourceInstance(id)
    }
    for (const key of before.users.keys()) {
      if (!next.users.has(key)) facts.deleteUser(key)
    }
    for (const key of before.tenants.keys()) {
      if (next.tenants.has(key)) continue
      if (key === DEFAULT_TENANT) facts.upsertTenant({ key })
      else facts.deleteTenant(key)
    }

    for (const tenant of anew(before.tenants, next.tenants)) facts.upsertTenant(tenant)
    for (const user of anew(before.users, next.users)) facts.upsertUser(user)
    for (const [id, instance] of next.resourceInstances) this.#setInstance(id, instance, before.resourceInstances.get(id), next)
    for (const assignment of without(next.roleAssignments, before.roleAssignments)) {
      this.#restoreUser(assignment.user, next)
      if (assignment.resource_instance === undefined) this.#restoreTenant(assignment.tenant, next)
      else this.#restoreInstance(assignment.resource_instance, next)
      facts.assignRole(assignment)
    }
    for (const tuple of without(next.relationshipTuples, before.relationshipTuples)) {
      this.#restoreInstance(tuple.subject, next)
      this.#restoreInstance(tuple.object, next)
      facts.addRelationshipTuple(tuple)
    }
  }

  // What a new fact of the document needs may have been listed before and deleted at run time: the document wants it again.

  #restoreUser (key: string, { users }: DocumentFacts): void {
    if (this.#facts.getUser(key) === undefined) this.#facts.upsertUser(users.get(key) ?? { key })
  }

  #restoreTenant (key: string, { tenants }: DocumentFacts): void {
    if (this.#facts.getTenant(key) === undefined) this.#facts.upsertTenant(tenants.get(key) ?? { key })
  }

  #restoreInstance (id: string, next: DocumentFacts): void {
    const instance = next.resourceInstances.get(id)
    if (instance === undefined || this.#facts.getResourceInstance(id)?.tenant === instance.tenant) return
    this.#setInstance(id, instance, undefined, next)
  }

  #setInstance (id: string, instance: DocumentInstance, before: DocumentInstance | undefined, next: DocumentFacts): void {
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(instance)) return
    const current = this.#facts.getResourceInstance(id)
    if (current !== undefined && current.tenant !== instance.tenant) this.#facts.deleteResourceInstance(id)
    // One that is only mentioned must not take the attributes of one written at run time.
    else if (current !== undefined && !instance.listed && before?.listed !== true) return
    this.#restoreTenant(instance.tenant, next)
    this.#facts.upsertResourceInstance(instance)
  }

  /** Nothing is known of the instance but that it exists. */
  #isBare (id: string): boolean {
    const instance = this.#facts.getResourceInstance(id)
    return instance !== undefined && instance.attributes === undefined &&
      isEmpty(this.#facts.roleAssignments({ resource_instance: id })) &&
      isEmpty(this.#facts.relationshipTuples({ subject: id })) && isEmpty(this.#facts.relationshipTuples({ object: id }))
  }
}

type DocumentInstance = ResourceInstanceFact & { readonly listed: boolean }

function without<T> (facts: readonly T[], others: readonly T[]): T[] {
  const known = new Set(others.map(other => JSON.stringify(other)))
  return facts.filter(fact => !known.has(JSON.stringify(fact)))
}

function anew<T> (before: ReadonlyMap<string, T>, next: ReadonlyMap<string, T>): T[] {
  return [...next].filter(([key, fact]) => JSON.stringify(before.get(key)) !== JSON.stringify(fact)).map(([, fact]) => fact)
}

function isEmpty (items: Iterator<unknown>): boolean {
  return items.next().done === true
}
