// Facts on disk: a folder with an LMDB database, read once when it is opened, and written in transactions that are flushed.
import { mkdir, open, type FileHandle } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type * as Lmdb from 'lmdb'
import { DataError } from '../contract/errors.js'
import { lockFolder, type FolderLock } from './store-lock.js'

/** What the version of this package writes. A folder of an older one is migrated here, when there is one. */
export const FORMAT = 1

/** The database in the folder; LMDB puts a lock file of its own beside it. */
const FILE = 'facts.mdb'

/** A record: its kind and its place in the order of creation, and what it holds as JSON; `undefined` is none any more. */
export interface StoredRecord {
  readonly kind: number
  readonly order: number
  readonly json: string | undefined
}

/** What is written at once: wholly or not at all. */
export interface Batch {
  readonly records: readonly StoredRecord[]
  /** Single values by name, as JSON; `undefined` is none any more. */
  readonly values: ReadonlyMap<string, string | undefined>
}

/** A write that the disk did not take. Nothing of it was applied. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
}

/**
 * The folder of one environment.
 *
 * What `write` was resolved for is on the disk: it survives the death of the process and, as far as the disk tells the truth, of the
 * machine. LMDB never changes what it has committed, so that a process killed in the middle of a write leaves what was there before it.
 */
export class Store {
  readonly folder: string
  readonly #lock: FolderLock
  readonly #root: Lmdb.RootDatabase<string, string>
  readonly #records: Lmdb.Database<string, [number, number]>
  readonly #values: Lmdb.Database<string, string>

  /**
   * Opens the folder, which is made when it is not there.
   * @throws `DataError` when it cannot be used: held by another process, of another version, not ours, or `lmdb` is not installed
   */
  static async open (path: string): Promise<Store> {
    const folder = resolve(path)
    const lmdb = await loadLmdb()
    const lock = await lockOf(folder)
    try {
      await needDatabase(join(folder, FILE))
      return new Store(folder, lock, lmdb)
    } catch (error) {
      await lock.release()
      if (error instanceof DataError) throw error
      throw new DataError(`the data folder ${folder} cannot be opened: ${messageOf(error)}`)
    }
  }

  private constructor (folder: string, lock: FolderLock, lmdb: typeof Lmdb) {
    this.folder = folder
    this.#lock = lock
    this.#root = lmdb.open<string, string>({
      path: join(folder, FILE),
      encoding: 'string',
      // A commit is flushed before it is reported. By default lmdb reports first and flushes meanwhile.
      overlappingSync: false,
      // Transactions are exactly the batches below; of one that lmdb began by itself nobody would hear how it failed.
      eventTurnBatching: false
    })
    try {
      this.#values = this.#root.openDB<string, string>({ name: 'values', encoding: 'string' })
      this.#records = this.#root.openDB<string, [number, number]>({ name: 'records', encoding: 'string' })
      this.#checkFormat()
    } catch (error) {
      this.#root.close().catch(() => {})
      throw error
    }
  }

  /** Everything, by kind and in order of creation. */
  * read (): Generator<StoredRecord & { readonly json: string }> {
    for (const { key: [kind, order], value } of this.#records.getRange()) yield { kind, order, json: value }
  }

  value (name: string): string | undefined {
    return this.#values.get(name)
  }

  /** Writes all of it or nothing; resolves when it is on the disk. */
  async write ({ records, values }: Batch): Promise<void> {
    const writes: Array<Promise<boolean>> = []
    const batch = this.#root.batch(() => {
      for (const { kind, order, json } of records) {
        writes.push(json === undefined ? this.#records.remove([kind, order]) : this.#records.put([kind, order], json))
      }
      for (const [name, json] of values) writes.push(json === undefined ? this.#values.remove(name) : this.#values.put(name, json))
    })
    try {
      await Promise.all([batch, ...writes])
    } catch (error) {
      throw new StorageError(`the write to ${this.folder} failed: ${messageOf(await reasonOf(error))}`)
    }
  }

  async close (): Promise<void> {
    try {
      await this.#root.close()
    } finally {
      await this.#lock.release()
    }
  }

  #checkFormat (): void {
    const format = this.#values.get('format')
    if (format === undefined) {
      if (this.#records.getCount() > 0 || this.#values.getCount() > 0) {
        throw new DataError(`the data folder ${this.folder} holds a database that fastify-permit did not write; give another folder`)
      }
      this.#values.putSync('format', String(FORMAT))
    } else if (Number(format) > FORMAT) {
      throw new DataError(`the data folder ${this.folder} is of format ${format}, written by a newer version of fastify-permit; this one reads format ${FORMAT}: upgrade it`)
    } else if (Number(format) !== FORMAT) {
      throw new DataError(`the data folder ${this.folder} is of format ${format}, which this version of fastify-permit cannot migrate; it reads format ${FORMAT}`)
    }
  }
}

/** LMDB's mark, somewhere in the first bytes. */
const MAGIC = 0xbeefc0de
const HEADER = 64

/** lmdb takes the whole process with it when the file is not a database. */
async function needDatabase (path: string): Promise<void> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  try {
    const header = Buffer.alloc(HEADER)
    const { bytesRead } = await file.read(header, 0, HEADER, 0)
    const isMarked = Array.from({ length: HEADER / 4 }, (_, word) => word * 4).some(at => header.readUInt32LE(at) === MAGIC || header.readUInt32BE(at) === MAGIC)
    if (bytesRead !== 0 && !isMarked) throw new Error(`${path} is not a database`)
  } finally {
    await file.close()
  }
}

/** Why a commit failed is a promise of lmdb's own, which ends the process when nobody takes it, and may never settle. */
async function reasonOf (error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: unknown }
  const reason = Promise.resolve(commitError).then(() => error, (reason: unknown) => reason)
  return Promise.race([reason, nextTurn(error)])
}

async function loadLmdb (): Promise<typeof Lmdb> {
  try {
    return await import('lmdb')
  } catch (error) {
    throw new DataError(`facts in a folder need the package lmdb, which cannot be loaded (${messageOf(error)}): npm i lmdb`)
  }
}

async function lockOf (folder: string): Promise<FolderLock> {
  let lock: FolderLock | undefined
  try {
    await mkdir(folder, { recursive: true })
    lock = await lockFolder(folder)
  } catch (error) {
    throw new DataError(`the data folder ${folder} cannot be used: ${messageOf(error)}`)
  }
  if (lock === undefined) throw new DataError(`the data folder ${folder} is in use by another process; give each its own, or let one be the local PDP of the others`)
  return lock
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
