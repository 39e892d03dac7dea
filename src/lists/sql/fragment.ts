// SQL with its values and columns kept apart from the text: each library binds them in its own way, and none becomes part of the text.

import { joinParts } from '../condition-parts.js'

/** A value that the database gets beside the text. */
export interface Bound {
  readonly value: string | number
}

/** A column, as the mapping has it. */
export interface Reference<C = unknown> {
  readonly column: C
}

export type Piece<C = unknown> = string | Bound | Reference<C>

/**
 * SQL as texts, values and columns in turn. Fragments are put into fragments, and laid out once at the end: a plan may have thousands of
 * parts.
 */
export class Fragment<C = unknown> {
  readonly #parts: ReadonlyArray<Piece<C> | Fragment<C>>
  #pieces: ReadonlyArray<Piece<C>> | undefined

  constructor (parts: ReadonlyArray<Piece<C> | Fragment<C>>) {
    this.#parts = parts
  }

  get pieces (): ReadonlyArray<Piece<C>> {
    if (this.#pieces === undefined) {
      const pieces: Array<Piece<C>> = []
      this.#layOut(pieces)
      this.#pieces = pieces
    }
    return this.#pieces
  }

  #layOut (pieces: Array<Piece<C>>): void {
    for (const part of this.#parts) {
      if (part instanceof Fragment) {
        part.#layOut(pieces)
        continue
      }
      const last = pieces[pieces.length - 1]
      if (typeof part === 'string' && typeof last === 'string') pieces[pieces.length - 1] = last + part
      else if (part !== '') pieces.push(part)
    }
  }
}

/** SQL with values, columns and other fragments in it. */
export function sql (strings: TemplateStringsArray, ...parts: Array<Fragment | Bound | Reference>): Fragment {
  const all: Array<string | Fragment | Bound | Reference> = []
  for (let index = 0; index < strings.length; index++) {
    all.push(strings[index] as string)
    const part = parts[index]
    if (part !== undefined) all.push(part)
  }
  return new Fragment(all)
}

/** SQL of the translation's own making: an operator, an alias. Never anything from outside. */
export function raw (text: string): Fragment {
  return new Fragment([text])
}

export function bound (value: string | number): Bound {
  return { value }
}

export function commas (parts: ReadonlyArray<Fragment | Bound>): Fragment {
  return joined(parts, ', ')
}

function joined (parts: ReadonlyArray<Fragment | Bound>, between: string): Fragment {
  const all: Array<string | Fragment | Bound> = []
  for (const part of parts) {
    if (all.length > 0) all.push(between)
    all.push(part)
  }
  return new Fragment(all)
}

/** As many parts follow one another; more are put in halves. SQLite accepts a depth of 1,000, and each operator is one deeper. */
const MANY_PARTS = 16

/** The parts in brackets, with an operator between them that is associative. */
function grouped (parts: readonly Fragment[], operator: ' AND ' | ' OR '): Fragment {
  if (parts.length <= MANY_PARTS) return sql`(${joined(parts, operator)})`
  const middle = parts.length >>> 1
  return sql`(${grouped(parts.slice(0, middle), operator)}${raw(operator)}${grouped(parts.slice(middle), operator)})`
}

export const TRUE = raw('1 = 1')
export const FALSE = raw('1 = 0')

/** All of them; what is true anyway is left out. */
export function all (parts: readonly Fragment[]): Fragment {
  return joinParts(parts, TRUE, FALSE, rest => grouped(rest, ' AND '))
}

/** One of them; what is never true is left out. */
export function any (parts: readonly Fragment[]): Fragment {
  return joinParts(parts, FALSE, TRUE, rest => grouped(rest, ' OR '))
}

/** True exactly where the other is not, NULL included. */
export function not (part: Fragment): Fragment {
  if (part === TRUE) return FALSE
  if (part === FALSE) return TRUE
  return sql`((${part}) IS NOT TRUE)`
}

/**
 * The pieces as a tagged template of a library has them: the texts, and the parts between them.
 *
 * @param partOf - a value or a column, as the library takes it
 */
export function templateOf<C> (
  { pieces }: Fragment<C>, partOf: (piece: Bound | Reference<C>) => unknown
): { texts: TemplateStringsArray, parts: unknown[] } {
  const texts = ['']
  const parts: unknown[] = []
  for (const piece of pieces) {
    if (typeof piece === 'string') {
      texts[texts.length - 1] += piece
      continue
    }
    texts.push('')
    parts.push(partOf(piece))
  }
  return { texts: Object.assign(texts, { raw: texts }), parts }
}
