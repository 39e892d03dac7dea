// Measures how deep YAML is nested before anything recursive sees it: a line of fifty thousand dashes is a valid document, and
// composing it overflows the stack so hard that the process dies, where no `catch` helps.

import { Lexer } from 'yaml'

/** Marks that the lexer puts in; they are not part of the text. */
const MARKS = new Set(['\x02', '\x18', '\x1f'])

/**
 * Where the text is nested deeper than the limit: the offset, or `undefined`.
 *
 * Looks at tokens only, so its cost is in proportion to the text. It may count one level more than there is, never one less.
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

/** A block that begins at this column ends those that began at it or right of it. */
function enter (columns: number[], column: number): void {
  while ((columns.at(-1) ?? -1) >= column) columns.pop()
  columns.push(column)
}
