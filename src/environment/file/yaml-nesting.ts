// Measures the nesting of YAML before any recursive code sees it: a line of fifty thousand dashes is a valid document, and parsing it
// would overflow the stack and crash the process, where no `catch` helps.

/** Tokens that the lexer inserts; they are not part of the text. */
const MARKS = new Set(['\x02', '\x18', '\x1f'])

/**
 * Measures nesting while a text is read token by token.
 *
 * Only looks at tokens, so its cost is proportional to the text. It may count one level too many, but never one too few.
 */
export class Nesting {
  readonly #limit: number
  readonly #columns: number[] = []
  #flow = 0
  #offset = 0
  #lineStart = 0
  #atLineStart = true

  constructor (limit: number) {
    this.#limit = limit
  }

  /** Where the next token begins. */
  get offset (): number {
    return this.#offset
  }

  /** Takes the next token of yaml's lexer. Returns whether it is nested deeper than the limit; then the offset is that of the token. */
  exceeds (lexeme: string): boolean {
    if (MARKS.has(lexeme)) return false
    if (lexeme.trim() !== '') {
      if (lexeme === ']' || lexeme === '}') this.#flow = Math.max(0, this.#flow - 1)
      else if (this.#flow === 0 && (this.#atLineStart || lexeme === '-' || lexeme === '?')) this.#enter(this.#offset - this.#lineStart)
      if (lexeme === '[' || lexeme === '{') this.#flow++
      if (this.#columns.length + this.#flow > this.#limit) return true
      this.#atLineStart = false
    }
    this.#offset += lexeme.length
    const newline = lexeme.lastIndexOf('\n')
    if (newline !== -1) {
      this.#lineStart = this.#offset - (lexeme.length - newline - 1)
      this.#atLineStart = true
    }
    return false
  }

  /** A block at this column ends the blocks that began at it or to the right of it. */
  #enter (column: number): void {
    while ((this.#columns.at(-1) ?? -1) >= column) this.#columns.pop()
    this.#columns.push(column)
  }
}
