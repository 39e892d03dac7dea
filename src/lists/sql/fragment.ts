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

/** SQL as texts, values and columns in turn. */
export class Fragment<C = unknown> {
  readonly pieces: ReadonlyArray<Piece<C>>

  constructor (pieces: ReadonlyArray<Piece<C>>) {
    this.pieces = pieces
  }
}

/** SQL with values, columns and other fragments in it. */
export function sql (strings: TemplateStringsArray, ...parts: Array<Fragment | Bound | Reference>): Fragment {
  const pieces: Piece[] = []
  const add = (piece: Piece): void => {
    const last = pieces.at(-1)
    if (typeof piece === 'string' && typeof last === 'string') pieces[pieces.length - 1] = last + piece
    else if (piece !== '') pieces.push(piece)
  }
  for (const [index, text] of strings.entries()) {
    add(text)
    const part = parts[index]
    if (part instanceof Fragment) part.pieces.forEach(add)
    else if (part !== undefined) add(part)
  }
  return new Fragment(pieces)
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
  return parts.reduce<Fragment>((all, part, index) => sql`${all}${raw(index === 0 ? '' : between)}${part}`, raw(''))
}

export const TRUE = raw('1 = 1')
export const FALSE = raw('1 = 0')

/** All of them; what is true anyway is left out. */
export function all (parts: readonly Fragment[]): Fragment {
  return joinParts(parts, TRUE, FALSE, rest => sql`(${joined(rest, ' AND ')})`)
}

/** One of them; what is never true is left out. */
export function any (parts: readonly Fragment[]): Fragment {
  return joinParts(parts, FALSE, TRUE, rest => sql`(${joined(rest, ' OR ')})`)
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
