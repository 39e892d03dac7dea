// The facts that a test file gives: a policy file often has none, because users and their roles are written while the app runs.
import { compilePolicy } from '../../engine/policy/compile.js'
import { describeProblems, PolicyError, type PolicyProblem } from '../../engine/policy/problems.js'
import type { Policy } from '../../engine/policy/policy.js'
import type { Expectations } from './expectations.js'
import { FileError } from '../terminal/file-error.js'

/**
 * The policy with the facts of the test file added. What both name by the same key is as the test file says.
 *
 * @param policy - a valid one
 * @throws {@link FileError} when the facts do not fit the policy, with their places in the test file
 */
export function withGiven (policy: Policy, { given, locate }: Expectations): Policy {
  if (given === undefined) return policy
  const policyWithFacts: Policy = {
    ...policy,
    tenants: { ...policy.tenants, ...given.tenants },
    users: { ...policy.users, ...given.users },
    role_assignments: [...policy.role_assignments ?? [], ...given.role_assignments ?? []],
    resource_instances: [...policy.resource_instances ?? [], ...given.resource_instances ?? []],
    relationship_tuples: [...policy.relationship_tuples ?? [], ...given.relationship_tuples ?? []]
  }
  try {
    compilePolicy(policyWithFacts)
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    throw new FileError(describeProblems('test file', locate(error.problems.map(problem => inTestFile(problem, policy)))))
  }
  return policyWithFacts
}

/** The policy alone has no problems: each is about something given, behind what the policy lists itself. */
function inTestFile (problem: PolicyProblem, policy: Policy): PolicyProblem {
  const [block = '', index, ...rest] = problem.path
  if (typeof index !== 'number') return { ...problem, path: ['given', ...problem.path] }
  const listed = policy[block as 'role_assignments']?.length ?? 0
  return { ...problem, path: ['given', block, Math.max(0, index - listed), ...rest] }
}
