// Reads policy files, JSON or YAML: every mistake has its line, and no file can do harm. The YAML parser is loaded when
// it is needed.

import { PolicyError } from '../../engine/policy/problems.js'
import { inTimeSlices } from '../../kit/time-slices.js'
import { checkPolicy } from './check-policy.js'
import { parseJson } from './json-file.js'
import { placesOf, syntaxErrorAt } from './json-places.js'
import { beginsWithBracket } from './json-scan.js'
import { policyLimits, POLICY_WORDS, readPolicyText, type ReadPolicyOptions } from './policy-text.js'
import { streamPolicy } from './policy-stream.js'
import type { LoadedPolicy } from './loaded-policy.js'
import { MAX_PROBLEMS, type ParsedFile } from './parsed-file.js'
import type { Policy } from '../../engine/policy/policy.js'

export { PolicyError, type PolicyProblem } from '../../engine/policy/problems.js'
export { MAX_JSON_POLICY_BYTES, MAX_POLICY_BYTES, type ReadPolicyOptions } from './policy-text.js'

/** How a policy text is read. */
export interface ParsePolicyOptions extends ReadPolicyOptions {
  /** Name of the file for messages. */
  readonly file?: string
}

/**
 * Reads and checks a policy file, `.yaml`, `.yml` or `.json`.
 *
 * A file that is too large is refused before it is read, one that changes while it is read is refused afterwards. What cannot be
 * noticed is a YAML file that was cut off between two lines and is still valid: write a new file beside it and rename it.
 *
 * @throws {@link PolicyError} when the file cannot be read or the policy is invalid, with all problems
 */
export async function readPolicyFile (path: string, options: ReadPolicyOptions = {}): Promise<Policy> {
  return (await loadPolicyFile(path, options)).schema
}

/**
 * Reads, checks and compiles a policy file, as {@link readPolicyFile} does. The document has all of its facts.
 *
 * @throws {@link PolicyError} when the file cannot be read or the policy is invalid, with all problems
 */
export async function loadPolicyFile (path: string, options: ReadPolicyOptions = {}): Promise<LoadedPolicy> {
  const text = await readPolicyText(path, options)
  return checkPolicy(await parseWhole(text, { ...options, file: path }))
}

/** A policy file that has been read, and where its parts are. */
export interface PlacedPolicy {
  readonly text: string
  readonly loaded: LoadedPolicy
  /** The line of each path; undefined for what the file does not have. */
  linesOf (paths: ReadonlyArray<ReadonlyArray<string | number>>): Array<number | undefined>
}

/**
 * Reads, checks and compiles a policy file, and tells the lines of its parts.
 *
 * @throws {@link PolicyError} when the file cannot be read or the policy is invalid, with all problems
 */
export async function readPlacedPolicy (path: string, options: ReadPolicyOptions = {}): Promise<PlacedPolicy> {
  const text = await readPolicyText(path, options)
  const parsed = await parseWhole(text, { ...options, file: path })
  return {
    text,
    loaded: checkPolicy(parsed),
    linesOf (paths) {
      const lines = new Map<string, number | undefined>()
      for (let from = 0; from < paths.length; from += MAX_PROBLEMS) {
        const some = paths.slice(from, from + MAX_PROBLEMS).map(path => ({ path, message: '', hint: '' }))
        for (const { path, line } of parsed.locate(some)) lines.set(JSON.stringify(path), line)
      }
      return paths.map(path => lines.get(JSON.stringify(path)))
    }
  }
}

/**
 * Parses, checks and compiles the text of a policy file. JSON is read in turns: other work of the process goes on.
 *
 * @throws {@link PolicyError} when it is invalid, with all problems
 */
export async function loadPolicy (text: string, options: ParsePolicyOptions = {}): Promise<LoadedPolicy> {
  return await inTimeSlices(streamPolicy(text)) ?? checkPolicy(await parseWhole(text, options))
}

async function parseWhole (text: string, { file, maxBytes }: ParsePolicyOptions): Promise<ParsedFile> {
  const { json, yaml } = policyLimits(maxBytes)
  const parsed = parseJson(text, { file, maxBytes: json, words: POLICY_WORDS })
  if (parsed !== undefined) return parsed
  if (text.length > yaml && beginsWithBracket(text)) {
    const [place] = placesOf(text, [syntaxErrorAt(text)])
    const hint = `correct it; a file of more than ${yaml} bytes is read as JSON only`
    throw new PolicyError([{ path: [], message: 'the file is not JSON from here on', hint, file, ...place }])
  }
  const { parseYaml } = await import('./yaml-file.js')
  return parseYaml(text, { file, maxBytes: yaml, words: POLICY_WORDS })
}
