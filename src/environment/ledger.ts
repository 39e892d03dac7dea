// What Permit's API returns for an object beside its content: an id and timestamps. The engine knows none of it.
import { randomUUID } from 'node:crypto'
import type { FactChange } from '../engine/facts/fact.js'
import type { SchemaKind } from './environment-schema.js'

/** The kinds of facts that have a key of their own and can be found by their id. */
export type EntityKind = 'user' | 'tenant' | 'resource_instance'
/** The kinds of facts that link two of those. */
export type LinkKind = 'role_assignment' | 'relationship_tuple'
/** All kinds of objects that have an id. */
export type ObjectKind = EntityKind | LinkKind | SchemaKind

/** The id and timestamps of an object; times are ISO 8601. */
export interface Metadata {
  readonly id: string
  readonly created_at: string
  readonly updated_at: string
}

/** The ledger's entry of one object. Immutable, so that a change can be rolled back. */
export interface LedgerEntry extends Metadata {
  /** Increases with each new object. Objects are listed in this order. */
  readonly order: number
  /** The content of an entity, for rolling back a change. Shared with the engine. */
  readonly fact?: FactChange['fact']
  /** The digest of the content of a schema object. */
  readonly digest?: string
}

/** The ledger of all objects. */
export class Ledger {
  readonly #entries = new Map<ObjectKind, Map<string, LedgerEntry>>()
  /** By id. Links cannot be found by id. */
  readonly #ids = new Map<string, { readonly kind: ObjectKind, readonly key: string }>()
  #order = 0

  get (kind: ObjectKind, key: string): LedgerEntry | undefined {
    return this.#entries.get(kind)?.get(key)
  }

  /** All entries of one kind, in the order in which the objects were created. */
  of (kind: ObjectKind): ReadonlyMap<string, LedgerEntry> {
    return this.#entries.get(kind) ?? new Map()
  }

  /** The key of the object with this key or id. A key takes precedence. */
  resolve (kind: ObjectKind, keyOrId: string): string | undefined {
    if (this.#entries.get(kind)?.has(keyOrId) === true) return keyOrId
    const found = this.#ids.get(keyOrId)
    return found?.kind === kind ? found.key : undefined
  }

  /** The entry for a new or changed object. */
  next (before: LedgerEntry | undefined, content: Pick<LedgerEntry, 'fact' | 'digest'>): LedgerEntry {
    const now = new Date().toISOString()
    if (before === undefined) return { id: randomUUID(), created_at: now, updated_at: now, order: ++this.#order, ...content }
    return { id: before.id, created_at: before.created_at, updated_at: now, order: before.order, ...content }
  }

  set (kind: ObjectKind, key: string, entry: LedgerEntry): void {
    let entries = this.#entries.get(kind)
    if (entries === undefined) this.#entries.set(kind, entries = new Map())
    entries.set(key, entry)
    if (!isLink(kind)) this.#ids.set(entry.id, { kind, key })
    this.#order = Math.max(this.#order, entry.order)
  }

  delete (kind: ObjectKind, key: string): void {
    const entries = this.#entries.get(kind)
    const entry = entries?.get(key)
    if (entry === undefined) return
    entries?.delete(key)
    this.#ids.delete(entry.id)
  }
}

/** The key of a fact in the ledger. */
export function factKey ({ kind, fact }: Pick<FactChange, 'kind' | 'fact'>): string {
  const { kind: what, fact: of } = { kind, fact } as FactChange
  switch (what) {
    case 'user':
    case 'tenant': return of.key
    case 'resource_instance': return `${of.resource}:${of.key}`
    case 'role_assignment': return JSON.stringify([of.user, of.role, of.tenant, of.resource_instance])
    case 'relationship_tuple': return JSON.stringify([of.subject, of.relation, of.object])
  }
}

/** The content of a fact that the ledger keeps. A link has no content of its own. */
export function keptFact ({ kind, fact }: Pick<FactChange, 'kind' | 'fact'>): Pick<LedgerEntry, 'fact'> {
  return isLink(kind) ? {} : { fact }
}

function isLink (kind: ObjectKind): boolean {
  return kind === 'role_assignment' || kind === 'relationship_tuple'
}
