// Reload: reads the policy file, watches it, and replaces the policy when the file changes.
import type { Policy } from '../../engine/policy/policy.js'
import { digestOf } from '../environment-schema.js'
import { StorageError } from '../store.js'
import { FileWatch, type Reading } from './file-watch.js'
import { readPolicyText } from './policy-text.js'

/** The log of reloads, for example a pino logger. */
interface ReloadLog {
  info (details: object, message: string): void
  warn (details: object, message: string): void
}

interface PolicyReloadOptions {
  /** The path of the policy file. */
  readonly file: string
  readonly log: ReloadLog | undefined
  /** Replaces the policy in use. When it rejects, the policy before it stays in use. */
  replace (document: Policy): Promise<void>
}

/** Keeps an environment up to date with its policy file. A file that cannot be used is logged, and the policy before it stays in use. */
export class PolicyReload {
  readonly #options: PolicyReloadOptions
  readonly #watch: FileWatch
  /** The digest of the policy in use. */
  #inUse: string | undefined
  /** The problem that was logged last; undefined when the file can be used. */
  #problem: string | undefined

  constructor (options: PolicyReloadOptions) {
    const { file, log } = options
    this.#options = options
    this.#watch = new FileWatch({
      path: file,
      read: path => readPolicyText(path),
      changed: reading => this.#reload(reading),
      late: () => log?.warn({ file }, 'permit: the policy file cannot be read: the file system has not answered for 2 seconds; ' +
        'the policy in use stays, and a change goes unnoticed until the file system answers')
    })
  }

  /**
   * Reads the policy for the first time.
   * @throws `PolicyError` when the file cannot be used
   */
  async first (): Promise<Policy> {
    return parse(await this.#watch.first(), this.#options.file)
  }

  /**
   * Starts to watch the file. Changes since `first` are noticed, too.
   * @param document the policy in use
   */
  start (document: Policy): void {
    this.#inUse = digestOf(document)
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
      const document = await parse(reading.text, file)
      const digest = digestOf(document)
      if (digest !== this.#inUse) {
        await replace(document)
        this.#inUse = digest
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
        log?.warn({ file, reason }, 'permit: the policy file changed and cannot be used: the policy before it stays in use')
      }
      // The disk may accept the change next time.
      return !(error instanceof StorageError)
    }
  }
}

/** Loads the parser first: an app whose policy is an object never loads it. */
async function parse (text: string, file: string): Promise<Policy> {
  const { parsePolicy } = await import('./policy-file.js')
  return parsePolicy(text, { file })
}
