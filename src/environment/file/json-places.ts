// Finds the places of parts of a JSON document, only when a message needs them. The text is known to be valid JSON.

import { endOfString, skipSpace } from '../../kit/json-characters.js'
import { startOf, textOf } from './json-scan.js'

type Path = ReadonlyArray<string | number>

/** A duplicate key. */
export interface DuplicateKey {
  readonly path: Path
  readonly offset: number
  /** The place of its first occurrence. */
  readonly first: number
}

/** A part of a document to find, and the parts of it to find. */
class Wanted {
  offset: number | undefined
  readonly names = new Map<string, Wanted>()
  readonly items = new Map<number, Wanted>()

  /** The part at this step; it is added if it is missing. */
  at (step: string | number): Wanted[] {
    const name = String(step)
    let named = this.names.get(name)
    if (named === undefined) this.names.set(name, named = new Wanted())
    if (typeof step === 'string') return [named]
    let item = this.items.get(step)
    if (item === undefined) this.items.set(step, item = new Wanted())
    return [named, item]
  }

  /** The last one of duplicate keys counts. */
  clear (): void {
    for (const part of [...this.names.values(), ...this.items.values()]) {
      if (part.offset !== undefined) part.clear()
      part.offset = undefined
    }
  }
}

/**
 * The places at which the paths begin: the key of a member, the item of a list, or the closest part around a missing one.
 *
 * @param start - the offset of the value that the paths start from
 */
export function offsetsOf (text: string, paths: readonly Path[], start: number = skipSpace(text, startOf(text))): number[] {
  const root = new Wanted()
  root.offset = start
  for (const path of paths) {
    let parts = [root]
    for (const step of path) parts = parts.flatMap(part => part.at(step))
  }
  find(text, start, root)
  return paths.map(path => deepest(root, path))
}

/** The offset of the deepest existing part of the path. */
function deepest (part: Wanted, path: Path): number {
  const [step, ...rest] = path
  if (step === undefined) return part.offset ?? 0
  const candidates = [part.names.get(String(step)), typeof step === 'number' ? part.items.get(step) : undefined]
  const next = candidates.find(found => found?.offset !== undefined)
  return next === undefined ? part.offset ?? 0 : deepest(next, rest)
}

/** Records the offsets of the wanted parts of the value, and returns its end. Recursive: the nesting of the document is limited. */
function find (text: string, start: number, wanted: Wanted | undefined): number {
  const open = text[start]
  if (open === '"') return endOfString(text, start) + 1
  if (open !== '{' && open !== '[') return endOfScalar(text, start)
  if (wanted === undefined || wanted.names.size === 0) return endOfBrackets(text, start)
  let at = skipSpace(text, start + 1)
  for (let index = 0; text[at] !== '}' && text[at] !== ']'; index++) {
    let part: Wanted | undefined
    const offset = at
    if (open === '{') {
      const end = endOfString(text, at) + 1
      part = wanted.names.get(textOf(text.slice(at, end)) ?? '')
      at = skipSpace(text, skipSpace(text, end) + 1)
    } else {
      part = wanted.items.get(index)
    }
    if (part !== undefined) {
      part.clear()
      part.offset = offset
    }
    at = skipSpace(text, find(text, at, part))
    if (text[at] === ',') at = skipSpace(text, at + 1)
  }
  return at + 1
}

function endOfScalar (text: string, start: number): number {
  let at = start
  while (at < text.length && !',}] \n\r\t'.includes(text.charAt(at))) at++
  return at
}

function endOfBrackets (text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const character = text[at]
    if (character === '"') at = endOfString(text, at)
    else if (character === '{' || character === '[') depth++
    else if ((character === '}' || character === ']') && --depth === 0) return at + 1
  }
  return text.length
}

/** Duplicate keys, in the order of the text; at most `max`. */
export function duplicateKeys (text: string, max: number): DuplicateKey[] {
  const found: DuplicateKey[] = []
  const path: Array<string | number> = []

  // Recursive: the nesting of the document is limited.
  function walk (start: number): number {
    const open = text[start]
    if (open === '"') return endOfString(text, start) + 1
    if (open !== '{' && open !== '[') return endOfScalar(text, start)
    const seen = new Map<string, number>()
    let at = skipSpace(text, start + 1)
    for (let index = 0; text[at] !== '}' && text[at] !== ']'; index++) {
      if (open === '{') {
        const end = endOfString(text, at) + 1
        const key = textOf(text.slice(at, end)) ?? ''
        const first = seen.get(key)
        if (first === undefined) seen.set(key, at)
        else if (found.length < max) found.push({ path: [...path, key], offset: at, first })
        path.push(key)
        at = skipSpace(text, skipSpace(text, end) + 1)
      } else {
        path.push(index)
      }
      at = skipSpace(text, walk(at))
      path.pop()
      if (text[at] === ',') at = skipSpace(text, at + 1)
    }
    return at + 1
  }

  walk(skipSpace(text, startOf(text)))
  return found
}

/** Line and column of each offset, from 1. */
export function placesOf (text: string, offsets: readonly number[]): Array<{ readonly line: number, readonly column: number }> {
  const places = new Map<number, { readonly line: number, readonly column: number }>()
  let line = 1
  let lineStart = 0
  for (const offset of [...offsets].sort((a, b) => a - b)) {
    for (let end = text.indexOf('\n', lineStart); end !== -1 && end < offset; end = text.indexOf('\n', lineStart)) {
      line++
      lineStart = end + 1
    }
    places.set(offset, { line, column: offset - lineStart + 1 })
  }
  return offsets.map(offset => places.get(offset) ?? { line: 1, column: 1 })
}

const MARK = /[{}[\],:]/
const STRING = /"(?:[^"\\\p{Cc}]|[\u007f-\u009f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/u
const OTHER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/
const TOKEN = new RegExp(`(${MARK.source})|(${STRING.source})|${OTHER.source}`, 'uy')

/** The offset at which a text stops being JSON. */
export function syntaxErrorAt (text: string): number {
  const open: string[] = []
  let wants: 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'comma or end' | 'nothing' = 'value'
  let at = skipSpace(text, startOf(text))
  for (;;) {
    TOKEN.lastIndex = at
    const [token, mark, string] = TOKEN.exec(text) ?? []
    if (token === undefined) return at
    const inside = open.at(-1)
    if (mark === '{' || mark === '[') {
      if (wants !== 'value' && wants !== 'value or end') return at
      open.push(mark)
      wants = mark === '{' ? 'key or end' : 'value or end'
    } else if (mark === '}' || mark === ']') {
      const mayEnd = wants === 'comma or end' || wants === (mark === '}' ? 'key or end' : 'value or end')
      if (!mayEnd || inside !== (mark === '}' ? '{' : '[')) return at
      open.pop()
      wants = open.length === 0 ? 'nothing' : 'comma or end'
    } else if (mark === ',') {
      if (wants !== 'comma or end') return at
      wants = inside === '{' ? 'key' : 'value'
    } else if (mark === ':') {
      if (wants !== 'colon') return at
      wants = 'value'
    } else if (wants === 'key' || wants === 'key or end') {
      if (string === undefined) return at
      wants = 'colon'
    } else if (wants === 'value' || wants === 'value or end') {
      wants = open.length === 0 ? 'nothing' : 'comma or end'
    } else {
      return at
    }
    at = skipSpace(text, at + token.length)
    if (at >= text.length) return at
  }
}
