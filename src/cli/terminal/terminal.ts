// The only access to the terminal: all output of commands passes through here and is made printable.
import { isatty } from 'node:tty'
import { inspect } from 'node:util'
import { escaped, isCommand, printable } from '../../kit/printable.js'
import { spansOf, type Line, type Paint, type Span } from './styled-line.js'

/** Where a command reads its environment and writes its lines. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Width of the standard output in columns, where it is known. */
  readonly columns?: number
  /** Writes lines to the standard output: answers. */
  out (lines: readonly Line[]): void
  /** Writes lines to the standard error: what went wrong, and notes. */
  err (lines: readonly Line[]): void
  /** Prints a question and reads a line as its answer. Undefined when no terminal is attached. */
  readonly ask?: (question: string) => Promise<string>
}

/** The members of a stream that a terminal uses. */
export interface TextStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write (text: string): unknown
}

/** Creates a terminal that writes to the streams. */
export function createTerminal (stdout: TextStream, stderr: TextStream, env: Terminal['env']): Terminal {
  const columns = stdout.columns === undefined ? {} : { columns: stdout.columns }
  return { env, ...columns, out: writerTo(stdout, env), err: writerTo(stderr, env) }
}

/** Creates the terminal of this process. The standard error is opened when there is something to write to it, which is rare. */
export function processTerminal (): Terminal {
  const { env, stdout } = process
  let err: Terminal['err'] | undefined
  const columns = stdout.columns === undefined ? {} : { columns: stdout.columns }
  return {
    env,
    ...columns,
    out: writerTo(whileRead(stdout), env),
    err: lines => { (err ??= writerTo(whileRead(process.stderr), env))(lines) },
    ...(isatty(0) ? { ask: askPerson } : {})
  }
}

/** Asks on the standard error: the standard output has answers only. */
async function askPerson (question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises')
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await asking.question(printable(question))
  } finally {
    asking.close()
  }
}

/** A stream whose reader may close early, such as `head`. That is not a failure, and the exit code still reports the answer. */
function whileRead (stream: NodeJS.WriteStream): TextStream {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
  })
  return stream
}

/** A command that CI servers look for anywhere in a line, with colors between its characters. */
const COMMAND = /#((?:\u001b\[\d+m)*)#(?=(?:\u001b\[\d+m|\w)*\[)/g // eslint-disable-line no-control-regex

function writerTo (stream: TextStream, env: Terminal['env']): Terminal['out'] {
  const hasColors = wantsColors(stream, env)
  return lines => { if (lines.length > 0) stream.write(`${lines.map(line => render(line, hasColors)).join('\n')}\n`) }
}

/** FORCE_COLOR turns colors on (`0` and `false`: off), whatever else is set, as in Node itself; NO_COLOR turns them off. */
function wantsColors ({ isTTY = false }: TextStream, { FORCE_COLOR: force, NO_COLOR: none, TERM: term }: Terminal['env']): boolean {
  if (force !== undefined) return force !== '0' && force !== 'false'
  return isTTY && !none && term !== 'dumb'
}

interface Part {
  readonly paint: Paint | undefined
  readonly text: string
}

function render (line: Line, hasColors: boolean): string {
  const parts = withoutCommand(withoutEnd(spansOf(line).map(partOf)))
  const text = parts.map(({ paint, text }) => paint === undefined || !hasColors ? text : painted(paint, text)).join('')
  // Again: two parts may make a command together.
  return text.includes('#') ? text.replace(COMMAND, '#$1\\u0023') : text
}

function partOf (span: Span): Part {
  return typeof span === 'string' ? { paint: undefined, text: printable(span) } : { paint: span.paint, text: printable(span.text) }
}

/** Trailing blanks of the last column are omitted. */
function withoutEnd (parts: readonly Part[]): Part[] {
  const kept = [...parts]
  for (let last = kept.pop(); last !== undefined; last = kept.pop()) {
    const text = last.text.trimEnd()
    if (text !== '') return [...kept, { ...last, text }]
  }
  return []
}

function withoutCommand (parts: readonly Part[]): readonly Part[] {
  if (!isCommand(parts.map(({ text }) => text).join(''))) return parts
  const first = parts.findIndex(({ text }) => text.trim() !== '')
  return parts.map((part, index) => index === first ? { ...part, text: part.text.replace(/\S/, escaped) } : part)
}

function painted (paint: Paint, text: string): string {
  const [on = 0, off = 0] = inspect.colors[paint] ?? []
  return `\u001b[${on}m${text}\u001b[${off}m`
}
