// The batching stage: sends many waiting checks in one bulk request, and a single check by itself.
import { PdpError, UnavailableError } from '../../contract/errors.js'
import { Deadlines, type Dated } from '../../kit/deadlines.js'
import { BatchSize } from './batch-size.js'
import { BatchLimit, isPoison, mayBeTooLarge, remedyFor } from './batch-limit.js'
import type {
  AskedPoint, BatchingPdp, BulkAnswer, Caller, Decision, DecisionPointStats, Outcome, Query, Trace
} from '../../contract/point.js'
import type { MaybePromise } from '../../kit/maybe-promise.js'
import { decideBy } from './stage.js'

export interface BatchOptions {
  /** The most waiting checks, beyond those for which a connection is free; one more fails at once. */
  readonly queue: number
  /** The most checks in one request. */
  readonly batch: number
  /** Called with the number of checks in each request, for metrics. */
  readonly onSent?: (checks: number) => void
}

/**
 * Batches adaptively and without a timer. All checks of one turn of the event loop are sent together at its end, a single one by itself.
 * When all connections are in use, the next free one takes all waiting checks, up to the limit. So an idle system adds the rest of a turn,
 * in which it has nothing else to do, and a saturated one gets cheaper per check as the load grows. Two alternatives cost more (bench/, all
 * misses). Sending the first check of a turn at once makes two requests of each burst. Waiting for more than a turn makes larger batches,
 * but costs more than it saves.
 *
 * The batch size that a PDP accepts is learned, and the one that a slow PDP answers soonest. A rejected batch is sent again in halves; when
 * both halves succeed, batches stay that small for a while. Without a bulk endpoint, checks are sent one by one for a while. A check in a
 * batch that the PDP could not decide is sent again by itself: its answer never depends on the checks that it was sent with.
 *
 * Each check keeps its own deadline while it waits. It is not sent when its deadline has passed or its caller is gone.
 * @param clock for tests; default: the process's monotonic clock
 */
export function batched (pdp: BatchingPdp, options: BatchOptions, clock: { now (): number } = performance): AskedPoint & Closable {
  return new Batcher(pdp, options, clock)
}

export interface Closable {
  /** Resolves when nothing is in flight or waiting, at `deadline` at the latest. */
  close (deadline: number): Promise<void>
}

/** How long a question that failed by itself is not sent with others, ms, and the most such questions that are known. */
const LONER_FOR = 60_000
const MAX_LONERS = 1_000

/** A PDP that has answered within this time works, so a failure is about the question, ms. */
const ANSWERING_WITHIN = 1_000

/** A check that waits to be sent, or for its answer. When it is settled it refers to nothing, for the reason that `Flight` names. */
class Waiting implements Dated {
  settled = false
  sent = false
  #caller: Caller | undefined
  #outcome: Outcome | undefined
  /** Whether its deadline has an alarm of its own. Most checks leave at the end of their turn, and share the alarm of their group. */
  alarmed = false

  constructor (
    readonly query: Query,
    /** The arrival time, if it is measured; otherwise 0. */
    readonly arrival: number,
    /** The number of answers when the check was queued. */
    readonly since: number,
    readonly deadline: number,
    caller: Caller | undefined,
    outcome: Outcome
  ) {
    this.#caller = caller
    this.#outcome = outcome
  }

  get caller (): Caller | undefined {
    return this.#caller
  }

  answer (decision: Decision): void {
    this.#settle()?.settle(decision)
  }

  fail (error: unknown): void {
    this.#settle()?.fail(error)
  }

  #settle (): Outcome | undefined {
    const outcome = this.#outcome
    this.settled = true
    this.#outcome = undefined
    this.#caller = undefined
    return outcome
  }
}

/** Checks in one request. One alarm, for the earliest of their deadlines, costs less than one for each. */
class Group implements Dated {
  deadline = Infinity
  #checks: readonly Waiting[]

  constructor (checks: readonly Waiting[]) {
    this.#checks = checks
    for (const { deadline } of checks) if (deadline < this.deadline) this.deadline = deadline
  }

  /** All checks are settled, or wait again. */
  end (): void {
    this.#checks = []
  }

