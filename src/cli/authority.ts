// Who is asked: a policy file, decided in this process, or a PDP over HTTP.
import { Checks } from '../decision/checks.js'
import { openPath } from '../decision/path.js'
import { Engine } from '../engine/engine.js'
import { OptionsError, PdpError, UnavailableError } from '../errors.js'
import { readPolicyFile } from '../local/policy-file.js'
import { resolveOptions } from '../options.js'
import type { Policy } from '../engine/policy.js'
import type { Query } from '../pdp/point.js'
import { integerOf } from './arguments.js'
import { UsageError, type Terminal } from './command.js'
import { readExpectations } from './expectations.js'
import { withGiven } from './given.js'

/** The options that say who is asked, for `parseOptions`. */
export const AUTHORITY_OPTIONS = {
  policy: { type: 'string' },
  given: { type: 'string' },
  pdp: { type: 'string' },
  token: { type: 'string' },
  timeout: { type: 'string', default: '5000' }
} as const

/** Lines of a help text: the options of those who are asked. */
export const WHOM_HELP = `Whom to ask, one of these:
  --policy <file>  a policy file, permit.yaml or .json, decided here and now
  --pdp <url>      a PDP over HTTP; without --policy and --pdp the one in PERMIT_PDP_URL`

export const GIVEN_HELP = `With --policy:
  --given <file>   adds the users, tenants, roles and relationships that a test file has under "given"`

export const PDP_HELP = `With --pdp:
  --token <token>  the PDP's API key; better in PERMIT_API_KEY, because every process of this machine can read arguments
  --timeout <ms>   how long to wait for an answer, 5000 unless told otherwise`

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
  /** @throws {@link NoDecisionError} */
  ask (query: Query): Promise<Answer>
  close (): Promise<void>
}

export type Authority = PolicyAuthority | PdpAuthority

/** Nobody could be asked, or whoever was asked gave no answer that can be believed. */
export class NoDecisionError extends Error {
  override readonly name = 'NoDecisionError'
}

interface AuthorityValues {
  readonly policy?: string
  readonly given?: string
  readonly pdp?: string
  readonly token?: string
  readonly timeout: string
}

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
    return openPdp(values, env)
  }
  const document = await readPolicyFile(policy)
  return policyAuthority(policy, given === undefined ? document : withGiven(document, await readExpectations(given)))
}

/** A policy that is decided in this process. */
export function policyAuthority (name: string, policy: Policy): PolicyAuthority {
  const engine = new Engine(policy)
  return { kind: 'policy', name, policy, engine, ask: async query => engine.explain(query), close: async () => {} }
}

/** Checks on their way to a PDP at a time. It is somebody's production, perhaps. */
const CONNECTIONS = 4

function openPdp ({ pdp, token, timeout }: AuthorityValues, env: Terminal['env']): PdpAuthority {
  if (pdp === undefined && !env['PERMIT_PDP_URL']) throw new UsageError('nobody is there to ask; give --policy <file>, or --pdp <url> or PERMIT_PDP_URL')
  const wait = integerOf('timeout', timeout, 1, 60_000)
  const options = resolved({ pdp, token, timeout: wait, cache: false, connections: CONNECTIONS }, env)
  const path = openPath(options)
  const checks = new Checks(path, wait)
  return {
    kind: 'pdp',
    name: path.pdp.name,
    async ask (query) {
      try {
        const { allow, code, reason, debug } = await checks.explainQuery(query)
        return { allow, code, reason, debug }
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error
        throw new NoDecisionError(`no decision: ${error.cause instanceof PdpError ? error.cause.message : error.message} (${path.pdp.name})`)
      }
    },
    close: () => checks.close()
  }
}

function resolved (input: object, env: Terminal['env']) {
  try {
    return resolveOptions(input, env)
  } catch (error) {
    // The same options, under the names that they have here.
    if (error instanceof OptionsError) throw new UsageError(error.message.replace(/\boption "(\w+)"/g, '--$1'))
    throw error
  }
}
