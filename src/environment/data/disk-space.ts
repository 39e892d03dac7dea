// Room on the disk for what lmdb is about to write. It does not survive a full disk in every case, so it must never meet one.
import { open, type FileHandle } from 'node:fs/promises'
import type * as Lmdb from 'lmdb'

/** Bytes by which the file grows beyond what is needed now. */
const STEP = 256 * 1024

/** Bytes of LMDB's lock file, rounded up: room for its table of readers. */
const LOCK_BYTES = 16 * 1024

/** Pages of a commit beside those of its entries: the tables of databases and of free pages. */
const COMMON_PAGES = 32

/** Of a key and its node. */
const BYTES_PER_ENTRY = 64

/** An entry that will be written. */
interface Entry {
  readonly json: string | undefined
}

/** What lmdb says of a database, as far as it matters here. */
interface Stats {
  readonly pageSize: number
  readonly lastPageNumber: number
  readonly treeDepth: number
}

/**
 * Room in the file of a database.
 *
 * lmdb writes pages past the end of the file. When the disk is full it fails, and may corrupt its memory while it says so. So the file is made longer
 * beforehand, with zeros that take their place on the disk, and what fails then is an ordinary write.
 */
export class Room {
  readonly #path: string
  readonly #root: Lmdb.RootDatabase<string, string>
  readonly #records: Lmdb.Database<string, [number, number]>
  /** Pages that are there and not in use, as far as is known. */
  #pages = 0

  constructor (path: string, root: Lmdb.RootDatabase<string, string>, records: Lmdb.Database<string, [number, number]>) {
    this.#path = path
    this.#root = root
    this.#records = records
  }

  /**
   * Makes room for a commit of these entries.
   * @throws when the disk has none
   */
  async make (entries: readonly Entry[]): Promise<void> {
    const { pageSize, lastPageNumber } = this.#root.getStats() as Stats
    const { treeDepth } = this.#records.getStats() as Stats
    let bytes = 0
    let large = 0
    for (const { json = '' } of entries) {
      const length = Buffer.byteLength(json) + BYTES_PER_ENTRY
      bytes += length
      // Such a one has pages of its own.
      if (length > pageSize / 4) large++
    }
    // A page may be half full.
    const added = 2 * Math.ceil(bytes / pageSize) + large
    // Each entry copies the pages on the way to it, and no page is copied twice.
    const copied = Math.min(entries.length * (treeDepth + 2), lastPageNumber + 1 + added)
    const pages = added + copied
    const needed = pages + Math.ceil(pages / 256) + COMMON_PAGES
    if (needed > this.#pages) this.#pages = await this.#grow((lastPageNumber + 1) * pageSize, needed * pageSize) / pageSize
    this.#pages -= needed
  }

  /** Returns how many bytes are free after the first ones, which are in use. */
  async #grow (used: number, needed: number): Promise<number> {
    const file = await open(this.#path, 'r+')
    try {
      const { size } = await file.stat()
      if (size >= used + needed) return size - used
      const end = used + needed + STEP
      await fillWithZeros(file, size, end)
      return end - used
    } finally {
      await file.close()
    }
  }
}

/** Makes LMDB's lock file anew, for the same reason: lmdb maps it into memory. What it says counts only between processes, of which there is one. */
export async function makeLockFile (path: string): Promise<void> {
  const file = await open(`${path}-lock`, 'w')
  try {
    await fillWithZeros(file, 0, LOCK_BYTES)
  } finally {
    await file.close()
  }
}

async function fillWithZeros (file: FileHandle, from: number, to: number): Promise<void> {
  const zeros = Buffer.alloc(Math.min(STEP, to - from))
  try {
    for (let at = from; at < to;) at += (await file.write(zeros, 0, Math.min(zeros.length, to - at), at)).bytesWritten
    // Network file systems say it now or later.
    await file.datasync()
  } catch (error) {
    await file.truncate(from)
    throw error
  }
}
