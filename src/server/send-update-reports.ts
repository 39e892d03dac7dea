// Reports changes to apps, in the format of OPAL's client, which is part of Permit's container.
import { randomUUID } from 'node:crypto'
import { Pool } from 'undici'
import type { AffectedUsers } from '../contract/affected-users.js'

/** Where to send reports, and with which headers. */
export interface ReportTarget {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface ReportLog {
  info (details: object, message: string): void
  warn (details: object, message: string): void
}

/** How long the delivery of a report may take, ms; after that it is retried. */
const TIMEOUT = 5_000

/** How long to wait before a report is retried, first and at most, ms. */
const FIRST_WAIT = 50
const LONGEST_WAIT = 5_000

/** The most users that are named in a report. A report on more users says that everything has changed. */
const MAX_USERS = 500

/** How long the last reports may take when the PDP closes, ms. */
const CLOSE_TIMEOUT = 1_000

/** The most bytes that are read of a response, which is not used. */
const DISCARD_LIMIT = 16 * 1024

/** Reports changes to all targets, in order. Never blocks the caller. */
export class Reports {
  readonly #targets: readonly Reporter[]

  constructor (targets: readonly ReportTarget[], log: ReportLog) {
    this.#targets = targets.map(target => new Reporter(target, log))
  }

  report (change: AffectedUsers): void {
    for (const target of this.#targets) target.report(change)
  }

  /** Tries once more to deliver pending reports, for a limited time, and closes the sockets. */
  async close (): Promise<void> {
    await Promise.all(this.#targets.map(target => target.close()))
  }
}

/** What a target was not told yet. It is bounded, because many users become "all", and nothing is lost. */
type Pending = Set<string> | 'all'

class Reporter {
  readonly #target: ReportTarget
  readonly #name: string
  readonly #path: string
  readonly #log: ReportLog
  readonly #pool: Pool
  #pending: Pending = new Set()
  #sending: Promise<void> | undefined
  #failed = 0
  #closing = false
  #wake: (() => void) | undefined

  constructor (target: ReportTarget, log: ReportLog) {
    const { origin, pathname, search } = new URL(target.url)
    this.#target = target
    this.#name = origin + pathname
    this.#path = pathname + search
    this.#log = log
    this.#pool = new Pool(origin, { connections: 1, connect: { timeout: TIMEOUT, rejectUnauthorized: true } })
  }

  report (change: AffectedUsers): void {
    this.#pending = merge(this.#pending, 'all' in change ? 'all' : new Set(change.users))
    this.#sending ??= this.#send()
  }

  async close (): Promise<void> {
    this.#closing = true
    this.#wake?.()
    let timer: NodeJS.Timeout | undefined
    await Promise.race([this.#sending, new Promise<void>(resolve => { timer = setTimeout(resolve, CLOSE_TIMEOUT) })])
    clearTimeout(timer)
    await this.#pool.destroy()
  }

  async #send (): Promise<void> {
    while (isSome(this.#pending)) {
      const now = this.#pending
      this.#pending = new Set()
      try {
        await this.#post(now)
        if (this.#failed > 0) this.#log.info({ url: this.#name, failed: this.#failed }, 'permit: changes are reported again')
        this.#failed = 0
      } catch (error) {
        // Changes since the last attempt go into the same report.
        this.#pending = merge(this.#pending, now)
        if (this.#failed++ === 0) {
          this.#log.warn({ url: this.#name, reason: reasonOf(error) }, 'permit: a change could not be reported; retrying until it succeeds')
        }
        if (this.#closing) break
        await this.#wait(Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(this.#failed - 1, 10)))
      }
    }
    // Set synchronously after the last check of the pending changes, so that the next change starts a new loop.
    this.#sending = undefined
  }

  async #post (changed: Pending): Promise<void> {
    const { statusCode, body } = await this.#pool.request({
      method: 'POST',
      path: this.#path,
      headers: { 'content-type': 'application/json', ...this.#target.headers },
      body: JSON.stringify(toReport(changed)),
      signal: AbortSignal.timeout(TIMEOUT),
      headersTimeout: TIMEOUT,
      bodyTimeout: TIMEOUT
    })
    await body.dump({ limit: DISCARD_LIMIT })
    if (statusCode < 200 || statusCode > 299) throw new Error(`the response has status ${statusCode}`)
  }

  async #wait (milliseconds: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>(resolve => {
      this.#wake = resolve
      // Does not keep the process alive.
      timer = setTimeout(resolve, milliseconds).unref()
    })
    clearTimeout(timer)
    this.#wake = undefined
  }
}

function isSome (pending: Pending): boolean {
  return pending === 'all' || pending.size > 0
}

function merge (one: Pending, other: Pending): Pending {
  if (one === 'all' || other === 'all') return 'all'
  const both = new Set([...one, ...other])
  return both.size > MAX_USERS ? 'all' : both
}

/** Creates a report like OPAL's client. Both the user's data and the user's roles may have changed, so both paths are named. */
function toReport (changed: Pending): object {
  const paths = changed === 'all' ? ['/'] : [...changed].flatMap(user => [`/users/${user}`, `/role_assignments/user:${user}`])
  const entryOf = (path: string) => ({ url: '', topics: ['policy_data'], dst_path: path, save_method: 'PUT' })
  return {
    update_id: randomUUID(),
    reports: paths.map(path => ({ entry: entryOf(path), fetched: true, saved: true, hash: null })),
    policy_hash: null,
    user_data: {}
  }
}

function reasonOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
