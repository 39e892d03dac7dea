// The problems of a policy: all at once, each with its place and with what to write instead.
import { printableLine } from '../../kit/printable.js'
import { shorten } from '../../kit/shorten.js'

/** One problem in a policy document. */
export interface PolicyProblem {
  /** The place: keys and indexes from the top of the document. */
  readonly path: ReadonlyArray<string | number>
  /** What is wrong. */
  readonly message: string
  /** What to write instead. */
  readonly hint: string
  /** The file of the document. */
  readonly file?: string
  /** The line in the file, from 1. */
  readonly line?: number
  /** The column in the line, from 1. */
  readonly column?: number
}

/** The most lines of a message. `problems` contains all of them. */
const MAX_LINES = 50

/** The most characters of a line: a name in it may be as long as the document. */
const MAX_LINE = 1_000

/** The most problems that are found: more are no help, and each one needs a search for the closest name. */
export const MAX_PROBLEMS = 200

/** Ends the search for problems. */
export class TooManyProblems extends Error {}

/** @throws {@link TooManyProblems} at {@link MAX_PROBLEMS} */
export function addProblem (problems: PolicyProblem[], problem: PolicyProblem): void {
  if (problems.push(problem) >= MAX_PROBLEMS) throw new TooManyProblems()
}

/**
 * The policy is invalid. None of it was applied.
 *
 * Its `message` has one line per problem: `file:line:column  path  message — hint`.
 */
export class PolicyError extends Error {
  override readonly name = 'PolicyError'
  /** All problems, in the order of the document. */
  readonly problems: readonly PolicyProblem[]

  constructor (problems: readonly PolicyProblem[], options?: ErrorOptions) {
    super(describeProblems('policy', problems), options)
    this.problems = problems
  }
}

/** The path as text: `resources.task.roles.editor.permissions[0]`. */
export function formatPath (path: ReadonlyArray<string | number>): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[\w-]+$/.test(step)) text += text === '' ? step : `.${step}`
    else text += `[${JSON.stringify(step)}]`
  }
  return text === '' ? '(top)' : text
}

/** The problems, one printable line each, below a line with their number. */
export function describeProblems (noun: string, problems: readonly PolicyProblem[]): string {
  const lines = problems.slice(0, MAX_LINES).map(problem => `  ${printableLine(shorten(formatProblem(problem), MAX_LINE))}`)
  if (problems.length > MAX_LINES) lines.push(`  … and ${problems.length - MAX_LINES} more`)
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
  return [`The ${noun} has ${count}:`, ...lines].join('\n')
}

function formatProblem ({ file, line, column, path, message, hint }: PolicyProblem): string {
  const place = [file, line, column].filter(part => part !== undefined).join(':')
  // A file that is not valid YAML has a line, but no path.
  const where = path.length === 0 && place !== '' ? '' : formatPath(path)
  return [place, where, hint === '' ? message : `${message} — ${hint}`].filter(part => part !== '').join('  ')
}
