// What Permit's API returns for an object beside its content: an id and timestamps. The engine knows none of it.
import { randomUUID } from 'node:crypto'
import type { FactChange } from '../engine/facts/fact.js'
import type { Facts } from '../engine/facts/facts.js'
import { readJson } from '../kit/read-json.js'
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

/** The metadata of one object. Immutable, so that a change can be rolled back. */
export interface MetadataEntry extends Metadata {
  /** Increases with each new object. Objects are listed in this order. */
  readonly order: number
  /** The content of an entity, for rolling back a change. Shared with the engine. */
  readonly fact?: FactChange['fact']
  /** The digest of the content of a schema object. */
  readonly digest?: string
}

/** The facts that existed before the metadata did. */
interface Origin {
  /** ISO 8601. */
  readonly since: string
  /** The fact with that key; undefined when there is none, and for objects of the schema. */
  find (kind: ObjectKind, key: string): FactChange['fact'] | undefined
}

/** The metadata of all objects. */
export class MetadataStore {
  readonly #entries = new Map<ObjectKind, Map<string, MetadataEntry>>()
  /** By id. Links cannot be found by id. */
  readonly #ids = new Map<string, { readonly kind: ObjectKind, readonly key: string }>()
  #order = 0
  #origin: Origin | undefined

  /**
   * From now on, a fact without metadata counts as created when this was called. It gets an entry when one is asked for: most of the
   * facts of a large policy are never asked for by their ids, and an entry takes more memory than the fact.
   */
  begin (find: Origin['find']): void {
    this.#origin = { since: new Date().toISOString(), find }
  }

  get (kind: ObjectKind, key: string): MetadataEntry | undefined {
    const entry = this.noted(kind, key)
    if (entry !== undefined || this.#origin === undefined) return entry
    const fact = this.#origin.find(kind, key)
    return fact === undefined ? undefined : this.enter(kind, key, fact)
  }

  /** The entry that is there, without one that would be made. */
  noted (kind: ObjectKind, key: string): MetadataEntry | undefined {
    return this.#entries.get(kind)?.get(key)
  }

  /** Makes the entry of a fact that was there from the beginning; undefined when all of those have their entries. */
  enter (kind: ObjectKind, key: string, fact: FactChange['fact']): MetadataEntry | undefined {
    if (this.#origin === undefined) return undefined
    const { since } = this.#origin
    const entry = { id: randomUUID(), created_at: since, updated_at: since, order: ++this.#order, ...(isLink(kind) ? {} : { fact }) }
    this.set(kind, key, entry)
    return entry
  }

  #has (kind: ObjectKind, key: string): boolean {
    return this.noted(kind, key) !== undefined || this.#origin?.find(kind, key) !== undefined
  }

  /** All entries of one kind that were made, in the order in which the objects were created. */
  of (kind: ObjectKind): ReadonlyMap<string, MetadataEntry> {
    return this.#entries.get(kind) ?? new Map()
  }

  /** The key of the object with this key or id. A key takes precedence. */
  resolve (kind: ObjectKind, keyOrId: string): string | undefined {
    if (this.#has(kind, keyOrId)) return keyOrId
    const found = this.#ids.get(keyOrId)
    return found?.kind === kind ? found.key : undefined
  }

  /** The entry for a new or changed object. */
  next (before: MetadataEntry | undefined, content: Pick<MetadataEntry, 'fact' | 'digest'>): MetadataEntry {
    const now = new Date().toISOString()
    if (before === undefined) return { id: randomUUID(), created_at: now, updated_at: now, order: ++this.#order, ...content }
    return { id: before.id, created_at: before.created_at, updated_at: now, order: before.order, ...content }
  }

  set (kind: ObjectKind, key: string, entry: MetadataEntry): void {
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

/** The key of a fact in the metadata. */
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

/** The fact with this key in the metadata; undefined when there is none, and for objects of the schema. */
export function factOf (facts: Facts, kind: ObjectKind, key: string): FactChange['fact'] | undefined {
  switch (kind) {
    case 'user': return facts.getUser(key)
    case 'tenant': return facts.getTenant(key)
    case 'resource_instance': return facts.getResourceInstance(key)
    case 'role_assignment': {
      const [user, role, tenant, on] = readJson(key) as [string, string, string, string | null]
      return facts.getRoleAssignment({ user, role, tenant, ...(on === null ? {} : { resource_instance: on }) })
    }
    case 'relationship_tuple': {
      const [subject, relation, object] = readJson(key) as [string, string, string]
      return facts.getRelationshipTuple({ subject, relation, object })
    }
    default: return undefined
  }
}

/** The content of a fact that is kept with its metadata. A link has no content of its own. */
export function keptFact ({ kind, fact }: Pick<FactChange, 'kind' | 'fact'>): Pick<MetadataEntry, 'fact'> {
  return isLink(kind) ? {} : { fact }
}

function isLink (kind: ObjectKind): boolean {
  return kind === 'role_assignment' || kind === 'relationship_tuple'
}
