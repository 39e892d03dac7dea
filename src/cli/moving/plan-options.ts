// The options of commands that compare a policy file with an environment.
import type { PolicyToMove } from '../../moving/policy-files.js'
import { UsageError } from '../terminal/command.js'

/** The options. */
export const PLAN_OPTIONS = {
  policy: { type: 'string' },
  facts: { type: 'boolean', default: false },
  prune: { type: 'boolean', default: false }
} as const

/**
 * Reads the policy file of `--policy`. Done before anything else: a mistake in it is found without a network.
 *
 * @throws {@link UsageError} without a file
 */
export async function policyOf (file: string | undefined): Promise<PolicyToMove> {
  if (file === undefined) throw new UsageError('--policy is missing; give the policy file')
  const { readPolicyToMove } = await import('../../moving/policy-files.js')
  return readPolicyToMove(file)
}
