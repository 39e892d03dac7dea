// One change within a transaction: the object before and after it.
import type { FactChange } from '../engine/facts/fact.js'
import type { LedgerEntry, ObjectKind } from './object-metadata.js'

/** One object, before and after a change. */
export interface Step {
  readonly kind: ObjectKind
  readonly key: string
  readonly before: LedgerEntry | undefined
  readonly after: LedgerEntry | undefined
  /** The changed fact; undefined for schema objects. */
  readonly change?: FactChange
}
