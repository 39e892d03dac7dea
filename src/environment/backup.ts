// Backup and restore of a data folder. A backup can be taken while the folder is in use. Both read and check everything that they write.
import { stat, type FileHandle } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { DataError } from '../contract/errors.js'
import { Engine } from '../engine/engine.js'
import { replaceFile } from '../kit/replace-file.js'
import { BACKUP_REQUEST } from './data/backup-service.js'
import { backupText, readBackup, type BackupHead } from './data/backup-text.js'
import { buildDatabase, loadLmdb, type HeldRecord, type HeldValue } from './data/database.js'
import { fileIn, isInUse, replaceWith, tidy } from './data/data-folder.js'
import { flushFolder } from './data/seal.js'
import { readSavedSchema, SCHEMA_NAME } from './environment-schema.js'
import { MetadataStore } from './object-metadata.js'
import { loadRecord } from './load-record.js'
import { lockData, Store } from './store.js'
import { connectToHolder } from './store-lock.js'

/** Records between two progress reports. */
const STEP = 1_000

/** The options of a backup and of a restore. */
interface BackupOptions {
  /** The data folder. */
  readonly data: string
  /** The backup file. */
  readonly file: string
  /** Whether an existing backup, or existing facts, may be replaced. */
  readonly overwrite: boolean
  /** Called every {@link STEP} records. */
  readonly progress?: (done: number, total: number) => void
}

/**
 * Writes a backup of the folder as it is at one moment. If a process uses the folder, that process sends the backup and keeps running;
 * otherwise the folder is opened here.
 *
 * @throws `DataError` when the folder has no facts or is damaged, or the file cannot be written; an existing file does not change then
 */
export async function backUp (
  { data, file, overwrite, progress = () => {} }: BackupOptions
): Promise<BackupHead & { readonly bytes: number }> {
  const folder = resolve(data)
  const target = resolve(file)
  await needFacts(folder)
  if (!overwrite && await exists(target)) throw new DataError(`${file} already exists; give another name, or replace it with --yes`)
  try {
    // Other users of the machine must not read who has which role.
    const { head, bytes } = await replaceFile(target, 0o600, async handle => {
      const head = await writeBackup(folder, handle, progress)
      return { head, bytes: (await handle.stat()).size }
    })
    await flushFolder(dirname(target))
    return { ...head, bytes }
  } catch (error) {
    if (error instanceof DataError) throw error
    throw new DataError(`the backup ${file} could not be written: ${messageOf(error)}`)
  }
}

/**
 * Replaces the facts in the folder with those of a backup. The whole backup is read and checked before anything is replaced.
 *
 * @throws `DataError` when the backup or the folder cannot be used; the folder does not change then
 */
export async function restoreBackup ({ data, file, overwrite, progress = () => {} }: BackupOptions): Promise<BackupHead> {
  const folder = resolve(data)
  const lmdb = await loadLmdb()
  try {
    // Before the folder is created: a wrong name of the backup must not leave an empty folder behind.
    const { head, held } = await readBackup(file, file)
    const lock = await lockData(folder)
    try {
      if (!overwrite && await isInUse(folder)) {
        throw new DataError(`the data folder ${folder} already contains facts; give another folder, or replace them with --yes`)
      }
      const target = await fileIn(folder)
      await tidy(folder, target)
      await replaceWith(folder, target, path => buildDatabase(lmdb, path, checked(held, file), done => progress(done, head.records)))
    } finally {
      await lock.release()
    }
    return head
  } catch (error) {
    if (error instanceof DataError) throw error
    throw new DataError(`the backup ${file} could not be restored into ${folder}: ${messageOf(error)}`)
  }
}

async function writeBackup (folder: string, handle: FileHandle, progress: (done: number, total: number) => void): Promise<BackupHead> {
  const holder = await connectToHolder(folder).catch((error: unknown) => {
    throw new DataError(`cannot connect to the process that uses the data folder ${folder}: ${messageOf(error)}; run this as the same user`)
  })
  if (holder === undefined) {
    const store = await Store.open(folder)
    const snapshot = store.snapshot()
    try {
      return await copied(piecesOf(backupText(snapshot)), folder, handle, progress)
    } finally {
      snapshot.release()
      await store.close()
    }
  }
  try {
    holder.write(BACKUP_REQUEST)
    return await copied(holder as AsyncIterable<Buffer>, folder, handle, progress)
  } catch (error) {
    if (!(error instanceof DataError) && !isConnectionError(error)) throw error
    throw new DataError(`the process that uses the data folder ${folder} did not send the whole backup: ` +
      'it is starting or stopping, or its version has no backups; try again')
  } finally {
    holder.destroy()
  }
}

/** Writes the bytes to the file, and checks them as a restore will. */
async function copied (
  bytes: AsyncIterable<Buffer>, folder: string, handle: FileHandle, progress: (done: number, total: number) => void
): Promise<BackupHead> {
  const { head, held } = await readBackup(written(bytes, handle), `of ${folder}`)
  let done = 0
  for await (const entry of checked(held, `of ${folder}`)) {
    if (!('name' in entry) && ++done % STEP === 0) progress(done, head.records)
  }
  return head
}

async function * written (bytes: AsyncIterable<Buffer>, handle: FileHandle): AsyncGenerator<Buffer> {
  for await (const chunk of bytes) {
    await handle.write(chunk)
    yield chunk
  }
}

async function * piecesOf (texts: Iterable<string>): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text)
}

/** Passes everything on. Fails at what an environment could not load. */
async function * checked (held: AsyncIterable<HeldRecord | HeldValue>, name: string): AsyncGenerator<HeldRecord | HeldValue> {
  const { facts } = new Engine()
  const metadata = new MetadataStore()
  for await (const entry of held) {
    try {
      if (!('name' in entry)) loadRecord(entry, facts, metadata)
      else if (entry.name === SCHEMA_NAME) readSavedSchema(entry.json)
    } catch (error) {
      const what = 'name' in entry ? 'schema' : `record, ${entry.kind}/${entry.order}`
      throw new DataError(`the backup ${name} contains an invalid ${what}: ${messageOf(error)}`)
    }
    yield entry
  }
}

async function needFacts (folder: string): Promise<void> {
  let holdsFacts: boolean
  try {
    holdsFacts = await isInUse(folder)
  } catch (error) {
    throw new DataError(`the data folder ${folder} cannot be read: ${messageOf(error)}; check its path and permissions`)
  }
  if (!holdsFacts) throw new DataError(`the folder ${folder} contains no facts, so there is nothing to back up`)
}

async function exists (path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false)
}

function isConnectionError (error: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes((error as NodeJS.ErrnoException).code ?? '')
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
