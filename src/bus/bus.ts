// The bus: sends and receives invalidations, and detects when messages may be missing.
import { randomBytes } from 'node:crypto'
import { SYSTEM_CLOCK, type BusClock } from './bus-clock.js'
import { BusCodec, type BusMessage, type Forgetting } from './bus-message.js'
import { MAX_SLOTS } from './bus-message-schema.js'
import { Link, type BusTransport } from './bus-connection.js'
import { Members } from './missed-messages.js'
import type { BusHealth, BusStats } from '../contract/bus-state.js'

export interface BusLog {
  info (details: object, message: string): void
  warn (details: object, message: string): void
}

/**
 * How long decisions may be used. Read for each cached decision: after `until` (a time of the clock), a decision that is older than
 * `maxAge`, ms, is not used.
 */
export interface Lease {
  until: number
  readonly maxAge: number
}

export interface BusOptions {
  readonly transport: BusTransport
  /** Shared by all instances. Signs messages and hashes users. */
  readonly secret: string
  readonly channel: string
  /** How long decisions are cached while the bus is unreachable, ms. */
  readonly degradedTtl: number
  /** Invalidates decisions in this process, including those in flight. */
  readonly forget: (what: Forgetting) => void
  readonly log?: BusLog
  /** For tests. */
  readonly clock?: BusClock
}

/** After how long an instance that sends nothing counts as silent, ms: `degradedTtl`, within these bounds. */
const SHORTEST_SILENCE = 400
const LONGEST_SILENCE = 8_000

/** Heartbeats per silence. Two of them may be lost or late before an instance counts as silent. */
const BEATS = 4

/** The most heartbeats per second that an instance receives, and that the bus delivers in all: larger fleets send them less often. */
const MAX_BEATS_RECEIVED = 200
const MAX_BEATS_DELIVERED = 20_000

/** How long a write waits for the bus, ms. */
const WRITE_WAIT = 250

/** How long the start waits for the bus, ms. */
const JOIN_WAIT = 2_000

/** The most messages that are read in a window, and its length, ms. More are dropped, and all decisions are invalidated once. */
const MAX_MESSAGES = 500
const WINDOW = 100

/** The shortest time between two full invalidations, ms: because of other instances, and because of unreadable messages. */
const BETWEEN_ALL = 10
const BETWEEN_UNREADABLE = 250

/** In fleets of more instances than this, full invalidations are staggered: the delay between two instances, and its maximum, ms. */
const LARGE_FLEET = 16
const APART = 2
const LONGEST_SPREAD = 2_000

/** The shortest time between two renewals of the lease by messages in such a fleet, ms: a renewal reads the state of all instances. */
const BETWEEN_CHECKS = 10

/** How often the log repeats that messages cannot be read, ms. */
const REPEAT_LOG = 10 * 60_000

export class Bus {
  readonly lease: Lease
  readonly #id = randomBytes(8).toString('hex')
  readonly #options: BusOptions
  readonly #clock: BusClock
  readonly #codec: BusCodec
  readonly #link: Link
  readonly #members = new Members(this.#id)
  #number = 0
  #forgets = 0
  #outbox: Set<number> | 'all' = new Set()
  #sending: Promise<void> | undefined
  /** Whether the bus did not acknowledge the last message in time. If so, writes do not wait for the bus. */
  #isStuck = false
  #cancelTick: (() => void) | undefined
  #beatDue = -Infinity
  #cancelAll: (() => void) | undefined
  #allAt = Infinity
  #lastAll = -Infinity
  #windowEnds = -Infinity
  #inWindow = 0
  #checked = -Infinity
  #unreadableLogged = -Infinity
  /** Since when the bus is unreachable, ms of the clock. */
  #awaySince: number | undefined
  #isOpen = false
  #joined: (() => void) | undefined
  #reason = 'not connected yet'
  readonly #counts = { sent: 0, received: 0, gaps: 0, rejected: 0, forgetAll: 0, outages: 0 }

