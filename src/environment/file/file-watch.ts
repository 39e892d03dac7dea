// Notices every change of a file's content: reads it at an interval, and at once when the file system reports a change.
import { createHash } from 'node:crypto'
import { watch, type FSWatcher } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'

/** The interval between two readings, ms. Events only make it faster; where there are none, this is the delay. */
const POLL_MS = 500

/** The wait after an event, ms: editors and tools write a file several times for one save. */
const SETTLE_MS = 50

/** A file of more bytes than this is read less often, in proportion, so that the readings take at most a few per cent of a processor. */
const LARGE = 8 * 1024 * 1024

/** Bytes that are hashed at once: some milliseconds. */
const PIECE = 2 * 1024 * 1024

/** The longest wait for a file that keeps changing, ms. Then it is used as it is. */
const MAX_SETTLING_MS = 500

/** A reading that takes longer than this is reported, ms. */
const LATE_MS = 2_000

/** The content of the file, or the error of reading it. */
export type Reading = Content | { readonly error: Error }

/** The content of the file. The watch keeps the digest only: a large file must not stay in memory to be compared. */
export interface Content {
  readonly bytes: Uint8Array
  readonly digest: string
}

/** The options of a {@link FileWatch}. */
interface FileWatchOptions {
  readonly path: string
  /** Reads the file. */
  read (path: string): Promise<Uint8Array>
  /**
   * Called when the content has changed. Never called twice at a time; must not reject.
   * @returns true when the change was handled; otherwise it is called again, with the content at that time
   */
  changed (reading: Reading): Promise<boolean>
  /** A reading takes longer than 2 s: until it ends, changes go unnoticed. */
  late (): void
}

/**
 * Watches one file.
 *
 * Only the text at the path counts, no matter how it got there: the file was written in place or replaced by a rename, a link on the path
 * was switched, a folder was replaced. This includes file systems that report no events or have coarse timestamps. Events only make it
 * faster.
 *
 * It does not keep the process alive.
 */
export class FileWatch {
  readonly #options: FileWatchOptions
  readonly #path: string
  readonly #closed = new AbortController()
  /** What the file said when that was dealt with: a digest, or an error. */
  #seen: string | undefined
  #bytes = 0
  #timer: NodeJS.Timeout | undefined
  #late: NodeJS.Timeout | undefined
  #hinted = false
  #isLooking = false
  #changing: Promise<boolean> | undefined
  #watchers: FSWatcher[] = []
  /** Identifies the folders that the watchers watch. */
  #watched = ''

  constructor (options: FileWatchOptions) {
    this.#options = options
    // Resolved now: a relative path would change with the working directory of the process.
    this.#path = resolve(options.path)
  }

  /**
   * Reads the file for the first time. Later changes are noticed, once `start` was called.
   * @throws errors of `read`
   */
  async first (): Promise<Content> {
    const content = await contentOf(await this.#options.read(this.#options.path))
    this.#bytes = content.bytes.length
    this.#seen = identityOf(content)
    return content
  }

  start (): void {
    this.#schedule(0)
  }

  /** Stops. Waits for a change that is being handled, but not for a file that cannot be read. */
  async close (): Promise<void> {
    this.#closed.abort()
    clearTimeout(this.#timer)
    clearTimeout(this.#late)
    this.#unwatch()
    await this.#changing
  }

  #schedule (ms: number): void {
    clearTimeout(this.#timer)
    if (!this.#closed.signal.aborted) this.#timer = setTimeout(() => this.#look(), ms).unref()
  }

  /** Something may have changed: reads soon, once for several events. */
  #hint (): void {
    if (this.#hinted) return
    this.#hinted = true
    if (!this.#isLooking) this.#schedule(SETTLE_MS)
  }

  async #look (): Promise<void> {
    this.#isLooking = true
    this.#hinted = false
    try {
      // Before the reading, so that a change between the two is reported.
      await this.#watchFolders()
      let reading = await this.#read()
      if (identityOf(reading) !== this.#seen) {
        reading = await this.#settled(reading)
        // The change may already be reverted.
        if (identityOf(reading) !== this.#seen && !this.#closed.signal.aborted) {
          this.#changing = this.#options.changed(reading)
          if (await this.#changing) this.#seen = identityOf(reading)
        }
      }
    } finally {
      this.#isLooking = false
      this.#schedule(this.#hinted ? SETTLE_MS : POLL_MS * Math.max(1, this.#bytes / LARGE))
    }
  }

  /** Reads until two readings are equal: a file that is being written changes from one moment to the next. */
  async #settled (reading: Reading): Promise<Reading> {
    const end = performance.now() + MAX_SETTLING_MS
    let last = reading
    while (performance.now() < end) {
      try {
        await delay(SETTLE_MS, undefined, { ref: false, signal: this.#closed.signal })
      } catch {
        break
      }
      const next = await this.#read()
      if (identityOf(next) === identityOf(last)) return next
      last = next
    }
    return last
  }

  async #read (): Promise<Reading> {
    this.#late = setTimeout(() => this.#options.late(), LATE_MS).unref()
    try {
      const content = await contentOf(await this.#options.read(this.#path))
      this.#bytes = content.bytes.length
      return content
    } catch (error) {
      return { error: error instanceof Error ? error : new Error(String(error)) }
    } finally {
      clearTimeout(this.#late)
    }
  }

  /** Watches the folder of the path and that of the real file. Starts again when one of them is another folder now. */
  async #watchFolders (): Promise<void> {
    const real = await realpath(this.#path).catch(() => this.#path)
    const folders = new Map([[dirname(this.#path), basename(this.#path)], [dirname(real), basename(real)]])
    const identities = await Promise.all(Array.from(folders.keys(), folderIdentity))
    const watched = JSON.stringify([...folders, ...identities])
    if (watched === this.#watched || this.#closed.signal.aborted) return
    this.#unwatch()
    this.#watched = watched
    for (const [folder, name] of folders) this.#watch(folder, name)
  }

  #watch (folder: string, name: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, (_, filename) => {
        if (filename === null || filename === name) this.#hint()
      })
      // The folder is gone, or a system limit was reached: reading at the interval continues.
      watcher.on('error', () => watcher.close())
      this.#watchers.push(watcher)
    } catch {
      // As above.
    }
  }

  #unwatch (): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close()
  }
}

async function contentOf (bytes: Uint8Array): Promise<Content> {
  const hash = createHash('sha256')
  for (let from = 0; from < bytes.length; from += PIECE) {
    if (from > 0) await nextTurn()
    hash.update(bytes.subarray(from, from + PIECE))
  }
  return { bytes, digest: hash.digest('base64') }
}

/** Equal for readings that say the same. */
function identityOf (reading: Reading): string {
  return 'digest' in reading ? reading.digest : `error ${reading.error.message}`
}

async function folderIdentity (folder: string): Promise<string> {
  try {
    const { dev, ino } = await stat(folder, { bigint: true })
    return `${dev} ${ino}`
  } catch {
    return 'none'
  }
}
