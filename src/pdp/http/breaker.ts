// The circuit breaker of one replica: a dead PDP costs microseconds per check instead of the whole timeout.
import type { PdpError } from '../../contract/errors.js'
import type { BreakerState } from '../../contract/point.js'

/** When a breaker opens and how it closes. */
export interface BreakerOptions {
  /** Consecutive failures after which a PDP is probed. The breaker opens when the probe fails, too. */
  readonly failures: number
  /** How often a failed PDP is probed for recovery. In ms. */
  readonly halfOpenAfter: number
}

/**
 * Consecutive failures alone do not open it. They may be caused by certain requests, and a request that the PDP cannot handle must not
 * lock out all users. Instead they trigger a probe; the breaker opens when the probe fails, too, and no request has succeeded meanwhile.
 * While open, it keeps probing, with or without traffic, and closes at the first probe that succeeds.
 *
 * A successful request costs one assignment and no promise.
 */
export class Breaker {
  /** Whether the PDP may get requests. A field, because it is read for every request. */
  usable = true
  /** Counts state changes. Outcomes of requests that were sent in an earlier era are ignored. */
  era = 0
  readonly #allowedFailures: number
  readonly #halfOpenAfter: number
  readonly #probe: (suspected: boolean) => Promise<void>
  readonly #onChange: (reason: PdpError | undefined) => void
  /** Failures since the last success. */
  #failures = 0
  #probing = false
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /**
   * @param probe resolves when the PDP is healthy and rejects with the reason otherwise; with `suspected` the breaker is still closed, so
   *   the probe must end soon
   * @param onChange called with the reason when the breaker opens, and with undefined when it closes
   */
  constructor (options: BreakerOptions, probe: (suspected: boolean) => Promise<void>, onChange: (reason: PdpError | undefined) => void) {
    this.#allowedFailures = options.failures
    this.#halfOpenAfter = options.halfOpenAfter
    this.#probe = probe
    this.#onChange = onChange
  }

  get state (): BreakerState {
    if (this.usable) return 'closed'
    return this.#probing ? 'half-open' : 'open'
  }

  /** @param era the era in which the request was sent */
  success (era: number): void {
    if (era === this.era) this.#failures = 0
  }

  /** @param era the era in which the request was sent */
  failure (era: number): void {
    if (era === this.era && this.usable && ++this.#failures >= this.#allowedFailures && !this.#probing) this.#startProbe()
  }

  /** Stops the timer; the state does not change any more. */
  close (): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #startProbe (): void {
    if (this.#closed) return
    this.#probing = true
    this.#probe(this.usable).then(() => this.#probed(undefined), (reason: PdpError) => this.#probed(reason))
  }

  /** @param reason why the probe failed; undefined when the PDP is healthy */
  #probed (reason: PdpError | undefined): void {
    this.#probing = false
    if (this.#closed) return
    // A request that succeeded since the probe was sent is the later word.
    const healthy = reason === undefined || (this.usable && this.#failures < this.#allowedFailures)
    if (reason === undefined) this.#failures = 0
    else if (!healthy) this.#scheduleProbe()
    if (healthy === this.usable) return
    this.usable = healthy
    this.era++
    this.#onChange(reason)
  }

  #scheduleProbe (): void {
    // Up to a fifth earlier, so that the instances of an app do not all probe at the same moment.
    this.#timer = setTimeout(() => this.#startProbe(), this.#halfOpenAfter * (1 - Math.random() / 5))
    this.#timer.unref()
  }
}
