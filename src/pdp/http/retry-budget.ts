// A budget for additional requests (retries and hedges): a share of the regular ones.

/** Each regular request earns a share of an additional one. Savings are bounded, so a quiet period pays for a short burst only. */
export class Budget {
  readonly #share: number
  readonly #burst: number
  #saved: number

  /**
   * @param share additional requests per regular request, for example 0.1
   * @param burst the most that can be saved, and what is available at the start
   */
  constructor (share: number, burst: number) {
    this.#share = share
    this.#burst = burst
    this.#saved = burst
  }

  earn (): void {
    this.#saved = Math.min(this.#burst, this.#saved + this.#share)
  }

  /** Takes one additional request from the budget; false when the budget is used up. */
  take (): boolean {
    if (this.#saved < 1) return false
    this.#saved--
    return true
  }
}
