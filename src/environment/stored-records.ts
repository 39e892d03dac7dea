// The format of facts and metadata on disk: how they are written and read back.
import type { FactChange, RoleAssignmentFact } from '../engine/facts/fact.js'
import { readJson } from '../kit/read-json.js'
import { factKey, keptFact, type MetadataEntry, type ObjectKind } from './object-metadata.js'
import type { Step } from './transaction-step.js'
import type { StoredRecord } from './store.js'

/** The numbers of the kinds on disk. They never change. Facts are read in this order, so that each fact comes after those that it names. */
const CODES: Readonly<Record<ObjectKind, number>> = {
  tenant: 1,
  user: 2,
  resource_instance: 3,
  role_assignment: 4,
  relationship_tuple: 5,
  resource: 10,
  action: 11,
  attribute: 12,
  resource_role: 13,
  relation: 14,
  role: 15,
  user_set: 16,
  resource_set: 17,
  set_rule: 18,
  action_group: 19,
  proxy_config: 20
}

/** The kinds below this number are facts. */
const FIRST_OF_SCHEMA = 10

/** The highest place of a record. New ones come after the last one, and must stay whole numbers. */
const MAX_ORDER = 2 ** 48

const KINDS = new Map(Object.entries(CODES).map(([kind, code]) => [code, kind as ObjectKind]))

interface Content {
  readonly id: string
  readonly created_at: string
  readonly updated_at: string
  /** The fact. A schema object has its key and the digest of its content instead. */
  readonly fact?: FactChange['fact']
  readonly key?: string
  readonly digest?: string
}

/** A record that was read back. */
interface Restored {
  readonly kind: ObjectKind
  readonly key: string
  readonly entry: MetadataEntry
  /** Undefined for a schema object. */
  readonly change: Pick<FactChange, 'kind' | 'fact'> | undefined
}

export function recordOf ({ kind, key, before, after, change }: Step): StoredRecord {
  const order = (after ?? before)?.order
  if (order === undefined) throw new Error(`the change of ${kind} '${key}' has no metadata entry`)
  if (after === undefined) return { kind: CODES[kind], order, json: undefined }
  const content: Content = {
    id: after.id,
    created_at: after.created_at,
    updated_at: after.updated_at,
    ...(change === undefined ? { key, digest: after.digest } : { fact: change.fact })
  }
  return { kind: CODES[kind], order, json: JSON.stringify(content) }
}

/** Whether there is such a kind. */
export function isKind (name: string): name is ObjectKind {
  return Object.hasOwn(CODES, name)
}

/** @throws when the record was not written by `recordOf` */
export function restore ({ kind: code, order, json }: StoredRecord & { readonly json: string }): Restored {
  const kind = KINDS.get(code)
  const { id, created_at: createdAt, updated_at: updatedAt, fact, key, digest } = readJson(json) as Partial<Content>
  const isComplete = kind !== undefined && id !== undefined && createdAt !== undefined && updatedAt !== undefined
  if (!isComplete) throw new Error('it is incomplete')
  if (order < 1 || order > MAX_ORDER) throw new Error('its place is out of range')
  if ((fact !== undefined) !== (code < FIRST_OF_SCHEMA)) throw new Error('it is of another kind')
  const metadata = { id, created_at: createdAt, updated_at: updatedAt, order }
  if (fact === undefined) {
    if (key === undefined) throw new Error('it has neither a fact nor a key')
    return { kind, key, entry: { ...metadata, digest }, change: undefined }
  }
  const change = { kind, fact } as Pick<FactChange, 'kind' | 'fact'>
  // Its key would be that of no assignment, and nothing would remove it.
  if (kind === 'role_assignment' && typeof (fact as RoleAssignmentFact).tenant !== 'string') throw new Error('it has no tenant')
  return { kind, key: factKey(change), entry: { ...metadata, ...keptFact(change) }, change }
}
