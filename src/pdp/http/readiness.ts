// Whether a replica is ready. A PDP that has just started may have its policy but no data yet: it then denies every user.
import { PdpError } from '../../contract/errors.js'

/** How long a replica that is not ready is not asked again, ms. */
const ASK_AGAIN_AFTER = 100

/** How long a replica that has no such path is believed without asking, ms. It may be replaced by one that has it. */
const TRUST_FOR = 60_000

/** For this long after its health said yes, a failure does not put a replica into doubt, ms: single requests may fail. */
const SETTLED_AFTER = 1_000

/** The outcome of asking a replica for its health. */
export interface HealthAnswer {
  /** Undefined for a replica that is ready. */
  readonly error: PdpError | undefined
  /** {@link Readiness.doubts} when the request was written to its connection. */
  readonly doubts: number
}

/**
 * A no counts only from a replica that has said, on its health path, that it is ready, and that was not put into doubt since. Every new
 * connection and every failure puts it into doubt: the process at the other end may be another one. The health is only asked when a no
 * arrives that does not count yet, once for all that arrive meanwhile. A yes always counts: an empty PDP gives none.
 */
export class Readiness {
  /** Whether a no of a request that is sent now counts. A field, because it is read for every request. */
  ready = false
  /** How often the replica was put into doubt. */
  doubts = 0
  readonly #ask: (timeout: number) => Promise<HealthAnswer>
  readonly #path: string
  #asking: Promise<PdpError | undefined> | undefined
  #refusal: PdpError | undefined
  #since = -Infinity
  #trustedUntil = -Infinity

  /**
   * @param path - of the health, for messages
   * @param ask - asks for the health within a timeout, in ms; never rejects
   */
  constructor (path: string, ask: (timeout: number) => Promise<HealthAnswer>) {
    this.#path = path
    this.#ask = ask
  }

  /** There is a new connection. */
  connected (): void {
    this.doubts++
    this.ready = performance.now() < this.#trustedUntil
  }

  /** A request failed in a way that counts against the PDP. */
  failed (): void {
    if (this.ready && performance.now() - this.#since > SETTLED_AFTER) this.connected()
  }

  /**
   * Asks whether the replica is ready, unless that is known. Resolves with the error, or with undefined: a no counts when the question is
   * asked again after that. Never rejects.
   */
  confirm (timeout: number): Promise<PdpError | undefined> {
    if (this.ready) return Promise.resolve(undefined)
    if (this.#refusal !== undefined && performance.now() - this.#since < ASK_AGAIN_AFTER) return Promise.resolve(this.#refusal)
    this.#asking ??= this.#ask(timeout).then(answer => this.#read(answer)).finally(() => { this.#asking = undefined })
    return this.#asking
  }

  #read ({ error, doubts }: HealthAnswer): PdpError | undefined {
    this.#since = performance.now()
    this.#refusal = this.#refusalFor(error)
    if (this.#refusal === undefined && doubts === this.doubts) this.ready = true
    return this.#refusal
  }

  #refusalFor (error: PdpError | undefined): PdpError | undefined {
    if (error === undefined || error.failure === 'unready') return error
    // It answered 200, with a body that says nothing.
    if (error.failure === 'answer') return undefined
    const { status = 0, message } = error
    if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
      this.#trustedUntil = performance.now() + TRUST_FOR
      return undefined
    }
    if (error.failure === 'status') return new PdpError('unready', `the PDP is not ready: ${this.#path} has status ${status}`, { status })
    return new PdpError(error.failure, `the PDP denied, and its readiness could not be checked: ${message}`)
  }
}

/**
 * Reads the body of a health path, which had status 200.
 * @throws `PdpError` when it says that the PDP does not serve, as the health of gRPC does
 */
export function readHealth (answer: unknown): void {
  const status: unknown = typeof answer === 'object' && answer !== null && 'status' in answer ? answer.status : undefined
  if (status === 'NOT_SERVING') throw new PdpError('unready', 'the PDP is not ready: its health says NOT_SERVING')
}
