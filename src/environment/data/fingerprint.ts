// Compares contents: a count and a sum over all entries, in any order, so that an update costs only as much as the change.
import { createHash } from 'node:crypto'

/** The fingerprint as it is stored with the content. */
export interface FingerprintState {
  readonly entries: number
  /** Two words of 32 bits. */
  readonly sum: readonly [number, number]
}

/** The fingerprint of a set of texts. */
export class Fingerprint {
  #entries = 0
  #high = 0
  #low = 0

  static of (state: FingerprintState): Fingerprint {
    const fingerprint = new Fingerprint()
    fingerprint.#entries = state.entries
    ;[fingerprint.#high, fingerprint.#low] = state.sum
    return fingerprint
  }

  get state (): FingerprintState {
    return { entries: this.#entries, sum: [this.#high, this.#low] }
  }

  add (entry: string): void {
    const [high, low] = wordsOf(entry)
    this.#entries++
    this.#high = (this.#high + high) >>> 0
    this.#low = (this.#low + low) >>> 0
  }

  /** Removes an entry that was added. */
  remove (entry: string): void {
    const [high, low] = wordsOf(entry)
    this.#entries--
    this.#high = (this.#high - high) >>> 0
    this.#low = (this.#low - low) >>> 0
  }

  equals ({ state: { entries, sum } }: Fingerprint): boolean {
    return entries === this.#entries && sum[0] === this.#high && sum[1] === this.#low
  }
}

function wordsOf (entry: string): [number, number] {
  const digest = createHash('sha256').update(entry).digest()
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)]
}
