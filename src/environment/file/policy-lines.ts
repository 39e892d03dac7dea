// The line numbers of the parts of a policy file, as long as the policy is in use.
import type { Policy } from '../../engine/policy/policy.js'

/** The lines of policies that came from a file, for the parts that a decision may spend its work on. */
const LINES = new WeakMap<Policy, ReadonlyMap<string, number>>()

/** Keeps the lines of a policy. */
export function keepLines (policy: Policy, lines: PolicyLines): void {
  LINES.set(policy, lines)
}

/** The lines of a policy for {@link lineIn}; undefined when it did not come from a file. They keep nothing else of the file in memory. */
export function policyLines (policy: Policy): PolicyLines | undefined {
  return LINES.get(policy)
}

/** Lines by path. */
export type PolicyLines = ReadonlyMap<string, number>

/** The line where the part at this path begins, or the closest part around it. */
export function lineIn (lines: PolicyLines, path: ReadonlyArray<string | number>): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const line = lines.get(JSON.stringify(path.slice(0, length)))
    if (line !== undefined) return line
  }
  return undefined
}
