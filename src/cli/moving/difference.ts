// What the commands diff and push have in common: a policy file, the environment, and the plan between them.
import { canonicalJson } from '../../kit/canonical-json.js'
import { planMove, type MovePlan } from '../../moving/move-plan.js'
import { readEnvironment, type RemoteEnvironment } from '../../moving/read-environment.js'
import type { PolicyToMove } from '../../moving/policy-files.js'
import type { RestClient } from '../../moving/rest-client.js'
import { progressOn } from '../terminal/progress.js'
import type { Terminal } from '../terminal/terminal.js'
import type { PlanReport } from './plan-report.js'

/** What is compared, and how. */
export interface DifferenceOptions {
  readonly facts: boolean
  readonly prune: boolean
}

/** The plan that makes the environment say what the file says. */
export async function differenceOf (
  client: RestClient, policy: PolicyToMove, { facts, prune }: DifferenceOptions, terminal: Terminal
): Promise<PlanReport> {
  const progress = progressOn(terminal, 'objects read')
  let read = 0
  const remote = await readEnvironment(client, { facts, onItems: count => progress(read += count) })
  const wanted = { schema: policy.model.schema, facts: facts ? policy.model.facts : undefined }
  const plan = planMove(wanted, remote, { prune })
  return { file: policy.file, plan, linesOf: policy.linesOf, notes: notesOn(policy, remote, plan, prune) }
}

function notesOn ({ model: { schema } }: PolicyToMove, remote: RemoteEnvironment, { steps }: MovePlan, prune: boolean): string[] {
  const own = schema.proxy_configs ?? {}
  const others = remote.schema.proxy_configs ?? {}
  const unlike = Object.keys(own).filter(key => canonicalJson(own[key]) !== canonicalJson(others[key]))
  const replaced = steps.filter(({ op }) => op === 'replace').length
  return [
    ...unlike.map(key => `proxy configuration '${key}' is not pushed: Permit's API wants its secret, which no policy file has`),
    ...remote.unsaid.names.map(name => `${name} is in the environment and not in a policy file; a push does not touch it`),
    ...(replaced > 0 && !prune ? ['what is to be replaced is deleted and created anew, with what depends on it: a push needs --prune'] : [])
  ]
}
