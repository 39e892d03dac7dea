// The database file: how it is opened, what it holds, and how a new one is built.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type * as Lmdb from 'lmdb'
import { DataError } from '../../contract/errors.js'
import { makeLockFile, Room } from './disk-space.js'
import { Fingerprint, type FingerprintState } from './fingerprint.js'

/** What this version of the package writes. Files of older formats are built anew, in this one, when they are opened. */
export const FORMAT = '1.1'

/** Format 1 has no fingerprint: whether something in it is missing or altered cannot be told. */
const WITHOUT_FINGERPRINT = '1'

/** Names of values that describe the database itself. */
export const FORMAT_NAME = 'format'
export const CONTENTS_NAME = 'contents'

/** Records in one transaction while a database is built. */
const CHUNK = 5_000

/** A record: its kind and its place in the order of creation, and what it holds as JSON. */
export interface HeldRecord {
  readonly kind: number
  readonly order: number
  readonly json: string
}

/** A single value by name, as JSON. */
export interface HeldValue {
  readonly name: string
  readonly json: string
}

/** An open database file. */
export interface Database {
  readonly root: Lmdb.RootDatabase<string, string>
  readonly records: Lmdb.Database<string, [number, number]>
  readonly values: Lmdb.Database<string, string>
}

/** What a database is built from. Values come first. */
type Held = AsyncIterable<HeldRecord | HeldValue> | Iterable<HeldRecord | HeldValue>

/** What the database holds is not what was written. */
export class DamageError extends Error {
  override readonly name = 'DamageError'
}

/** The database cannot be used, for a reason that ends a sentence about its folder. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
}

export async function loadLmdb (): Promise<typeof Lmdb> {
  try {
    return await import('lmdb')
  } catch (error) {
    throw new DataError(`facts in a folder need the package lmdb, which cannot be loaded (${error instanceof Error ? error.message : String(error)}): npm i lmdb`)
  }
}

/** Opens a database file, which is made when it is not there. lmdb ends the whole process when the file is damaged. */
export function openDatabase (lmdb: typeof Lmdb, path: string, readOnly = false): Database {
  const root = lmdb.open<string, string>({
    path,
    readOnly,
    encoding: 'string',
    noSubdir: true,
    // A commit is flushed before it is reported. By default lmdb reports first and flushes meanwhile.
    overlappingSync: false,
    // Transactions are exactly the batches of the caller; of one that lmdb began by itself no failure would be reported.
    eventTurnBatching: false
  })
  try {
    // Undefined where it is not there and may not be made, against lmdb's types.
    const values = root.openDB<string, string>({ name: 'values', encoding: 'string' }) as Database['values'] | undefined
    const records = root.openDB<string, [number, number]>({ name: 'records', encoding: 'string' }) as Database['records'] | undefined
    if (values === undefined || records === undefined) throw new RefusedError(complaintAboutFormat(undefined) ?? '')
    return { root, values, records }
  } catch (error) {
    root.close().catch(() => {})
    throw error
  }
}

/** What the fingerprint is of. */
export function entryOf (held: HeldRecord | HeldValue): string {
  return JSON.stringify('name' in held ? [held.name, held.json] : [held.kind, held.order, held.json])
}

/**
 * Whether this version reads the format.
 *
 * @returns why not, as the end of a sentence
 */
export function complaintAboutFormat (format: string | undefined): string | undefined {
  if (format === undefined) return 'holds a database that fastify-permit did not write: give another folder'
  if (format === FORMAT || format === WITHOUT_FINGERPRINT) return undefined
  if (Number(format) > Number(FORMAT)) return `is of format ${format}, written by a newer version of fastify-permit; this one reads format ${FORMAT}: upgrade it`
  return `is of format ${format}, which this version of fastify-permit cannot migrate; it reads format ${FORMAT}`
}

/**
 * Reads all that a database of a known format holds, values first, and checks it against the fingerprint that was written with it.
 *
 * @throws `DamageError`, at the end if not before
 */
export function * readVerified ({ records, values }: Database): Generator<HeldRecord | HeldValue, Fingerprint> {
  const fingerprint = new Fingerprint()
  for (const { key: name, value: json } of values.getRange()) {
    if (typeof name !== 'string' || typeof json !== 'string') throw new DamageError('a value in it cannot be read')
    if (name === CONTENTS_NAME || name === FORMAT_NAME) continue
    fingerprint.add(entryOf({ name, json }))
    yield { name, json }
  }
  // Keys grow. In a damaged file they may go round in circles.
  let last: HeldRecord | undefined
  for (const { key, value: json } of records.getRange()) {
    const [kind, order] = Array.isArray(key) ? key : []
    if (!Number.isSafeInteger(kind) || !Number.isSafeInteger(order) || typeof json !== 'string') throw new DamageError('a record in it cannot be read')
    const record = { kind: kind as number, order: order as number, json }
    if (last !== undefined && (record.kind - last.kind || record.order - last.order) <= 0) throw new DamageError('its records are out of order')
    fingerprint.add(entryOf(record))
    yield last = record
  }
  if (values.get(FORMAT_NAME) !== WITHOUT_FINGERPRINT && !fingerprint.equals(writtenFingerprint(values))) {
    throw new DamageError('its records are not those that were written')
  }
  return fingerprint
}

function verify (database: Database): void {
  const reading = readVerified(database)
  while (reading.next().done !== true) { /* What is wrong is thrown. */ }
}

/** The fingerprint that was written with the contents. */
export function writtenFingerprint (values: Database['values']): Fingerprint {
  try {
    return Fingerprint.of(JSON.parse(values.get(CONTENTS_NAME) ?? '') as FingerprintState)
  } catch {
    throw new DamageError('the fingerprint of its contents is not there')
  }
}

/**
 * Builds a new database file, and reads it again. The file must not be there yet.
 *
 * @returns how many records it has
 * @throws what `held` throws, or lmdb
 */
export async function buildDatabase (lmdb: typeof Lmdb, path: string, held: Held, progress: (records: number) => void = () => {}): Promise<number> {
  await makeLockFile(path)
  const database = openDatabase(lmdb, path)
  const room = new Room(path, database.root, database.records)
  try {
    const fingerprint = new Fingerprint()
    let waiting: Array<HeldRecord | HeldValue> = []
    let count = 0
    const flush = async (): Promise<void> => {
      await room.make(waiting)
      database.root.transactionSync(() => {
        for (const entry of waiting) {
          if ('name' in entry) database.values.putSync(entry.name, entry.json)
          else database.records.putSync([entry.kind, entry.order], entry.json)
        }
      })
      waiting = []
      progress(count)
    }
    for await (const entry of held) {
      fingerprint.add(entryOf(entry))
      if (!('name' in entry)) count++
      if (waiting.push(entry) < CHUNK) continue
      await flush()
      await nextTurn()
    }
    waiting.push({ name: FORMAT_NAME, json: FORMAT }, { name: CONTENTS_NAME, json: JSON.stringify(fingerprint.state) })
    await flush()
    verify(database)
    return count
  } finally {
    await database.root.close()
  }
}
