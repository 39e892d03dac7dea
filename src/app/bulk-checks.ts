// Many checks at once: `bulkCheck` and `filter` of every face.
import type { CheckInput } from '../decision/checks.js'
import { requireArray } from '../decision/input-checks.js'
import { questionsOf, type ResourceInput, type UserInput } from '../decision/query.js'
import { readChecks } from '../decision/question-options.js'
import { mapInTurns } from '../kit/turns.js'
import { QueryError } from '../contract/errors.js'
import type { Query } from '../contract/point.js'
import type { ActionOf, ResourceType } from '../contract/vocabulary.js'

/** What counts defaults for the checks that do not have their own. */
interface Defaults {
  readonly tenant?: string | readonly string[]
  readonly context?: CheckInput['context']
}

/**
 * The queries of a bulk check. There may be thousands, so other work gets its turn in between.
 * @throws `QueryError`
 */
export async function queriesOf (user: UserInput, checks: readonly CheckInput[], defaults: Defaults): Promise<Query[]> {
  const question = questionsOf(user, defaults.context)
  return mapInTurns(readChecks(checks), ({ action, resource, tenant = defaults.tenant, context }) => question(action, resource, tenant, context))
}

/**
 * One question about each item.
 * @throws `QueryError`
 */
export async function questionsAbout<Item, T extends ResourceType> (action: ActionOf<T>, items: readonly Item[], toResource: (item: Item) => ResourceInput<T>): Promise<CheckInput[]> {
  requireArray('the items', items)
  if (typeof toResource !== 'function') throw new QueryError('the items need a function from an item to its resource')
  return mapInTurns(items, item => ({ action, resource: toResource(item) }) as CheckInput)
}
