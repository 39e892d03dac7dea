// JSON.parse, with the right names of members. V8 since 12.8 (Node 24) compares a name as it is written, escape sequences included, with
// names that it has read before, and may take it for one of those: after a text with `{"h":0,"\\":0}`, the name in `{"h":0,"\n":0}` is `\`
// (https://github.com/nodejs/node/issues/63785). A document could so change how another one is read.

import {
  BACKSLASH, CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE, skipSpace
} from './json-characters.js'

const PRIMITIVE = /[^ \n\r\t,\]}]+/y

/**
 * Parses JSON as `JSON.parse` does. A text in which a name has an escape sequence, which is rare, takes several times as long.
 *
 * @throws `SyntaxError`
 */
export function readJson (text: string): unknown {
  const value: unknown = JSON.parse(text)
  return text.includes('\\') && hasEscapedName(text) ? new Reader(text).value() : value
}

/** The text is JSON. */
function hasEscapedName (text: string): boolean {
  for (let at = text.indexOf('\\'); at !== -1; at = text.indexOf('\\', at)) {
    at = skipSpace(text, endOfString(text, at))
    if (text.charCodeAt(at) === COLON) return true
  }
  return false
}

/** Where a string is over, from a place inside of it. */
function endOfString (text: string, from: number): number {
  let at = from
  while (text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1
  return at + 1
}

/** Reads a text that is JSON, member by member. Strings and numbers are read by `JSON.parse`. */
class Reader {
  readonly #text: string
  #at = 0

  constructor (text: string) {
    this.#text = text
  }

  value (): unknown {
    switch (this.#next()) {
      case OPEN_BRACE: return this.#object()
      case OPEN_BRACKET: return this.#list()
      case QUOTE: return this.#string()
      default: return this.#primitive()
    }
  }

  #object (): object {
    const object = {}
    this.#at++
    for (let next = this.#next(); next !== CLOSE_BRACE; next = this.#next()) {
      if (next === COMMA) {
        this.#at++
        this.#next()
      }
      const name = this.#string()
      this.#next()
      this.#at++
      // Not by assignment: `__proto__` is a name like any other.
      Object.defineProperty(object, name, { value: this.value(), writable: true, enumerable: true, configurable: true })
    }
    this.#at++
    return object
  }

  #list (): unknown[] {
    const list: unknown[] = []
    this.#at++
    for (let next = this.#next(); next !== CLOSE_BRACKET; next = this.#next()) {
      if (next === COMMA) this.#at++
      list.push(this.value())
    }
    this.#at++
    return list
  }

  #string (): string {
    const start = this.#at
    this.#at = endOfString(this.#text, start + 1)
    return JSON.parse(this.#text.slice(start, this.#at)) as string
  }

  #primitive (): unknown {
    const start = this.#at
    PRIMITIVE.lastIndex = start
    PRIMITIVE.test(this.#text)
    this.#at = PRIMITIVE.lastIndex
    return JSON.parse(this.#text.slice(start, this.#at))
  }

  /** The next character that is no blank. */
  #next (): number {
    this.#at = skipSpace(this.#text, this.#at)
    return this.#text.charCodeAt(this.#at)
  }
}
