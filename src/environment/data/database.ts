// The database file: how it is opened, what it contains, and how a new one is built.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type * as Lmdb from 'lmdb'
import { DataError } from '../../contract/errors.js'
import { readJson } from '../../kit/read-json.js'
import { makeLockFile, Room } from './disk-space.js'
import { Fingerprint, type FingerprintState } from './fingerprint.js'

/** The format that this version writes. A file of an older format is rebuilt in this one when it is opened. */
export const FORMAT = '1.1'

/** Format 1 has no fingerprint, so missing or altered entries cannot be detected. */
const WITHOUT_FINGERPRINT = '1'

/** Names of values that describe the database itself. */
export const FORMAT_NAME = 'format'
export const CONTENTS_NAME = 'contents'

/** Records per transaction while a database is built. */
const CHUNK = 5_000

/** A record: its kind, its place in the order of creation, and its content as JSON. */
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

/** The content of a new database. Values come first. */
type Held = AsyncIterable<HeldRecord | HeldValue> | Iterable<HeldRecord | HeldValue>

/** The database does not contain what was written. */
export class DamageError extends Error {
  override readonly name = 'DamageError'
}

/** The database cannot be used. The message completes a sentence about its folder. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
}

export async function loadLmdb (): Promise<typeof Lmdb> {
  try {
    return await import('lmdb')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new DataError(`a data folder needs the package lmdb, which cannot be loaded (${reason}): npm i lmdb`)
  }
}

/** The mode of the files with facts. The facts name people, and the folder may be one that other users can enter. */
export const FACTS_MODE = 0o600

/** Opens a database file and creates it when it is missing. A damaged file makes lmdb crash the process. */
export function openDatabase (lmdb: typeof Lmdb, path: string, readOnly = false): Database {
  const root = lmdb.open<string, string>({
    path,
    readOnly,
    encoding: 'string',
    noSubdir: true,
    // Of a file that it creates, less the umask. lmdb's types do not have it.
    ...{ permissionsMode: FACTS_MODE },
    // A commit is flushed before it is reported. By default, lmdb reports it first and flushes later.
    overlappingSync: false,
    // Each transaction is exactly one batch of the caller. lmdb would not report the failure of a transaction that it started itself.
    eventTurnBatching: false
  })
  try {
    // Undefined when it is missing and may not be created, although lmdb's types say otherwise.
    const values = root.openDB<string, string>({ name: 'values', encoding: 'string' }) as Database['values'] | undefined
    const records = root.openDB<string, [number, number]>({ name: 'records', encoding: 'string' }) as Database['records'] | undefined
    if (values === undefined || records === undefined) throw new RefusedError(complaintAboutFormat(undefined) ?? '')
    return { root, values, records }
  } catch (error) {
    root.close().catch(() => {})
    throw error
  }
}

/** The text of an entry that the fingerprint covers. */
export function entryOf (held: HeldRecord | HeldValue): string {
  return JSON.stringify('name' in held ? [held.name, held.json] : [held.kind, held.order, held.json])
}

/**
 * Checks whether this version can read the format.
 *
 * @returns the problem, which completes a sentence about the folder; undefined when there is none
 */
export function complaintAboutFormat (format: string | undefined): string | undefined {
  if (format === undefined) return 'contains a database that fastify-permit did not write: use another folder'
  if (format === FORMAT || format === WITHOUT_FINGERPRINT) return undefined
  if (Number(format) > Number(FORMAT)) {
    return `has format ${format}, written by a newer version of fastify-permit; this version reads format ${FORMAT}: upgrade it`
  }
  return `has format ${format}, which this version of fastify-permit cannot migrate; it reads format ${FORMAT}`
}

/**
 * Reads everything in a database of a known format, values first, and checks it against the stored fingerprint.
 *
 * @throws `DamageError`, at the end if not before
 */
export function * readVerified ({ records, values }: Database): Generator<HeldRecord | HeldValue, Fingerprint> {
  const fingerprint = new Fingerprint()
  for (const { key: name, value: json } of values.getRange()) {
    if (typeof name !== 'string' || typeof json !== 'string') throw new DamageError('it contains an invalid value')
    if (name === CONTENTS_NAME || name === FORMAT_NAME) continue
    fingerprint.add(entryOf({ name, json }))
    yield { name, json }
  }
  // Keys increase. In a damaged file they could form a cycle.
  let last: HeldRecord | undefined
  for (const { key, value: json } of records.getRange()) {
    const [kind, order] = Array.isArray(key) ? key : []
    if (!Number.isSafeInteger(kind) || !Number.isSafeInteger(order) || typeof json !== 'string') {
      throw new DamageError('it contains an invalid record')
    }
    const record = { kind: kind as number, order: order as number, json }
    const isNext = last === undefined || (record.kind - last.kind || record.order - last.order) > 0
    if (!isNext) throw new DamageError('its records are out of order')
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
  while (reading.next().done !== true) { /* Problems are thrown. */ }
}

/** The stored fingerprint of the content. */
export function writtenFingerprint (values: Database['values']): Fingerprint {
  try {
    return Fingerprint.of(readJson(values.get(CONTENTS_NAME) ?? '') as FingerprintState)
  } catch {
    throw new DamageError('it has no valid fingerprint of its content')
  }
}

/**
 * Builds a new database file, and reads it again to check it. The file must not exist.
 *
 * @returns the number of records
 * @throws errors of `held` or of lmdb
 */
export async function buildDatabase (
  lmdb: typeof Lmdb, path: string, held: Held, progress: (records: number) => void = () => {}
): Promise<number> {
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
