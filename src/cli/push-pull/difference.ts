// Shared by the commands diff and push: a policy file, the environment, and the plan between them.
import { planMove, type MovePlan } from '../../moving/move-plan.js'
import { nameOf } from '../../moving/moved-objects.js'
import { MovingError } from '../../moving/moving-error.js'
import { onlyHere } from '../../moving/not-in-permit.js'
import { readEnvironment, type RemoteEnvironment } from '../../moving/read-environment.js'
import type { Model } from '../../moving/moved-policy.js'
import type { PolicyToMove } from '../../moving/policy-files.js'
import type { RestClient } from '../../moving/rest-client.js'
import { progressOn } from '../terminal/progress.js'
import type { Terminal } from '../terminal/terminal.js'
import { reportOf, type PlanReport } from './plan-report.js'

/** What is compared, and how. */
export interface DifferenceOptions {
  readonly facts: boolean
  readonly prune: boolean
}

/**
 * The plan that makes the environment match the file.
 *
 * @throws {@link MovingError} when the file has something that Permit does not support
 */
export async function differenceOf (
  client: RestClient, policy: PolicyToMove, { facts, prune }: DifferenceOptions, terminal: Terminal
): Promise<{ readonly plan: MovePlan, readonly report: PlanReport }> {
  refuseOnlyHere(policy, facts)
  const progress = progressOn(terminal, 'objects read')
  let read = 0
  const remote = await readEnvironment(client, { facts, onItems: count => progress(read += count) })
  const { proxy_configs: _, ...others } = policy.model.schema
  const schema = remote.hasProxyConfigs ? policy.model.schema : others
  const wanted = { schema, facts: facts ? policy.model.facts : undefined }
  const plan = planMove(wanted, remote, { prune })
  const { file, linesOf } = policy
  return { plan, report: reportOf({ file, plan, linesOf, notes: notesOn(policy.model, remote, plan, prune) }) }
}

/** The most problems that are listed. */
const MAX_NAMED = 20

function refuseOnlyHere ({ file, model, linesOf }: PolicyToMove, withFacts: boolean): void {
  const found = onlyHere({ schema: model.schema, facts: withFacts ? model.facts : undefined }).slice(0, MAX_NAMED)
  if (found.length === 0) return
  const lines = linesOf(found.map(({ path }) => path))
  throw new MovingError([
    'Nothing was compared or changed, because Permit does not support this policy:',
    ...found.map(({ word, name }, index) =>
      `  ${file}:${lines[index] ?? 1}: ${name} uses '${word}', which only the embedded and the local PDP have`)
  ].join('\n'))
}

function notesOn (
  { schema }: Model, remote: RemoteEnvironment, { steps }: MovePlan, prune: boolean
): string[] {
  const own = Object.keys(schema.proxy_configs ?? {})
  const others = Object.keys(remote.schema.proxy_configs ?? {})
  const created = steps.filter(({ op, object: { kind } }) => op === 'create' && kind === 'proxy_config')
  const replaced = steps.filter(({ op }) => op === 'replace').length
  return [
    ...(own.length > 0 && !remote.hasProxyConfigs
      ? ['proxy configurations are not compared and not pushed: the API does not let this key read them']
      : []),
    ...(schema.proxy_configs === undefined && others.length > 0
      ? [`proxy configurations (${others.join(', ')}) stay as they are: the file has no section 'proxy_configs'`]
      : []),
    ...created.map(({ object }) => `${nameOf(object)} is created without a secret: set it in Permit if a proxy of Permit's uses it`),
    ...remote.unsaid.names.map(name => `${name} is in the environment, and a policy file cannot express it; a push leaves it unchanged`),
    ...(replaced > 0 && !prune
      ? ['objects to replace are deleted and created again, with everything that depends on them: a push needs --prune']
      : [])
  ]
}
