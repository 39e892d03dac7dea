// How facts and the ledger are written to the store: the format of the folder, and the way back.
import type { FactChange } from '../engine/facts/fact.js'
import { factKey, keptFact, type LedgerEntry, type ObjectKind } from './ledger.js'
import type { Step } from './transaction-step.js'
import type { StoredRecord } from './store.js'

/** What is on disk says these numbers: they never change. Facts are read in their order, in which none names what is not there yet. */
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
  set_rule: 18
}

const KINDS = new Map(Object.entries(CODES).map(([kind, code]) => [code, kind as ObjectKind]))

interface Content {
  readonly id: string
  readonly created_at: string
  readonly updated_at: string
  /** The fact, or for an object of the schema its key, and a digest of what it says in the schema document. */
  readonly fact?: FactChange['fact']
  readonly key?: string
  readonly digest?: string
}

/** A record, read back. */
interface Restored {
  readonly kind: ObjectKind
  readonly key: string
  readonly entry: LedgerEntry
  /** Undefined for an object of the schema. */
  readonly change: Pick<FactChange, 'kind' | 'fact'> | undefined
}

export function recordOf ({ kind, key, before, after, change }: Step): StoredRecord {
  const order = (after ?? before)?.order
  if (order === undefined) throw new Error(`a change of ${kind} '${key}' without an entry`)
  if (after === undefined) return { kind: CODES[kind], order, json: undefined }
  const content: Content = {
    id: after.id,
    created_at: after.created_at,
    updated_at: after.updated_at,
    ...(change === undefined ? { key, digest: after.digest } : { fact: change.fact })
  }
  return { kind: CODES[kind], order, json: JSON.stringify(content) }
}

/** @throws when the record is not one that `recordOf` made */
export function restore ({ kind: code, order, json }: StoredRecord & { readonly json: string }): Restored {
  const kind = KINDS.get(code)
  const { id, created_at: createdAt, updated_at: updatedAt, fact, key, digest } = JSON.parse(json) as Partial<Content>
  if (kind === undefined || id === undefined || createdAt === undefined || updatedAt === undefined) throw new Error('it is incomplete')
  const metadata = { id, created_at: createdAt, updated_at: updatedAt, order }
  if (fact === undefined) {
    if (key === undefined) throw new Error('it has neither a fact nor a key')
    return { kind, key, entry: { ...metadata, digest }, change: undefined }
  }
  const change = { kind, fact } as Pick<FactChange, 'kind' | 'fact'>
  return { kind, key: factKey(change), entry: { ...metadata, ...keptFact(change) }, change }
}
