// Walks over the text of a JSON document once, without making values of it: how deep it is nested, how many members it has, and where
// its parts are, so that they can be read one after the other.
import { readJson } from '../../kit/read-json.js'
import {
  CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, endOfString, OPEN_BRACE, OPEN_BRACKET, QUOTE, skipSpace
} from '../../kit/json-characters.js'

/** The most levels of brackets: the code that reads the document afterwards is recursive. */
export const MAX_BRACKETS = 127

/** Characters of a part that is read in one step: a few milliseconds. */
const PIECE = 64 * 1024

/** Characters between two steps of a scan. */
const STEP = 512 * 1024

/** A part of a text. */
export interface Piece {
  readonly start: number
  readonly end: number
  /** Members of the objects in it, counted in the text. The parsed value has fewer if there are duplicate keys. */
  readonly members: number
}

/** The value of one member of a document. */
export interface Section extends Piece {
  /** Parts of a list or an object, between two of its commas. In valid JSON none is empty. */
  readonly pieces: readonly Piece[]
  readonly kind: 'list' | 'object' | 'other'
}

/** Whether the text begins with a bracket: an object or a list. Other JSON values are short. */
export function beginsWithBracket (text: string): boolean {
  const first = text.charCodeAt(skipSpace(text, startOf(text)))
  return first === OPEN_BRACE || first === OPEN_BRACKET
}

/** The offset of the document, after a byte order mark. */
export function startOf (text: string): 0 | 1 {
  return text.charCodeAt(0) === 0xFEFF ? 1 : 0
}

/**
 * The members of an object in JSON, in steps. Undefined if the text is not an object, or invalid on its first level, has a duplicate
 * key there, or is nested too deep. The values are not checked.
 */
export function * sectionsOf (text: string): Generator<undefined, Map<string, Section> | undefined> {
  const sections = new Map<string, Section>()
  let at = skipSpace(text, startOf(text))
  if (text.charCodeAt(at) !== OPEN_BRACE) return undefined
  at = skipSpace(text, at + 1)
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = endOfString(text, at)
    const key = textOf(text.slice(at, keyEnd + 1))
    at = skipSpace(text, keyEnd + 1)
    if (key === undefined || sections.has(key) || text.charCodeAt(at) !== COLON) return undefined
    const section = yield * sectionAt(text, skipSpace(text, at + 1))
    if (section === undefined) return undefined
    sections.set(key, section)
    at = skipSpace(text, section.end)
    if (text.charCodeAt(at) === CLOSE_BRACE) return skipSpace(text, at + 1) === text.length ? sections : undefined
    if (text.charCodeAt(at) !== COMMA) return undefined
    at = skipSpace(text, at + 1)
  }
  return undefined
}

/** The value of a key in quotes; undefined if it is invalid. */
export function textOf (key: string): string | undefined {
  if (!key.includes('\\')) return key.slice(1, -1)
  try {
    return String(readJson(key))
  } catch {
    return undefined
  }
}

function * sectionAt (text: string, start: number): Generator<undefined, Section | undefined> {
  const open = text.charCodeAt(start)
  if (open !== OPEN_BRACKET && open !== OPEN_BRACE) {
    const end = endOfOther(text, start)
    return { start, end, members: 0, pieces: [], kind: 'other' }
  }
  const pieces: Piece[] = []
  // The brackets of the document and of this value are open.
  let depth = 2
  let members = 0
  let pieceStart = start + 1
  let membersBefore = 0
  let pause = start + STEP
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (code === COLON) members++
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > MAX_BRACKETS) return undefined
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      if (--depth === 1) {
        if (code !== open + 2) return undefined
        pieces.push({ start: pieceStart, end: at, members: members - membersBefore })
        return { start, end: at + 1, members, pieces, kind: open === OPEN_BRACKET ? 'list' : 'object' }
      }
    } else if (code === COMMA && depth === 2 && at - pieceStart > PIECE) {
      pieces.push({ start: pieceStart, end: at, members: members - membersBefore })
      pieceStart = at + 1
      membersBefore = members
      if (at > pause) {
        pause = at + STEP
        yield
      }
    }
  }
  return undefined
}

/** The end of a value without brackets. */
function endOfOther (text: string, start: number): number {
  if (text.charCodeAt(start) === QUOTE) return Math.min(endOfString(text, start) + 1, text.length)
  let at = start
  while (at < text.length && !',}] \n\r\t'.includes(text.charAt(at))) at++
  return at
}
