// Serializes answers piece by piece, up to a size limit, so that a large answer neither blocks other requests nor fills the memory.
import { Failure } from './error-responses.js'

/** The most bytes of an answer. */
const MAX_ANSWER = 4 * 1024 * 1024

/** How many levels of an answer are written member by member: the answer, a list in it, an item, and a list in the item. */
const LEVELS = 4

/** How many characters are converted to bytes at a time. */
const CHUNK = 64 * 1024

/**
 * Serializes a value as JSON, in steps of a few milliseconds.
 *
 * @throws 503 when the answer is larger than {@link MAX_ANSWER}
 */
export function * answerText (value: unknown): Generator<undefined, Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  let text = ''
  const flush = (): void => {
    const chunk = Buffer.from(text)
    text = ''
    bytes += chunk.length
    if (bytes > MAX_ANSWER) throw new Failure(503, `the answer is larger than ${MAX_ANSWER} bytes; request less at a time`)
    chunks.push(chunk)
  }
  for (const piece of pieces(value, LEVELS)) {
    text += piece
    if (text.length > CHUNK) flush()
    yield
  }
  flush()
  return Buffer.concat(chunks, bytes)
}

function * pieces (value: unknown, levels: number): Generator<string> {
  if (levels === 0 || typeof value !== 'object' || value === null) {
    yield JSON.stringify(value) ?? 'null'
  } else if (Array.isArray(value)) {
    let before = '['
    for (const item of value) {
      yield before
      before = ','
      yield * pieces(item, levels - 1)
    }
    yield before === '[' ? '[]' : ']'
  } else {
    let before = '{'
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined) continue
      yield `${before}${JSON.stringify(key)}:`
      before = ','
      yield * pieces(item, levels - 1)
    }
    yield before === '{' ? '{}' : '}'
  }
}
