// One request until it is answered or fails: picks a replica, tries another one when that fails or is slow, retries, and gives up.
import type { Dispatcher } from 'undici'
import { PdpError } from '../../contract/errors.js'
import type { Dated, Deadlines } from '../../kit/deadlines.js'
import type { Balance } from './load-balancing.js'
import { Exchange } from './exchange.js'
import { circuitOpen, mayAnotherReplicaAnswer, toPdpError, type FailedAttempt } from './failure.js'
import type { Hedging } from './hedging.js'
import type { Replica } from './replica.js'
import type { Token } from './token.js'
import type { TransportRequest } from './transport-request.js'

/** Something that happens at a given time, unless it is removed before. */
export interface Alarm extends Dated {
  expire (): void
}

/** What a pending request needs from its transport. */
export interface RequestHost {
  readonly closed: boolean
  readonly balance: Balance
  /** Whether requests may change data. If so, a request is sent again only when it certainly did not arrive. */
  readonly writes: boolean
  /** How long a replica may take to say whether it is ready, ms. */
  readonly connectTimeout: number
  readonly maxResponseSize: number
  /** Whether the protocol itself says where a response ends. */
  readonly isFramed: boolean
  readonly token: Token
  /** Requests that wait for a token. */
  readonly withoutToken: Set<PendingRequest<unknown>>
  /** Deadlines of attempts and of waiting requests. */
  readonly deadlines: Deadlines<Alarm>
  /** Times at which an additional attempt starts. Undefined with a single replica and no hedging. */
  readonly extraAttempts: Deadlines<Alarm> | undefined
  readonly hedging: Hedging | undefined
  /** The delay before a retry, ms, less than `left`; undefined for no retry. Takes the retry from the budget. */
  pauseBefore (retry: number, error: PdpError, failed: FailedAttempt, left: number): number | undefined
  /** The replicas with another name; none when there is no name. */
  othersThan (name: string | undefined): readonly Replica[]
  /** Calls `begin` at the given time. */
  pause (ask: PendingRequest<unknown>, time: number): void
  /** Calls `go` when a slot is free, or `expire` at the deadline. False when the queue is full. */
  wait (ask: PendingRequest<unknown>): boolean
  stopWaiting (ask: PendingRequest<unknown>): void
  done (ask: PendingRequest<unknown>, failed: boolean): void
}

/** Ends an attempt when another one was faster. Never leaves this file. */
const SUPERSEDED = new PdpError('abandoned', 'another attempt was answered first')

export class PendingRequest<T> implements Alarm {
  readonly deadline: number
  readonly start: number
  readonly #request: TransportRequest<T>
  readonly #host: RequestHost
  readonly #resolve: (result: T) => void
  readonly #reject: (error: PdpError) => void
  readonly #running: Attempt<T>[] = []
  /** The replicas that its session excludes. */
  readonly #excluded: readonly Replica[]
  #tried: Replica[]
  #retries = 0
  #error: PdpError | undefined
  #hasNewToken = false
  #extraAttempt: Alarm | undefined
  /** The last result that needs a ready PDP. */
  #doubted: T | undefined
  /** The replicas that have said that they are ready: their next no counts. */
  #confirmed: Replica[] | undefined
  #settled = false
  /** Stops listening to the request's signal. */
  #deafen: (() => void) | undefined

  constructor (
    request: TransportRequest<T>, start: number, host: RequestHost, resolve: (result: T) => void, reject: (error: PdpError) => void
  ) {
    this.deadline = request.deadline
    this.start = start
    this.#request = request
    this.#host = host
    this.#excluded = host.othersThan(request.session?.replica)
    this.#tried = [...this.#excluded]
    this.#resolve = resolve
    this.#reject = reject
  }

  get tried (): readonly Replica[] {
    return this.#tried
  }

