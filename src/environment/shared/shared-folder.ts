// A data folder that several processes share: one owns it, the others follow. When the owner exits, another process becomes the owner.
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DataError, PdpError } from '../../contract/errors.js'
import type { FingerprintState } from '../data/fingerprint.js'
import { Store } from '../store.js'
import type { Transaction } from '../transaction.js'
import { FactFollower, MAX_AGE, NotMadeError, PING_EVERY, type FactsContent } from './fact-follower.js'
import { FactOwner, MAX_WRITES } from './fact-owner.js'
import type { SharedStep } from './share-messages.js'

/** How long a start retries while another process opens or closes the folder, ms. */
const START_PATIENCE = 10_000

/** How long a write waits for an owner, ms. */
const WRITE_PATIENCE = 10_000

/** The longest delay before another attempt to join, ms: at first, and later. */
const FIRST_PAUSE = 20
const LAST_PAUSE = 1_000

/** The environment that shares its folder. */
export interface FolderHost {
  /** Applies a write in this process, which owns the folder. Resolves when it is durable. */
  perform (request: unknown): Promise<unknown>
  /** Applies the changes of another process, all at once. */
  apply (steps: readonly SharedStep[]): void
  /** Replaces all facts, at once. With a store, writes go there from now on. */
  adopt (content: FactsContent, store: Store | undefined): Promise<void>
  /** The facts are too old: cached decisions must not be used. */
  forget (): void
  readonly log: {
    info (details: object, message: string): void
    warn (details: object, message: string): void
  } | undefined
}

export class SharedFolder {
  readonly #folder: string
  readonly #host: FolderHost
  readonly #owner = new FactOwner()
  readonly #closing = new AbortController()
  #follower: FactFollower | undefined
  #store: Store | undefined
  #known: FingerprintState | undefined
  /** The facts are not older than this time of `performance.now()`. */
  #asOf = -Infinity
  #isLate = false
  #joining: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  /** Called when the role of this process has changed, or its facts are current. */
  readonly #waiting = new Set<() => void>()
  #complaint: string | undefined

  /**
   * Joins the processes that share the folder. The caller must take the facts from `content`, and then call `begin`.
   * @throws `DataError` when the folder cannot be used, or its owner does not share it
   */
  static async join (path: string, host: FolderHost): Promise<SharedFolder> {
    const shared = new SharedFolder(resolve(path), host)
    const end = performance.now() + START_PATIENCE
    for (;;) {
      const place = await shared.#tryToJoin()
      if (place instanceof Store) shared.#store = place
      else shared.#follower = place
      if (place !== undefined) return shared
      if (performance.now() > end) {
        throw new DataError(`the data folder ${shared.#folder} is in use by another process, which does not answer; ` +
          'wait until it has ended, or give each process its own folder')
      }
      await delay(Math.random() * FIRST_PAUSE)
    }
  }

  private constructor (folder: string, host: FolderHost) {
    this.#folder = folder
    this.#host = host
  }

  /** The store, if this process owns the folder. */
  get store (): Store | undefined {
    return this.#store
  }

  /** Until when decisions may use the facts, a time of `performance.now()`. */
  get currentUntil (): number {
    return this.#store === undefined ? this.#asOf + MAX_AGE : Infinity
  }

  /** All facts, for the start. */
  content (): FactsContent {
    return this.#store === undefined ? this.#follower?.takeContent() ?? NOTHING : contentOf(this.#store)
  }

  /** The facts are in use. Resolves when they are known to be current, or when that takes too long. */
  async begin (): Promise<void> {
    this.#timer = setInterval(() => this.#watch(), PING_EVERY)
    this.#timer.unref()
    if (this.#store !== undefined) {
      this.#serve(this.#store)
    } else if (this.#follower !== undefined) {
      this.#host.log?.info({ data: this.#folder }, 'permit: another process has the data folder; this one follows its facts')
      this.#follow(this.#follower)
    }
    const end = performance.now() + MAX_AGE
    while (this.currentUntil === -Infinity && performance.now() < end) await this.#change(end)
  }

