// The policy file: YAML or JSON to a policy, with every mistake at its line, and no file that can do harm.

import { compilePolicy } from '../../engine/policy/compile.js'
import { PolicyError, type PolicyProblem } from '../../engine/policy/problems.js'
import { byPlace, parseYaml, readYamlText, type YamlFile } from './yaml-file.js'
import type { Policy } from '../../engine/policy/policy.js'

export { PolicyError, type PolicyProblem } from '../../engine/policy/problems.js'
export { policyJsonSchema } from './policy-schema.js'

/**
 * Bytes that a policy file may have unless told otherwise: 4 MiB, a few seconds of reading at worst and tens of thousands of lines.
 * Facts beyond that belong into the database.
 */
export const MAX_POLICY_BYTES = 4 * 1024 * 1024

const WORDS = { noun: 'policy', begin: "write a policy that begins with 'resources:'", shorten: 'write users and assignments by the API, into the database' }

/** How a policy file is read. */
export interface ReadPolicyOptions {
  /** Bytes that the file may have. @defaultValue {@link MAX_POLICY_BYTES} */
  readonly maxBytes?: number
}

/** How a policy text is read. */
export interface ParsePolicyOptions extends ReadPolicyOptions {
  /** Name of the file for messages. */
  readonly file?: string
}

/**
 * Reads and checks a policy file, `.yaml`, `.yml` or `.json`.
 *
 * A file that is too large is refused before it is read, one that changes while it is read is refused afterwards. What cannot be
 * noticed is a YAML file that was cut off between two lines and is still valid: whoever rewrites the file should write beside it and rename.
 *
 * @throws {@link PolicyError} when the file cannot be read or the policy is invalid, with all problems
 */
export async function readPolicyFile (path: string, options: ReadPolicyOptions = {}): Promise<Policy> {
  return parsePolicy(await readPolicyText(path, options), { ...options, file: path })
}

/**
 * Reads a policy file without looking at what it says, as {@link readPolicyFile} does.
 *
 * @throws {@link PolicyError} when it cannot be read
 */
export function readPolicyText (path: string, options: ReadPolicyOptions = {}): Promise<string> {
  return readYamlText(path, options.maxBytes ?? MAX_POLICY_BYTES, WORDS)
}

/**
 * Parses and checks a policy, YAML or JSON.
 *
 * @throws {@link PolicyError} when it is invalid, with all problems
 */
export function parsePolicy (text: string, options: ParsePolicyOptions = {}): Policy {
  const { file, maxBytes = MAX_POLICY_BYTES } = options
  return checked(parseYaml(text, { file, maxBytes, words: WORDS }))
}

/** The policy, when the engine has nothing against it. */
function checked ({ value, duplicates, locate }: YamlFile): Policy {
  // The engine's checks are the edge: they take whatever the file says.
  const policy = value as Policy
  let problems: readonly PolicyProblem[] = []
  try {
    compilePolicy(policy)
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    problems = error.problems
  }
  if (problems.length === 0 && duplicates.length === 0) return policy
  throw new PolicyError([...duplicates, ...locate(problems)].sort(byPlace))
}
