// A parsed file, YAML or JSON: its value, and the places of its parts.
import type { PolicyProblem } from '../../engine/policy/problems.js'
import type { FileWords } from './text-file.js'

/** The most problems in a report: more do not help, and finding the place of each takes time. */
export const MAX_PROBLEMS = 500

/** How a text is parsed. */
export interface ParseOptions {
  /** Name of the file for messages. */
  readonly file?: string
  /** The size limit, bytes. */
  readonly maxBytes: number
  readonly words: FileWords
}

/** A parsed document. Its structure is not checked yet. */
export interface ParsedFile {
  readonly value: unknown
  /** The problems, each with its place, in the order of the file. No more than {@link MAX_PROBLEMS}. */
  locate (problems: readonly PolicyProblem[]): PolicyProblem[]
  /** Duplicate keys: these are problems, although there is a value. */
  readonly duplicates: readonly PolicyProblem[]
}

/** The problem of a duplicate key. */
export function duplicateKey (path: ReadonlyArray<string | number>, firstLine: number): PolicyProblem {
  const hint = `it is already on line ${firstLine}: remove one of them, or make them one`
  return { path, message: `'${path.at(-1)}' appears twice`, hint }
}

/** The order of the file. */
export function byPlace (a: PolicyProblem, b: PolicyProblem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)
}
