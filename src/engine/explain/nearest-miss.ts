// The nearest miss of a denial: the rule of which the most holds, and the comparisons that failed, by attribute and without values.
import type { AttributesOfQuery, CompiledRules, CompiledSet } from '../decide/abac.js'
import { traceCondition, type Comparison, type ConditionTrace } from './trace-conditions.js'

/** The most comparisons that are named. */
const MAX_NAMED = 3

interface Miss {
  readonly index: number
  readonly met: CompiledSet
  readonly failed: CompiledSet
  readonly failedKind: 'user set' | 'resource set'
}

/**
 * The nearest miss as a sentence; undefined when no rule has one of its sets met. It names attributes and operators, never values: it
 * may be written to a log.
 */
export function nearestMiss (rules: CompiledRules, attributes: AttributesOfQuery): string | undefined {
  const miss = findMiss(rules, attributes)
  if (miss === undefined) return undefined
  const { index, met, failed, failedKind } = miss
  const otherKind = failedKind === 'user set' ? 'resource set' : 'user set'
  const comparisons = failed.written === undefined ? [] : failures(traceCondition(failed.written, attributes), true)
  const names = comparisons.slice(0, MAX_NAMED).map(named).join(', ')
  const more = comparisons.length > MAX_NAMED ? `, and ${comparisons.length - MAX_NAMED} more` : ''
  const where = names === '' ? '' : `: ${names}${more}`
  return `the nearest rule is set_rules[${index}]: ${otherKind} '${met.key}' is met, ${failedKind} '${failed.key}' is not${where}`
}

/** The first rule with one of its sets met. A rule whose other set has a condition is nearer than one that wants another role. */
function findMiss ({ userSets }: CompiledRules, attributes: AttributesOfQuery): Miss | undefined {
  let nearest: Miss | undefined
  for (const { set: users, resourceSets } of userSets) {
    const isUser = users.matches(attributes)
    for (const { set: resources, index } of resourceSets) {
      const isResource = resources.matches(attributes)
      if (isUser === isResource) continue
      const miss: Miss = isUser
        ? { index, met: users, failed: resources, failedKind: 'resource set' }
        : { index, met: resources, failed: users, failedKind: 'user set' }
      // A type holds every resource of it, so it says little that it is met.
      if (miss.failed.written !== undefined && miss.met.kind !== 'type') return miss
      if (nearest === undefined || (nearest.failed.written === undefined && miss.failed.written !== undefined)) nearest = miss
    }
  }
  return nearest
}

/** The comparisons because of which a condition has not the wanted result. */
function failures (trace: ConditionTrace, wanted: boolean): Comparison[] {
  if (trace.matched === wanted) return []
  if (!('conditions' in trace)) return [trace]
  return trace.conditions.flatMap(condition => failures(condition, trace.operator === 'not' ? !wanted : wanted))
}

function named ({ attribute, operator, ref, ...values }: Comparison): string {
  const missing = 'value' in values ? '' : ', which is missing'
  return `'${attribute}'${missing} (${operator}${ref === undefined ? '' : ` '${ref}'`})`
}
