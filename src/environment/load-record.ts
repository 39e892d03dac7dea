// Loads the records of a data folder or a backup into facts and their metadata.
import type { Facts } from '../engine/facts/facts.js'
import type { MetadataStore } from './object-metadata.js'
import { restore } from './stored-records.js'
import type { StoredRecord } from './store.js'
import { setFact } from './transaction.js'

/**
 * Loads one record. The facts are those of an empty engine, and their assignments must not end meanwhile.
 *
 * @throws when it is no record, names what does not exist, or is there twice: of two records only one would be removed with their fact, and
 * the other would bring it back with the next start
 */
export function loadRecord (record: StoredRecord & { readonly json: string }, facts: Facts, metadata: MetadataStore): void {
  const { kind, key, entry, change } = restore(record)
  if (metadata.noted(kind, key) !== undefined) throw new Error('it is there twice')
  if (change !== undefined) setFact(facts, change)
  metadata.set(kind, key, entry)
}
