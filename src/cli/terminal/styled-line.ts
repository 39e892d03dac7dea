// The parts of a line for the terminal: text, and colored text. Escape sequences are only created when the line is written.

/** The colors and weights that are used. */
export type Paint = 'green' | 'red' | 'yellow' | 'bold' | 'dim'

/** Text in a color. */
export interface Painted {
  readonly paint: Paint
  readonly text: string
}

/** A part of a line. */
export type Span = string | Painted

/** A line. A line break in its text does not end it: it is written out. */
export type Line = Span | readonly Span[]

/** A positive answer. */
export const yes = painter('green')
/** A negative answer. */
export const no = painter('red')
/** An answer that depends on something, or a part that needs attention. */
export const maybe = painter('yellow')
/** A heading. */
export const strong = painter('bold')
/** Text for orientation. */
export const faint = painter('dim')

/** A value as the lines of a JSON document. Unprintable characters are escaped on output, which does not change the document. */
export function jsonLines (value: unknown): Line[] {
  return (JSON.stringify(value, null, 2) ?? 'null').split('\n')
}

/** The parts of a line. */
export function spansOf (line: Line): readonly Span[] {
  return typeof line === 'string' || 'paint' in line ? [line] : line
}

function painter (paint: Paint): (text: string) => Painted {
  return text => ({ paint, text })
}