  /** Sends to a replica, waits for a slot, or fails when no replica is available. */
  begin (): void {
    // The caller may have given it up while it waited for a retry.
    if (this.#settled) return
    const { balance } = this.#host
    const replica = balance.pick(this.#tried)
    if (replica !== undefined) {
      this.go(replica)
    } else if (!balance.has(this.#tried)) {
      this.end(this.#error ?? circuitOpen())
    } else if (!this.#host.wait(this as PendingRequest<unknown>)) {
      this.end(this.#error ?? new PdpError('overload', 'too many requests are waiting for a connection to the PDP'))
    }
  }

  /** Gives the request up when the signal is aborted. */
  endWhen (signal: AbortSignal): void {
    if (this.#settled) return
    const abort = (): void => {
      this.#host.stopWaiting(this as PendingRequest<unknown>)
      this.end(new PdpError('abandoned', 'the caller aborted the request'))
    }
    if (signal.aborted) {
      abort()
      return
    }
    signal.addEventListener('abort', abort, { once: true })
    this.#deafen = () => signal.removeEventListener('abort', abort)
  }

  /** Begins when the token is there. Fails at the deadline, or when there is no token. */
  beginAfter (token: Promise<unknown>): void {
    const { deadlines, withoutToken } = this.#host
    const self = this as PendingRequest<unknown>
    withoutToken.add(self)
    const waiting = {
      deadline: this.deadline,
      expire: () => {
        withoutToken.delete(self)
        this.end(this.#error ?? new PdpError('token', 'the deadline passed while the token was requested from the option "token"'))
      }
    }
    deadlines.add(waiting)
    token.finally(() => {
      deadlines.delete(waiting)
      withoutToken.delete(self)
    }).then(() => {
      if (!this.#settled) this.begin()
    }, (error: unknown) => {
      this.end(toPdpError(error))
    })
  }

  /** Sends to this replica, which has a free slot. */
  go (replica: Replica): void {
    const isFirst = this.#tried.length === this.#excluded.length && this.#retries === 0
    this.#tried.push(replica)
    const attempt = new Attempt(this, replica, this.#request, isFirst ? this.start : performance.now(), this.#host)
    this.#running.push(attempt)
    this.#host.deadlines.add(attempt)
    if (this.#host.extraAttempts !== undefined) this.#planExtraAttempt(this.#host.extraAttempts)
    replica.send(this.#request, attempt as Exchange<unknown>)
  }

  /** The deadline passed while the request was waiting for a slot. */
  expire (): void {
    this.#host.stopWaiting(this as PendingRequest<unknown>)
    this.end(this.#error ?? new PdpError('timeout', 'the deadline passed while waiting for a free connection to the PDP'))
  }

  /** Fails the request, but for the part of an answer that counts whether the PDP is ready or not. */
  end (error: PdpError): void {
    if (this.#settle()) return
    this.#host.done(this as PendingRequest<unknown>, true)
    const rest = this.#doubted === undefined ? undefined : this.#request.withoutDenials?.(this.#doubted, error)
    if (rest === undefined) this.#reject(error)
    else this.#resolve(rest)
  }

  /** @internal The outcome of an attempt. */
  settled (attempt: Attempt<T>, error: PdpError | undefined, result: T | undefined): void {
    if (this.#running.length === 1) this.#running.pop()
    else this.#running.splice(this.#running.indexOf(attempt), 1)
    if (this.#settled) return
    if (error === undefined && this.#isInDoubt(attempt, result as T)) {
      // The other attempt may still be answered by a replica that is ready.
      this.#doubted = result
      if (this.#running.length === 0) this.#confirm(attempt)
    } else if (error === undefined) {
      this.#settle()
      this.#host.done(this as PendingRequest<unknown>, false)
      if (this.#request.session !== undefined) this.#request.session.replica = attempt.replica.name
      this.#resolve(result as T)
    } else if (this.#running.length > 0) {
      // The other attempt may still succeed.
      this.#error = error
    } else {
      this.#failed(attempt, error)
    }
  }

  /** Whether this is a no that does not count yet. */
  #isInDoubt ({ isTrusted, replica }: Attempt<T>, result: T): boolean {
    return !isTrusted && this.#request.needsReadyPdp?.(result) === true && this.#confirmed?.includes(replica) !== true
  }

  /**
   * Asks the replica whether it is ready. If it is, the question is asked again: the replica may have become ready after its answer. The
   * next answer counts. So a PDP that closes its connection after each answer is believed, too.
   */
  #confirm (attempt: Attempt<T>): void {
    const { deadlines, connectTimeout } = this.#host
    const { replica } = attempt
    const waiting = {
      deadline: this.deadline,
      expire: () => this.end(this.#error ?? new PdpError('timeout', 'the deadline passed before the PDP said whether it is ready'))
    }
    deadlines.add(waiting)
    replica.confirmReady(connectTimeout).then(error => {
      deadlines.delete(waiting)
      if (this.#settled) return
      if (error !== undefined) {
        this.#failed(attempt, error)
        return
      }
      (this.#confirmed ??= []).push(replica)
      this.#tried = [...this.#excluded]
      this.begin()
    })
  }

  #failed (attempt: Attempt<T>, error: PdpError): void {
    const { balance, closed, writes } = this.#host
    const now = performance.now()
    this.#error = error
    if (now >= this.deadline || closed) {
      this.end(error)
    } else if (error.failure === 'token' && this.#host.token.canBeReplaced && !this.#hasNewToken) {
      // A request that was rejected changed nothing, so a write is sent again, too.
      this.#hasNewToken = true
      this.#tried = [...this.#excluded]
      this.beginAfter(this.#host.token.replace(attempt.token, now).then(replaced => { if (!replaced) throw error }))
    } else if ((writes ? !attempt.sent && error.failure === 'network' : mayAnotherReplicaAnswer(error)) && balance.has(this.#tried)) {
      this.begin()
    } else {
      const pause = writes ? undefined : this.#host.pauseBefore(this.#retries, error, attempt, this.deadline - now)
      if (pause === undefined) this.end(error)
      else this.#again(now + pause)
    }
  }

  /** Starts over at the given time: every replica may be tried again. */
  #again (time: number): void {
    this.#retries++
    this.#tried = [...this.#excluded]
    this.#host.pause(this as PendingRequest<unknown>, time)
  }

  /**
   * A request never waits for a single replica until its deadline. After half of the remaining time it also goes to another replica,
   * if there is one; with hedging, the first additional attempt may start earlier. Earlier attempts go on: the replica may just be slow.
   */
  #planExtraAttempt (extraAttempts: Deadlines<Alarm>): void {
    const { balance, hedging } = this.#host
    const now = performance.now()
    const half = balance.has(this.#tried) ? now + (this.deadline - now) / 2 : Infinity
    const delay = this.#running.length === 1 ? hedging?.delay : undefined
    const hedge = delay === undefined ? Infinity : now + delay
    if (hedge >= half) {
      this.#scheduleExtraAttempt(extraAttempts, half, () => this.#tryAnotherReplica())
    } else {
      this.#scheduleExtraAttempt(extraAttempts, hedge, () => {
        if (!this.#hedge()) this.#scheduleExtraAttempt(extraAttempts, half, () => this.#tryAnotherReplica())
      })
    }
  }

  #scheduleExtraAttempt (extraAttempts: Deadlines<Alarm>, deadline: number, expire: () => void): void {
    if (this.#extraAttempt !== undefined) extraAttempts.delete(this.#extraAttempt)
    this.#extraAttempt = undefined
    if (deadline >= this.deadline) return
    this.#extraAttempt = { deadline, expire }
    extraAttempts.add(this.#extraAttempt)
  }

  #tryAnotherReplica (): void {
    // No attempt is running while the request waits for its retry.
    if (this.#running.length === 0) return
    const replica = this.#host.balance.pick(this.#tried)
    if (replica === undefined) return
    for (const attempt of this.#running) attempt.overdue = true
    this.go(replica)
  }

  #hedge (): boolean {
    const { balance, hedging } = this.#host
    if (this.#running.length === 0) return false
    // With a single replica, a second connection to it may still be faster.
    const replica = balance.pick(this.#tried) ?? balance.pick(this.#excluded)
    if (replica === undefined || hedging?.take() !== true) return false
    this.go(replica)
    return true
  }

  /** Cancels running and planned attempts. True if the request was settled before. */
  #settle (): boolean {
    if (this.#settled) return true
    this.#settled = true
    this.#deafen?.()
    if (this.#extraAttempt !== undefined) this.#host.extraAttempts?.delete(this.#extraAttempt)
    if (this.#running.length > 0) for (const attempt of [...this.#running]) attempt.fail(SUPERSEDED)
    return false
  }
}

/** One attempt: an exchange with one replica on behalf of a pending request. */
class Attempt<T> extends Exchange<T> {
  /** Whether another replica was tried because this one took too long. */
  overdue = false
  /** The token that it was sent with. */
  readonly token: string | undefined
  /** Undefined when the attempt is settled, for the reason that `Flight` names. */
  #ask: PendingRequest<T> | undefined
  readonly replica: Replica
  /** Whether the replica was known to be ready when the request was written to its connection. */
  isTrusted = false
  readonly #era: number
  readonly #host: RequestHost

  constructor (ask: PendingRequest<T>, replica: Replica, request: TransportRequest<T>, start: number, host: RequestHost) {
    super(request, start, host.maxResponseSize, host.isFramed)
    this.#ask = ask
    this.replica = replica
    this.#era = replica.era
    this.#host = host
    this.token = host.token.current
  }

  override onRequestStart (controller: Dispatcher.DispatchController): void {
    this.isTrusted = this.replica.ready
    super.onRequestStart(controller)
  }

  protected override get secret (): string | undefined {
    return this.token
  }

  protected override settled (error: PdpError | undefined, result?: T): void {
    if (error === undefined) {
      this.replica.succeeded(this.#era)
      this.#host.hedging?.record(performance.now() - this.start)
    } else if (error !== SUPERSEDED) {
      this.replica.failed(this.#era, error)
    } else if (this.overdue) {
      this.replica.failed(this.#era, new PdpError('timeout', 'another replica answered before this one did'))
    }
    const ask = this.#ask
    this.#ask = undefined
    ask?.settled(this, error, result)
  }

  protected override finished (): void {
    this.#host.deadlines.delete(this)
    this.replica.finished()
  }
}
