// The circuit breaker of one replica: a dead PDP costs microseconds per check instead of the whole timeout.
import { circuitBreaker, CircuitState, ConsecutiveBreaker, handleAll } from 'cockatiel'
import type { PdpError } from '../../contract/errors.js'
import type { BreakerState } from '../../contract/point.js'

/** When a breaker opens and how it closes. */
export interface BreakerOptions {
  /** Consecutive failures after which the PDP is probed. */
  readonly failures: number
  /** How long an open breaker waits before it probes the PDP, ms. */
  readonly halfOpenAfter: number
}

/**
 * Consecutive failures alone do not open it. They may be caused by certain requests, and a request that the PDP cannot handle must not
 * lock out all users. Instead they trigger a probe; the breaker opens when the probe fails, too. While open, it keeps probing, with or
 * without traffic, and closes at the first probe that succeeds.
 *
 * Only probes go through cockatiel's state machine. A successful request costs one assignment and no promise.
 */
export class Breaker {
  /** Whether the PDP may get requests. A field, because it is read for every request. */
  usable = true
  /** Counts state changes. Outcomes of requests that were sent in an earlier era are ignored. */
  era = 0
  readonly #failing: ConsecutiveBreaker
  readonly #halfOpenAfter: number
  readonly #probe: (suspected: boolean) => Promise<void>
  // Minus infinity turns off cockatiel's own wait, which uses the wall clock and may be set back. The timer below waits instead.
  readonly #circuit = circuitBreaker(handleAll, { halfOpenAfter: -Infinity, breaker: new ConsecutiveBreaker(1) })
  #probing = false
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /**
   * @param probe resolves when the PDP is healthy and rejects otherwise; with `suspected` the breaker is still closed, so the probe must
   *   end soon
   * @param onChange called with the reason when the breaker opens, and with undefined when it closes
   */
  constructor (options: BreakerOptions, probe: (suspected: boolean) => Promise<void>, onChange: (reason: PdpError | undefined) => void) {
    this.#failing = new ConsecutiveBreaker(options.failures)
    this.#halfOpenAfter = options.halfOpenAfter
    this.#probe = probe
    this.#circuit.onBreak(reason => {
      if (this.usable) {
        this.usable = false
        this.era++
        if (!this.#closed) onChange('error' in reason ? reason.error as PdpError : undefined)
      }
      if (!this.#closed) this.#scheduleProbe()
    })
    this.#circuit.onReset(() => {
      this.usable = true
      this.era++
      this.#failing.success()
      if (!this.#closed) onChange(undefined)
    })
  }

  get state (): BreakerState {
    if (this.usable) return 'closed'
    return this.#circuit.state === CircuitState.HalfOpen ? 'half-open' : 'open'
  }

  /** @param era the era in which the request was sent */
  success (era: number): void {
    if (era === this.era) this.#failing.success()
  }

  /** @param era the era in which the request was sent */
  failure (era: number): void {
    if (era === this.era && this.usable && this.#failing.failure() && !this.#probing) this.#startProbe()
  }

  /** Stops the timer; the state does not change any more. */
  close (): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #startProbe (): void {
    if (this.#closed) return
    this.#probing = true
    const done = () => { this.#probing = false }
    this.#circuit.execute(() => this.#probe(this.usable)).then(() => {
      this.#failing.success()
      done()
    }, done)
  }

  #scheduleProbe (): void {
    // Up to a fifth earlier, so that the instances of an app do not all probe at the same moment.
    this.#timer = setTimeout(() => this.#startProbe(), this.#halfOpenAfter * (1 - Math.random() / 5))
    this.#timer.unref()
  }
}
