// Reload: reads the policy file, watches it, and replaces the policy when the file changes.
import { StorageError } from '../store.js'
import { FileWatch, type Reading } from './file-watch.js'
import { decodePolicy, readPolicyBytes } from './policy-text.js'
import type { LoadedPolicy } from './loaded-policy.js'

/** The log of reloads, for example a pino logger. */
interface ReloadLog {
  info (details: object, message: string): void
  warn (details: object, message: string): void
}

interface PolicyReloadOptions {
  /** The path of the policy file. */
  readonly file: string
  readonly log: ReloadLog | undefined
  /**
   * Replaces the policy in use. When it rejects, the policy before it stays in use.
   * @returns whether the policy is another one than before
   */
  replace (policy: LoadedPolicy): Promise<boolean>
}

/** Keeps an environment up to date with its policy file. A file that cannot be used is logged, and the policy before it stays in use. */
export class PolicyReload {
  readonly #options: PolicyReloadOptions
  readonly #watch: FileWatch
  /** The digest of the file in use. */
  #inUse: string | undefined
  /** The problem that was logged last; undefined when the file can be used. */
  #problem: string | undefined

  constructor (options: PolicyReloadOptions) {
    const { file, log } = options
    this.#options = options
    this.#watch = new FileWatch({
      path: file,
      read: path => readPolicyBytes(path),
      changed: reading => this.#reload(reading),
      late: () => log?.warn({ file }, 'permit: the policy file cannot be read: the file system has not answered for 2 seconds; ' +
        'the policy in use stays, and a change goes unnoticed until the file system answers')
    })
  }

  /**
   * Reads the policy for the first time.
   * @throws `PolicyError` when the file cannot be used
   */
  async first (): Promise<LoadedPolicy> {
    const { bytes, digest } = await this.#watch.first()
    this.#inUse = digest
    return load(bytes, this.#options.file)
  }

  /** Starts to watch the file. Changes since `first` are noticed, too. */
  start (): void {
    this.#watch.start()
  }

  /** Stops. Resolves when a reload that is running has ended. */
  async close (): Promise<void> {
    await this.#watch.close()
  }

  /** Returns false when the same text must be tried again. */
  async #reload (reading: Reading): Promise<boolean> {
    const { file, log, replace } = this.#options
    try {
      if ('error' in reading) throw reading.error
      const isOther = reading.digest !== this.#inUse && await replace(await load(reading.bytes, file))
      this.#inUse = reading.digest
      if (isOther) {
        log?.info({ file }, 'permit: the policy file changed and is in use')
      } else if (this.#problem !== undefined) {
        log?.info({ file }, 'permit: the policy file is valid again; it contains the policy that is in use')
      }
      this.#problem = undefined
      return true
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (reason !== this.#problem) {
        this.#problem = reason
        log?.warn({ file, reason }, 'permit: the policy file changed and cannot be used: the previous policy stays in use')
      }
      // The disk may accept the change next time.
      return !(error instanceof StorageError)
    }
  }
}

/** Loads the parser first: an app whose policy is an object never loads it. */
async function load (bytes: Uint8Array, file: string): Promise<LoadedPolicy> {
  const { loadPolicy } = await import('./policy-file.js')
  return loadPolicy(decodePolicy(bytes, file), { file })
}
