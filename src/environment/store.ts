// Facts on disk: a folder with an LMDB database, which is read once when it is opened and written in flushed transactions.
import { mkdir, stat } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { resolve } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type * as Lmdb from 'lmdb'
import { readJson } from '../kit/read-json.js'
import { DataError } from '../contract/errors.js'
import { BackupService } from './data/backup-service.js'
import { readRequest, type FolderRequests } from './data/folder-requests.js'
import {
  complaintAboutFormat, CONTENTS_NAME, entryOf, FORMAT_NAME, loadLmdb, openDatabase, writtenFingerprint,
  type Database, type HeldRecord, type HeldValue
} from './data/database.js'
import { Fingerprint, type FingerprintState } from './data/fingerprint.js'
import { prepare } from './data/data-folder.js'
import { Room } from './data/disk-space.js'
import { seal, unseal } from './data/seal.js'
import { lockFolder, type FolderLock } from './store-lock.js'

/** A record: its kind, its place in the order of creation, and its content as JSON; `undefined` removes it. */
export interface StoredRecord {
  readonly kind: number
  readonly order: number
  readonly json: string | undefined
}

/** One atomic write. */
export interface Batch {
  readonly records: readonly StoredRecord[]
  /** Single values by name, as JSON; `undefined` removes a value. */
  readonly values: ReadonlyMap<string, string | undefined>
}

/** A write that the disk did not accept. None of it was applied. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
}

/** A consistent view of the store that later writes do not change. Must be released. */
export interface StoreSnapshot {
  readonly records: number
  /** The fingerprint of this content. */
  readonly fingerprint: FingerprintState
  held (): Generator<HeldRecord | HeldValue>
  release (): void
}

/**
 * The data folder of one environment.
 *
 * When `write` has resolved, the batch is on the disk: it survives the death of the process and, as far as the disk tells the truth, of
 * the machine. LMDB never overwrites committed pages, so a process that is killed during a write leaves the state before it.
 */
export class Store {
  readonly folder: string
  readonly #file: string
  /** Identifies the database file that was opened. */
  readonly #identity: string | undefined
  readonly #lock: FolderLock
  readonly #database: Database
  readonly #room: Room
  readonly #backups: BackupService
  /** The fingerprint of the database's content. It is stored in the database with each write. */
  #fingerprint: Fingerprint
  /** Whether the seal in the folder matches the database. */
  #isSealed = true

  /**
   * Opens the folder and creates it when it is missing.
   * @throws `DataError` when it is in use by another process, damaged, written by another version or another program, or `lmdb` is missing
   */
  static async open (path: string): Promise<Store> {
    const store = await Store.openUnlessHeld(path)
    if (store === undefined) throw heldError(resolve(path))
    return store
  }

  /**
   * Opens the folder unless another process has it.
   *
   * @param options - `follow` handles the processes that want to share the folder; `attempts` to get the lock
   * @returns undefined when another process has it
   * @throws `DataError` as `open` does
   */
  static async openUnlessHeld (
    path: string, { follow, attempts }: { readonly follow?: FolderRequests['follow'], readonly attempts?: number } = {}
  ): Promise<Store | undefined> {
    const folder = resolve(path)
    const lmdb = await loadLmdb()
    const backups = new BackupService()
    const requests = { backup: (socket: Socket) => backups.serve(socket), follow }
    const lock = await lockUnlessHeld(folder, socket => readRequest(socket, requests), attempts)
    if (lock === undefined) return undefined
    try {
      const file = await prepare(lmdb, folder)
      const store = new Store({ folder, file, identity: await identityOf(file), lock, lmdb, backups })
      backups.open(() => store.snapshot())
      return store
    } catch (error) {
      await lock.release()
      if (error instanceof DataError) throw error
      throw new DataError(`the data folder ${folder} cannot be opened: ${messageOf(error)}; check its permissions and the free disk space`)
    }
  }

  private constructor ({ folder, file, identity, lock, lmdb, backups }: Parts) {
    this.folder = folder
    this.#file = file
    this.#identity = identity
    this.#lock = lock
    this.#backups = backups
    this.#database = openDatabase(lmdb, file)
    this.#room = new Room(file, this.#database.root, this.#database.records)
    try {
      const complaint = complaintAboutFormat(this.value(FORMAT_NAME))
      if (complaint !== undefined) throw new DataError(`the data folder ${folder} ${complaint}`)
      this.#fingerprint = writtenFingerprint(this.#database.values)
    } catch (error) {
      this.#database.root.close().catch(() => {})
      throw error
    }
  }

