// Calls that only the local PDP has: finds out whether the PDP is the local one or Permit's container.
import { pdpErrorOf } from '../../contract/errors.js'
import type { TransportRequest } from '../http/transport-request.js'

/** Sends a request, and reads what comes back. Rejects with an `UnavailableError`. */
export type Post = <T>(path: string, body: unknown, deadline: number, read: (answer: unknown) => T, how?: How<T>) => Promise<T>

/** How a request is sent. */
export type How<T = unknown> = Pick<TransportRequest<T>, 'signal' | 'session' | 'headers' | 'needsReadyPdp' | 'withoutDenials'>

/** How long a PDP without the call is not asked for it, ms. It may be replaced by one that has it. */
const ASK_AGAIN_AFTER = 60_000

/** A call of the local PDP; its answer is undefined where the PDP is Permit's container. */
export class LocalPdpCall {
  readonly #post: Post
  readonly #path: string
  readonly #clock: { now (): number }
  #containerUntil = -Infinity

  /** @param clock - for tests; default: the process's monotonic clock */
  constructor (post: Post, path: string, clock: { now (): number } = performance) {
    this.#post = post
    this.#path = path
    this.#clock = clock
  }

  async ask<T> (body: object, deadline: number, read: (answer: unknown) => T, how?: How<T>): Promise<T | undefined> {
    if (this.#clock.now() < this.#containerUntil) return undefined
    try {
      return await this.#post(this.#path, body, deadline, read, how)
    } catch (error) {
      const status = pdpErrorOf(error)?.status
      if (status !== 404 && status !== 405) throw error
      this.#containerUntil = this.#clock.now() + ASK_AGAIN_AFTER
      return undefined
    }
  }
}
