// Explains a decision of a policy or of a PDP as a tree of sentences.
import type { Query } from '../../contract/point.js'
import { treeOfAnswer, treeOfTrace, type Branch } from '../../engine/explain/decision-tree.js'
import type { DecisionTrace } from '../../engine/explain/trace.js'
import type { Answer, DecisionSource, PolicySource } from './decision-source-types.js'
import { isNoPlan, planInWords } from './plan-text.js'
import { planOf, treeOf, type Planned } from './plan-with-sources.js'

/** A decision with its trace or debug output, and the same as a tree. */
export interface ExplainedDecision {
  readonly decision: (DecisionTrace | Answer) & Partial<Planned>
  readonly tree: Branch
}

interface RowsTrace extends Partial<Planned> {
  readonly tree: Branch
}

/** Asks for a decision and its explanation. */
export async function explain (source: DecisionSource, query: Query): Promise<ExplainedDecision> {
  if (source.kind === 'policy') {
    const decision = source.engine.trace(query)
    const tree = treeOfTrace(query, decision)
    const planned = await rowsOf(source, query)
    if (planned === undefined) return { decision, tree }
    const { plan, branches } = planned
    return { decision: { ...decision, plan, branches }, tree: { ...tree, branches: [...tree.branches ?? [], planned.tree] } }
  }
  const decision = await source.ask(query)
  return { decision, tree: treeOfAnswer(query, decision) }
}

/** Which rows of a table the user may act on, if the question names no resource and the answer depends on the resource. */
async function rowsOf (source: PolicySource, { user, action, resource, context }: Query): Promise<RowsTrace | undefined> {
  const { type, tenant } = resource
  if (resource.key !== undefined || resource.attributes !== undefined) return undefined
  try {
    const { plan, branches } = await planOf(source, { user, action, type, tenant, context })
    if (plan.kind !== 'some') return undefined
    return { plan, branches, tree: { mark: true, text: `LISTS: may ${action} ${planInWords(plan)}`, branches: treeOf(branches) } }
  } catch (error) {
    if (!isNoPlan(error)) throw error
    return { tree: { text: `LISTS: there is no plan: ${error.message}` } }
  }
}
