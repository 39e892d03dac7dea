// A policy from a text, at once.
import type { Policy } from '../../src/engine/policy/policy.js'
import { checkPolicy } from '../../src/environment/file/check-policy.js'
import { parseJson } from '../../src/environment/file/json-file.js'
import type { ParsePolicyOptions } from '../../src/environment/file/policy-file.js'
import { policyLimits, POLICY_WORDS } from '../../src/environment/file/policy-text.js'
import { parseYaml } from '../../src/environment/file/yaml-file.js'

/** Parses and checks a policy, YAML or JSON. */
export function parsePolicy (text: string, { file, maxBytes }: ParsePolicyOptions = {}): Policy {
  const { json, yaml } = policyLimits(maxBytes)
  const parsed = parseJson(text, { file, maxBytes: json, words: POLICY_WORDS }) ?? parseYaml(text, { file, maxBytes: yaml, words: POLICY_WORDS })
  return checkPolicy(parsed).schema
}
