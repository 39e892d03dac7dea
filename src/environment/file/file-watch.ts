// Notices every change of a file's text: reads it at an interval, and at once when the file system reports a change.
import { watch, type FSWatcher } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** The interval between two readings, ms. Events only make it faster; where there are none, this is the delay. */
const POLL_MS = 500

/** The wait after an event, ms: editors and tools write a file several times for one save. */
const SETTLE_MS = 50

/** The longest wait for a file that keeps changing, ms. Then it is used as it is. */
const MAX_SETTLING_MS = 500

/** A reading that takes longer than this is reported, ms. */
const LATE_MS = 2_000

/** The text of the file, or the error of reading it. */
export type Reading = { readonly text: string } | { readonly error: Error }

/** The options of a {@link FileWatch}. */
interface FileWatchOptions {
  readonly path: string
  /** Reads the file. */
  read (path: string): Promise<string>
  /**
   * Called when the text has changed. Never called twice at a time; must not reject.
   * @returns true when the change was handled; otherwise it is called again, with the text at that time
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
  #seen: Reading | undefined
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
  async first (): Promise<string> {
    const text = await this.#options.read(this.#options.path)
    this.#seen = { text }
    return text
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
      if (!isSame(reading, this.#seen)) {
        reading = await this.#settled(reading)
        // The change may already be reverted.
        if (!isSame(reading, this.#seen) && !this.#closed.signal.aborted) {
          this.#changing = this.#options.changed(reading)
          if (await this.#changing) this.#seen = reading
        }
      }
    } finally {
      this.#isLooking = false
      this.#schedule(this.#hinted ? SETTLE_MS : POLL_MS)
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
      if (isSame(next, last)) return next
      last = next
    }
    return last
  }

  async #read (): Promise<Reading> {
    this.#late = setTimeout(() => this.#options.late(), LATE_MS).unref()
    try {
      return { text: await this.#options.read(this.#path) }
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
    const identities = await Promise.all(Array.from(folders.keys(), identityOf))
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

function isSame (a: Reading, b: Reading | undefined): boolean {
  if (b === undefined) return false
  if ('text' in a) return 'text' in b && a.text === b.text
  return 'error' in b && a.error.message === b.error.message
}

async function identityOf (folder: string): Promise<string> {
  try {
    const { dev, ino } = await stat(folder, { bigint: true })
    return `${dev} ${ino}`
  } catch {
    return 'none'
  }
}
