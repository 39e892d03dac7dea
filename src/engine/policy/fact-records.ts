// The facts of a document as a sequence of records: a large file need not be in memory as a whole.
import { isRecord } from '../../kit/is-record.js'
import { blockOf } from './document.js'
import type { Policy } from './policy.js'

/** The sections of a document that list facts, by key or as a list. */
export const KEYED_SECTIONS = ['tenants', 'users'] as const
export const LISTED_SECTIONS = ['resource_instances', 'role_assignments', 'relationship_tuples'] as const

export type KeyedSection = typeof KEYED_SECTIONS[number]
export type ListedSection = typeof LISTED_SECTIONS[number]
export type FactSection = KeyedSection | ListedSection

/** The records of each section, with their keys or indexes. A section can be read several times. */
export interface FactRecords {
  /** Whether no other code holds the records, so that their content need not be copied. */
  readonly owned: boolean
  keyed (section: KeyedSection): Iterable<readonly [key: string, record: unknown]>
  listed (section: ListedSection): Iterable<readonly [index: number, record: unknown]>
}

/**
 * The facts of a document that may be malformed.
 *
 * @param owned - whether no other code holds the document
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
