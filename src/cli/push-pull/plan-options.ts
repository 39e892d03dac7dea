// The options of commands that compare a policy file with an environment.
import type { PolicyToMove } from '../../moving/policy-files.js'
import { UsageError } from '../terminal/command.js'

/** The options. */
export const PLAN_OPTIONS = {
  policy: { type: 'string' },
  to: { type: 'string', default: 'permit' },
  store: { type: 'string' },
  facts: { type: 'boolean', default: false },
  prune: { type: 'boolean', default: false }
} as const

/** Help on the target. */
export const TARGET_HELP = `  --to <name>       permit, or openfga (an authorization model and tuples); default: permit
  --store <id>      the store of OpenFGA; default: FGA_STORE_ID. With --to openfga, --api-url is FGA_API_URL or http://localhost:8080,
                    and --api-key is FGA_API_TOKEN`

/** The possible targets of a policy. */
const TARGETS = ['permit', 'openfga'] as const

/**
 * The target of the policy.
 *
 * @throws {@link UsageError}
 */
export function targetOf ({ to, store }: { to: string, store?: string | undefined }): typeof TARGETS[number] {
  const target = TARGETS.find(name => name === to)
  if (target === undefined) throw new UsageError(`--to must be one of ${TARGETS.join(', ')}`)
  if (target === 'permit' && store !== undefined) throw new UsageError('--store is only for --to openfga')
  return target
}

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
