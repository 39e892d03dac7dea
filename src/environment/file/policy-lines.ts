// The line numbers of the parts of a policy file, as long as the policy is in use.
import type { Policy } from '../../engine/policy/policy.js'

/** Lines by path, of the parts that decisions and plans come from. They keep nothing else of the file in memory. */
export type PolicyLines = ReadonlyMap<string, number>

/** The parts whose lines are kept. */
export function partsWithLines (policy: Policy): Array<ReadonlyArray<string | number>> {
  return [
    ...Object.keys(policy.roles ?? {}).map(key => ['roles', key]),
    ...Object.keys(policy.user_sets ?? {}).map(key => ['user_sets', key]),
    ...Object.keys(policy.resource_sets ?? {}).map(key => ['resource_sets', key]),
    ...Object.entries(policy.resources ?? {}).flatMap(([type, { roles }]) =>
      Object.keys(roles ?? {}).map(role => ['resources', type, 'roles', role])),
    ...(policy.set_rules ?? []).map((_, index) => ['set_rules', index])
  ]
}

/** The line where the part at this path begins, or the closest part around it. */
export function lineIn (lines: PolicyLines, path: ReadonlyArray<string | number>): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const line = lines.get(JSON.stringify(path.slice(0, length)))
    if (line !== undefined) return line
  }
  return undefined
}
