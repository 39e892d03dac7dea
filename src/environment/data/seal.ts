// The seal of a database file that was closed: a checksum of all its bytes. lmdb trusts every byte of a file, so none is shown to it unchecked.
import { createHash } from 'node:crypto'
import { constants, createReadStream, type Stats } from 'node:fs'
import { open, readFile, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { DataError } from '../../contract/errors.js'

/** The file beside the database. It is there from the first start on, and has always the same length: to write it, a full disk has room enough. */
export const SEAL = 'facts.sum'

const LENGTH = 256

/** What it says while the database may differ from it, and after the death of a process. */
const BROKEN = { open: true }

const CHUNK = 1024 * 1024

/** What it says of a database that was closed. */
interface Seal {
  readonly bytes: number
  readonly sha256: string
}

/** The seal in a folder; `broken` when nothing can be told from it, undefined when there is none. */
export async function readSeal (folder: string): Promise<Seal | 'broken' | undefined> {
  const path = join(folder, SEAL)
  let found: Stats
  try {
    found = await stat(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  // Reading a pipe or a device may not end.
  if (!found.isFile()) throw new DataError(`the data folder ${folder} cannot be opened: ${SEAL} is not a file; remove it`)
  if (found.size > LENGTH) return 'broken'
  const text = await readFile(path, 'utf8')
  try {
    const { bytes, sha256 } = JSON.parse(text) as Partial<Seal>
    return typeof bytes === 'number' && typeof sha256 === 'string' ? { bytes, sha256 } : 'broken'
  } catch {
    return 'broken'
  }
}

export async function isIntact (file: string, { bytes, sha256 }: Seal): Promise<boolean> {
  return (await stat(file)).size === bytes && (await sealOf(file)).sha256 === sha256
}

/** Seals a file that is closed. */
export async function seal (folder: string, file: string): Promise<void> {
  await write(await open(join(folder, SEAL), constants.O_RDWR | constants.O_CREAT), await sealOf(file))
  await flushFolder(folder)
}

/** Breaks the seal, before the file is changed. Where there is none, none is made. */
export async function unseal (folder: string): Promise<void> {
  let handle: FileHandle
  try {
    handle = await open(join(folder, SEAL), 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  await write(handle, BROKEN)
}

/** In its place, so that no room is needed. Cut short by a crash, it is broken. */
async function write (handle: FileHandle, content: object): Promise<void> {
  try {
    await handle.write(`${JSON.stringify(content).padEnd(LENGTH - 1)}\n`, 0)
    await handle.truncate(LENGTH)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** What was made, renamed or removed in the folder is on the disk. */
export async function flushFolder (folder: string): Promise<void> {
  // Windows opens no folders, and flushes them by itself.
  const handle = await open(folder, 'r').catch(() => undefined)
  try {
    await handle?.sync()
  } catch {
    // Some network file systems do not know how.
  } finally {
    await handle?.close()
  }
}

async function sealOf (file: string): Promise<Seal> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK }) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest('hex') }
}