  /** Applies a write, here or at the owner of the folder. When it resolves, the change is in use here. */
  async perform (request: unknown): Promise<unknown> {
    const deadline = performance.now() + WRITE_PATIENCE
    for (;;) {
      if (this.#closing.signal.aborted) throw new PdpError('closed', 'the app is closing')
      if (this.#store !== undefined) return this.#host.perform(request)
      try {
        if (this.#follower !== undefined) return await this.#follower.send(request, deadline)
      } catch (error) {
        if (!(error instanceof NotMadeError)) throw error
      }
      if (this.#waiting.size >= MAX_WRITES) {
        throw new PdpError('overload', `${MAX_WRITES} writes are waiting for a process that has the data folder`)
      }
      if (performance.now() >= deadline) {
        throw new PdpError('timeout', 'no process has the data folder, so the write was not made', { status: 503 })
      }
      await this.#change(deadline)
    }
  }

  /** This process has made transactions durable. */
  publish (transactions: readonly Transaction[]): void {
    this.#owner.publish(transactions)
  }

  /** Waits for the writes in progress, and leaves. The store stays open. */
  async close (): Promise<void> {
    this.#closing.abort()
    clearInterval(this.#timer)
    this.#follower?.close()
    this.#changed()
    await this.#joining
    await this.#owner.close()
  }

  /** Follows the owner of the folder, or becomes the owner. Does neither while another process opens or closes it. */
  async #tryToJoin (): Promise<FactFollower | Store | undefined> {
    const { signal } = this.#closing
    const follower = await FactFollower.connect(this.#folder, this.#known, signal)
    if (follower !== undefined || signal.aborted) return follower
    return Store.openUnlessHeld(this.#folder, { follow: (socket, hello) => this.#owner.accept(socket, hello), attempts: 1 })
  }

  /** The connection is lost: another process already owns the folder, or this one becomes the owner. */
  async #rejoin (): Promise<void> {
    const { signal } = this.#closing
    for (let pause = FIRST_PAUSE; !signal.aborted; pause = Math.min(LAST_PAUSE, pause * 2)) {
      try {
        const place = await this.#tryToJoin()
        if (place !== undefined) return await (place instanceof Store ? this.#takeOver(place) : this.#resume(place))
      } catch (error) {
        this.#logTrouble(error)
      }
      await delay(Math.random() * pause, undefined, { ref: false, signal }).catch(() => {})
    }
  }

  async #takeOver (store: Store): Promise<void> {
    try {
      await this.#host.adopt(contentOf(store), store)
    } catch (error) {
      await store.close()
      throw error
    }
    this.#store = store
    this.#serve(store)
    this.#host.log?.info({ data: this.#folder }, 'permit: the process that had the data folder has ended; this one has it now')
  }

  async #resume (follower: FactFollower): Promise<void> {
    try {
      const content = follower.takeContent()
      if (content !== undefined) await this.#host.adopt(content, undefined)
    } catch (error) {
      follower.close()
      throw error
    }
    this.#follow(follower)
  }

  #serve (store: Store): void {
    this.#owner.open({ store, perform: request => this.#host.perform(request) })
    this.#watch()
    this.#changed()
  }

  #follow (follower: FactFollower): void {
    this.#follower = follower
    this.#known = follower.known
    follower.start({
      apply: steps => {
        try {
          this.#host.apply(steps)
        } catch (error) {
          // Some of them may have been applied.
          this.#known = undefined
          this.#asOf = -Infinity
          this.#host.forget()
          throw error
        }
      },
      isCurrent: asOf => {
        this.#known = follower.known
        this.#asOf = asOf
        this.#watch()
        this.#changed()
      },
      lost: reason => {
        this.#follower = undefined
        if (reason !== undefined) this.#logTrouble(reason)
        else if (this.#known !== undefined) this.#known = follower.known
        if (!this.#closing.signal.aborted) this.#joining = this.#rejoin()
      }
    })
    this.#changed()
    if (this.#closing.signal.aborted) follower.close()
  }

  /** Reports when the facts become too old for decisions, and when they are current again. */
  #watch (): void {
    const isLate = performance.now() > this.currentUntil
    if (isLate === this.#isLate) return
    this.#isLate = isLate
    if (isLate) {
      this.#host.forget()
      this.#host.log?.warn({ data: this.#folder },
        `permit: the process that has the data folder has not answered for ${MAX_AGE} ms; checks get 503 until it does, or has ended`)
    } else {
      this.#complaint = undefined
      this.#host.log?.info({ data: this.#folder }, 'permit: the facts of the data folder are current again')
    }
  }

  #logTrouble (error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    if (reason === this.#complaint) return
    this.#complaint = reason
    this.#host.log?.warn({ data: this.#folder, reason }, 'permit: this process cannot share the data folder now, and tries again')
  }

  #change (deadline: number): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, Math.max(0, deadline - performance.now()))
      this.#waiting.add(done)
    })
  }

  #changed (): void {
    for (const done of [...this.#waiting]) done()
  }
}

const NOTHING: FactsContent = { records: () => [], value: () => undefined }

function contentOf (store: Store): FactsContent {
  return { records: () => store.read(), value: name => store.value(name) }
}
