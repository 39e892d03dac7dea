// Many questions at once, as every face takes them.
import type { CheckInput } from '../decision/checks.js'
import { requireArray } from '../decision/input.js'
import { createQuery, type ResourceInput, type UserInput } from '../decision/query.js'
import { readChecks } from '../decision/question-options.js'
import { QueryError } from '../contract/errors.js'
import type { Query } from '../contract/point.js'
import type { ActionOf, ResourceType } from '../contract/vocabulary.js'

/** What counts for the questions that do not say themselves. */
interface Defaults {
  readonly tenant?: string | readonly string[]
  readonly context?: CheckInput['context']
}

/**
 * The queries of a bulk check.
 * @throws `QueryError`
 */
export function queriesOf (user: UserInput, checks: readonly CheckInput[], defaults: Defaults): Query[] {
  return readChecks(checks).map(({ action, resource, tenant = defaults.tenant, context = defaults.context }) =>
    createQuery(user, action, resource, tenant, context))
}

/**
 * One question about each item.
 * @throws `QueryError`
 */
export function questionsAbout<Item, T extends ResourceType> (action: ActionOf<T>, items: readonly Item[], toResource: (item: Item) => ResourceInput<T>): CheckInput[] {
  requireArray('the items', items)
  if (typeof toResource !== 'function') throw new QueryError('the items need a function from an item to its resource')
  return items.map(item => ({ action, resource: toResource(item) }) as CheckInput)
}