  constructor (options: BusOptions) {
    this.#options = options
    this.#clock = options.clock ?? SYSTEM_CLOCK
    this.#codec = new BusCodec(options.secret, options.channel)
    this.lease = { until: -Infinity, maxAge: options.degradedTtl }
    this.#link = new Link(options.transport, this.#clock, {
      message: text => this.#receive(text),
      up: () => this.#up(),
      down: reason => this.#down(reason)
    })
  }

  /** Connects. Resolves when this instance receives its own message, or after a short timeout: an app also starts without its bus. */
  async open (): Promise<void> {
    this.#isOpen = true
    const joined = new Promise<void>(resolve => { this.#joined = resolve })
    const cancel = this.#clock.after(JOIN_WAIT, () => {
      this.#join()
      this.#check()
    })
    this.#link.open()
    this.#tick()
    await joined
    cancel()
  }

  /** The slot of a user, which stands for the user on the bus. */
  slotOf (user: string): number {
    return this.#codec.slotOf(user)
  }

  /** Sends an invalidation of this instance to the others. */
  announce (what: number | 'all'): void {
    if (what === 'all' || (this.#outbox !== 'all' && this.#outbox.size >= MAX_SLOTS)) this.#outbox = 'all'
    else if (this.#outbox !== 'all') this.#outbox.add(what)
    // It waits there until the bus is open.
    if (this.#isOpen) this.#sending ??= this.#sendAll()
  }

  /** Resolves when the bus has accepted all invalidations, or after a short timeout. Never rejects. */
  async flushed (): Promise<void> {
    if (this.#sending === undefined || this.#isStuck) return
    let cancel = (): void => {}
    await Promise.race([this.#sending, new Promise<void>(resolve => { cancel = this.#clock.after(WRITE_WAIT, resolve) })])
    cancel()
  }

  stats (): BusStats {
    const now = this.#clock.now()
    const silent = this.#members.silentSince(now - this.#silence)
    return { up: this.#isUp(now), instances: this.#members.size, silent, ...this.#counts }
  }

  health (): BusHealth {
    const now = this.#clock.now()
    const ok = this.#isUp(now)
    const silent = this.#members.silentSince(now - this.#silence)
    return {
      ok, name: this.#options.transport.name, instances: this.#members.size, silent, ...(ok ? {} : { reason: this.#reason })
    }
  }

  /** Announces that this instance leaves, so that the others do not wait for it, and disconnects. */
  async close (): Promise<void> {
    if (!this.#isOpen) return
    await this.flushed()
    this.#isOpen = false
    this.#cancelTick?.()
    this.#cancelAll?.()
    this.#join()
    this.lease.until = -Infinity
    if (this.#link.up) {
      let cancel = (): void => {}
      const late = new Promise<void>(resolve => { cancel = this.#clock.after(WRITE_WAIT, resolve) })
      await Promise.race([this.#publish(undefined, true), late])
      cancel()
    }
    await this.#link.close()
  }

  /** How long an instance may be silent, ms. */
  get #silence (): number {
    const { degradedTtl } = this.#options
    const silence = Math.min(LONGEST_SILENCE, Math.max(SHORTEST_SILENCE, degradedTtl))
    const { size } = this.#members
    return Math.max(silence, BEATS * size * 1_000 / Math.min(MAX_BEATS_RECEIVED, MAX_BEATS_DELIVERED / size))
  }

  async #sendAll (): Promise<void> {
    // Invalidations of the same tick are sent in one message.
    await undefined
    while (this.#outbox === 'all' || this.#outbox.size > 0) {
      const forget = this.#outbox === 'all' ? 'all' : [...this.#outbox]
      this.#outbox = new Set()
      let cancel = (): void => {}
      // A message that was not acknowledged by then is dropped. The others notice the missing number and invalidate everything.
      const late = new Promise<void>(resolve => {
        cancel = this.#clock.after(WRITE_WAIT, () => {
          this.#isStuck = true
          resolve()
        })
      })
      await Promise.race([this.#publish(forget), late])
      cancel()
    }
    this.#sending = undefined
  }

  /** Publishes a message. Never rejects. */
  async #publish (forget: Forgetting | undefined, leaves = false): Promise<void> {
    if (forget !== undefined) this.#forgets++
    const number = ++this.#number
    const message: BusMessage = { from: this.#id, number, forgets: this.#forgets, seen: this.#members.seen, forget, leaves }
    this.#members.sending(number, this.#forgets, this.#clock.now())
    try {
      await this.#link.publish(this.#codec.write(message))
      this.#counts.sent++
      this.#isStuck = false
    } catch {
      // The others notice the missing number. This instance notices that its own message is missing, and reconnects.
    }
  }

  readonly #tick = (): void => {
    const now = this.#clock.now()
    const interval = this.#silence / BEATS
    if (now >= this.#beatDue && this.#link.up) {
      // Up to a fifth more or less (jitter), so that the heartbeats of a fleet spread out.
      this.#beatDue = now + interval * (0.8 + 0.4 * this.#clock.random())
      this.#publish(undefined).catch(() => {})
    }
    this.#check()
    const due = this.#link.up ? this.#beatDue - now : Infinity
    this.#cancelTick = this.#clock.after(Math.max(10, Math.min(interval / 2, due)), this.#tick)
  }

  #up (): void {
    this.#beatDue = -Infinity
    this.#cancelTick?.()
    // Messages may have been missed while there was no connection.
    this.#forgetAll(0)
    if (this.#outbox === 'all' || this.#outbox.size > 0) this.#sending ??= this.#sendAll()
    this.#tick()
  }

  #down (reason: string): void {
    this.#reason = reason
    this.#check()
  }

  #isUp (now: number): boolean {
    return this.#link.up && this.#members.echoed >= now - this.#silence
  }

  /** Renews the lease, or lets it expire and logs that. */
  #check (): void {
    if (!this.#isOpen) return
    const now = this.#clock.now()
    this.#checked = now
    const silence = this.#silence
    this.lease.until = this.#allAt === Infinity && this.#link.up ? this.#members.proven(now) + silence : -Infinity
    const lost = this.#members.sweep(now)
    if (lost > 0) {
      this.#options.log?.warn({ permit: { instances: lost } },
        'permit: instances sent nothing on the bus for 10 minutes and are no longer tracked')
    }
    if (this.#isUp(now)) {
      this.#join()
      if (this.#awaySince !== undefined) this.#back(now, this.#awaySince)
    } else if (this.#joined === undefined || now - this.#link.upSince > silence) {
      if (this.#link.up && now - this.#link.upSince > silence) {
        this.#reason = 'this instance does not receive its own messages'
        this.#link.reset(this.#reason)
      }
      this.#leave(now)
    }
  }

  #join (): void {
    this.#joined?.()
    this.#joined = undefined
  }

  #leave (now: number): void {
    if (this.#awaySince !== undefined) return
    const { log, transport, degradedTtl } = this.#options
    this.#awaySince = now
    this.#counts.outages++
    log?.warn({ permit: { bus: transport.name, reason: this.#reason, degradedTtl } },
      'permit: the bus is unreachable; until it recovers, decisions are cached for at most degradedTtl')
  }

  #back (now: number, since: number): void {
    const { log, transport } = this.#options
    const away = Math.round(now - since)
    this.#awaySince = undefined
    this.#forgetAll(0)
    log?.info({ permit: { bus: transport.name, away } }, 'permit: the bus has recovered; all cached decisions are dropped')
  }

  #receive (text: unknown): void {
    if (!this.#isOpen) return
    const now = this.#clock.now()
    if (now >= this.#windowEnds) {
      this.#windowEnds = now + WINDOW
      this.#inWindow = 0
    }
    if (++this.#inWindow > MAX_MESSAGES) {
      this.#counts.rejected++
      this.#forgetAll(BETWEEN_UNREADABLE)
      return
    }
    const message = this.#codec.read(text)
    if (message === undefined) {
      this.#unreadable(now)
      return
    }
    this.#counts.received++
    const { gap } = this.#members.receive(message, now)
    if (gap) this.#counts.gaps++
    if (message.from !== this.#id) {
      if (gap || message.forget === 'all') this.#forgetAll(BETWEEN_ALL)
      else if (message.forget !== undefined) this.#options.forget(message.forget)
    }
    // With many instances, a message changes little, and the next tick is enough; or one of the next messages, when there is no lease.
    if (this.#members.size <= LARGE_FLEET || (this.lease.until < now && now - this.#checked >= BETWEEN_CHECKS)) this.#check()
  }

  #unreadable (now: number): void {
    this.#counts.rejected++
    // It may come from an instance with another secret. Something may have changed, and it is unknown what.
    this.#forgetAll(BETWEEN_UNREADABLE)
    if (now - this.#unreadableLogged < REPEAT_LOG) return
    this.#unreadableLogged = now
    const { log, transport, channel } = this.#options
    log?.warn({ permit: { bus: transport.name, channel } },
      'permit: a message on the bus cannot be read, so all cached decisions are dropped; ' +
      'check that all instances have the same bus.secret (or token), and that other apps use another bus.channel')
  }

  /**
   * Schedules a full invalidation, one for all reasons until then. Until it runs, nothing counts as proven.
   * @param between - the shortest time since the last time, ms
   */
  #forgetAll (between: number): void {
    const now = this.#clock.now()
    const { size } = this.#members
    const spread = size > LARGE_FLEET ? Math.min(LONGEST_SPREAD, this.#options.degradedTtl / 2, size * APART) : 0
    const at = Math.max(now + this.#clock.random() * spread, this.#lastAll + between)
    if (at >= this.#allAt) return
    this.#cancelAll?.()
    this.#allAt = at
    this.lease.until = -Infinity
    if (at > now) this.#cancelAll = this.#clock.after(at - now, () => this.#forgetNow())
    else this.#forgetNow()
  }

  #forgetNow (): void {
    this.#cancelAll = undefined
    this.#allAt = Infinity
    this.#lastAll = this.#clock.now()
    this.#counts.forgetAll++
    this.#options.forget('all')
    this.#check()
  }
}
