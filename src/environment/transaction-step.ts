// One change within a transaction: the object before and after it.
import type { FactChange } from '../engine/facts/fact.js'
import type { MetadataEntry, ObjectKind } from './object-metadata.js'

/** One object, before and after a change. */
export interface Step {
  readonly kind: ObjectKind
  readonly key: string
  readonly before: MetadataEntry | undefined
  readonly after: MetadataEntry | undefined
  /** The changed fact; undefined for schema objects. */
  readonly change?: FactChange
}
