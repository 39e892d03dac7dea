// Who is asked: a policy file, decided in this process, or a PDP over HTTP.
import { Engine } from '../../engine/engine.js'
import { readPolicyFile } from '../../environment/file/policy-file.js'
import type { Policy } from '../../engine/policy/policy.js'
import type { Query } from '../../contract/point.js'
import type { AuthorityValues } from './authority-options.js'
import { UsageError, type Terminal } from '../terminal/command.js'
import { readExpectations } from '../testing/expectations.js'
import { withGiven } from '../testing/given.js'

/** What was decided, as far as whoever decided tells. */
export interface Answer {
  readonly allow: boolean
  /** Permit's reason code. */
  readonly code?: string
  /** The reason as a sentence. */
  readonly reason?: string
  /** What a PDP says of its models. */
  readonly debug?: unknown
}

/** A policy, decided in this process. */
export interface PolicyAuthority {
  readonly kind: 'policy'
  readonly name: string
  readonly policy: Policy
  readonly engine: Engine
  ask (query: Query): Promise<Answer>
  close (): Promise<void>
}

/** A PDP over HTTP. */
export interface PdpAuthority {
  readonly kind: 'pdp'
  readonly name: string
  /** @throws `NoDecisionError` when there is no answer that can be believed */
  ask (query: Query): Promise<Answer>
  close (): Promise<void>
}

export type Authority = PolicyAuthority | PdpAuthority

/**
 * Opens what the flags name.
 *
 * @throws {@link UsageError} when they name nothing, or two things; `PolicyError` and `FileError` when a file is wrong
 */
export async function openAuthority (values: AuthorityValues, { env }: Terminal): Promise<Authority> {
  const { policy, given, pdp } = values
  if (policy !== undefined && pdp !== undefined) throw new UsageError('--policy and --pdp are both given; give one of them')
  if (policy === undefined) {
    if (given !== undefined) throw new UsageError('--given is given without --policy; a PDP has facts of its own')
    // A policy file needs neither sockets nor all that is around them.
    const { openPdp } = await import('./pdp-authority.js')
    return openPdp(values, env)
  }
  return openPolicy(policy, given)
}

/**
 * Opens a policy file.
 *
 * @param given - the test file whose facts are added
 * @throws `PolicyError` and `FileError` when a file is wrong
 */
export async function openPolicy (file: string, given?: string): Promise<PolicyAuthority> {
  const policy = await readPolicyFile(file)
  return policyAuthority(file, given === undefined ? policy : withGiven(policy, await readExpectations(given)))
}

/** A policy that is decided in this process. */
export function policyAuthority (name: string, policy: Policy): PolicyAuthority {
  const engine = new Engine(policy)
  return { kind: 'policy', name, policy, engine, ask: async query => engine.explain(query), close: async () => {} }
}
