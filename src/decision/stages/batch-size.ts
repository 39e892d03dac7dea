// The batch size with the shortest response times, learned from the latency of a slow PDP.

/** How many answered checks each phase of a trial measures, after those that still show the size before it. */
const MEASURED = 400
const SETTLING = 100

/** How often both sizes of a trial are measured, in turns. */
const ROUNDS = 2

/** The factor by which a trial size is smaller or larger. */
const STEP = 4

/** The ratio to the current value that a trial must reach. Fewer requests cost the PDP less, so a larger size needs a smaller gain. */
const SMALLER_BELOW = 0.85
const LARGER_BELOW = 0.95

/** For a PDP that answers within this time for each check of a request, all checks in one request are best, ms. */
const FAST = 0.5

/** How many checks are answered between two trials: more after each that changed nothing. */
const LEAST_PAUSE = 400
const MOST_PAUSE = 25_600

/** Sums over the checks of one size. */
interface Sum { squares: number, outstanding: number, checks: number }

/** How much longer a large request must take than a small one, so that smaller ones are tried; and how many of each tell. */
const GROWS = 1.5
const TELLING = 5

/**
 * A PDP that takes long for a check, and evaluates one request on one core, answers a batch late while its other cores idle, or while they
 * answer later checks sooner. A PDP that takes longer for a request than for a check answers all sooner in one batch. Only its answers tell
 * which case applies. So from time to time, while there is something to batch, this tries a smaller and a larger size and keeps the better.
 *
 * What it compares is the mean square of the time from a check's arrival to its answer, so that one check that waits ten times as long is
 * worse than ten that wait a little. It is divided by the square of the number of checks that wait, so that it means the same when the load
 * changes.
 */
export class BatchSize {
  readonly #most: number
  readonly #clock: { now (): number }
  #size: number
  /** The size that is tried; undefined between trials. */
  #tried: number | undefined
  #isSmallerNext = true
  #phase = 0
  #settling = 0
  #pause = LEAST_PAUSE
  #answered = 0
  #requests = 0
  #time = 0
  #sums: readonly [Sum, Sum] = [newSum(), newSum()]
  /** The times of requests with few checks, and of those with many. */
  #small = { time: 0, requests: 0 }
  #large = { time: 0, requests: 0 }

  /** @param most - the option `batch` */
  constructor (most: number, clock: { now (): number }) {
    this.#most = most
    this.#size = most
    this.#clock = clock
  }

  /** The most checks in one request, for now. */
  get now (): number {
    return this.#isTrying ? this.#tried ?? this.#size : this.#size
  }

  /** The time of a check's arrival, during a trial; else 0, because reading the clock for each check would cost more than it tells. */
  arrival (): number {
    return this.#tried === undefined ? 0 : this.#clock.now()
  }

  /** Every second phase of a trial has the size that is tried. */
  get #isTrying (): boolean {
    return this.#phase % 2 === 1
  }

  /** A request was answered after `time`, in ms. */
  answered (checks: number, time: number): void {
    const alike = 3 * checks <= this.#size ? this.#small : 2 * checks > this.#size ? this.#large : undefined
    if (alike !== undefined) {
      alike.time += time
      alike.requests++
    }
    if (this.#tried !== undefined) return
    this.#answered += checks
    this.#requests++
    this.#time += time
    if (this.#answered >= this.#pause) this.#begin()
  }

  /** A check that arrived during a trial was answered, while `outstanding` checks had no answer yet. */
  checked (arrival: number, outstanding: number): void {
    if (this.#tried === undefined) return
    if (this.#settling > 0) {
      this.#settling--
      return
    }
    const sum = this.#sums[this.#isTrying ? 1 : 0]
    sum.squares += (this.#clock.now() - arrival) ** 2
    sum.outstanding += outstanding
    sum.checks++
    if (sum.checks >= MEASURED * (1 + (this.#phase >> 1))) this.#next(this.#tried)
  }

  /** Whether the PDP takes longer for many checks than for few, if known. The network latency is the same for both. */
  get #mayGrow (): boolean {
    const { time: small, requests: few } = this.#small
    const { time: large, requests: many } = this.#large
    return few < TELLING || many < TELLING || large / many > GROWS * small / few
  }

  /** Begins a trial, if there is something to gain. */
  #begin (): void {
    const isFast = this.#time / this.#answered < FAST
    const isBatched = this.#answered > this.#requests
    this.#answered = 0
    this.#requests = 0
    this.#time = 0
    const smaller = this.#size > 1 && isBatched && !isFast && this.#mayGrow ? Math.ceil(this.#size / STEP) : undefined
    const larger = this.#size < this.#most ? Math.min(this.#size * STEP, this.#most) : undefined
    this.#small = { time: 0, requests: 0 }
    this.#large = { time: 0, requests: 0 }
    this.#tried = this.#isSmallerNext ? smaller ?? larger : larger ?? smaller
    this.#phase = 0
    this.#settling = SETTLING
    this.#sums = [newSum(), newSum()]
  }

  #next (tried: number): void {
    this.#phase++
    this.#settling = SETTLING
    if (this.#phase < 2 * ROUNDS) return
    const [before, during] = this.#sums
    const isBetter = valueOf(during) / valueOf(before) < (tried < this.#size ? SMALLER_BELOW : LARGER_BELOW)
    if (isBetter) this.#size = tried
    else this.#isSmallerNext = !this.#isSmallerNext
    this.#pause = isBetter ? LEAST_PAUSE : Math.min(this.#pause * 2, MOST_PAUSE)
    this.#tried = undefined
    this.#phase = 0
  }
}

function newSum (): Sum {
  return { squares: 0, outstanding: 0, checks: 0 }
}

function valueOf ({ squares, outstanding, checks }: Sum): number {
  return squares / checks / (outstanding / checks) ** 2
}
