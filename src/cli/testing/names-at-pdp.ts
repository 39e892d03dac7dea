// Names in expectations that a PDP over HTTP may not have. Without a reason, a denial does not tell.
import { isNegative, type Expectation } from './expectations.js'
import type { Answer } from '../query/decision-source-types.js'

interface Answered {
  readonly expectation: Expectation
  readonly answer: Answer
  readonly listed?: readonly string[]
  readonly failure?: string
}

/**
 * A note on the names whose "may not" would also pass if they did not exist: the PDP gave no reason, and no question about the permission,
 * or in the tenant, was allowed.
 */
export function notesOnNames (results: readonly Answered[]): string[] {
  const allowed = new Set<string>()
  for (const { expectation, answer, listed = [] } of results) {
    if (answer.allow || listed.length > 0) for (const name of namesIn(expectation)) allowed.add(name)
  }
  const open = results.filter(({ expectation, answer, failure }) =>
    failure === undefined && isNegative(expectation) && !answer.allow && answer.code === undefined)
  const names = new Set(open.flatMap(({ expectation }) => namesIn(expectation)).filter(name => !allowed.has(name)))
  if (names.size === 0) return []
  return ['the PDP gives no reasons for its denials, so a "may not" also passes with a name that does not exist there. ' +
    `No question was allowed for ${[...names].join(', ')}`]
}

function namesIn ({ query: { action, resource: { type, tenant } } }: Expectation): string[] {
  return [`${type}:${action}`, `tenant ${tenant}`]
}
