// One change in a transaction, and how it is taken back.
import type { FactChange } from '../engine/facts/fact.js'
import type { LedgerEntry, ObjectKind } from './ledger.js'

/** One object before and after. */
export interface Step {
  readonly kind: ObjectKind
  readonly key: string
  readonly before: LedgerEntry | undefined
  readonly after: LedgerEntry | undefined
  /** The fact that changed; undefined for objects of the schema. */
  readonly change?: FactChange
}
