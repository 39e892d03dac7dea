// One transaction of an environment: its steps, whose decisions they can alter, and how they are rolled back.
import type { Facts } from '../engine/facts/facts.js'
import type { FactChange } from '../engine/facts/fact.js'
import { factKey, keptFact, type MetadataStore, type MetadataEntry, type ObjectKind } from './object-metadata.js'
import { recordOf } from './stored-records.js'
import type { SchemaKind, SchemaState } from './environment-schema.js'
import type { Batch } from './store.js'
import type { AffectedUsers } from '../contract/affected-users.js'
import type { Step } from './transaction-step.js'

export class Transaction {
  readonly steps: Step[] = []
  /** The schema before the transaction, if it changed. */
  schemaBefore: SchemaState | undefined
  /** Single values to write in addition to the facts. */
  readonly values = new Map<string, string | undefined>()
  readonly #metadata: MetadataStore

  constructor (metadata: MetadataStore) {
    this.#metadata = metadata
  }

  /** Records a change that the engine's facts have just made. */
  noteFact (change: FactChange): void {
    const { op, kind } = change
    const key = factKey(change)
    // What existed before may have no metadata yet.
    const known = op === 'delete' ? change.fact : change.before
    if (known !== undefined && this.#metadata.noted(kind, key) === undefined) this.#metadata.enter(kind, key, known)
    this.#note(kind, key, op === 'set' ? keptFact(change) : undefined, change)
  }

  /** Records that a schema object was created or changed (`digest` is that of its content), or deleted (`digest` is undefined). */
  noteObject (kind: SchemaKind, key: string, digest: string | undefined): void {
    this.#note(kind, key, digest === undefined ? undefined : { digest })
  }

  #note (kind: ObjectKind, key: string, content: Pick<MetadataEntry, 'fact' | 'digest'> | undefined, change?: FactChange): void {
    const before = this.#metadata.noted(kind, key)
    const after = content === undefined ? undefined : this.#metadata.next(before, content)
    if (after === undefined) this.#metadata.delete(kind, key)
    else this.#metadata.set(kind, key, after)
    this.steps.push({ kind, key, before, after, change })
  }

  /** The users whose decisions it can alter; undefined when it alters none. */
  get touched (): AffectedUsers | undefined {
    return this.schemaBefore === undefined ? usersOf(this.steps) : { all: true }
  }

  /** The records and values to write to the disk. */
  get batch (): Batch {
    return { records: this.steps.map(recordOf), values: this.values }
  }

  /** Rolls back facts and metadata, last step first. The environment rolls back the schema. */
  undo (facts: Facts): void {
    for (const step of this.steps.splice(0).reverse()) {
      if (step.change !== undefined) undoFact(facts, step.change, step.before?.fact)
      if (step.before === undefined) this.#metadata.delete(step.kind, step.key)
      else this.#metadata.set(step.kind, step.key, step.before)
    }
  }
}

/** The users whose decisions these changes of facts can alter; undefined when there are none. */
export function usersOf (steps: Iterable<{ readonly change?: Pick<FactChange, 'kind' | 'fact'> | undefined }>): AffectedUsers | undefined {
  const users = new Set<string>()
  for (const { change } of steps) {
    if (change === undefined) continue
    const { kind, fact } = change as FactChange
    // A role on an instance reaches other instances by derivation, but only for its own user.
    if (kind === 'role_assignment') users.add(fact.user)
    else if (kind === 'user') users.add(fact.key)
    else return { all: true }
  }
  return users.size === 0 ? undefined : { users: [...users] }
}

function undoFact (facts: Facts, { op, kind, fact }: FactChange, before: FactChange['fact'] | undefined): void {
  const inverse = { op: op === 'delete' || before !== undefined ? 'set' : 'delete', kind, fact: before ?? fact } as FactChange
  if (inverse.op === 'set') setFact(facts, inverse)
  else deleteFact(facts, inverse)
}

/** Applies the fact to the engine. Only the engine's own checks run. */
export function setFact (facts: Facts, { kind, fact }: Pick<FactChange, 'kind' | 'fact'>): void {
  const change = { kind, fact } as FactChange
  switch (change.kind) {
    case 'user': facts.upsertUser(change.fact); break
    case 'tenant': facts.upsertTenant(change.fact); break
    case 'resource_instance': facts.upsertResourceInstance(change.fact); break
    case 'role_assignment': facts.assignRole(change.fact); break
    case 'relationship_tuple': facts.addRelationshipTuple(change.fact); break
  }
}

/** Removes the fact from the engine. */
export function deleteFact (facts: Facts, { kind, fact }: Pick<FactChange, 'kind' | 'fact'>): void {
  const change = { kind, fact } as FactChange
  switch (change.kind) {
    case 'user': facts.deleteUser(change.fact.key); break
    case 'tenant': facts.deleteTenant(change.fact.key); break
    case 'resource_instance': facts.deleteResourceInstance(`${change.fact.resource}:${change.fact.key}`); break
    case 'role_assignment': facts.unassignRole(change.fact); break
    case 'relationship_tuple': facts.deleteRelationshipTuple(change.fact); break
  }
}
