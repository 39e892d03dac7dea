// Checks and compiles a parsed file; every mistake has its line.
import { compileInSteps } from '../../engine/policy/compile-policy.js'
import { recordsOf } from '../../engine/policy/fact-records.js'
import { PolicyError, type PolicyProblem } from '../../engine/policy/problems.js'
import { withoutWildcards } from '../../engine/policy/wildcards.js'
import { runSync } from '../../kit/time-slices.js'
import { byPlace, MAX_PROBLEMS, type ParsedFile } from './parsed-file.js'
import { partsWithLines, type PolicyLines } from './policy-lines.js'
import type { LoadedPolicy } from './loaded-policy.js'
import type { Policy } from '../../engine/policy/policy.js'

/**
 * Compiles the policy. The parsed value becomes part of it, without a copy.
 *
 * @throws {@link PolicyError} with all problems, in the order of the file
 */
export function checkPolicy ({ value, duplicates, locate }: ParsedFile): LoadedPolicy {
  // The engine checks the value, whatever the file contains.
  const policy = value as Policy
  const records = recordsOf(policy, true)
  let problems: readonly PolicyProblem[] = []
  try {
    const compiled = runSync(compileInSteps(policy, { strict: true, records }))
    if (duplicates.length === 0) {
      const lines = linesOf(policy, locate)
      return { schema: withoutWildcards(policy), compiled, lines, compileWith: schema => compileInSteps(schema, { records }) }
    }
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    problems = error.problems
  }
  throw new PolicyError([...duplicates, ...locate(problems)].sort(byPlace))
}

function linesOf (policy: Policy, locate: ParsedFile['locate']): PolicyLines {
  const paths = partsWithLines(policy)
  const lines = new Map<string, number>()
  for (let from = 0; from < paths.length; from += MAX_PROBLEMS) {
    for (const { path, line } of locate(paths.slice(from, from + MAX_PROBLEMS).map(path => ({ path, message: '', hint: '' })))) {
      if (line !== undefined) lines.set(JSON.stringify(path), line)
    }
  }
  return lines
}
