// One request until its answer or its end: which PDP is asked, who else when that fails or is slow, and when it is enough.
import { PdpError } from '../../contract/errors.js'
import type { Dated, Deadlines } from '../../kit/deadlines.js'
import type { Balance } from './balance.js'
import { Exchange } from './exchange.js'
import { mayAnotherAnswer, type Failed } from './failure.js'
import type { Hedging } from './hedging.js'
import type { Replica } from './replica.js'
import type { TransportRequest } from './request.js'

/** Something that happens at a time, unless it is taken off before. */
export interface Alarm extends Dated {
  expire (): void
}

/** What a request needs of the transport that it travels by. */
export interface Desk {
  readonly closed: boolean
  readonly balance: Balance
  /** Whether what is sent may change something: then it goes out again only where it surely did not arrive. */
  readonly writes: boolean
  readonly maxResponseSize: number
  /** Ends of attempts and of waiting. */
  readonly deadlines: Deadlines<Alarm>
  /** Times at which somebody else is asked, too. Undefined where there is nobody else, and no hedging. */
  readonly looks: Deadlines<Alarm> | undefined
  readonly hedging: Hedging | undefined
  /** The ms, less than `left`, after which the same PDP is asked again; undefined when it is not to be. Counts. */
  pauseBefore (retry: number, error: PdpError, failed: Failed, left: number): number | undefined
  /** Calls `begin` at a time. */
  pause (ask: Ask<unknown>, time: number): void
  /** Calls `go` when a slot is free, or `expire` at the deadline. False when too many wait already. */
  wait (ask: Ask<unknown>): boolean
  stopWaiting (ask: Ask<unknown>): void
  done (ask: Ask<unknown>, failed: boolean): void
}

/** What an attempt ends with when another was faster. Nobody sees it. */
const OUTRUN = new PdpError('abandoned', 'another attempt was answered first')

export class Ask<T> implements Alarm {
  readonly deadline: number
  readonly start: number
  readonly #request: TransportRequest<T>
  readonly #desk: Desk
  readonly #resolve: (result: T) => void
  readonly #reject: (error: PdpError) => void
  readonly #running: Attempt<T>[] = []
  #tried: Replica[] = []
  #retries = 0
  #error: PdpError | undefined
  #look: Alarm | undefined
  #settled = false

  constructor (request: TransportRequest<T>, start: number, desk: Desk, resolve: (result: T) => void, reject: (error: PdpError) => void) {
    this.deadline = request.deadline
    this.start = start
    this.#request = request
    this.#desk = desk
    this.#resolve = resolve
    this.#reject = reject
  }

  get tried (): readonly Replica[] {
    return this.#tried
  }

