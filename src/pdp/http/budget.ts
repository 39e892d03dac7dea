// A bound for requests that nobody has asked for: retries and hedges, as a share of those that somebody has.

/** Each request earns a share of an extra one, up to a bound, so that a quiet time pays for a short burst and no more. */
export class Budget {
  readonly #share: number
  readonly #burst: number
  #saved: number

  /**
   * @param share extra requests for each that was asked for, for example 0.1
   * @param burst how many may be saved; there are so many at the start
   */
  constructor (share: number, burst: number) {
    this.#share = share
    this.#burst = burst
    this.#saved = burst
  }

  earn (): void {
    this.#saved = Math.min(this.#burst, this.#saved + this.#share)
  }

  /** Whether there may be one more; it then counts. */
  take (): boolean {
    if (this.#saved < 1) return false
    this.#saved--
    return true
  }
}
