// The batching stage: sends many waiting checks in one bulk request, and a single check by itself.
import { PdpError, UnavailableError } from '../../contract/errors.js'
import { Deadlines, type Dated } from '../../kit/deadlines.js'
import { BatchLimit, mayBeTooLarge, remedyFor } from './batch-limit.js'
import type { AskedPoint, BatchingPdp, Caller, Decision, DecisionPointStats, Outcome, Query, Trace } from '../../contract/point.js'
import type { MaybePromise } from '../../kit/whenever.js'
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
 * Batches adaptively and without a timer. When nothing is in flight, a check is sent at once, by itself. Otherwise all checks of one turn
 * of the event loop are sent together at its end. When all connections are in use, the next free one takes all waiting checks, up to the
 * limit. So an idle system has no added latency, a busy one adds the rest of a turn of the event loop, and a saturated one gets cheaper per
 * check as the load grows. Waiting for more than a turn would make larger batches, but costs more than it saves (bench/, all misses).
 *
 * The batch size that a PDP accepts is learned. A rejected batch is sent again in halves; when both halves succeed, batches stay that small
 * for a while. Without a bulk endpoint, checks are sent one by one for a while.
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

class Waiting implements Dated {
  settled = false
  sent = false

  constructor (
    readonly query: Query,
    /** The number of answers when the check was queued. */
    readonly since: number,
    readonly deadline: number,
    readonly caller: Caller | undefined,
    private readonly outcome: Outcome
  ) {}

  answer (decision: Decision): void {
    this.settled = true
    this.outcome.settle(decision)
  }

  fail (error: unknown): void {
    this.settled = true
    this.outcome.fail(error)
  }
}

class Batcher implements AskedPoint, Closable {
  readonly #pdp: BatchingPdp
  readonly #options: BatchOptions
  readonly #deadlines = new Deadlines<Waiting>(waiting => waiting.fail(this.#expired(waiting)))
  #queue: Waiting[] = []
  #busy = 0
  /** The number of checks that the PDP has answered. */
  #answers = 0
  #scheduled = false
  readonly #limit: BatchLimit
  #bulkRequests = 0
  #bulkQueries = 0
  #largest = 0
  #splits = 0
  #idle: (() => void) | undefined

  constructor (pdp: BatchingPdp, options: BatchOptions, clock: { now (): number }) {
    this.#pdp = pdp
    this.#options = options
    this.#limit = new BatchLimit(options.batch, clock)
    pdp.slots.onFree(() => { if (this.#queue.length > 0) this.#schedule() })
  }

  peek (): undefined {}

  decide (query: Query, deadline: number, trace?: Trace, caller?: Caller): MaybePromise<Decision> {
    return decideBy(this, query, deadline, trace, caller)
  }

  ask (query: Query, deadline: number, outcome: Outcome, trace: Trace, caller?: Caller): void {
    trace.source = 'pdp'
    const { slots } = this.#pdp
    if (this.#busy === 0 && this.#queue.length === 0 && slots.free > 0) {
      this.#askAlone(query, deadline, outcome, caller)
    } else if (this.#isFull()) {
      outcome.fail(noDecision('overload', `the queue is full: ${this.#queue.length} checks are waiting for the PDP`))
    } else {
      const waiting = new Waiting(query, this.#answers, deadline, caller, outcome)
      this.#queue.push(waiting)
      this.#deadlines.add(waiting)
      this.#schedule()
    }
  }

  #askAlone (query: Query, deadline: number, outcome: Outcome, caller: Caller | undefined): void {
    this.#busy++
    this.#options.onSent?.(1)
    this.#pdp.decide(query, deadline, undefined, caller).then(decision => {
      this.#answers++
      this.#release()
      outcome.settle(decision)
    }, error => {
      this.#release()
      outcome.fail(error)
    })
  }

  stats (): DecisionPointStats {
    return {
      ...this.#pdp.stats(),
      batches: {
        waiting: this.#queue.length,
        requests: this.#bulkRequests,
        checks: this.#bulkQueries,
        largest: this.#largest,
        splits: this.#splits
      }
    }
  }

  async close (deadline: number): Promise<void> {
    if (this.#busy > 0 || this.#queue.length > 0) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>(resolve => {
        this.#idle = resolve
        timer = setTimeout(resolve, Math.max(0, deadline - performance.now()))
      })
      clearTimeout(timer)
    }
    this.#deadlines.clear()
    for (const waiting of this.#queue.splice(0)) this.#fail(waiting, noDecision('closed', 'the app is closing'))
  }

