// Parses JSON in steps. `JSON.parse` of a megabyte would block other requests for a tenth of a second.
import {
  CLOSE_BRACE, CLOSE_BRACKET, COMMA, endOfString, OPEN_BRACE, OPEN_BRACKET, QUOTE, skipSpace
} from '../../kit/json-characters.js'
import { DuplicateNameError, readUnambiguousJson } from '../../kit/unambiguous-json.js'

/** The text is nested too deeply. */
export class TooDeepError extends Error {
  override readonly name = 'TooDeepError'
}

/** The most characters that are parsed in one step: a few milliseconds at worst. */
const PIECE = 64 * 1024

/**
 * Parses a text in steps of a few milliseconds. The values are equal to those of `JSON.parse`, but a name twice in one object is refused.
 *
 * Lists and objects longer than `piece` are parsed member by member. Everything else goes to `JSON.parse`, which decides what is valid.
 *
 * @param maxDepth - the most levels of nesting
 * @throws {@link TooDeepError}, `DuplicateNameError`, or `SyntaxError`
 */
export function * parseJson (text: string, maxDepth: number, piece = PIECE): Generator<undefined, unknown> {
  const long = longContainers(text, maxDepth, piece)
  yield
  const start = skipSpace(text, 0)
  const end = long.get(start)
  if (end === undefined) return readUnambiguousJson(text)
  if (skipSpace(text, end + 1) !== text.length) throw new SyntaxError('text after the value')
  return yield * new Pieces(text, long, piece).container(start, end)
}

/** Maps the first character of each list and object longer than `piece` to its last character. */
function longContainers (text: string, maxDepth: number, piece: number): Map<number, number> {
  const long = new Map<number, number>()
  const open: number[] = []
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) {
      index = endOfString(text, index)
      if (index === text.length) throw new SyntaxError('unexpected end of the text')
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (open.push(index) > maxDepth) throw new TooDeepError()
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      const start = open.pop()
      if (start === undefined) throw new SyntaxError('unexpected closing bracket')
      if (index - start > piece) long.set(start, index)
    }
  }
  if (open.length > 0) throw new SyntaxError('unexpected end of the text')
  return long
}

class Pieces {
  readonly #text: string
  readonly #long: ReadonlyMap<number, number>
  readonly #piece: number

  constructor (text: string, long: ReadonlyMap<number, number>, piece: number) {
    this.#text = text
    this.#long = long
    this.#piece = piece
  }

  /** Parses the list or object between two brackets. Recursive, but the depth of the text is limited. */
  * container (start: number, end: number): Generator<undefined, unknown> {
    const text = this.#text
    const isList = text.charCodeAt(start) === OPEN_BRACKET
    if (text.charCodeAt(end) !== (isList ? CLOSE_BRACKET : CLOSE_BRACE)) throw new SyntaxError('the brackets do not match')
    const list: unknown[] = []
    const object: Record<string, unknown> = {}
    const parse = (from: number, to: number): void => {
      const part = text.slice(from, to)
      if (isBlank(part)) throw new SyntaxError('a member is missing')
      if (isList) for (const item of readUnambiguousJson(`[${part}]`) as unknown[]) list.push(item)
      else for (const [key, value] of Object.entries(readUnambiguousJson(`{${part}}`) as object)) set(object, key, value)
    }
    /** Where the unparsed members start, and where the current member starts. */
    let from = start + 1
    let member = from
    let empty = true
    for (let index = from; index < end; index++) {
      const code = text.charCodeAt(index)
      if (from === SKIPPED) {
        if (code === COMMA) from = member = index + 1
        else if (skipSpace(text, index) === index) throw new SyntaxError('text after a value')
      } else if (code === QUOTE) {
        index = endOfString(text, index)
      } else if (code === COMMA) {
        empty = false
        if (index - from > this.#piece) {
          parse(from, index)
          from = index + 1
          yield
        }
        member = index + 1
      } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
        const itsEnd = this.#long.get(index)
        if (itsEnd === undefined) {
          index = this.#endOfShort(index)
          continue
        }
        if (member > from) parse(from, member - 1)
        const head = text.slice(member, index)
        yield
        const value = yield * this.container(index, itsEnd)
        if (!isList) set(object, keyOf(head), value)
        else if (isBlank(head)) list.push(value)
        else throw new SyntaxError('text before a value')
        empty = false
        from = SKIPPED
        index = itsEnd
      }
    }
    if (from !== SKIPPED && !(empty && isBlank(text.slice(from, end)))) parse(from, end)
    return isList ? list : object
  }

  /** The last character of a list or object that is not longer than a piece. */
  #endOfShort (start: number): number {
    const text = this.#text
    let depth = 0
    for (let index = start; ; index++) {
      const code = text.charCodeAt(index)
      if (code === QUOTE) index = endOfString(text, index)
      else if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++
      else if ((code === CLOSE_BRACE || code === CLOSE_BRACKET) && --depth === 0) return index
    }
  }
}

/** Replaces the start of the unparsed members between a long member and the next comma. */
const SKIPPED = -1

/** Parses `"key":`. */
function keyOf (head: string): string {
  const [key, ...others] = Object.keys(readUnambiguousJson(`{${head}null}`) as object)
  if (key === undefined || others.length > 0) throw new SyntaxError('a key is missing')
  return key
}

/** `__proto__` is an ordinary key, as in `JSON.parse`. */
function set (object: Record<string, unknown>, key: string, value: unknown): void {
  if (Object.hasOwn(object, key)) throw new DuplicateNameError()
  if (key === '__proto__') Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
  else object[key] = value
}

function isBlank (text: string): boolean {
  return skipSpace(text, 0) === text.length
}
