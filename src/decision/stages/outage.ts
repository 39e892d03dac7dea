// The stage that logs outages: one line when checks begin to fail and one when they recover, however many checks fail.
import { isLasting, pdpErrorOf, type PdpError } from '../../contract/errors.js'
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

/** The most kinds of rejected questions that are known at a time. */
const MAX_REJECTIONS = 100

/** The question, as it is logged. A search may have no action, and no type. */
export interface QuestionInLog {
  readonly action?: string
  readonly type?: string
}

/** The log lines of an outage. */
interface OutageWords {
  readonly begins: string
  readonly goesOn: string
  readonly ends: string
}

const CHECKS: OutageWords = {
  begins: 'no decision from the PDP: checks that the cache cannot answer get 503',
  goesOn: 'still no decision from the PDP',
  ends: 'the PDP answers checks again'
}

/** For plans and searches, which are separate calls of the PDP and may fail while checks are answered. */
export const LISTS: OutageWords = {
  begins: 'no plan and no search result from the PDP: plans that are not cached and searches get 503',
  goesOn: 'still no plan and no search result from the PDP',
  ends: 'the PDP answers plans and searches again'
}

/** Logs when `next` stops giving decisions, and when it gives decisions again. */
export function withOutageLog (next: DecisionPoint, log: OutageLog): AskedPoint {
  return new OutageStage(next, new Outage(log))
}

class OutageStage extends Stage {
  constructor (next: DecisionPoint, private readonly outage: Outage) {
    super(next)
  }

  override ask (query: Query, deadline: number, outcome: Outcome, trace: Trace, caller?: Caller): void {
    this.next.ask(query, deadline, new Watched(this.outage, outcome, query), trace, caller)
  }
}

class Watched implements Outcome {
  constructor (private readonly outage: Outage, private readonly outcome: Outcome, private readonly query: Query) {}

  settle (decision: Decision): void {
    this.outcome.settle(decision)
    if (this.outage.isOn) this.outage.decided()
  }

  fail (error: unknown): void {
    this.outcome.fail(error)
    this.outage.threw(error, this.query)
  }
}

export class Outage {
  readonly #log: OutageLog
  readonly #clock: { now (): number }
  readonly #words: OutageWords
  #since = 0
  #last = 0
  #logged = 0
  #failures = 0
  readonly #kinds = new Set<string>()
  /** When rejected questions were logged, by status, action and type. */
  readonly #rejections = new Map<string, number>()

  /** @param clock for tests; default: the process's monotonic clock. */
  constructor (log: OutageLog, clock: { now (): number } = performance, words = CHECKS) {
    this.#log = log
    this.#clock = clock
    this.#words = words
  }

  /** Whether there is an outage. Read for each decision; while it is false, nothing else is done. */
  get isOn (): boolean {
    return this.#failures > 0
  }

  /** A question was answered by an error. */
  threw (error: unknown, asked: { readonly action?: string, readonly resource?: { readonly type: string } }): void {
    const cause = pdpErrorOf(error)
    // A bug in the app is not an outage, and neither is a caller that is gone or an app that is closing.
    if (cause === undefined || cause.failure === 'abandoned' || cause.failure === 'closed') return
    const question = { action: asked.action, type: asked.resource?.type }
    if (cause.failure !== 'token' && isLasting(cause)) this.rejected(cause, question)
    else this.failed(cause.failure, cause.message, question)
  }

  /** A check failed without a decision. */
  failed (failure: string, reason: string | undefined, question?: QuestionInLog): void {
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
      this.#log.warn({ permit: { failure, reason, ...question } },
        `permit: ${this.#words.begins} (logged once for each kind of failure)`)
    } else if (now - this.#logged >= REPEAT_AFTER) {
      this.#logged = now
      this.#log.warn({ permit: { failure, reason, ...question, ...this.#summary(now) } }, `permit: ${this.#words.goesOn}`)
    }
  }

  /** The PDP rejected a question, and answers others: not an outage. Logged once a minute for each action, type and status. */
  rejected ({ failure, message, status }: PdpError, { action, type }: QuestionInLog): void {
    const now = this.#clock.now()
    const key = JSON.stringify([status, action, type])
    if (now - (this.#rejections.get(key) ?? -Infinity) < REPEAT_AFTER) return
    if (this.#rejections.size >= MAX_REJECTIONS) this.#rejections.clear()
    this.#rejections.set(key, now)
    const what = failure === 'unsendable' ? 'this question cannot be sent to the PDP' : 'the PDP rejects this question'
    this.#log.warn({ permit: { failure, reason: message, action, type } }, `permit: ${what}, so it gets 503; ` +
      'others are answered (logged once a minute for each action and type)')
  }

  /** The PDP has decided a check. */
  decided (): void {
    const now = this.#clock.now()
    if (this.#failures === 0 || now - this.#last < QUIET_PERIOD) return
    this.#log.info({ permit: this.#summary(now) }, `permit: ${this.#words.ends}`)
    this.#failures = 0
  }

  #summary (now: number): { failed: number, seconds: number } {
    return { failed: this.#failures, seconds: Math.round((now - this.#since) / 1000) }
  }
}