  #isFull (): boolean {
    const bound = this.#options.queue + this.#pdp.slots.free
    if (this.#queue.length < bound) return false
    // Expired checks are usually removed when they come up for sending. Before a new check is refused, they are all removed.
    this.#queue = this.#queue.filter(waiting => !waiting.settled)
    return this.#queue.length >= bound
  }

  /** A check that expired in the queue while others were answered means load, not an outage. */
  #expired ({ sent, since }: Waiting): UnavailableError {
    return !sent && this.#answers > since
      ? noDecision('overload', 'the deadline passed while the check waited in the queue and the PDP answered other checks')
      : noDecision('timeout', 'the deadline passed before the PDP answered')
  }

  readonly #release = (): void => {
    this.#busy--
    if (this.#queue.length > 0) this.#schedule()
    else if (this.#busy === 0) this.#idle?.()
  }

  #schedule (): void {
    if (this.#scheduled || this.#pdp.slots.free === 0) return
    this.#scheduled = true
    setImmediate(this.#flush)
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    while (this.#queue.length > 0 && this.#pdp.slots.free > 0) {
      const group = this.#take()
      if (group.length === 0) continue
      this.#busy++
      this.#ask(group).then(this.#release, this.#release)
    }
    if (this.#queue.length === 0 && this.#busy === 0) this.#idle?.()
  }

  /** Takes the next checks from the queue that still have to be sent. */
  #take (): Waiting[] {
    return this.#stillWanted(this.#queue.splice(0, this.#limit.now))
  }

  /** The checks of a group that still have to be sent; the others fail. */
  #stillWanted (group: readonly Waiting[]): Waiting[] {
    const now = performance.now()
    return group.filter(waiting => this.#isWanted(waiting, now))
  }

  #isWanted (waiting: Waiting, now: number): boolean {
    if (!waiting.settled && waiting.caller?.destroyed === true) {
      this.#deadlines.delete(waiting)
      waiting.fail(noDecision('abandoned', 'the caller is gone'))
    } else if (!waiting.settled && waiting.deadline <= now) {
      this.#deadlines.delete(waiting)
      waiting.fail(this.#expired(waiting))
    }
    return !waiting.settled
  }

  /** Sends a group in one request. Settles each check and never rejects; resolves with whether the one request was sufficient. */
  async #ask (group: readonly Waiting[]): Promise<boolean> {
    const [first] = group
    if (first === undefined) return true
    for (const waiting of group) waiting.sent = true
    this.#options.onSent?.(group.length)
    try {
      if (group.length > 1) return await this.#askInBulk(group)
      this.#answer(first, await this.#pdp.decide(first.query, first.deadline, undefined, first.caller))
      return true
    } catch (error) {
      for (const waiting of group) this.#fail(waiting, error)
      return false
    }
  }

  async #askInBulk (group: readonly Waiting[]): Promise<boolean> {
    this.#bulkRequests++
    this.#bulkQueries += group.length
    this.#largest = Math.max(this.#largest, group.length)
    let decisions: readonly Decision[]
    try {
      // The latest deadline of all checks in the batch; each check's own deadline is enforced separately.
      const deadline = group.reduce((latest, waiting) => Math.max(latest, waiting.deadline), 0)
      decisions = await this.#pdp.decideAll(group.map(waiting => waiting.query), deadline, group.map(waiting => waiting.caller))
      if (decisions.length !== group.length) throw noDecision('answer', "the PDP's bulk response does not have one decision for each check")
    } catch (error) {
      const remedy = remedyFor(error)
      if (remedy === undefined) throw error
      if (remedy === 'one by one') {
        this.#limit.toSingle()
        for (const waiting of group) waiting.sent = false
        this.#queue = [...group, ...this.#queue]
        return false
      }
      // One question that the PDP chokes on must not take the others down: halves, until it is alone.
      this.#splits++
      const middle = Math.ceil(group.length / 2)
      const first = await this.#ask(this.#stillWanted(group.slice(0, middle)))
      const second = await this.#ask(this.#stillWanted(group.slice(middle)))
      // If a single check had caused the rejection, one of the halves would have failed, too.
      if (first && second && mayBeTooLarge(error)) this.#limit.learn(middle)
      return false
    }
    group.forEach((waiting, index) => this.#answer(waiting, decisions[index] as Decision))
    return true
  }

  #answer (waiting: Waiting, decision: Decision): void {
    this.#answers++
    this.#deadlines.delete(waiting)
    if (!waiting.settled) waiting.answer(decision)
  }

  #fail (waiting: Waiting, error: unknown): void {
    this.#deadlines.delete(waiting)
    if (!waiting.settled) waiting.fail(error)
  }
}

function noDecision (failure: ConstructorParameters<typeof PdpError>[0], message: string): UnavailableError {
  return new UnavailableError(new PdpError(failure, message))
}
