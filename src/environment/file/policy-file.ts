// The policy file: YAML or JSON to a policy, with every mistake at its line, and no file that can do harm.

import { compilePolicy } from '../../engine/policy/compile-policy.js'
import { PolicyError, type PolicyProblem } from '../../engine/policy/problems.js'
import { byPlace, MAX_PROBLEMS, parseYaml, type YamlFile } from './yaml-file.js'
import { MAX_POLICY_BYTES, POLICY_WORDS, readPolicyText, type ReadPolicyOptions } from './policy-text.js'
import { keepLines, type PolicyLines } from './policy-lines.js'
import type { Policy } from '../../engine/policy/policy.js'

export { PolicyError, type PolicyProblem } from '../../engine/policy/problems.js'
export { MAX_POLICY_BYTES, type ReadPolicyOptions } from './policy-text.js'

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
 * Parses and checks a policy, YAML or JSON.
 *
 * @throws {@link PolicyError} when it is invalid, with all problems
 */
export function parsePolicy (text: string, options: ParsePolicyOptions = {}): Policy {
  const { file, maxBytes = MAX_POLICY_BYTES } = options
  return checked(parseYaml(text, { file, maxBytes, words: POLICY_WORDS }))
}

/** The policy, when the engine has nothing against it. */
function checked ({ value, duplicates, locate }: YamlFile): Policy {
  // The engine's checks are the edge: they take whatever the file says.
  const policy = value as Policy
  let problems: readonly PolicyProblem[] = []
  try {
    compilePolicy(policy, { strict: true })
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    problems = error.problems
  }
  if (problems.length === 0 && duplicates.length === 0) {
    keepLines(policy, linesOf(policy, locate))
    return policy
  }
  throw new PolicyError([...duplicates, ...locate(problems)].sort(byPlace))
}

function linesOf (policy: Policy, locate: YamlFile['locate']): PolicyLines {
  const paths: Array<ReadonlyArray<string | number>> = [
    ...Object.keys(policy.user_sets ?? {}).map(key => ['user_sets', key]),
    ...Object.keys(policy.resource_sets ?? {}).map(key => ['resource_sets', key]),
    ...Object.entries(policy.resources ?? {}).flatMap(([type, { roles }]) => Object.keys(roles ?? {}).map(role => ['resources', type, 'roles', role])),
    ...(policy.set_rules ?? []).map((_, index) => ['set_rules', index])
  ]
  const lines = new Map<string, number>()
  for (let from = 0; from < paths.length; from += MAX_PROBLEMS) {
    for (const { path, line } of locate(paths.slice(from, from + MAX_PROBLEMS).map(path => ({ path, message: '', hint: '' })))) {
      if (line !== undefined) lines.set(JSON.stringify(path), line)
    }
  }
  return lines
}
