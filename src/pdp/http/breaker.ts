// The circuit breaker of one PDP: whether it is asked at all, so that a dead one costs microseconds and not the timeout.
import { circuitBreaker, CircuitState, ConsecutiveBreaker, handleAll } from 'cockatiel'
import type { PdpError } from '../../contract/errors.js'
import type { BreakerState } from '../../contract/point.js'

/** When a breaker opens and how it closes. */
export interface BreakerOptions {
  /** Failures in a row that put a PDP under suspicion. */
  readonly failures: number
  /** Ms after which an open breaker looks whether the PDP is back. */
  readonly halfOpenAfter: number
}

/**
 * Failures in a row do not open it yet: they may be about the questions, and one user's question that the PDP chokes on
 * must not shut everybody out. They make it probe the PDP; if that fails, too, it opens. While open, it probes by
 * itself, with and without traffic, and the first probe that succeeds closes it.
 *
 * The state machine is cockatiel's, through which only probes go: a question that succeeds costs an assignment here, and
 * no promise.
 */
export class Breaker {
  /** Whether the PDP may be asked. A field, because it is read for every question. */
  usable = true
  /** Which stretch of time between two changes this is: outcomes of an older one say nothing of now. */
  era = 0
  readonly #failing: ConsecutiveBreaker
  readonly #halfOpenAfter: number
  readonly #probe: (suspected: boolean) => Promise<void>
  // Minus infinity: cockatiel would wait by the wall clock, which may be set back. The timer here waits.
  readonly #circuit = circuitBreaker(handleAll, { halfOpenAfter: -Infinity, breaker: new ConsecutiveBreaker(1) })
  #probing = false
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /**
   * @param probe resolves when the PDP is well, rejects when it is not; `suspected` while it is still asked, which must be soon
   * @param onChange called when it has opened, with the reason, and when it has closed
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
      if (!this.#closed) this.#wait()
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

  /** @param era that in which the question was sent */
  success (era: number): void {
    if (era === this.era) this.#failing.success()
  }

  /** @param era that in which the question was sent */
  failure (era: number): void {
    if (era === this.era && this.usable && this.#failing.failure() && !this.#probing) this.#look()
  }

  /** Lets go of the timer; nothing changes afterwards. */
  close (): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #look (): void {
    if (this.#closed) return
    this.#probing = true
    const done = () => { this.#probing = false }
    this.#circuit.execute(() => this.#probe(this.usable)).then(() => {
      this.#failing.success()
      done()
    }, done)
  }

  #wait (): void {
    // Up to a fifth earlier, so that the instances of an app do not all come at once.
    this.#timer = setTimeout(() => this.#look(), this.#halfOpenAfter * (1 - Math.random() / 5))
    this.#timer.unref()
  }
}
