// What is known of a file that was parsed, be it YAML or JSON: its value, and the place of each part of it.
import type { PolicyProblem } from '../../engine/policy/problems.js'
import type { FileWords } from './text-file.js'

/** More problems help nobody, and each has to be found in the file. */
export const MAX_PROBLEMS = 500

/** How a text is parsed. */
export interface ParseOptions {
  /** Name of the file for messages. */
  readonly file?: string
  /** Bytes that it may have. */
  readonly maxBytes: number
  readonly words: FileWords
}

/** A document that was parsed. Nothing is known of its shape. */
export interface ParsedFile {
  readonly value: unknown
  /** The problems, each with its place, in the order of the file. No more than {@link MAX_PROBLEMS}. */
  locate (problems: readonly PolicyProblem[]): PolicyProblem[]
  /** Keys that are there twice: problems, although the value was made. */
  readonly duplicates: readonly PolicyProblem[]
}

/** What is said of a key that is there twice. */
export function duplicateKey (path: ReadonlyArray<string | number>, firstLine: number): PolicyProblem {
  const hint = `it is already on line ${firstLine}: remove one of them, or make them one`
  return { path, message: `'${path.at(-1)}' appears twice`, hint }
}

/** The order of the file. */
export function byPlace (a: PolicyProblem, b: PolicyProblem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)
}
