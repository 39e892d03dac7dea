// The batch limit, learned from the PDP: how many checks one bulk request may currently contain.
import { QueryError, pdpErrorOf } from '../../contract/errors.js'

/** How long bulk requests are not sent to a PDP without a bulk endpoint, and large batches to one that rejected a batch, ms. */
const BULK_RETRY_AFTER = 5 * 60_000

/** The lowest limit that is learned: a few large or unusual checks must not end batching for all callers. */
const LEAST_LIMIT = 10

/** How many bulk requests fail before the next ones are smaller, and how many answered ones make up for a failed one: four. */
const PATIENCE = 4
const RECOVERY = 0.25

/** The smallest size that failing bulk requests are shrunk to. */
const LEAST_SHRUNK = 4

/** The most checks in one bulk request: the option `batch`, or fewer while the PDP accepts fewer. */
export class BatchLimit {
  readonly #batch: number
  readonly #clock: { now (): number }
  #singleUntil = -Infinity
  #learned = Infinity
  #shrunk = Infinity
  /** Failed bulk requests, less a part for each that was answered since. */
  #failures = 0
  #learnedUntil = -Infinity

  /** @param batch - the option `batch` */
  constructor (batch: number, clock: { now (): number }) {
    this.#batch = batch
    this.#clock = clock
  }

  get now (): number {
    const now = this.#clock.now()
    if (now < this.#singleUntil) return 1
    const most = Math.min(this.#batch, this.#shrunk)
    return now < this.#learnedUntil ? Math.min(this.#learned, most) : most
  }

  /** A bulk request failed and is sent again in halves. If this repeats, the next ones are smaller. */
  failed (size: number): void {
    this.#failures = Math.min(this.#failures + 1, 2 * PATIENCE)
    if (this.#failures >= PATIENCE) this.#shrunk = Math.max(LEAST_SHRUNK, Math.ceil(Math.min(this.#shrunk, size) / 2))
  }

  /** A bulk request of this size was answered. */
  succeeded (size: number): void {
    if (this.#failures === 0 && this.#shrunk === Infinity) return
    this.#failures = Math.max(0, this.#failures - RECOVERY)
    if (this.#failures < PATIENCE && size >= this.#shrunk) this.#shrunk++
    if (this.#shrunk >= this.#batch) this.#shrunk = Infinity
  }

  /** The PDP has no bulk call: one check a request, until it is tried again. */
  toSingle (): void {
    this.#singleUntil = this.#clock.now() + BULK_RETRY_AFTER
  }

  /** A bulk request was rejected, and both of its halves, of this size, were not. */
  learn (half: number): void {
    const now = this.#clock.now()
    const limit = Math.max(half, LEAST_LIMIT)
    this.#learned = now < this.#learnedUntil ? Math.min(this.#learned, limit) : limit
    this.#learnedUntil = now + BULK_RETRY_AFTER
  }
}

/** What may help after a failed bulk request: splitting it, or sending checks one by one; undefined when neither would. */
export function remedyFor (error: unknown): 'split' | 'one by one' | undefined {
  // A check that cannot be sent to this PDP is its caller's mistake and must not fail the others.
  if (error instanceof QueryError) return 'split'
  const cause = pdpErrorOf(error)
  if (cause === undefined) return undefined
  if (cause.failure === 'answer') return 'split'
  // A PDP that closes the connection may have failed on one of the checks. An unreachable PDP gets no further requests.
  if (cause.failure === 'network') return cause.mayHaveArrived ? 'split' : undefined
  if (cause.failure !== 'status') return undefined
  if (cause.status === 404 || cause.status === 405 || cause.status === 501) return 'one by one'
  // More requests do not help a PDP that is overloaded.
  return cause.status === 429 || cause.status === 503 ? undefined : 'split'
}

/** Whether a question that fails alone with this error would also make a bulk request fail. */
export function isPoison (error: unknown): boolean {
  return remedyFor(error) === 'split'
}

/** Whether the PDP may have rejected a bulk request because of its size. */
export function mayBeTooLarge (error: unknown): boolean {
  const status = pdpErrorOf(error)?.status
  return status === 400 || status === 413 || status === 422
}
