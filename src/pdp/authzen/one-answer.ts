// One answer from those to the evaluations of a query.
import type { Decision } from '../../contract/point.js'
import { isRecord } from '../../kit/is-record.js'

/**
 * The answer for a query whose evaluations have these answers: a yes of any counts, and otherwise an error does.
 * @param needsLast - whether the last one is about the tenant, and must be a yes, too
 */
export function oneAnswer (answers: readonly unknown[], needsLast: boolean): unknown {
  if (!needsLast) return anyOf(answers)
  const [tenant, own] = [answers.at(-1), anyOf(answers.slice(0, -1))]
  if (isNo(tenant)) return OTHER_TENANT
  return tenant instanceof Error && !isNo(own) ? tenant : own
}

function anyOf (answers: readonly unknown[]): unknown {
  if (answers.length === 1) return answers[0]
  return answers.find(answer => isRecord(answer) && answer.allow === true) ?? answers.find(answer => answer instanceof Error) ?? answers[0]
}

function isNo (answer: unknown): boolean {
  return isRecord(answer) && !(answer instanceof Error) && answer.allow === false
}

const OTHER_TENANT: Decision = Object.freeze({
  allow: false,
  code: 'other_tenant',
  reason: 'the PDP does not have the resource in this tenant, by the relation of the option "authzen.tenants"'
})
