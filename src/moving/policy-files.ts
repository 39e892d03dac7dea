// Reads policy files with the places of their objects, and writes them.
import { readFile } from 'node:fs/promises'
import type { CompiledSchema } from '../engine/decide/decision-schema.js'
import { PolicyError } from '../engine/policy/problems.js'
import { loadPolicy, readPlacedPolicy, type PlacedPolicy } from '../environment/file/policy-file.js'
import { canonicalJson } from '../kit/canonical-json.js'
import { modelOf, type Model } from './moved-policy.js'
import { planMove } from './move-plan.js'
import { policyJson, policyYaml, type ExistingPolicy, type WrittenPolicy } from './policy-writer.js'

/** A policy file. */
export interface PolicyToMove extends ExistingPolicy {
  readonly file: string
  readonly compiled: CompiledSchema
  readonly linesOf: PlacedPolicy['linesOf']
}

/**
 * Reads a policy file.
 *
 * @throws `PolicyError` when it is invalid, with all problems
 */
export async function readPolicyToMove (file: string): Promise<PolicyToMove> {
  const { text, loaded: { schema: policy, compiled }, linesOf } = await readPlacedPolicy(file)
  return { file, text, policy, compiled: compiled.schema, model: modelOf(policy, compiled.facts), linesOf }
}

/** The same, if there is such a file. */
export async function readExistingPolicy (file: string): Promise<PolicyToMove | undefined> {
  try {
    await readFile(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
  }
  return readPolicyToMove(file)
}

/** The text of a policy file, and the reasons why a PDP would not accept it. */
export interface WrittenFile {
  readonly text: string
  readonly problems: readonly string[]
  /** Whether comments of the existing file are lost. */
  readonly lostComments: boolean
}

/** The text of a policy file. It was read again and compared with what had to be written. */
export async function textOfPolicy (
  written: WrittenPolicy, format: 'yaml' | 'json', existing: ExistingPolicy | undefined
): Promise<WrittenFile> {
  if (format === 'json') {
    const text = policyJson(written, existing)
    return { text, problems: problemsOf(await readBack(text)), lostComments: false }
  }
  if (existing === undefined) {
    const text = policyYaml(written)
    return { text, problems: problemsOf(await readBack(text)), lostComments: false }
  }
  const { schema, facts = existing.model.facts, permit } = written
  const isCarried = canonicalJson(existing.policy.permit ?? {}) === canonicalJson(permit)
  if (isCarried && isSame(existing.model, { schema, facts })) return { text: existing.text, problems: [], lostComments: false }
  const text = policyYaml(written, existing)
  const read = await readBack(text)
  if (!(read instanceof PolicyError) && isSame(read, { schema, facts })) return { text, problems: [], lostComments: false }
  // The file has something that cannot be changed in place, such as an anchor that others need.
  const fresh = policyYaml({ ...written, facts })
  return { text: fresh, problems: problemsOf(await readBack(fresh)), lostComments: /^\s*#/m.test(existing.text) }
}

/** Whether a file already has the wanted content. A file may omit the tenant `default`. */
function isSame (file: Model, written: Model): boolean {
  // With a section, so that no proxy configuration of the other one is left out of the comparison.
  const { proxy_configs: proxyConfigs = {} } = file.schema
  const { steps, extra } = planMove({ ...file, schema: { ...file.schema, proxy_configs: proxyConfigs } }, written, { prune: false })
  return steps.length === 0 && extra.length === 0
}

async function readBack (text: string): Promise<Model | PolicyError> {
  try {
    const { schema, compiled } = await loadPolicy(text)
    return modelOf(schema, compiled.facts)
  } catch (error) {
    if (error instanceof PolicyError) return error
    throw error
  }
}

function problemsOf (read: Model | PolicyError): readonly string[] {
  return read instanceof PolicyError ? read.message.split('\n') : []
}
