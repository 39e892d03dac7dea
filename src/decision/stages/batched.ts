// The stage that asks many questions by one request when there are many, and one by one when there are few.
import { PdpError, pdpErrorOf, QueryError, UnavailableError } from '../../contract/errors.js'
import { Deadlines, type Dated } from '../../kit/deadlines.js'
import type { BatchingPdp, Caller, Decision, DecisionPoint, DecisionPointStats, Query, Trace } from '../../contract/point.js'

export interface BatchOptions {
  /** Questions that may wait, beyond those for which a connection is free; one more is refused at once. */
  readonly queue: number
  /** Questions in one request at most. */
  readonly batch: number
  /** Told how many questions leave in one request; for those who measure it. */
  readonly onSent?: (questions: number) => void
}

/** How long a PDP that has no bulk endpoint is spared before it is tried again: it may have been upgraded. As long for large batches, where it refused one. */
const BULK_RETRY_AFTER = 5 * 60_000

/** A lower limit is not learned: a few questions that are large, or odd together, must not end batching for everybody. */
const LEAST_LIMIT = 10

/**
 * Batches adaptively, with no timer. While nothing is on its way, a question leaves at once, by itself. While something
 * is, the questions of one turn of the event loop leave together at its end; and while all connections are taken, the next that comes
 * free takes everything that waits, up to the limit. So an idle system has no added latency, a busy one adds the rest of a turn of its
 * loop, and a saturated one gets cheaper per question as the load grows. To wait for more than a turn makes larger batches and costs
 * more than it saves: the app has nothing to do meanwhile (bench/, every decision a miss).
 *
 * What a PDP takes in one request is learned: a batch that it refuses is asked again in halves, and where those were good enough, batches
 * stay as small for a while; without a bulk endpoint, questions go one by one for a while.
 *
 * Each question keeps its own deadline, also while it waits, and does not travel when its time is up or its caller is gone.
 * @param clock for tests; default: the process's monotonic clock.
 */
export function batched (pdp: BatchingPdp, options: BatchOptions, clock: { now (): number } = performance): DecisionPoint & Closable {
  return new Batcher(pdp, options, clock)
}

export interface Closable {
  /** Resolves when nothing is on its way or waits, at `deadline` at the latest. */
  close (deadline: number): Promise<void>
}

class Waiting implements Dated {
  settled = false
  travels = false

  constructor (
    readonly query: Query,
    /** How many answers there had been when it came. */
    readonly since: number,
    readonly deadline: number,
    readonly caller: Caller | undefined,
    private readonly resolve: (decision: Decision) => void,
    private readonly reject: (error: unknown) => void
  ) {}

  answer (decision: Decision): void {
    this.settled = true
    this.resolve(decision)
  }

  fail (error: unknown): void {
    this.settled = true
    this.reject(error)
  }
}

class Batcher implements DecisionPoint, Closable {
  readonly #pdp: BatchingPdp
  readonly #options: BatchOptions
  readonly #clock: { now (): number }
  readonly #deadlines = new Deadlines<Waiting>(waiting => waiting.fail(this.#tooLate(waiting)))
  #queue: Waiting[] = []
  #busy = 0
  /** Answers of the PDP. */
  #answers = 0
  #scheduled = false
  #bulkFrom = -Infinity
  /** Questions that the PDP takes in one request, as far as it has been learned, and until when that is believed. */
  #limit = Infinity
  #limitUntil = -Infinity
  #bulkRequests = 0
  #bulkQueries = 0
  #largest = 0
  #splits = 0
  #idle: (() => void) | undefined

