// Parses a JSON file that users write. Places and duplicate keys are only searched for when there is a mistake.
import type { PolicyProblem } from '../../engine/policy/problems.js'
import { readJson } from '../../kit/read-json.js'
import { measure, membersOf } from '../../kit/unambiguous-json.js'
import { duplicateKeys, offsetsOf, placesOf } from './json-places.js'
import { beginsWithBracket, MAX_BRACKETS, startOf } from './json-scan.js'
import { byPlace, duplicateKey, MAX_PROBLEMS, type ParsedFile, type ParseOptions } from './parsed-file.js'
import { tooLarge, unreadable } from './text-file.js'

/**
 * Parses a JSON document. Returns undefined for any other document: YAML, invalid, or nested too deep.
 *
 * @throws `PolicyError` when it is too large
 */
export function parseJson (text: string, { file, maxBytes, words }: ParseOptions): ParsedFile | undefined {
  // A character has at least one byte.
  if (text.length > maxBytes) throw unreadable(file, ...tooLarge(text.length, maxBytes, words))
  if (!beginsWithBracket(text)) return undefined
  // Checked first, because the code below is recursive.
  const { members, tooDeepAt } = measure(text, MAX_BRACKETS)
  if (tooDeepAt !== undefined) return undefined
  let value: unknown
  try {
    value = readJson(startOf(text) === 0 ? text : text.slice(1))
  } catch {
    return undefined
  }
  return {
    value,
    // JSON.parse silently keeps the last one of duplicate keys.
    duplicates: membersOf(value) === members ? [] : duplicates(text, file),
    locate: problems => located(text, file, problems.slice(0, MAX_PROBLEMS))
  }
}

function duplicates (text: string, file: string | undefined): PolicyProblem[] {
  const found = duplicateKeys(text, MAX_PROBLEMS)
  const lines = placesOf(text, found.map(({ first }) => first))
  const places = placesOf(text, found.map(({ offset }) => offset))
  return found.map(({ path }, index) => ({ ...duplicateKey(path, lines[index]?.line ?? 1), file, ...places[index] }))
}

function located (text: string, file: string | undefined, problems: readonly PolicyProblem[]): PolicyProblem[] {
  const places = placesOf(text, offsetsOf(text, problems.map(({ path }) => path)))
  return problems.map((problem, index) => ({ ...problem, file, ...places[index] })).sort(byPlace)
}
