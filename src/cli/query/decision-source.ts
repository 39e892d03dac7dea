// Opens the source of decisions that the options name: a policy file, evaluated in this process, or a PDP over HTTP.
import { Engine } from '../../engine/engine.js'
import { loadPolicyFile } from '../../environment/file/policy-file.js'
import { runSync } from '../../kit/time-slices.js'
import { lineIn, type PolicyLines } from '../../environment/file/policy-lines.js'
import { UsageError } from '../terminal/command.js'
import type { Terminal } from '../terminal/terminal.js'
import type { DecisionSource, PolicySource, PolicyDocument } from './decision-source-types.js'
import type { SourceValues } from './decision-source-options.js'

/**
 * Opens the source of decisions that the options name.
 *
 * @throws {@link UsageError} when they name neither or both; `PolicyError` and `FileError` when a file is invalid
 */
export async function openSource (values: SourceValues, { env }: Terminal): Promise<DecisionSource> {
  const { policy, given, pdp } = values
  if (policy !== undefined && pdp !== undefined) throw new UsageError('--policy and --pdp are both given; give one of them')
  if (policy === undefined) {
    if (given !== undefined) throw new UsageError('--given needs --policy; a PDP has its own facts')
    // Imported here, because a policy file needs no HTTP client.
    const { openPdp } = await import('./pdp-decision-source.js')
    return openPdp(values, env)
  }
  return openPolicy(policy, given)
}

/**
 * Opens a policy file.
 *
 * @param given - a test file whose facts are added, and whose time is that of the questions
 * @throws `PolicyError` and `FileError` when a file is invalid
 */
export async function openPolicy (file: string, given?: string): Promise<PolicySource> {
  const policy = await loadPolicyFile(file)
  if (given === undefined) return policySource(file, policy, policy.lines)
  const { document, now } = await withFactsOf(given, policy)
  return policySource(file, document, policy.lines, now === undefined ? Date.now : () => now)
}

async function withFactsOf (
  given: string, policy: PolicyDocument
): Promise<{ readonly document: PolicyDocument, readonly now: number | undefined }> {
  // Imported here, because most questions need no test file.
  const [{ readExpectations }, { withGiven }] = await Promise.all([
    import('../testing/expectations.js'),
    import('../testing/given-facts.js')
  ])
  const expectations = await readExpectations(given)
  return { document: withGiven(policy, expectations), now: expectations.now }
}

/**
 * Creates a source that evaluates a policy in this process. The policy is not compiled again.
 *
 * @param now - the time of its questions, ms since 1970
 */
export function policySource (
  name: string, { schema: policy, compiled }: PolicyDocument, lines?: PolicyLines, now: () => number = Date.now
): PolicySource {
  const engine = new Engine(undefined, { now })
  engine.use(compiled.schema, runSync(engine.compare(compiled.facts)))
  const placeOf = (path: ReadonlyArray<string | number>): string | undefined => {
    const line = lines === undefined ? undefined : lineIn(lines, path)
    return line === undefined ? undefined : `${name}:${line}`
  }
  return { kind: 'policy', name, policy, engine, placeOf, ask: async query => engine.explain(query), close: async () => {} }
}