  constructor (pdp: BatchingPdp, options: BatchOptions, clock: { now (): number }) {
    this.#pdp = pdp
    this.#options = options
    this.#clock = clock
    pdp.slots.onFree(() => { if (this.#queue.length > 0) this.#schedule() })
  }

  peek (): undefined {}

  decide (query: Query, deadline: number, trace?: Trace, caller?: Caller): Promise<Decision> {
    if (trace !== undefined) trace.source = 'pdp'
    const { slots } = this.#pdp
    if (this.#busy === 0 && this.#queue.length === 0 && slots.free > 0) {
      this.#busy++
      this.#options.onSent?.(1)
      const answer = this.#pdp.decide(query, deadline, undefined, caller)
      answer.then(this.#releaseAnswered, this.#release)
      return answer
    }
    if (this.#isFull()) {
      return Promise.reject(noDecision('overload', `${this.#queue.length} checks wait for the PDP, which is the bound`))
    }
    return new Promise((resolve, reject) => {
      const waiting = new Waiting(query, this.#answers, deadline, caller, resolve, reject)
      this.#queue.push(waiting)
      this.#deadlines.add(waiting)
      this.#schedule()
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
    // Those whose time is up are taken off when they are come upon; before anybody is refused, they are looked for.
    this.#queue = this.#queue.filter(waiting => !waiting.settled)
    return this.#queue.length >= bound
  }

  /** Of a question that waited while others were answered the PDP is not to blame, but how much there is to ask: that is no outage. */
  #tooLate ({ travels, since }: Waiting): UnavailableError {
    return !travels && this.#answers > since
      ? noDecision('overload', 'the deadline passed while the check waited for others, which the PDP answers')
      : noDecision('timeout', 'the deadline passed before the PDP had answered')
  }

  readonly #releaseAnswered = (): void => {
    this.#answers++
    this.#release()
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

  /** Takes the next questions off the queue that still want to travel. */
  #take (): Waiting[] {
    const now = this.#clock.now()
    const limit = now < this.#bulkFrom ? 1 : now < this.#limitUntil ? Math.min(this.#limit, this.#options.batch) : this.#options.batch
    return this.#travelling(this.#queue.splice(0, limit))
  }

  /** Those of a group that still want to travel; the others are told why they do not. */
  #travelling (group: readonly Waiting[]): Waiting[] {
    const now = performance.now()
    return group.filter(waiting => this.#travels(waiting, now))
  }

  #travels (waiting: Waiting, now: number): boolean {
    if (!waiting.settled && waiting.caller?.destroyed === true) {
      this.#deadlines.delete(waiting)
      waiting.fail(noDecision('abandoned', 'the caller is gone'))
    } else if (!waiting.settled && waiting.deadline <= now) {
      this.#deadlines.delete(waiting)
      waiting.fail(this.#tooLate(waiting))
    }
    return !waiting.settled
  }

  /** Asks for a group by one request. Settles each of its questions, and never rejects; tells whether the one request was enough. */
  async #ask (group: readonly Waiting[]): Promise<boolean> {
    const [first] = group
    if (first === undefined) return true
    for (const waiting of group) waiting.travels = true
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
      // As late as the last of them may be; each is watched for itself.
      const deadline = group.reduce((latest, waiting) => Math.max(latest, waiting.deadline), 0)
      decisions = await this.#pdp.decideAll(group.map(waiting => waiting.query), deadline, group.map(waiting => waiting.caller))
      if (decisions.length !== group.length) throw noDecision('answer', 'a bulk answer has another length than its question')
    } catch (error) {
      const remedy = remedyFor(error)
      if (remedy === undefined) throw error
      if (remedy === 'one by one') {
        this.#bulkFrom = this.#clock.now() + BULK_RETRY_AFTER
        for (const waiting of group) waiting.travels = false
        this.#queue = [...group, ...this.#queue]
        return false
      }
      // One question that the PDP chokes on must not take the others down: halves, until it is alone.
      this.#splits++
      const middle = Math.ceil(group.length / 2)
      const first = await this.#ask(this.#travelling(group.slice(0, middle)))
      const second = await this.#ask(this.#travelling(group.slice(middle)))
      // Had it been for one question, one of the halves would have been refused, too.
      if (first && second && mayBeTooLarge(error)) this.#learn(middle)
      return false
    }
    group.forEach((waiting, index) => this.#answer(waiting, decisions[index] as Decision))
    return true
  }

  #learn (middle: number): void {
    const now = this.#clock.now()
    const limit = Math.max(middle, LEAST_LIMIT)
    this.#limit = now < this.#limitUntil ? Math.min(this.#limit, limit) : limit
    this.#limitUntil = now + BULK_RETRY_AFTER
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

/** What may help after a failed bulk request: asking in parts, or not in bulk at all. Otherwise nothing would. */
function remedyFor (error: unknown): 'split' | 'one by one' | undefined {
  // A question that cannot be put to this PDP is its caller's mistake, and not that of the others.
  if (error instanceof QueryError) return 'split'
  const cause = pdpErrorOf(error)
  if (cause === undefined) return undefined
  if (cause.failure === 'answer') return 'split'
  if (cause.failure !== 'status') return undefined
  if (cause.status === 404 || cause.status === 405 || cause.status === 501) return 'one by one'
  // A PDP that says that it is overloaded is not helped by more requests.
  return cause.status === 429 || cause.status === 503 ? undefined : 'split'
}

/** Whether a PDP may have refused a bulk request for its size. */
function mayBeTooLarge (error: unknown): boolean {
  const status = pdpErrorOf(error)?.status
  return status === 400 || status === 413 || status === 422
}

function noDecision (failure: ConstructorParameters<typeof PdpError>[0], message: string): UnavailableError {
  return new UnavailableError(new PdpError(failure, message))
}
