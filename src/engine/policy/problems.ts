// What is wrong with a policy, all of it at once, in words that say what to write instead.
import { printableLine } from '../../kit/printable.js'
import { shorten } from '../../kit/shorten.js'

/** One mistake in a policy document. */
export interface PolicyProblem {
  /** Where it is, as keys and indexes from the top of the document. */
  readonly path: ReadonlyArray<string | number>
  /** What is wrong. */
  readonly message: string
  /** What to write instead. */
  readonly hint: string
  /** The file that the document was read from. */
  readonly file?: string
  /** Line in that file, from 1. */
  readonly line?: number
  /** Column in that line, from 1. */
  readonly column?: number
}

/** A message with more lines than this helps nobody; `problems` has them all. */
const MAX_LINES = 50

/** Characters of a line: a name in it may be as long as the document. */
const MAX_LINE = 1_000

/** Nobody mends more at once, and each costs the search for the word that was meant. */
export const MAX_PROBLEMS = 200

/** Ends the search for more. */
export class TooManyProblems extends Error {}

/** @throws {@link TooManyProblems} when there are enough */
export function addProblem (problems: PolicyProblem[], problem: PolicyProblem): void {
  if (problems.push(problem) >= MAX_PROBLEMS) throw new TooManyProblems()
}

/**
 * A policy that cannot be used. Nothing of it was applied.
 *
 * Its `message` has one line for each problem, `file:line:column  path  message — hint`.
 */
export class PolicyError extends Error {
  override readonly name = 'PolicyError'
  /** Everything that is wrong, in the order of the document. */
  readonly problems: readonly PolicyProblem[]

  constructor (problems: readonly PolicyProblem[], options?: ErrorOptions) {
    super(describeProblems('policy', problems), options)
    this.problems = problems
  }
}

/** The path as people write it: `resources.task.roles.editor.permissions[0]`. */
export function formatPath (path: ReadonlyArray<string | number>): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[\w-]+$/.test(step)) text += text === '' ? step : `.${step}`
    else text += `[${JSON.stringify(step)}]`
  }
  return text === '' ? '(top)' : text
}

/** The problems, one printable line each, under a line that says what has them. */
export function describeProblems (noun: string, problems: readonly PolicyProblem[]): string {
  const lines = problems.slice(0, MAX_LINES).map(problem => `  ${printableLine(shorten(formatProblem(problem), MAX_LINE))}`)
  if (problems.length > MAX_LINES) lines.push(`  … and ${problems.length - MAX_LINES} more`)
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
  return [`The ${noun} has ${count}:`, ...lines].join('\n')
}

function formatProblem ({ file, line, column, path, message, hint }: PolicyProblem): string {
  const place = [file, line, column].filter(part => part !== undefined).join(':')
  // Of a file that is no YAML there is a line but no path.
  const where = path.length === 0 && place !== '' ? '' : formatPath(path)
  return [place, where, hint === '' ? message : `${message} — ${hint}`].filter(part => part !== '').join('  ')
}
