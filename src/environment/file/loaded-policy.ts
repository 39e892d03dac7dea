// A policy for an environment, from any source: the schema, its roles with each permission by name, and the compiled schema and facts.
import { compileInSteps, compilePolicy, type CompiledPolicy } from '../../engine/policy/compile-policy.js'
import { recordsOf } from '../../engine/policy/fact-records.js'
import type { Policy } from '../../engine/policy/policy.js'
import { withoutWildcards } from '../../engine/policy/wildcards.js'
import type { PolicyLines } from './policy-lines.js'

/** A policy, compiled. */
export interface LoadedPolicy {
  /** The document, without wildcards; it may lack its facts. */
  readonly schema: Policy
  readonly compiled: CompiledPolicy
  /** Undefined if it is not from a file. */
  readonly lines: PolicyLines | undefined
  /**
   * Compiles the same facts with another schema, in steps.
   * @throws `PolicyError` when the facts do not match it
   */
  compileWith (schema: Policy): Generator<undefined, CompiledPolicy>
}

/**
 * Compiles a policy that an app gives as an object. It is copied.
 *
 * @throws `PolicyError` when it is invalid
 */
export function policyOfObject (policy: Policy): LoadedPolicy {
  const compiled = compilePolicy(policy, { strict: true })
  return {
    schema: withoutWildcards(policy),
    compiled,
    lines: undefined,
    compileWith: schema => compileInSteps(schema, { records: recordsOf(policy) })
  }
}
