// The body of a response, bounded in size. What is left of a rejected response is read, to keep the connection alive, and dropped.

/** A rejected response is read up to this many bytes; a longer one closes the connection. */
const DISCARD_LIMIT = 16 * 1024

/** Collects the parts of a body. */
export class BoundedBody {
  /** The largest size, bytes. */
  limit: number
  #chunks: Buffer[] = []
  #size = 0
  #isDiscarded = false

  constructor (limit: number) {
    this.limit = limit
  }

  /** Adds a part. Returns false, and does not keep the part, when the body is larger than its limit. */
  add (chunk: Buffer): boolean {
    this.#size += chunk.length
    if (this.#size > this.limit) return false
    if (!this.#isDiscarded) this.#chunks.push(chunk)
    return true
  }

  /** All bytes so far. */
  bytes (): Buffer {
    return this.#chunks.length === 1 ? this.#chunks[0] as Buffer : Buffer.concat(this.#chunks)
  }

  /** Drops the body, and all parts that still arrive. */
  discard (): void {
    this.limit = DISCARD_LIMIT
    this.#isDiscarded = true
    this.#chunks = []
  }
}
