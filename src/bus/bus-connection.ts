// The connection to a bus: connects, and reconnects with backoff when the connection is lost.
import type { BusClock } from './bus-clock.js'

/** What a connection calls. */
export interface BusEvents {
  /** A message was received. It may be this instance's own. */
  message (text: unknown): void
  /** The connection is lost and will not recover. */
  lost (reason: unknown): void
}

/** One connection to a bus, subscribed to its channel. A connection that fails is not used again. */
export interface BusSession {
  /** Resolves when the bus has accepted the message. */
  publish (text: string): Promise<unknown>
  /** Releases the connection. The app's own client stays open. */
  close (): Promise<unknown> | void
}

/** A kind of bus. */
export interface BusTransport {
  /** For the log, without credentials: `redis`, `postgres`, `cluster`, `custom`. */
  readonly name: string
  /** Connects and subscribes. Rejects when that is not possible; the caller tries again later. */
  connect (events: BusEvents): Promise<BusSession>
}

/** How long connecting may take, ms. */
const CONNECT_TIMEOUT = 5_000

/** The longest delay before the first attempt to reconnect, ms. It doubles with each attempt. */
const FIRST_PAUSE = 100
/** The longest delay, ms. */
const LONGEST_PAUSE = 5_000

/** The most publications that the bus has not acknowledged; one more fails at once. */
const MAX_UNACKNOWLEDGED = 64

/** How long closing a connection may take, ms. */
const CLOSE_TIMEOUT = 1_000

export class Link {
  readonly #transport: BusTransport
  readonly #clock: BusClock
  readonly #on: { message (text: unknown): void, up (): void, down (reason: string): void }
  #session: BusSession | undefined
  /** Counts connections, so that what an old one reports is ignored. */
  #era = 0
  #attempts = 0
  #unacknowledged = 0
  #cancel: (() => void) | undefined
  #closed = false
  upSince = Infinity

  constructor (transport: BusTransport, clock: BusClock, on: { message (text: unknown): void, up (): void, down (reason: string): void }) {
    this.#transport = transport
    this.#clock = clock
    this.#on = on
  }

  get up (): boolean {
    return this.#session !== undefined
  }

  open (): void {
    this.#connect()
  }

  /** Resolves when the bus has accepted the message; otherwise rejects. */
  async publish (text: string): Promise<void> {
    const session = this.#session
    if (session === undefined) throw new Error('the bus is not connected')
    if (this.#unacknowledged >= MAX_UNACKNOWLEDGED) throw new Error('the bus does not acknowledge messages')
    this.#unacknowledged++
    const era = this.#era
    try {
      await session.publish(text)
    } finally {
      if (era === this.#era) this.#unacknowledged--
    }
  }

  /** Drops a connection that does not work, and reconnects. */
  reset (reason: string): void {
    this.#lost(this.#era, reason)
  }

  async close (): Promise<void> {
    this.#closed = true
    this.#cancel?.()
    const session = this.#session
    this.#session = undefined
    this.#era++
    if (session !== undefined) await this.#release(session)
  }

  #connect (): void {
    const era = ++this.#era
    this.#cancel = this.#clock.after(CONNECT_TIMEOUT, () => this.#lost(era, `connecting took longer than ${CONNECT_TIMEOUT} ms`))
    let connecting: Promise<BusSession>
    try {
      connecting = this.#transport.connect({
        message: text => { if (era === this.#era) this.#on.message(text) },
        lost: reason => this.#lost(era, reasonOf(reason))
      })
    } catch (error) {
      connecting = Promise.reject(error)
    }
    connecting.then(session => {
      if (era !== this.#era || this.#closed) {
        this.#release(session).catch(() => {})
        return
      }
      this.#cancel?.()
      this.#session = session
      this.#unacknowledged = 0
      this.upSince = this.#clock.now()
      this.#on.up()
    }, error => this.#lost(era, reasonOf(error)))
  }

  #lost (era: number, reason: string): void {
    if (era !== this.#era || this.#closed) return
    this.#era++
    this.#cancel?.()
    const session = this.#session
    this.#session = undefined
    if (session !== undefined) {
      this.#release(session).catch(() => {})
      // A connection that lasted for a while resets the backoff.
      if (this.#clock.now() - this.upSince > LONGEST_PAUSE) this.#attempts = 0
    }
    this.upSince = Infinity
    // A random delay (full jitter), so that the instances of a fleet do not reconnect at the same time.
    const bound = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(this.#attempts++, 10))
    this.#cancel = this.#clock.after(Math.max(10, this.#clock.random() * bound), () => this.#connect())
    this.#on.down(reason)
  }

  async #release (session: BusSession): Promise<void> {
    let cancel = (): void => {}
    const late = new Promise<void>(resolve => { cancel = this.#clock.after(CLOSE_TIMEOUT, resolve) })
    try {
      await Promise.race([session.close(), late])
    } catch {
      // The connection is dropped in any case.
    } finally {
      cancel()
    }
  }
}

/** The code or the first line of an error: messages of clients may contain a URL with a password. */
function reasonOf (reason: unknown): string {
  if (typeof reason === 'string') return reason
  if (!(reason instanceof Error)) return 'unknown'
  const { code } = reason as { code?: unknown }
  return typeof code === 'string' ? code : reason.name
}
