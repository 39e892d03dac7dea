// The stage that logs outages: one line when checks begin to fail and one when they recover, however many checks fail.
import { pdpErrorOf } from '../../contract/errors.js'
import type { AskedPoint, Caller, Decision, DecisionPoint, Outcome, Query, Trace } from '../../contract/point.js'
import { Stage } from './stage.js'

/** The app's log. */
interface OutageLog {
  warn (details: object, message: string): void
  info (details: object, message: string): void
}

/** An outage ends with the first decision at least this long after the last failure, ms. While only some checks fail, it goes on. */
const QUIET_PERIOD = 1_000

/** The interval at which an ongoing outage is logged again, with the number of failed checks, ms. */
const REPEAT_AFTER = 60_000

/** Logs when `next` stops giving decisions, and when it gives decisions again. */
export function withOutageLog (next: DecisionPoint, log: OutageLog): AskedPoint {
  return new OutageStage(next, new Outage(log))
}

class OutageStage extends Stage {
  constructor (next: DecisionPoint, private readonly outage: Outage) {
    super(next)
  }

  override ask (query: Query, deadline: number, outcome: Outcome, trace: Trace, caller?: Caller): void {
    this.next.ask(query, deadline, new Watched(this.outage, outcome), trace, caller)
  }
}

class Watched implements Outcome {
  constructor (private readonly outage: Outage, private readonly outcome: Outcome) {}

  settle (decision: Decision): void {
    this.outcome.settle(decision)
    if (this.outage.isOn) this.outage.decided()
  }

  fail (error: unknown): void {
    this.outcome.fail(error)
    const cause = pdpErrorOf(error)
    // A bug in the app is not an outage, and neither is a caller that is gone or an app that is closing.
    if (cause !== undefined && cause.failure !== 'abandoned' && cause.failure !== 'closed') this.outage.failed(cause.failure, cause.message)
  }
}

export class Outage {
  readonly #log: OutageLog
  readonly #clock: { now (): number }
  #since = 0
  #last = 0
  #logged = 0
  #failures = 0
  readonly #kinds = new Set<string>()

  /** @param clock for tests; default: the process's monotonic clock. */
  constructor (log: OutageLog, clock: { now (): number } = performance) {
    this.#log = log
    this.#clock = clock
  }

  /** Whether there is an outage. Read for each decision; while it is false, there is nothing else to do. */
  get isOn (): boolean {
    return this.#failures > 0
  }

  /** A check failed without a decision. */
  failed (failure: string, reason: string | undefined): void {
    const now = this.#clock.now()
    if (this.#failures === 0) {
      this.#since = now
      this.#logged = now
      this.#kinds.clear()
    }
    this.#failures++
    this.#last = now
    if (!this.#kinds.has(failure)) {
      // Each kind of failure is logged: a rejected token, for example, must not stay hidden behind an unreachable PDP.
      this.#kinds.add(failure)
      this.#log.warn({ permit: { failure, reason } },
        'permit: no decision from the PDP: checks that the cache cannot answer get 503 (logged once)')
    } else if (now - this.#logged >= REPEAT_AFTER) {
      this.#logged = now
      this.#log.warn({ permit: { failure, reason, ...this.#summary(now) } }, 'permit: still no decision from the PDP')
    }
  }

  /** The PDP has decided a check. */
  decided (): void {
    const now = this.#clock.now()
    if (this.#failures === 0 || now - this.#last < QUIET_PERIOD) return
    this.#log.info({ permit: this.#summary(now) }, 'permit: the PDP gives decisions again')
    this.#failures = 0
  }

  #summary (now: number): { failed: number, seconds: number } {
    return { failed: this.#failures, seconds: Math.round((now - this.#since) / 1000) }
  }
}
