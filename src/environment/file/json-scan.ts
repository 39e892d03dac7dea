// Walks over the text of a JSON document once, without making values of it: how deep it is nested, how many members it has, and where
import { readJson } from '../../kit/read-json.js'
// its parts are, so that they can be read one after the other.
import {
  CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, endOfString, OPEN_BRACE, OPEN_BRACKET, QUOTE, skipSpace
} from '../../kit/json-characters.js'

/** Levels of brackets, and no more: what reads the document afterwards is recursive. */
export const MAX_BRACKETS = 127

/** Characters of a part that is read at once: some milliseconds. */
const PIECE = 64 * 1024

/** Characters between two steps of a scan. */
const STEP = 512 * 1024

/** A part of a text. */
export interface Piece {
  readonly start: number
  readonly end: number
  /** Members of objects in it, counted in the text. A value made of it has fewer where a key is there twice. */
  readonly members: number
}

/** The value of one member of a document. */
export interface Section extends Piece {
  /** Parts of a list or an object, between two of its commas. None of them is empty in a document that is JSON. */
  readonly pieces: readonly Piece[]
  readonly kind: 'list' | 'object' | 'other'
}

/** The text as a bracket begins it: an object or a list. JSON may begin otherwise, but then it is short. */
export function beginsWithBracket (text: string): boolean {
  const first = text.charCodeAt(skipSpace(text, startOf(text)))
  return first === OPEN_BRACE || first === OPEN_BRACKET
}

/** Where the document begins: after the byte order mark. */
export function startOf (text: string): 0 | 1 {
  return text.charCodeAt(0) === 0xFEFF ? 1 : 0
}

/** Brackets and members of a text, which need not be JSON: what is in quotes is not counted. */
export function measure (text: string): { readonly members: number, readonly tooDeepAt: number | undefined } {
  let depth = 0
  let members = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (code === COLON) members++
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
    else if ((code === OPEN_BRACE || code === OPEN_BRACKET) && ++depth > MAX_BRACKETS) return { members, tooDeepAt: at }
  }
  return { members, tooDeepAt: undefined }
}

/**
 * The members of the object that the text is, in steps. Undefined when the text is not one: not JSON on its first level, a key that is
 * there twice, or nested too deep. Its values need not be JSON.
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

/** What a key stands for; undefined when it is none. */
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
  // The bracket of the document is around it.
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

/** Where a value ends that has no brackets. */
function endOfOther (text: string, start: number): number {
  if (text.charCodeAt(start) === QUOTE) return Math.min(endOfString(text, start) + 1, text.length)
  let at = start
  while (at < text.length && !',}] \n\r\t'.includes(text.charAt(at))) at++
  return at
}
