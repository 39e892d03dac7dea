// What a line for the terminal is made of: text, and text in a color. Escape sequences are made of it when it is written, and only then.

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

/** An answer that is yes. */
export const yes = painter('green')
/** An answer that is no. */
export const no = painter('red')
/** An answer that depends on something, or a part that needs attention. */
export const maybe = painter('yellow')
/** A heading. */
export const strong = painter('bold')
/** What is there for orientation only. */
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
