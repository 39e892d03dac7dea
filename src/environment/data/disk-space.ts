// Reserves disk space for what lmdb is about to write: lmdb does not survive every case of a full disk, so it must never find one.
import { open, type FileHandle } from 'node:fs/promises'
import type * as Lmdb from 'lmdb'

/** How far the file grows beyond the current need, bytes. */
const STEP = 256 * 1024

/** The size of LMDB's lock file, rounded up: its table of readers must fit, bytes. */
const LOCK_BYTES = 16 * 1024

/** The mode of the lock file: whoever can write to it can stop the process. */
const LOCK_MODE = 0o600

/** Pages of a commit in addition to those of its entries: the tables of databases and of free pages. */
const COMMON_PAGES = 32

/** The size of a key and its node, bytes. */
const BYTES_PER_ENTRY = 64

/** An entry that will be written. */
interface Entry {
  readonly json: string | undefined
}

/** The part of lmdb's statistics that is needed here. */
interface Stats {
  readonly pageSize: number
  readonly lastPageNumber: number
  readonly treeDepth: number
}

/**
 * Free space in a database file.
 *
 * lmdb writes pages after the end of the file. When the disk is full it fails, and may corrupt its memory while it reports the error. So
 * the file is extended beforehand, with zeros that take up disk space; if that fails, it fails as an ordinary write.
 */
export class Room {
  readonly #path: string
  readonly #root: Lmdb.RootDatabase<string, string>
  readonly #records: Lmdb.Database<string, [number, number]>
  /** The number of pages that are known to be allocated and unused. */
  #pages = 0

  constructor (path: string, root: Lmdb.RootDatabase<string, string>, records: Lmdb.Database<string, [number, number]>) {
    this.#path = path
    this.#root = root
    this.#records = records
  }

  /**
   * Reserves space for a commit of these entries.
   * @throws when the disk is full
   */
  async make (entries: readonly Entry[]): Promise<void> {
    const { pageSize, lastPageNumber } = this.#root.getStats() as Stats
    const { treeDepth } = this.#records.getStats() as Stats
    let bytes = 0
    let large = 0
    for (const { json = '' } of entries) {
      const length = Buffer.byteLength(json) + BYTES_PER_ENTRY
      bytes += length
      // A large entry has pages of its own.
      if (length > pageSize / 4) large++
    }
    // A page may be half full.
    const added = 2 * Math.ceil(bytes / pageSize) + large
    // Each entry copies the pages on the path to it, but no page is copied twice.
    const copied = Math.min(entries.length * (treeDepth + 2), lastPageNumber + 1 + added)
    const pages = added + copied
    const needed = pages + Math.ceil(pages / 256) + COMMON_PAGES
    if (needed > this.#pages) this.#pages = await this.#grow((lastPageNumber + 1) * pageSize, needed * pageSize) / pageSize
    this.#pages -= needed
  }

  /** Extends the file. Returns the number of free bytes after those in use. */
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

/** Creates LMDB's lock file anew, for the same reason: lmdb maps it into memory. Its content only matters with several processes. */
export async function makeLockFile (path: string): Promise<void> {
  const file = await open(`${path}-lock`, 'w', LOCK_MODE)
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
    // Network file systems may report a full disk only now.
    await file.datasync()
  } catch (error) {
    await file.truncate(from)
    throw error
  }
}