  /** Goes to a replica, or waits for one, or ends because there is none. */
  begin (): void {
    const { balance } = this.#desk
    const replica = balance.pick(this.#tried)
    if (replica !== undefined) {
      this.go(replica)
    } else if (!balance.has(this.#tried)) {
      this.end(this.#error ?? new PdpError('circuit', 'the PDP has failed too often in a row and is not asked until it is back'))
    } else if (!this.#desk.wait(this as Ask<unknown>)) {
      this.end(this.#error ?? new PdpError('overload', 'too many requests wait for a connection to the PDP'))
    }
  }

  /** Goes to this replica, which has a slot free. */
  go (replica: Replica): void {
    const isFirst = this.#tried.length === 0 && this.#retries === 0
    this.#tried.push(replica)
    const attempt = new Attempt(this, replica, this.#request, isFirst ? this.start : performance.now(), this.#desk)
    this.#running.push(attempt)
    this.#desk.deadlines.add(attempt)
    if (this.#desk.looks !== undefined) this.#planLook(this.#desk.looks)
    replica.send(attempt as Exchange<unknown>)
  }

  /** The deadline has come while it waited. */
  expire (): void {
    this.#desk.stopWaiting(this as Ask<unknown>)
    this.end(this.#error ?? new PdpError('timeout', 'the deadline passed before a connection to the PDP was free'))
  }

  /** Ends it without an answer. */
  end (error: PdpError): void {
    if (this.#settle()) return
    this.#desk.done(this as Ask<unknown>, true)
    this.#reject(error)
  }

  /** @internal The outcome of an attempt. */
  settled (attempt: Attempt<T>, error: PdpError | undefined, result: T | undefined): void {
    if (this.#running.length === 1) this.#running.pop()
    else this.#running.splice(this.#running.indexOf(attempt), 1)
    if (this.#settled) return
    if (error === undefined) {
      this.#settle()
      this.#desk.done(this as Ask<unknown>, false)
      this.#resolve(result as T)
    } else if (this.#running.length > 0) {
      // The other attempt may still be answered.
      this.#error = error
    } else {
      this.#failed(attempt, error)
    }
  }

  #failed (attempt: Attempt<T>, error: PdpError): void {
    const { balance, closed, writes } = this.#desk
    const now = performance.now()
    this.#error = error
    if (now >= this.deadline || closed) {
      this.end(error)
    } else if ((writes ? !attempt.sent && error.failure === 'network' : mayAnotherAnswer(error)) && balance.has(this.#tried)) {
      this.begin()
    } else {
      const pause = writes ? undefined : this.#desk.pauseBefore(this.#retries, error, attempt, this.deadline - now)
      if (pause === undefined) this.end(error)
      else this.#again(now + pause)
    }
  }

  /** Begins anew at a time, with nobody tried. */
  #again (time: number): void {
    this.#retries++
    this.#tried = []
    this.#desk.pause(this as Ask<unknown>, time)
  }

  /**
   * Nobody waits for one PDP to the end: at half of the time that is left, another one is asked, too, as long as there is one;
   * with hedging the first time also earlier. What was asked before goes on: it may just be slow.
   */
  #planLook (looks: Deadlines<Alarm>): void {
    const { balance, hedging } = this.#desk
    const now = performance.now()
    const half = balance.has(this.#tried) ? now + (this.deadline - now) / 2 : Infinity
    const delay = this.#running.length === 1 ? hedging?.delay : undefined
    const hedge = delay === undefined ? Infinity : now + delay
    if (hedge >= half) {
      this.#lookAt(looks, half, () => this.#askAnother())
    } else {
      this.#lookAt(looks, hedge, () => {
        if (!this.#hedge()) this.#lookAt(looks, half, () => this.#askAnother())
      })
    }
  }

  #lookAt (looks: Deadlines<Alarm>, deadline: number, expire: () => void): void {
    if (this.#look !== undefined) looks.delete(this.#look)
    this.#look = undefined
    if (deadline >= this.deadline) return
    this.#look = { deadline, expire }
    looks.add(this.#look)
  }

  #askAnother (): void {
    // Between two attempts there is nothing to look after.
    if (this.#running.length === 0) return
    const replica = this.#desk.balance.pick(this.#tried)
    if (replica === undefined) return
    for (const attempt of this.#running) attempt.overdue = true
    this.go(replica)
  }

  #hedge (): boolean {
    const { balance, hedging } = this.#desk
    if (this.#running.length === 0) return false
    // Without another replica another connection to the same one may still be faster.
    const replica = balance.pick(this.#tried) ?? balance.pick([])
    if (replica === undefined || hedging?.take() !== true) return false
    this.go(replica)
    return true
  }

  /** Ends what is on its way or planned. True when that was done already. */
  #settle (): boolean {
    if (this.#settled) return true
    this.#settled = true
    if (this.#look !== undefined) this.#desk.looks?.delete(this.#look)
    if (this.#running.length > 0) for (const attempt of [...this.#running]) attempt.fail(OUTRUN)
    return false
  }
}

/** One exchange with one replica, on behalf of a request. */
class Attempt<T> extends Exchange<T> {
  /** Whether another replica was asked because this one took too long. */
  overdue = false
  readonly #ask: Ask<T>
  readonly #replica: Replica
  readonly #era: number
  readonly #desk: Desk

  constructor (ask: Ask<T>, replica: Replica, request: TransportRequest<T>, start: number, desk: Desk) {
    super(request, start, desk.maxResponseSize)
    this.#ask = ask
    this.#replica = replica
    this.#era = replica.era
    this.#desk = desk
  }

  protected override settled (error: PdpError | undefined, result?: T): void {
    if (error === undefined) {
      this.#replica.succeeded(this.#era)
      this.#desk.hedging?.record(performance.now() - this.start)
    } else if (error !== OUTRUN) {
      this.#replica.failed(this.#era, error)
    } else if (this.overdue) {
      this.#replica.failed(this.#era, new PdpError('timeout', 'the PDP had not answered when another replica had'))
    }
    this.#ask.settled(this, error, result)
  }

  protected override finished (): void {
    this.#desk.deadlines.delete(this)
    this.#replica.finished()
  }
}
