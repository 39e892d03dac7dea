// The stage that says when no decisions can be had: once when it begins and once when it is over, however many checks it fails.
import { pdpErrorOf } from '../../contract/errors.js'
import type { DecisionPoint } from '../../contract/point.js'

/** Where it is said: the app's log. */
export interface OutageLog {
  warn (details: object, message: string): void
  info (details: object, message: string): void
}

/** An outage is over when a decision was had this long after the last failure, ms: while some fail and some do not, it goes on. */
const CALM = 1_000

/** While it goes on it is said again this often, ms, with the number of checks that it has failed. */
const AGAIN = 60_000

/** Says in `log` when `next` has no decisions, and when it has some again. */
export function outspoken (next: DecisionPoint, log: OutageLog): DecisionPoint {
  const outage = new Outage(log)
  const fail = (error: unknown): void => {
    const cause = pdpErrorOf(error)
    // A mistake of the app's is its own error, not an outage; neither is that a caller has gone, or that the app closes.
    if (cause !== undefined && cause.failure !== 'abandoned' && cause.failure !== 'closed') outage.failed(cause.failure, cause.message)
  }
  const succeed = (): void => { if (outage.isOn) outage.decided() }
  return {
    peek: query => next.peek(query),
    decide (query, deadline, trace, caller) {
      const answer = next.decide(query, deadline, trace, caller)
      if (answer instanceof Promise) answer.then(succeed, fail)
      return answer
    },
    stats: () => next.stats()
  }
}

export class Outage {
  readonly #log: OutageLog
  readonly #clock: { now (): number }
  #since = 0
  #last = 0
  #said = 0
  #failures = 0
  readonly #kinds = new Set<string>()

  /** @param clock for tests; default: the process's monotonic clock. */
  constructor (log: OutageLog, clock: { now (): number } = performance) {
    this.#log = log
    this.#clock = clock
  }

  /** Whether one goes on. Looked at for each decision; as long as it is false, nothing else is to be done. */
  get isOn (): boolean {
    return this.#failures > 0
  }

  /** No decision could be had. */
  failed (failure: string, reason: string | undefined): void {
    const now = this.#clock.now()
    if (this.#failures === 0) {
      this.#since = now
      this.#said = now
      this.#kinds.clear()
    }
    this.#failures++
    this.#last = now
    if (!this.#kinds.has(failure)) {
      // Another kind of failure is another cause: a refused token behind a PDP that was away must not go unseen.
      this.#kinds.add(failure)
      this.#log.warn({ permit: { failure, reason } }, 'permit: no decision; what no remembered one answers gets 503, and this is said once')
    } else if (now - this.#said >= AGAIN) {
      this.#said = now
      this.#log.warn({ permit: { failure, reason, failed: this.#failures, seconds: Math.round((now - this.#since) / 1000) } }, 'permit: still no decision')
    }
  }

  /** A PDP has decided. */
  decided (): void {
    const now = this.#clock.now()
    if (this.#failures === 0 || now - this.#last < CALM) return
    this.#log.info({ permit: { failed: this.#failures, seconds: Math.round((now - this.#since) / 1000) } }, 'permit: decisions can be had again')
    this.#failures = 0
  }
}
