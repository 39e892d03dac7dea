// Measures the nesting of YAML before any recursive code sees it: a line of fifty thousand dashes is a valid document, and parsing it
// would overflow the stack and crash the process, where no `catch` helps.

import { Lexer } from 'yaml'

/** Tokens that the lexer inserts; they are not part of the text. */
const MARKS = new Set(['\x02', '\x18', '\x1f'])

/**
 * The offset at which the text is nested deeper than the limit; undefined when it is not.
 *
 * Only looks at tokens, so its cost is proportional to the text. It may count one level too many, but never one too few.
 */
export function tooDeepAt (text: string, limit: number): number | undefined {
  const columns: number[] = []
  let flow = 0
  let offset = 0
  let lineStart = 0
  let atLineStart = true
  for (const lexeme of new Lexer().lex(text)) {
    if (MARKS.has(lexeme)) continue
    if (lexeme.trim() !== '') {
      if (lexeme === ']' || lexeme === '}') flow = Math.max(0, flow - 1)
      else if (flow === 0 && (atLineStart || lexeme === '-' || lexeme === '?')) enter(columns, offset - lineStart)
      if (lexeme === '[' || lexeme === '{') flow++
      if (columns.length + flow > limit) return offset
      atLineStart = false
    }
    offset += lexeme.length
    const newline = lexeme.lastIndexOf('\n')
    if (newline !== -1) {
      lineStart = offset - (lexeme.length - newline - 1)
      atLineStart = true
    }
  }
  return undefined
}

/** A block at this column ends the blocks that began at it or to the right of it. */
function enter (columns: number[], column: number): void {
  while ((columns.at(-1) ?? -1) >= column) columns.pop()
  columns.push(column)
}
