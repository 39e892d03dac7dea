// A follower: receives the facts and each change from the process that owns the data folder, and sends its writes to it.
import type { Socket } from 'node:net'
import { DataError, PdpError } from '../../contract/errors.js'
import { FactsError, type FactsErrorCode } from '../../engine/facts/fact.js'
import { FORMAT, type HeldRecord } from '../data/database.js'
import type { FingerprintState } from '../data/fingerprint.js'
import { StorageError } from '../store.js'
import { connectToHolder } from '../store-lock.js'
import { MAX_REQUEST, MAX_WRITES } from './fact-owner.js'
import { MessageLines } from './message-lines.js'
import { ownerMessageChecker, type OwnerMessage, type SharedFailure, type SharedStep } from './share-messages.js'

/** How old the facts of a follower may be while it decides, ms. */
export const MAX_AGE = 2_000

/** The interval between heartbeat requests to the owner, ms. */
export const PING_EVERY = 250

/** The longest message of the owner, bytes. The longest ones are a schema, or have the attributes of one object. */
const MAX_MESSAGE = 256 * 1024 * 1024

/** The most steps of one transaction. */
const MAX_STEPS = 10_000_000

/** All facts at one moment. */
export interface FactsContent {
  records (): Iterable<HeldRecord>
  value (name: string): string | undefined
}

/** The write was not applied, because the owner closed before it started. */
export class NotMadeError extends Error {
  override readonly name = 'NotMadeError'
}

/** What a follower does with what it receives. */
interface FollowerHost {
  /** Applies changes, all at once. If it throws, the connection is closed. */
  apply (steps: readonly SharedStep[]): void
  /** A heartbeat arrived: the facts were current at this time of `performance.now()` or later. */
  isCurrent (asOf: number): void
  /** The connection is closed. Nothing more is received. */
  lost (reason: Error | undefined): void
}

type Change = Exclude<OwnerMessage, readonly unknown[]>

interface Opening {
  resolve (isOpen: boolean): void
  reject (error: Error): void
}

interface Waiting {
  resolve (result: unknown): void
  reject (error: Error): void
}

export class FactFollower {
  readonly #socket: Socket
  readonly #lines = new MessageLines(MAX_MESSAGE)
  readonly #waiting = new Map<number, Waiting>()
  /** What was received before the host was set. */
  #content: { readonly records: HeldRecord[], readonly values: Map<string, string> } | undefined
  #opening: Opening | undefined
  #host: FollowerHost | undefined
  #known: FingerprintState | undefined
  /** What arrived together with the end of the facts. */
  #early: Change[] = []
  #steps: SharedStep[] = []
  #pingedAt = -Infinity
  #ping = 0
  #isPinging = false
  #lastId = 0
  #saidBye = false
  #failure: Error | undefined
  #timer: NodeJS.Timeout | undefined

  /**
   * Connects to the owner of the folder and gets its facts, unless they equal the known facts.
   *
   * @param known - the fingerprint of the known facts
   * @param signal - ends the attempt
   * @returns undefined when no process owns the folder, or when the owner closed the connection
   * @throws `DataError` when that process does not share the folder
   */
  static async connect (
    folder: string, known: FingerprintState | undefined, signal: AbortSignal
  ): Promise<FactFollower | undefined> {
    const socket = await connectToHolder(folder, { sameUser: true }).catch((error: unknown) => {
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
      throw new DataError(`the data folder ${folder} is in use by another process, and cannot be shared with it: ` +
        `${messageOf(error)}; run both as the same user`)
    })
    if (socket === undefined) return undefined
    const follower = new FactFollower(socket, folder)
    const abort = (): void => { socket.destroy() }
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    const isOpen = await follower.#open(known)
    signal.removeEventListener('abort', abort)
    return isOpen ? follower : undefined
  }

  private constructor (socket: Socket, readonly folder: string) {
    this.#socket = socket
  }

  /** All facts; undefined if they equal the known facts. Can be read once. */
  takeContent (): FactsContent | undefined {
    const content = this.#content
    this.#content = undefined
    return content === undefined ? undefined : { records: () => content.records, value: name => content.values.get(name) }
  }

  /** The fingerprint of the current facts. */
  get known (): FingerprintState | undefined {
    return this.#known
  }

