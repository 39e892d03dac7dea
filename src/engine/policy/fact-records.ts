// The facts of a document as records, one after the other: a compiler of facts needs no more, so that a large file need not be in memory as a whole.
import { isRecord } from '../../kit/is-record.js'
import { blockOf } from './document.js'
import type { Policy } from './policy.js'

/** Sections of a document that list facts, by key or one after the other. */
export const KEYED_SECTIONS = ['tenants', 'users'] as const
export const LISTED_SECTIONS = ['resource_instances', 'role_assignments', 'relationship_tuples'] as const

export type KeyedSection = typeof KEYED_SECTIONS[number]
export type ListedSection = typeof LISTED_SECTIONS[number]
export type FactSection = KeyedSection | ListedSection

/** Sections by sections: keys and records of some, indexes and records of the others. A section can be walked more than once. */
export interface FactRecords {
  /** Whether the records belong to nobody else: what is in them need not be copied. */
  readonly owned: boolean
  keyed (section: KeyedSection): Iterable<readonly [key: string, record: unknown]>
  listed (section: ListedSection): Iterable<readonly [index: number, record: unknown]>
}

/**
 * The facts of a document, which may be malformed.
 *
 * @param owned - whether nobody else holds the document
 */
export function recordsOf (document: Partial<Policy>, owned = false): FactRecords {
  const sections = blockOf(document)
  return {
    owned,
    * keyed (section) {
      const records: unknown = sections[section]
      if (!isRecord(records)) return
      for (const key of Object.keys(records)) yield [key, records[key]]
    },
    * listed (section) {
      const records: unknown = sections[section]
      if (Array.isArray(records)) yield * records.entries()
    }
  }
}