  /** All records, by kind and in the order of creation. */
  * read (): Generator<HeldRecord> {
    for (const { key: [kind, order], value } of this.#database.records.getRange()) yield { kind, order, json: value }
  }

  value (name: string): string | undefined {
    return this.#database.values.get(name)
  }

  /** The fingerprint of the content on the disk. */
  get fingerprint (): FingerprintState {
    return this.#fingerprint.state
  }

  /** Writes all of the batch or nothing; resolves when it is on the disk. The caller waits before it writes the next batch. */
  async write (batch: Batch): Promise<void> {
    const { root, records, values } = this.#database
    try {
      const { changes, fingerprint } = this.#changesOf(batch)
      if (changes.length === 0) return
      // A write into a file that was removed would be lost, and lmdb would not notice.
      if (!await this.#isInPlace()) throw new Error('its database was removed or replaced while it was in use; restart the process')
      if (this.#isSealed) {
        await unseal(this.folder)
        this.#isSealed = false
      }
      await this.#room.make([...changes, { json: JSON.stringify(fingerprint.state) }])
      const writes: Array<Promise<boolean>> = []
      const committed = root.batch(() => {
        for (const change of changes) writes.push('name' in change ? writeValue(values, change) : writeRecord(records, change))
        writes.push(values.put(CONTENTS_NAME, JSON.stringify(fingerprint.state)))
      })
      await Promise.all([committed, ...writes])
      this.#fingerprint = fingerprint
    } catch (error) {
      const reason = await reasonOf(error)
      throw new StorageError(`the write to ${this.folder} failed, and nothing of it was applied: ${messageOf(reason)}${adviceOn(reason)}`)
    }
  }

  /** The current content. Later writes are not in it. */
  snapshot (): StoreSnapshot {
    const { root, records, values } = this.#database
    root.resetReadTxn()
    const transaction = root.useReadTransaction()
    return {
      records: records.getCount({ transaction }),
      fingerprint: readJson(values.get(CONTENTS_NAME, { transaction }) ?? '') as FingerprintState,
      * held () {
        for (const { key: name, value: json } of values.getRange({ transaction })) {
          if (name !== FORMAT_NAME && name !== CONTENTS_NAME) yield { name, json }
        }
        for (const { key: [kind, order], value: json } of records.getRange({ transaction })) yield { kind, order, json }
      },
      release: () => { transaction.done() }
    }
  }

  async close (): Promise<void> {
    try {
      await this.#backups.close()
      await this.#database.root.close()
      // Without a seal, the next start takes longer, but loses nothing.
      if (!this.#isSealed && await this.#isInPlace()) await seal(this.folder, this.#file).catch(() => {})
    } finally {
      await this.#lock.release()
    }
  }

  async #isInPlace (): Promise<boolean> {
    return this.#identity !== undefined && await identityOf(this.#file) === this.#identity
  }

  /** The changes of the batch and the fingerprint after them. Of several changes to the same entry, the last one counts. */
  #changesOf ({ records, values }: Batch): { readonly changes: ReadonlyArray<StoredRecord | Named>, readonly fingerprint: Fingerprint } {
    const last = new Map<string, StoredRecord | Named>()
    for (const record of records) last.set(`${record.kind} ${record.order}`, record)
    for (const [name, json] of values) last.set(`value ${name}`, { name, json })
    const fingerprint = Fingerprint.of(this.#fingerprint.state)
    const changes = Array.from(last.values()).filter(change => {
      const before = 'name' in change ? this.#database.values.get(change.name) : this.#database.records.get([change.kind, change.order])
      if (before === change.json) return false
      // The format is not part of the content.
      if ('name' in change && change.name === FORMAT_NAME) return true
      if (before !== undefined) fingerprint.remove(entryOf({ ...change, json: before }))
      if (change.json !== undefined) fingerprint.add(entryOf({ ...change, json: change.json }))
      return true
    })
    return { changes, fingerprint }
  }
}

interface Parts {
  readonly folder: string
  readonly file: string
  readonly identity: string | undefined
  readonly lock: FolderLock
  readonly lmdb: typeof Lmdb
  readonly backups: BackupService
}

interface Named {
  readonly name: string
  readonly json: string | undefined
}

/**
 * Locks the folder and creates it when it is missing.
 * @throws `DataError` when another process uses it, or it cannot be used
 */
export async function lockData (folder: string): Promise<FolderLock> {
  const lock = await lockUnlessHeld(folder)
  if (lock === undefined) throw heldError(folder)
  return lock
}

/** As `lockData` does, but returns undefined when another process uses the folder. */
async function lockUnlessHeld (folder: string, serve?: (socket: Socket) => void, attempts?: number): Promise<FolderLock | undefined> {
  try {
    // The facts name people, so a new folder is the process's own.
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return await lockFolder(folder, serve, attempts)
  } catch (error) {
    throw new DataError(`the data folder ${folder} cannot be used: ${messageOf(error)}; check its path and permissions`)
  }
}

function heldError (folder: string): InstanceType<typeof DataError> {
  return new DataError(`the data folder ${folder} is in use by another process; ` +
    'give each process its own folder, or let one process serve the others as a local PDP')
}

function writeRecord (records: Database['records'], { kind, order, json }: StoredRecord): Promise<boolean> {
  return json === undefined ? records.remove([kind, order]) : records.put([kind, order], json)
}

function writeValue (values: Database['values'], { name, json }: Named): Promise<boolean> {
  return json === undefined ? values.remove(name) : values.put(name, json)
}

/** Identifies a file; undefined when it does not exist. */
async function identityOf (path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true })
    return `${dev} ${ino}`
  } catch {
    return undefined
  }
}

/** lmdb puts the reason of a failed commit into a promise of its own, which must be handled and may never settle. */
async function reasonOf (error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: unknown }
  const reason = Promise.resolve(commitError).then(() => error, (reason: unknown) => reason)
  return Promise.race([reason, nextTurn(error)])
}

/** No space left, a quota, and a limit on the size of files. */
const FULL = ['ENOSPC', 'EDQUOT', 'EFBIG']

function adviceOn (reason: unknown): string {
  return FULL.includes((reason as { code?: unknown }).code as string)
    ? '; free disk space there or raise the quota, then repeat the write: no restart is needed'
    : ''
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
