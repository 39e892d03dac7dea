// Adds the facts of a test file to a policy: policy files often have none, because the app writes its users and roles at run time.
import { compilePolicy } from '../../engine/policy/compile-policy.js'
import type { Policy } from '../../engine/policy/policy.js'
import { describeProblems, PolicyError, type PolicyProblem } from '../../engine/policy/problems.js'
import type { PolicyDocument } from '../query/decision-source-types.js'
import { FileError } from '../terminal/file-error.js'
import type { Expectations } from './expectations.js'

/**
 * Returns the policy with the facts of the test file. A fact of the test file replaces one with the same key.
 *
 * @param document - a valid policy
 * @throws {@link FileError} when a fact does not match the policy, with its place in the test file
 */
export function withGiven (document: PolicyDocument, { given, locate }: Expectations): PolicyDocument {
  if (given === undefined) return document
  const policy = document.schema
  const policyWithFacts: Policy = {
    ...policy,
    tenants: { ...policy.tenants, ...given.tenants },
    users: { ...policy.users, ...given.users },
    role_assignments: [...policy.role_assignments ?? [], ...given.role_assignments ?? []],
    resource_instances: [...policy.resource_instances ?? [], ...given.resource_instances ?? []],
    relationship_tuples: [...policy.relationship_tuples ?? [], ...given.relationship_tuples ?? []]
  }
  try {
    return { schema: policyWithFacts, compiled: compilePolicy(policyWithFacts) }
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    throw new FileError(describeProblems('test file', locate(error.problems.map(problem => inTestFile(problem, policy)))))
  }
}

/** Translates a path: the policy alone is valid, so each problem is in a fact of the test file, which comes after those of the policy. */
function inTestFile (problem: PolicyProblem, policy: Policy): PolicyProblem {
  const [block = '', index, ...rest] = problem.path
  if (typeof index !== 'number') return { ...problem, path: ['given', ...problem.path] }
  const listed = policy[block as 'role_assignments']?.length ?? 0
  return { ...problem, path: ['given', block, Math.max(0, index - listed), ...rest] }
}
