// What Permit's API tells of an object besides its content: an id, and when it came and changed. The engine knows none of it.
import { randomUUID } from 'node:crypto'
import type { FactChange } from '../engine/facts/fact.js'
import type { SchemaKind } from './environment-schema.js'

/** What has a key of its own, and can be found by its id. */
export type EntityKind = 'user' | 'tenant' | 'resource_instance'
/** What joins two of those. */
export type LinkKind = 'role_assignment' | 'relationship_tuple'
/** Everything that an environment keeps an id of. */
export type ObjectKind = EntityKind | LinkKind | SchemaKind

/** What is known of an object besides its content; times are ISO 8601. */
export interface Metadata {
  readonly id: string
  readonly created_at: string
  readonly updated_at: string
}

/** An object's place in the ledger. Replaced, never changed, so that a change can be taken back. */
export interface LedgerEntry extends Metadata {
  /** Grows: the order in which objects were created is the one in which they are listed. */
  readonly order: number
  /** The content of an entity, for taking a change back; the engine shares it. */
  readonly fact?: FactChange['fact']
  /** Digest of what an object of the schema says. */
  readonly digest?: string
}

/** The ledger of all objects. */
export class Ledger {
  readonly #entries = new Map<ObjectKind, Map<string, LedgerEntry>>()
  /** By id; links are not found by theirs. */
  readonly #ids = new Map<string, { readonly kind: ObjectKind, readonly key: string }>()
  #order = 0

  get (kind: ObjectKind, key: string): LedgerEntry | undefined {
    return this.#entries.get(kind)?.get(key)
  }

  /** Everything of a kind, in order of creation. */
  of (kind: ObjectKind): ReadonlyMap<string, LedgerEntry> {
    return this.#entries.get(kind) ?? new Map()
  }

  /** The key of what has this key, or this id; a key wins. */
  resolve (kind: ObjectKind, keyOrId: string): string | undefined {
    if (this.#entries.get(kind)?.has(keyOrId) === true) return keyOrId
    const found = this.#ids.get(keyOrId)
    return found?.kind === kind ? found.key : undefined
  }

  /** An entry for what is new, or has changed. */
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

/** The key that a fact has in the ledger. */
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

/** What of a fact the ledger keeps: a link has no content but itself. */
export function keptFact ({ kind, fact }: Pick<FactChange, 'kind' | 'fact'>): Pick<LedgerEntry, 'fact'> {
  return isLink(kind) ? {} : { fact }
}

function isLink (kind: ObjectKind): boolean {
  return kind === 'role_assignment' || kind === 'relationship_tuple'
}
