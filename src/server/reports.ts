// Tells apps that something has changed, in the words of the container: the reports of OPAL's client, which is a part of Permit's PDP.
import { randomUUID } from 'node:crypto'
import { Pool } from 'undici'
import type { AffectedUsers } from '../contract/affected-users.js'

/** Where reports go, and the headers that they carry. */
export interface ReportTarget {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface ReportLog {
  info (details: object, message: string): void
  warn (details: object, message: string): void
}

/** A report that is not taken within so many ms is tried again. */
const TIMEOUT = 5_000

/** Ms before a report is tried again: first, and at most. */
const FIRST_WAIT = 50
const LONGEST_WAIT = 5_000

/** Users who are named one by one; a change of more is reported as one of everything. */
const MAX_USERS = 500

/** Time for the last report when the PDP closes, ms. */
const CLOSE_TIMEOUT = 1_000

/** Bytes of an answer that are read; nobody needs them. */
const DISCARD_LIMIT = 16 * 1024

/** Reports changes to each of the targets, in order, without ever keeping the one who makes them waiting. */
export class Reports {
  readonly #targets: readonly Reporter[]

  constructor (targets: readonly ReportTarget[], log: ReportLog) {
    this.#targets = targets.map(target => new Reporter(target, log))
  }

  report (change: AffectedUsers): void {
    for (const target of this.#targets) target.report(change)
  }

  /** Gives what is not yet delivered a last chance, within bounds, and lets go of the sockets. */
  async close (): Promise<void> {
    await Promise.all(this.#targets.map(target => target.close()))
  }
}

/** What one target has not been told yet. It grows to "everything" at most, so nothing is ever lost, and nothing without bound. */
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
    this.#pool = new Pool(origin, { connections: 1, connect: { timeout: TIMEOUT } })
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
        // What comes meanwhile is told together with what could not be.
        this.#pending = merge(this.#pending, now)
        if (this.#failed++ === 0) this.#log.warn({ url: this.#name, reason: reasonOf(error) }, 'permit: a change could not be reported; it is tried again until it can')
        if (this.#closing) break
        await this.#wait(Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(this.#failed - 1, 10)))
      }
    }
    // In the same tick as the last look at what is pending: whatever comes from now on starts anew.
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
    if (statusCode < 200 || statusCode > 299) throw new Error(`it was answered with status ${statusCode}`)
  }

  async #wait (milliseconds: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>(resolve => {
      this.#wake = resolve
      // A target that is gone must not keep a process that has nothing else to do.
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

/** As OPAL's client writes it. A change of a user may be one of the user's data or of the user's roles: both are named. */
function toReport (changed: Pending): object {
  const paths = changed === 'all' ? ['/'] : [...changed].flatMap(user => [`/users/${user}`, `/role_assignments/user:${user}`])
  return {
    update_id: randomUUID(),
    reports: paths.map(path => ({ entry: { url: '', topics: ['policy_data'], dst_path: path, save_method: 'PUT' }, fetched: true, saved: true, hash: null })),
    policy_hash: null,
    user_data: {}
  }
}

function reasonOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