  /** The facts are in use: from now on, changes are received. */
  start (host: FollowerHost): void {
    this.#host = host
    this.#timer = setInterval(() => this.#askForLife(), PING_EVERY)
    this.#timer.unref()
    this.#attempt(() => { for (const message of this.#early.splice(0)) this.#handle(message) })
    this.#socket.resume()
    if (this.#socket.destroyed) this.#lost()
    else this.#askForLife()
  }

  /**
   * Sends a write to the owner.
   *
   * @returns its result, once it is durable and its change is in use here
   * @throws `NotMadeError` when the owner is closing; `FactsError` and `StorageError` as a write of this process does; `PdpError` when the
   * owner has exited or did not answer before the deadline: in both cases the write may have been applied
   */
  send (request: unknown, deadline: number): Promise<unknown> {
    const id = ++this.#lastId
    const text = JSON.stringify({ write: id, request })
    if (Buffer.byteLength(text) > MAX_REQUEST) {
      return Promise.reject(new FactsError('invalid', `the write is larger than ${MAX_REQUEST} bytes`))
    }
    if (this.#waiting.size >= MAX_WRITES) {
      return Promise.reject(new PdpError('overload', `${MAX_WRITES} writes are waiting for the process that has the data folder`))
    }
    if (this.#host === undefined || this.#socket.destroyed) return Promise.reject(new NotMadeError('the connection is closed'))
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new PdpError('timeout', 'the process that has the data folder did not answer in time; the write may have been made'))
      }, deadline - performance.now())
      const settled = <T>(settle: (value: T) => void) => (value: T) => {
        clearTimeout(timer)
        settle(value)
      }
      this.#waiting.set(id, { resolve: settled(resolve), reject: settled(reject) })
      this.#socket.write(`${text}\n`)
    })
  }

  close (): void {
    this.#socket.destroy()
  }

  async #open (known: FingerprintState | undefined): Promise<boolean> {
    this.#known = known
    // The connection alone must not keep the process alive.
    this.#socket.unref()
    this.#socket.on('close', () => this.#lost())
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk))
    this.#socket.write(`${JSON.stringify({ follow: 1, format: FORMAT, known })}\n`)
    // It keeps the process alive while it starts.
    const alive = setInterval(() => {}, 60_000)
    try {
      return await new Promise<boolean>((resolve, reject) => {
        this.#opening = { resolve, reject }
        // Closed before there was a listener.
        if (this.#socket.destroyed) this.#lost()
      })
    } finally {
      clearInterval(alive)
    }
  }

  /** One heartbeat request at a time. Its answer shows that everything was received that the owner had sent until the request. */
  #askForLife (): void {
    if (this.#isPinging || this.#socket.destroyed) return
    this.#isPinging = true
    this.#pingedAt = performance.now()
    this.#socket.write(`${JSON.stringify({ ping: ++this.#ping })}\n`)
  }

  #take (chunk: Buffer): void {
    this.#attempt(() => {
      for (const message of this.#lines.push(chunk)) {
        if (!ownerMessageChecker.Check(message)) throw new Error('it sent an unknown message')
        if (Array.isArray(message)) this.#addContent(message)
        else if (this.#opening === undefined && this.#host === undefined) this.#early.push(message)
        else this.#handle(message)
        if (this.#socket.destroyed) return
      }
    })
  }

  /** A process that sends anything but facts is not followed. */
  #attempt (read: () => void): void {
    try {
      read()
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error))
      this.#socket.destroy()
    }
  }

  #addContent (held: Extract<OwnerMessage, readonly unknown[]>): void {
    if (this.#content === undefined || this.#opening === undefined) throw new Error('it sent a record that belongs to nothing')
    if (held.length === 2) this.#content.values.set(...held)
    else this.#content.records.push({ kind: held[0], order: held[1], json: held[2] })
  }

  #handle (message: Change): void {
    if (this.#opening !== undefined) this.#handleOpening(message, this.#opening)
    else if ('steps' in message) this.#addSteps(message.steps)
    else if ('commit' in message) this.#commit(message.commit)
    else if ('pong' in message) this.#hear(message.pong)
    else if ('done' in message) this.#settle(message.done, ({ resolve }) => resolve(message.result))
    else if ('failed' in message) this.#settle(message.failed, ({ reject }) => reject(errorOf(message.error)))
    else if ('bye' in message) this.#saidBye = true
    else throw new Error('it sent a message that belongs to nothing')
  }

  #handleOpening (message: Change, { resolve, reject }: Opening): void {
    if ('snapshot' in message) {
      this.#content = { records: [], values: new Map() }
    } else if ('end' in message || 'same' in message) {
      if ('end' in message) this.#known = message.end
      // The following messages are read when the facts are in use.
      this.#socket.pause()
      this.#opening = undefined
      resolve(true)
    } else if ('refused' in message) {
      reject(new DataError(`the data folder ${this.folder} is in use by another process, and ${message.refused}; ` +
        'give each its own folder, or let one process serve the others as a local PDP'))
      this.#socket.destroy()
    } else {
      throw new Error('it sent a message that belongs to nothing')
    }
  }

  #addSteps (steps: readonly SharedStep[]): void {
    if (this.#steps.length + steps.length > MAX_STEPS) throw new Error(`it sent a transaction of more than ${MAX_STEPS} changes`)
    this.#steps.push(...steps)
  }

  #commit (fingerprint: FingerprintState): void {
    const steps = this.#steps
    this.#steps = []
    this.#host?.apply(steps)
    this.#known = fingerprint
  }

  #hear (ping: number): void {
    if (!this.#isPinging || ping !== this.#ping) throw new Error('it answered what was not asked')
    this.#isPinging = false
    this.#host?.isCurrent(this.#pingedAt)
    // After a pause of the owner, the answer may be too old.
    if (performance.now() > this.#pingedAt + PING_EVERY) this.#askForLife()
  }

  #settle (id: number, settle: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (waiting !== undefined) settle(waiting)
  }

  #lost (): void {
    clearInterval(this.#timer)
    const opening = this.#opening
    this.#opening = undefined
    opening?.resolve(false)
    for (const { reject } of this.#waiting.values()) {
      reject(this.#saidBye
        ? new NotMadeError('the owner closed')
        : new PdpError('network', 'the process that has the data folder ended before it confirmed the write; it may have been made'))
    }
    this.#waiting.clear()
    const host = this.#host
    this.#host = undefined
    host?.lost(this.#failure)
  }
}

function errorOf ({ kind, code, message }: SharedFailure): Error {
  if (kind === 'facts') return new FactsError(code as FactsErrorCode, message)
  return kind === 'storage' ? new StorageError(message) : new Error(message)
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
