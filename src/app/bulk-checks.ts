// Many checks at once: `bulkCheck` and `filter` of `app.permit` and `request.permit`.
import type { CheckInput, UserCheckInput } from '../decision/checks.js'
import { requireArray, requireText } from '../decision/input-checks.js'
import { createQuery, normaliseTenant, questionsOf, type ResourceInput } from '../decision/query.js'
import { readChecks, readUserChecks } from '../decision/question-options.js'
import { mapInTurns } from '../kit/turns.js'
import { QueryError } from '../contract/errors.js'
import type { Query, QueryUser } from '../contract/point.js'

/** The defaults for checks without a tenant or context of their own. */
interface Defaults {
  readonly tenant?: string | readonly string[]
  readonly context?: CheckInput['context']
}

/**
 * Creates the queries of a bulk check, in turns with other work, because there may be thousands.
 * @throws `QueryError`
 */
export async function queriesOf (user: QueryUser, checks: readonly CheckInput[], defaults: Defaults): Promise<Query[]> {
  const question = questionsOf(user, defaults.context)
  return mapInTurns(readChecks(checks), ({ action, resource, tenant = defaults.tenant, context }) =>
    question(action, resource, tenant, context))
}

/**
 * Creates the queries of a bulk check in which each check names its user.
 * @throws `QueryError`
 */
export async function queriesOfUsers (checks: readonly UserCheckInput[], defaults: Defaults): Promise<Query[]> {
  return mapInTurns(readUserChecks(checks), ({ user, action, resource, tenant = defaults.tenant, context = defaults.context }) =>
    createQuery(user, action, resource, tenant, context))
}

/**
 * Creates the queries of `filter`, one for the resource of each item.
 * @throws `QueryError`
 */
export function questionsAbout (
  user: QueryUser, action: string, items: readonly unknown[], { tenant, context }: Defaults
): (resource: ResourceInput) => Query {
  requireArray('the items', items)
  requireText('the action', action)
  const known = normaliseTenant(tenant)
  const question = questionsOf(user, context)
  return resource => question(action, resource, known)
}

/** @throws `QueryError` */
export function requireFunction (toResource: unknown): void {
  if (typeof toResource !== 'function') throw new QueryError('the items need a function from an item to its resource')
}
