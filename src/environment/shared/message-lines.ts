// Splits what a socket receives into lines, which are bounded.
import { readJson } from '../../kit/read-json.js'

const NEWLINE = 0x0a

/** The lines of one connection. */
export class MessageLines {
  readonly #maxLength: number
  #pieces: Buffer[] = []
  #length = 0

  /** @param maxLength of a line, bytes */
  constructor (maxLength: number) {
    this.#maxLength = maxLength
  }

  /**
   * The messages that end in this chunk.
   * @throws when a line is too long, or is not JSON in UTF-8
   */
  * push (chunk: Buffer): Generator<unknown> {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#add(chunk.subarray(start, end))
      const bytes = this.#pieces.length === 1 ? this.#pieces[0] as Buffer : Buffer.concat(this.#pieces)
      this.#pieces = []
      this.#length = 0
      start = end + 1
      yield readJson(decoder.decode(bytes))
    }
    if (start < chunk.length) this.#add(chunk.subarray(start))
  }

  #add (piece: Buffer): void {
    this.#length += piece.length
    if (this.#length > this.#maxLength) throw new Error(`a message is longer than ${this.#maxLength} bytes`)
    this.#pieces.push(piece)
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true })
