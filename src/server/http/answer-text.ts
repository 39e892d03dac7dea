// JSON that is written in pieces, and only up to a bound: an answer holds nobody else up, and is never larger than a few megabytes.
import { Failure } from './failures.js'

/** Bytes of an answer at most. */
export const MAX_ANSWER = 4 * 1024 * 1024

/** Levels of an answer that are written member by member: an answer, a list in it, an item, a list in that. */
const LEVELS = 4

/** Characters that are turned into bytes at a time. */
const CHUNK = 64 * 1024

/**
 * Writes JSON, in steps of a few milliseconds.
 *
 * @throws 503 when it would be larger than an answer may be
 */
export function * answerText (value: unknown): Generator<undefined, Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  let text = ''
  const flush = (): void => {
    const chunk = Buffer.from(text)
    text = ''
    bytes += chunk.length
    if (bytes > MAX_ANSWER) throw new Failure(503, `the answer is larger than ${MAX_ANSWER} bytes: ask for less at a time`)
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
