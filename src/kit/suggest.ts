// Suggestions for misspelled names, by edit distance.

import { shorten } from './shorten.js'

/** Longer names are not compared, because the cost is the product of both lengths. */
const MAX_LENGTH = 64

/** The most candidates that are compared: enough for any real policy. */
const MAX_CANDIDATES = 1_000

/** The most pairs of characters that are compared for one suggestion: a fraction of a millisecond. */
const MAX_COMPARISONS = 20_000

/**
 * The hint for an unknown name: the most similar known name, or a list of the known names.
 *
 * @param name - the unknown name
 * @param known - the known names
 * @param none - the hint when there are no known names
 */
export function suggest (name: string, known: Iterable<string>, none: string): string {
  const candidates = [...take(known, MAX_CANDIDATES)]
  const nearest = closest(name, candidates)
  if (nearest !== undefined) return `did you mean '${nearest}'?`
  if (candidates.length === 0) return none
  const shown = candidates.slice(0, 8).map(candidate => `'${shorten(candidate, 100)}'`).join(', ')
  return candidates.length > 8 ? `known here: ${shown}, and ${candidates.length - 8} more` : `known here: ${shown}`
}

/** The most similar candidate, ignoring case and within a third of the name's length in edits; undefined if there is none. */
export function closest (name: string, candidates: readonly string[]): string | undefined {
  if (name.length > MAX_LENGTH) return undefined
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1
  let comparisons = 0
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) >= bestDistance || candidate.length > MAX_LENGTH) continue
    comparisons += name.length * candidate.length
    if (comparisons > MAX_COMPARISONS) break
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Whether two names differ in case and at most one edit. Stricter than {@link closest}, for names that may not be a mistake at all. */
export function isNearly (name: string, word: string): boolean {
  return Math.abs(name.length - word.length) <= 1 && editDistance(name.toLowerCase(), word.toLowerCase()) <= 1
}

/** The number of insertions, deletions, replacements and swaps of adjacent characters between two words. */
function editDistance (a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let cost = Math.min(at(previous, column) + 1, at(current, column - 1) + 1, at(previous, column - 1) + (same ? 0 : 1))
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (swapped) cost = Math.min(cost, at(beforePrevious, column - 2) + 1)
      current.push(cost)
    }
    beforePrevious = previous
    previous = current
  }
  return at(previous, b.length)
}

function at (row: readonly number[], column: number): number {
  return row[column] ?? Infinity
}

function * take (names: Iterable<string>, limit: number): Generator<string> {
  for (const name of names) {
    if (limit-- <= 0) return
    yield name
  }
}
