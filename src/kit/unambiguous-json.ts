// Reads JSON that says one thing: an object with a name twice is refused. JSON.parse keeps the last one, other programs keep the first one,
// so a gateway and a PDP could read two different questions, and a PDP and an app two different decisions, from the same text.
import {
  CLOSE_BRACE, CLOSE_BRACKET, COLON, endOfString, OPEN_BRACE, OPEN_BRACKET, QUOTE
} from './json-characters.js'
import { readJson } from './read-json.js'

/** An object has a name twice. */
export class DuplicateNameError extends Error {
  override readonly name = 'DuplicateNameError'
}

/**
 * Parses JSON as `JSON.parse` does, and refuses an object that has a name twice, however the name is written.
 *
 * @throws {@link DuplicateNameError}, `SyntaxError`, or `RangeError` for a text that is nested too deep
 */
export function readUnambiguousJson (text: string): unknown {
  const value = readJson(text)
  if (measure(text).members !== membersOf(value)) throw new DuplicateNameError()
  return value
}

/**
 * Counts brackets and members outside of strings. The text may be invalid JSON.
 * @param maxDepth - the most levels of brackets
 */
export function measure (text: string, maxDepth = Infinity): { readonly members: number, readonly tooDeepAt: number | undefined } {
  let depth = 0
  let members = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (code === COLON) members++
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
    else if ((code === OPEN_BRACE || code === OPEN_BRACKET) && ++depth > maxDepth) return { members, tooDeepAt: at }
  }
  return { members, tooDeepAt: undefined }
}

/** Counts the members of all objects in a parsed value. Of a text that has a name twice in an object, it has fewer than the text. */
export function membersOf (value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = 0
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object') count += membersOf(item)
    return count
  }
  const record = value as Readonly<Record<string, unknown>>
  for (const key of Object.keys(record)) {
    const member = record[key]
    count += typeof member === 'object' ? 1 + membersOf(member) : 1
  }
  return count
}
