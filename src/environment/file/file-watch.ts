// Notices every way in which a file comes to say something else: it is read again and again, and at once when the file system reports a change.
import { watch, type FSWatcher } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** ms between two readings. Events come sooner where they come at all; this is the bound where they do not. */
const POLL_MS = 500

/** Editors and tools touch a file several times to save it once. */
const SETTLE_MS = 50

/** ms after which a file that does not come to rest is taken as it is. */
const MAX_SETTLING_MS = 500

/** ms after which a reading that has not ended is reported. */
const LATE_MS = 2_000

/** What the file said, or why it could not be read. */
export type Reading = { readonly text: string } | { readonly error: Error }

/** What a {@link FileWatch} calls. */
interface FileWatchOptions {
  readonly path: string
  /** Reads the file anew. */
  read (path: string): Promise<string>
  /**
   * The file says something else. Never called twice at a time; does not reject.
   * @returns whether that is dealt with; otherwise it is called again, with what the file says then
   */
  changed (reading: Reading): Promise<boolean>
  /** A reading has taken longer than 2 s: until it ends, no change can be noticed. */
  late (): void
}

/**
 * Watches one file.
 *
 * What counts is what the file says when it is read by its path. So it makes no difference how it came to say that: written in place,
 * renamed over, a link anywhere on the path that was switched, a folder that was replaced, a file system that reports nothing or keeps
 * coarse times. Events of the file system only make it quicker.
 *
 * It keeps no process alive.
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
  /** The folders that the watchers watch, as they were then. */
  #watched = ''

  constructor (options: FileWatchOptions) {
    this.#options = options
    // Now: a relative path leads elsewhere when the process changes its folder.
    this.#path = resolve(options.path)
  }

  /**
   * Reads the file for the first time. Changes from now on will be noticed, once it has been started.
   * @throws what `read` throws
   */
  async first (): Promise<string> {
    const text = await this.#options.read(this.#options.path)
    this.#seen = { text }
    return text
  }

  start (): void {
    this.#schedule(0)
  }

  /** Ends, when a change that is being dealt with is dealt with. Does not wait for a file that cannot be read. */
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

  /** Something happened: looks soon, once for many events. */
  #hint (): void {
    if (this.#hinted) return
    this.#hinted = true
    if (!this.#isLooking) this.#schedule(SETTLE_MS)
  }

  async #look (): Promise<void> {
    this.#isLooking = true
    this.#hinted = false
    try {
      // Before the reading: what happens between the two is reported.
      await this.#watchFolders()
      let reading = await this.#read()
      if (!isSame(reading, this.#seen)) {
        reading = await this.#settled(reading)
        // It may have been a moment only.
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

  /** What the file says when it says the same twice: one that is being written has many faces. */
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

  /** Watches the folder of the path and that of the file itself, and anew when either is another one now. */
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
      // A folder that is gone, or a limit of the system: the readings go on without it.
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
