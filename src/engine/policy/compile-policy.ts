// Turns a policy document into what decisions look things up in, or into the list of everything that is wrong with it.

import { atOnce } from '../../kit/turns.js'
import { Compilation } from './compilation.js'
import { compileFacts, type DocumentFacts } from './compile-facts.js'
import { recordsOf, type FactRecords } from './fact-records.js'
import { compileResourceRoles } from './compile-resource-roles.js'
import { compileRoles } from './compile-roles.js'
import { compileRules } from './compile-rules.js'
import { requireDeclaredAttributes } from './declared-attributes.js'
import { policyChecker, PolicySchema, type Policy } from './policy.js'
import { MAX_PROBLEMS, PolicyError, TooManyProblems, type PolicyProblem } from './problems.js'
import { shapeProblems } from './shape.js'
import type { CompiledSchema } from '../decide/decision-schema.js'

/** A policy document, ready for use. */
export interface CompiledPolicy {
  readonly schema: CompiledSchema
  readonly facts: DocumentFacts
}

/** How a document is checked. */
interface CompileOptions {
  /**
   * Whether conditions must keep to the attributes that are declared. For policies that people write; a schema that Permit's API has written
   * may name attributes that nobody has declared.
   */
  readonly strict?: boolean
  /** Where the facts are, each with the shape that the policy's schema asks for; by default in the document. */
  readonly records?: FactRecords
}

/**
 * Compiles the document.
 *
 * @throws {@link PolicyError} with all problems, when there are any
 */
export function compilePolicy (policy: Policy, { strict = false }: Pick<CompileOptions, 'strict'> = {}): CompiledPolicy {
  return atOnce(compileInSteps(policy, { strict }))
}

/**
 * Compiles in steps, between which others may run. The document must stay as it is meanwhile.
 *
 * @param policy - the document; its facts are not looked at when records are given
 * @throws {@link PolicyError} with all problems, when there are any
 */
export function * compileInSteps (policy: Policy, options: CompileOptions = {}): Generator<undefined, CompiledPolicy> {
  const { strict = false, records = recordsOf(policy) } = options
  const problems = shapeProblems(PolicySchema, policy)
  if (problems.length >= MAX_PROBLEMS) throw new PolicyError(problems)
  const { compilation, sets, facts } = yield * compileParts(policy, records, problems, strict)
  if (problems.length > 0) throw new PolicyError(problems)
  // The words above come from a walk of our own. Should it ever overlook what TypeBox sees, the policy must still not be used.
  if (!policyChecker.Check(policy)) throw new PolicyError([{ path: [], message: 'the policy does not have the shape of its schema', hint: 'compare it with the JSON Schema' }])
  const { types, roles } = compilation
  return { schema: { types, roles, sets, hasSets: sets.users.length + sets.resources.length > 0 || (policy.set_rules?.length ?? 0) > 0 }, facts }
}

function * compileParts (policy: Policy, records: FactRecords, problems: PolicyProblem[], strict: boolean) {
  try {
    const compilation = new Compilation(policy, problems)
    compileRoles(compilation)
    const sets = compileRules(compilation)
    if (strict) requireDeclaredAttributes(policy, problems)
    compileResourceRoles(compilation)
    return { compilation, sets, facts: yield * compileFacts(compilation, records) }
  } catch (error) {
    throw error instanceof TooManyProblems ? new PolicyError(problems) : error
  }
}
