// Which part of a policy file is on which line, for as long as the policy is in use.
import type { Policy } from '../../engine/policy/policy.js'

/** Lines of policies that came from a file: of the parts that a decision may spend its work on. */
const LINES = new WeakMap<Policy, ReadonlyMap<string, number>>()

/** Keeps the lines of a policy that was read from a file. */
export function keepLines (policy: Policy, lines: PolicyLines): void {
  LINES.set(policy, lines)
}

/** The lines of a policy that was read from a file, for {@link lineIn}; undefined for another. They keep nothing else of the file. */
export function policyLines (policy: Policy): PolicyLines | undefined {
  return LINES.get(policy)
}

/** Lines by place. */
export type PolicyLines = ReadonlyMap<string, number>

/** The line on which what is at that path begins, or the nearest thing around it. */
export function lineIn (lines: PolicyLines, path: ReadonlyArray<string | number>): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const line = lines.get(JSON.stringify(path.slice(0, length)))
    if (line !== undefined) return line
  }
  return undefined
}