  /** Calls `fail` for the checks whose deadline has passed. Whether others are left, with the deadline of the next. */
  expire (fail: (check: Waiting) => void): boolean {
    const now = performance.now()
    this.deadline = Infinity
    for (const check of this.#checks) {
      if (check.settled) continue
      if (check.deadline <= now) fail(check)
      else if (check.deadline < this.deadline) this.deadline = check.deadline
    }
    return this.deadline !== Infinity
  }
}

class Batcher implements AskedPoint, Closable {
  readonly #pdp: BatchingPdp
  readonly #options: BatchOptions
  readonly #deadlines = new Deadlines<Waiting | Group>(late => this.#expire(late))
  #queue: Waiting[] = []
  /** Checks that wait to be sent by themselves. */
  readonly #alone: Waiting[] = []
  #lastWasAlone = false
  /** Questions that failed by themselves while others were answered, by their keys, and until when they are sent by themselves. */
  readonly #loners = new Map<string, number>()
  readonly #clock: { now (): number }
  /** When the PDP last answered. */
  #answeredAt = -Infinity
  #busy = 0
  /** The number of checks that the PDP has answered. */
  #answers = 0
  #scheduled = false
  readonly #limit: BatchLimit
  readonly #size: BatchSize
  /** The number of checks in flight. */
  #asked = 0
  #bulkRequests = 0
  #bulkQueries = 0
  #largest = 0
  #splits = 0
  #idle: (() => void) | undefined

