// The seal of a closed database file: a checksum of all its bytes. lmdb trusts every byte, so a file is checked before it is opened.
import { createHash } from 'node:crypto'
import { constants, createReadStream, type Stats } from 'node:fs'
import { open, readFile, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { DataError } from '../../contract/errors.js'
import { readJson } from '../../kit/read-json.js'

/** The file of the seal, beside the database. It always exists and never changes its length, so that it can be written on a full disk. */
export const SEAL = 'facts.sum'

const LENGTH = 256

/** Its mode: it has no facts, and whoever can write to it can prevent the next start. */
const MODE = 0o644

/** The content while the database may differ from it, and after the process was killed. */
const BROKEN = { open: true }

const CHUNK = 1024 * 1024

/** The content after the database was closed. */
interface Seal {
  readonly bytes: number
  readonly sha256: string
}

/** The seal in a folder: `broken` when it says nothing, undefined when it is missing. */
export async function readSeal (folder: string): Promise<Seal | 'broken' | undefined> {
  const path = join(folder, SEAL)
  let found: Stats
  try {
    found = await stat(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  // Reading a pipe or a device may never end.
  if (!found.isFile()) throw new DataError(`the data folder ${folder} cannot be opened: ${SEAL} is not a file; remove it`)
  if (found.size > LENGTH) return 'broken'
  const text = await readFile(path, 'utf8')
  try {
    const { bytes, sha256 } = readJson(text) as Partial<Seal>
    return typeof bytes === 'number' && typeof sha256 === 'string' ? { bytes, sha256 } : 'broken'
  } catch {
    return 'broken'
  }
}

export async function isIntact (file: string, { bytes, sha256 }: Seal): Promise<boolean> {
  return (await stat(file)).size === bytes && (await sealOf(file)).sha256 === sha256
}

/** Seals a closed file. */
export async function seal (folder: string, file: string): Promise<void> {
  await write(await open(join(folder, SEAL), constants.O_RDWR | constants.O_CREAT, MODE), await sealOf(file))
  await flushFolder(folder)
}

/** Breaks the seal, before the file is changed. A missing seal stays missing. */
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

/** Overwrites the seal in place, which needs no free space. If a crash cuts it short, the seal is broken. */
async function write (handle: FileHandle, content: object): Promise<void> {
  try {
    await handle.write(`${JSON.stringify(content).padEnd(LENGTH - 1)}\n`, 0)
    await handle.truncate(LENGTH)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Flushes the folder, so that created, renamed and removed files are on the disk. */
export async function flushFolder (folder: string): Promise<void> {
  // Windows cannot open folders, and flushes them itself.
  const handle = await open(folder, 'r').catch(() => undefined)
  try {
    await handle?.sync()
  } catch {
    // Some network file systems do not support this.
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
