// The question for a plan, normalised, with a cache key that no two different questions share.
import { QueryError } from '../contract/errors.js'
import type { PlanQuestion } from '../contract/point.js'
import { describe, requireText } from './input-checks.js'
import { normaliseResource, normaliseUser, toJsonObject, type UserInput } from './query.js'
import { canonical, compact, keyAbout, keyOfUser } from './query-key.js'
import type { PlanOptions } from './question-options.js'

/**
 * The question which rows of a type the user may do each of the actions on. Validates and copies every part.
 * @param tenant - where the options name none
 * @throws {@link QueryError} that names the invalid part and what is expected
 */
export function planQuestions (
  user: UserInput, actions: readonly string[], type: string, options: PlanOptions, tenant?: string | readonly string[]
): PlanQuestion[] {
  const { context, relations } = options
  const who = normaliseUser(user)
  requireText('the resource type', type)
  if (type.includes(':')) {
    throw new QueryError(`the resource type is ${describe(type)}; a plan is about all rows of a type. Leave out the key, or use check()`)
  }
  const resource = normaliseResource({ type }, options.tenant ?? tenant)
  const circumstances = context === undefined ? undefined : toJsonObject('the context', context)
  const columns = relations === undefined || relations.length === 0 ? undefined : [...new Set(relations)].sort()
  return actions.map(action => ({ user: who, action, type, tenant: resource.tenant, context: circumstances, relations: columns }))
}

/** The cache key: injective, as that of a query. */
export function keyOfPlan ({ user, action, type, tenant, context, relations }: PlanQuestion): string {
  return compact(`${keyOfUser(user)}${keyAbout(action, { type, tenant }, context)}${canonical(relations ?? []) as string}`)
}
