// The question for a plan, normalised, with a cache key that no two different questions share.
import type { PlanQuestion, QueryUser } from '../contract/point.js'
import { normaliseResource, toJsonObject } from './query.js'
import { canonicalJson } from '../kit/canonical-json.js'
import { compact, keyAbout, keyOfUser } from './cache-key.js'
import type { PlanOptions } from './question-options.js'

/**
 * The question which rows of a type the user may do each of the actions on. Validates and copies every part.
 * @param tenant - where the options name none
 * @throws {@link QueryError} that names the invalid part and what is expected
 */
export function planQuestions (
  user: QueryUser, actions: readonly string[], type: string, options: PlanOptions, tenant?: string | readonly string[]
): PlanQuestion[] {
  const { context, relations, conditions } = options
  const resource = normaliseResource({ type }, options.tenant ?? tenant)
  const circumstances = context === undefined ? undefined : toJsonObject('the context', context)
  const columns = relations === undefined || relations.length === 0 ? undefined : [...new Set(relations)].sort()
  const { tenant: where } = resource
  return actions.map(action => ({ user, action, type, tenant: where, context: circumstances, relations: columns, conditions }))
}

/** The cache key: injective, as that of a query. */
export function keyOfPlan (question: PlanQuestion): string {
  const { user, action, type, tenant, context, relations, conditions } = question
  const aboutRows = canonicalJson([conditions ?? null, ...relations ?? []]) as string
  return compact(keyOfUser(user) + keyAbout(action, { type, tenant }, context) + aboutRows)
}
