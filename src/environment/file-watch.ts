// Notices that a file changed, however it was changed: written in place, renamed over, or by a link that points elsewhere now.
import { watch, type FSWatcher } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'

/** Editors and tools touch a file several times to save it once. */
const SETTLE_MS = 50

/**
 * Watches one file by its folder, because a watch on the file itself ends with the first rename.
 *
 * Every event leads to a look after it, so that a file caught half written is looked at again when the rest is there.
 */
export class FileWatch {
  readonly #path: string
  readonly #changed: () => Promise<void>
  readonly #failed: (error: Error) => void
  #watcher: FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  /** The file itself was named by an event. */
  #touched = false
  /** Something happened during a look. */
  #again = false
  #seen: string | undefined
  #closed = false

  /**
   * @param changed - called when the file may have changed, never twice at a time; does not reject
   * @param failed - called when the file can be watched no longer
   */
  constructor (path: string, changed: () => Promise<void>, failed: (error: Error) => void) {
    this.#path = resolve(path)
    this.#changed = changed
    this.#failed = failed
  }

  /** Begins. Changes from now on are noticed. */
  async open (): Promise<void> {
    this.#seen = await signatureOf(this.#path)
    const name = basename(this.#path)
    try {
      this.#watcher = watch(dirname(this.#path), { persistent: false }, (_, filename) => this.#schedule(filename === null || filename === name))
      this.#watcher.on('error', error => {
        this.#watcher?.close()
        this.#failed(error)
      })
    } catch (error) {
      this.#failed(error as Error)
    }
  }

  /** Ends, when the last look has ended. */
  async close (): Promise<void> {
    this.#closed = true
    this.#watcher?.close()
    clearTimeout(this.#timer)
    await this.#looking
  }

  #schedule (touched: boolean): void {
    this.#touched ||= touched
    if (this.#looking !== undefined) this.#again = true
    if (this.#closed || this.#timer !== undefined || this.#looking !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#looking = this.#look().finally(() => {
        this.#looking = undefined
        if (!this.#again) return
        this.#again = false
        this.#schedule(false)
      })
    }, SETTLE_MS).unref()
  }

  async #look (): Promise<void> {
    const touched = this.#touched
    this.#touched = false
    const signature = await signatureOf(this.#path)
    // Other files of the folder change, too, and one of them may be the link that leads to this one.
    if (!touched && signature === this.#seen) return
    this.#seen = signature
    await this.#changed()
  }
}

async function signatureOf (path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
  } catch {
    return 'none'
  }
}
