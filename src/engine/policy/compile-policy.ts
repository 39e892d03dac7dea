// Compiles a policy document for decisions, or reports all of its problems.

import { runSync } from '../../kit/time-slices.js'
import { Compilation } from './compilation.js'
import { compileFacts, type DocumentFacts } from './compile-facts.js'
import { recordsOf, type FactRecords } from './fact-records.js'
import { compileMappingRules } from './compile-mapping-rules.js'
import { compileResourceRoles } from './compile-resource-roles.js'
import { compileRoles } from './compile-roles.js'
import { compileRules } from './compile-rules.js'
import { requireDeclaredAttributes } from './declared-attributes.js'
import { policyChecker, PolicySchema, type Policy } from './policy.js'
import { MAX_PROBLEMS, PolicyError, TooManyProblems, type PolicyProblem } from './problems.js'
import { shapeProblems } from './document-shape.js'
import type { CompiledSchema } from '../decide/decision-schema.js'

/** A compiled policy document. */
export interface CompiledPolicy {
  readonly schema: CompiledSchema
  readonly facts: DocumentFacts
}

/** The options of compiling. */
interface CompileOptions {
  /**
   * Whether conditions may only use declared attributes, and roles may have wildcards. For policies that people write: a schema that was
   * written through Permit's API may use attributes that are not declared, and lists each permission.
   */
  readonly strict?: boolean
  /** The facts, each in the shape that the policy's schema requires. Default: those of the document. */
  readonly records?: FactRecords
}

/**
 * Compiles the document.
 *
 * @throws {@link PolicyError} with all problems, when it is invalid
 */
export function compilePolicy (policy: Policy, { strict = false }: Pick<CompileOptions, 'strict'> = {}): CompiledPolicy {
  return runSync(compileInSteps(policy, { strict }))
}

/**
 * Compiles in steps, with other work in between. The document must not change in the meantime.
 *
 * @param policy - the document; its own facts are ignored when `records` is given
 * @throws {@link PolicyError} with all problems, when it is invalid
 */
export function * compileInSteps (policy: Policy, options: CompileOptions = {}): Generator<undefined, CompiledPolicy> {
  const { strict = false, records = recordsOf(policy) } = options
  const problems = shapeProblems(PolicySchema, policy)
  if (problems.length >= MAX_PROBLEMS) throw new PolicyError(problems)
  const { compilation, sets, mapping, facts } = yield * compileParts(policy, records, problems, strict)
  if (problems.length > 0) throw new PolicyError(problems)
  // The problems above come from our own walk. If it ever misses something that TypeBox finds, the policy must still be rejected.
  if (!policyChecker.Check(policy)) {
    const message = 'the policy does not match its schema'
    throw new PolicyError([{ path: [], message, hint: 'compare it with the JSON Schema' }])
  }
  const { types, roles } = compilation
  const hasSets = sets.users.length + sets.resources.length > 0 || (policy.set_rules?.length ?? 0) > 0
  return { schema: { types, roles, sets, hasSets, mapping }, facts }
}

function * compileParts (policy: Policy, records: FactRecords, problems: PolicyProblem[], strict: boolean) {
  try {
    const compilation = new Compilation(policy, problems, strict)
    compileRoles(compilation)
    const sets = compileRules(compilation)
    if (strict) requireDeclaredAttributes(policy, problems)
    compileResourceRoles(compilation)
    const mapping = compileMappingRules(compilation)
    return { compilation, sets, mapping, facts: yield * compileFacts(compilation, records) }
  } catch (error) {
    throw error instanceof TooManyProblems ? new PolicyError(problems) : error
  }
}