  constructor (pdp: BatchingPdp, options: BatchOptions, clock: { now (): number }) {
    this.#pdp = pdp
    this.#options = options
    this.#clock = clock
    this.#limit = new BatchLimit(options.batch, clock)
    this.#size = new BatchSize(options.batch, clock)
    pdp.slots.onFree(() => { if (this.#waiting > 0) this.#schedule() })
  }

  get #waiting (): number {
    return this.#queue.length + this.#alone.length
  }

  peek (): undefined {}

  decide (query: Query, deadline: number, trace?: Trace, caller?: Caller): MaybePromise<Decision> {
    return decideBy(this, query, deadline, trace, caller)
  }

  ask (query: Query, deadline: number, outcome: Outcome, trace: Trace, caller?: Caller): void {
    trace.source = 'pdp'
    if (this.#isFull()) {
      outcome.fail(noDecision('overload', `the queue is full: ${this.#waiting} checks are waiting for the PDP`))
      return
    }
    const waiting = new Waiting(query, this.#size.arrival(), this.#answers, deadline, caller, outcome)
    if (this.#loners.size > 0 && this.#isLoner(query.key)) this.#alone.push(waiting)
    else this.#queue.push(waiting)
    this.#schedule()
    if (!this.#scheduled) this.#setAlarm(waiting)
  }

  stats (): DecisionPointStats {
    return {
      ...this.#pdp.stats(),
      batches: {
        waiting: this.#waiting,
        requests: this.#bulkRequests,
        checks: this.#bulkQueries,
        largest: this.#largest,
        splits: this.#splits
      }
    }
  }

  async close (deadline: number): Promise<void> {
    if (this.#busy > 0 || this.#waiting > 0) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>(resolve => {
        this.#idle = resolve
        timer = setTimeout(resolve, Math.max(0, deadline - performance.now()))
      })
      clearTimeout(timer)
    }
    this.#deadlines.clear()
    const left = [...this.#queue.splice(0), ...this.#alone.splice(0)]
    for (const waiting of left) this.#fail(waiting, noDecision('closed', 'the app is closing'))
  }

  #isFull (): boolean {
    if (this.#waiting < this.#options.queue) return false
    const bound = this.#options.queue + this.#pdp.slots.free
    if (this.#waiting < bound) return false
    // Expired checks are usually removed when they come up for sending. Before a new check is refused, they are all removed.
    this.#queue = this.#queue.filter(waiting => !waiting.settled)
    return this.#waiting >= bound
  }

  #setAlarm (waiting: Waiting): void {
    if (waiting.alarmed) return
    waiting.alarmed = true
    this.#deadlines.add(waiting)
  }

  #dropAlarm (waiting: Waiting): void {
    if (waiting.alarmed) this.#deadlines.delete(waiting)
  }

  #expire (late: Waiting | Group): void {
    if (late instanceof Waiting) this.#failLate(late)
    else if (late.expire(this.#failLate)) this.#deadlines.add(late)
  }

  readonly #failLate = (waiting: Waiting): void => {
    if (!waiting.settled) waiting.fail(this.#expired(waiting))
  }

  /** A check that expired in the queue while others were answered means load, not an outage. */
  #expired ({ sent, since }: Waiting): UnavailableError {
    return !sent && this.#answers > since
      ? noDecision('overload', 'the deadline passed while the check waited in the queue and the PDP answered other checks')
      : noDecision('timeout', 'the deadline passed before the PDP answered')
  }

  readonly #release = (): void => {
    this.#busy--
    if (this.#waiting > 0) this.#schedule()
    else if (this.#busy === 0) this.#idle?.()
  }

  #schedule (): void {
    if (this.#scheduled || this.#pdp.slots.free === 0) return
    this.#scheduled = true
    setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    while (this.#waiting > 0 && this.#pdp.slots.free > 0) {
      const group = this.#takeAlone() ?? this.#take()
      if (group.length === 0) continue
      this.#busy++
      this.#ask(group).then(this.#release, this.#release)
    }
    for (const waiting of this.#queue) this.#setAlarm(waiting)
    for (const waiting of this.#alone) this.#setAlarm(waiting)
    if (this.#waiting === 0 && this.#busy === 0) this.#idle?.()
  }

  /** Takes the next check that is sent alone. These checks alternate with the others, so that neither group starves. */
  #takeAlone (): readonly Waiting[] | undefined {
    const { length } = this.#alone
    this.#lastWasAlone = length > 0 && (!this.#lastWasAlone || this.#queue.length === 0)
    return this.#lastWasAlone ? this.#stillWanted(this.#alone.splice(0, 1)) : undefined
  }

  /** Takes the next checks from the queue that still have to be sent. */
  #take (): readonly Waiting[] {
    const now = Math.min(this.#limit.now, this.#size.now)
    const queue = this.#queue
    if (queue.length > now) return this.#stillWanted(queue.splice(0, now))
    this.#queue = []
    return this.#stillWanted(queue)
  }

  /** The checks of a group that still have to be sent; the others fail. */
  #stillWanted (group: readonly Waiting[]): readonly Waiting[] {
    const now = performance.now()
    let all = true
    for (const waiting of group) if (!this.#isWanted(waiting, now)) all = false
    return all ? group : group.filter(({ settled }) => !settled)
  }

  #isWanted (waiting: Waiting, now: number): boolean {
    if (waiting.settled) return false
    if (waiting.caller?.destroyed === true) this.#fail(waiting, noDecision('abandoned', 'the caller is gone'))
    else if (waiting.deadline <= now) this.#fail(waiting, this.#expired(waiting))
    return !waiting.settled
  }

  /** Sends a group in one request. Settles each check and never rejects; resolves with whether the one request was sufficient. */
  async #ask (group: readonly Waiting[], isPart = false): Promise<boolean> {
    const [first] = group
    if (first === undefined) return true
    for (const waiting of group) waiting.sent = true
    this.#options.onSent?.(group.length)
    this.#asked += group.length
    const sentAt = this.#clock.now()
    try {
      if (group.length > 1) {
        const isEnough = await this.#askInBulk(group, isPart)
        if (isEnough) this.#size.answered(group.length, this.#answeredAt - sentAt)
        return isEnough
      }
      this.#answer(first, await this.#pdp.decide(first.query, first.deadline, undefined, first.caller))
      this.#answeredAt = this.#clock.now()
      this.#size.answered(1, this.#answeredAt - sentAt)
      if (this.#loners.size > 0) this.#loners.delete(first.query.key)
      return true
    } catch (error) {
      // While nothing is answered, the PDP fails, and not this question.
      const isAnswering = this.#clock.now() - this.#answeredAt < ANSWERING_WITHIN
      if (group.length === 1 && isAnswering && isPoison(error)) this.#keepAlone(first.query.key)
      for (const waiting of group) this.#fail(waiting, error)
      return false
    } finally {
      this.#asked -= group.length
    }
  }

  async #askInBulk (group: readonly Waiting[], isPart: boolean): Promise<boolean> {
    this.#bulkRequests++
    this.#bulkQueries += group.length
    this.#largest = Math.max(this.#largest, group.length)
    const alarm = new Group(group)
    this.#deadlines.add(alarm)
    try {
      const answers = await this.#decideAll(group)
      for (let index = 0; index < answers.length; index++) this.#answer(group[index] as Waiting, answers[index] as BulkAnswer)
      this.#answeredAt = this.#clock.now()
      this.#limit.succeeded(group.length)
      return true
    } catch (error) {
      const remedy = remedyFor(error)
      if (remedy === undefined) throw error
      if (remedy === 'one by one') {
        this.#limit.toSingle()
        this.#waitAgain(group)
        return false
      }
      // A question that makes the PDP fail must not fail the others: the batch is halved until the question is alone.
      this.#splits++
      // The parts of a failed batch fail for the same reason.
      if (!isPart) this.#limit.failed(group.length)
      const middle = Math.ceil(group.length / 2)
      const firstHalf = this.#ask(this.#stillWanted(group.slice(0, middle)), true)
      // At the same time, if a connection is free for it.
      if (this.#pdp.slots.free === 0) await firstHalf
      const second = await this.#ask(this.#stillWanted(group.slice(middle)), true)
      const first = await firstHalf
      // If a single check had caused the rejection, one of the halves would have failed, too.
      if (first && second && mayBeTooLarge(error)) this.#limit.learn(middle)
      return false
    } finally {
      this.#deadlines.delete(alarm)
      alarm.end()
    }
  }

  /** The answers to a group: one for each check, or an error. */
  async #decideAll (group: readonly Waiting[]): Promise<readonly BulkAnswer[]> {
    const queries: Query[] = []
    const callers: Array<Caller | undefined> = []
    // Each check's own deadline is enforced by its alarm.
    let latest = 0
    for (const { query, caller, deadline } of group) {
      queries.push(query)
      callers.push(caller)
      if (deadline > latest) latest = deadline
    }
    const answers = await this.#pdp.decideAll(queries, latest, callers)
    if (answers.length !== group.length) throw noDecision('answer', "the PDP's bulk response does not have one decision for each check")
    return answers
  }

  #isLoner (key: string): boolean {
    const until = this.#loners.get(key)
    if (until === undefined) return false
    if (this.#clock.now() < until) return true
    this.#loners.delete(key)
    return false
  }

  #keepAlone (key: string): void {
    const [oldest] = this.#loners.keys()
    if (this.#loners.size >= MAX_LONERS && oldest !== undefined) this.#loners.delete(oldest)
    this.#loners.set(key, this.#clock.now() + LONER_FOR)
  }

  /** Puts a group that was sent back into the queue, before the others. */
  #waitAgain (group: readonly Waiting[]): void {
    for (const waiting of group) {
      waiting.sent = false
      if (!waiting.settled) this.#setAlarm(waiting)
    }
    this.#queue = [...group, ...this.#queue]
  }

  #answer (waiting: Waiting, answer: BulkAnswer): void {
    this.#answers++
    if (waiting.arrival > 0) this.#size.checked(waiting.arrival, this.#asked + this.#waiting)
    if (!(answer instanceof PdpError)) {
      this.#dropAlarm(waiting)
      if (!waiting.settled) waiting.answer(answer)
    } else if (answer.failure === 'undecided') {
      this.#askAlone(waiting)
    } else {
      this.#fail(waiting, new UnavailableError(answer))
    }
  }

  /** Puts a check that was sent with others back to be sent by itself. What the PDP answers then is the answer. */
  #askAlone (waiting: Waiting): void {
    if (waiting.settled) return
    waiting.sent = false
    this.#setAlarm(waiting)
    this.#alone.push(waiting)
    this.#schedule()
  }

  #fail (waiting: Waiting, error: unknown): void {
    this.#dropAlarm(waiting)
    if (!waiting.settled) waiting.fail(error)
  }
}

function noDecision (failure: ConstructorParameters<typeof PdpError>[0], message: string): UnavailableError {
  return new UnavailableError(new PdpError(failure, message))
}
