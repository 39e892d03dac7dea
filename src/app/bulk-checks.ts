// Many checks at once: `bulkCheck` and `filter` of `app.permit` and `request.permit`.
import type { CheckInput, UserCheckInput } from '../decision/checks.js'
import { describe, requireText } from '../decision/input-checks.js'
import { createQuery, normaliseTenant, questionsOf, type ResourceInput } from '../decision/query.js'
import { readChecks, readUserChecks } from '../decision/question-options.js'
import { mapInTimeSlices } from '../kit/time-slices.js'
import { PdpError, QueryError, UnavailableError } from '../contract/errors.js'
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
  return mapInTimeSlices(readChecks(checks), ({ action, resource, tenant = defaults.tenant, context }) =>
    question(action, resource, tenant, context))
}

/**
 * Creates the queries of a bulk check in which each check names its user.
 * @throws `QueryError`
 */
export async function queriesOfUsers (checks: readonly UserCheckInput[], defaults: Defaults): Promise<Query[]> {
  return mapInTimeSlices(readUserChecks(checks), ({ user, action, resource, tenant = defaults.tenant, context = defaults.context }) =>
    createQuery(user, action, resource, tenant, context))
}

/**
 * Creates the queries of `filter`, one for the resource of each item.
 * @throws `QueryError`
 */
export function questionsAbout (
  user: QueryUser, action: string, items: unknown, { tenant, context }: Defaults
): (resource: ResourceInput) => Query {
  if (!isIterable(items)) throw new QueryError(`the items must be an array or an async iterable, got ${describe(items)}`)
  requireText('the action', action)
  const known = normaliseTenant(tenant)
  const question = questionsOf(user, context)
  return resource => question(action, resource, known)
}

/** @throws `QueryError` */
export function requireFunction (toResource: unknown): void {
  if (typeof toResource !== 'function') throw new QueryError('the items need a function from an item to its resource')
}

/** The items of a filter: an array, or what gives items one by one, such as the cursor of a database. */
export type Items<Item> = Iterable<Item> | AsyncIterable<Item>

/** The time of a filter, not counting that in which it reads items; and the most of it for one chunk. Both in timeouts of a check. */
const FILTER_TIMEOUTS = 30
const CHUNK_TIMEOUTS = 5

/** The first chunk of a filter has as many items as its limit, within these bounds; each one after it has twice as many. */
const FIRST_CHUNK = { least: 16, most: 64 }

/**
 * The items that are allowed, in order. Asks chunk by chunk, and neither asks nor reads further when it has enough.
 *
 * @param ask - answers the queries of a chunk, within the given number of ms
 * @param limit - the most items
 */
export async function allowedItems<Item> (
  items: Items<Item>, queryOf: (item: Item) => Query, ask: (queries: readonly Query[], time: number) => Promise<readonly boolean[]>,
  { chunk, timeout }: { readonly chunk: number, readonly timeout: number }, limit = Infinity
): Promise<Item[]> {
  const kept: Item[] = []
  let spent = 0
  let earned = 0
  let size = Math.min(chunk, FIRST_CHUNK.most, Math.max(limit, FIRST_CHUNK.least))
  const keep = async (some: readonly Item[]): Promise<void> => {
    // Each chunk adds the time of a check. What earlier ones have left of theirs gets this one over a pause of the PDP.
    earned += timeout
    const time = Math.min(Math.max(timeout, earned - spent), timeout * CHUNK_TIMEOUTS, timeout * FILTER_TIMEOUTS - spent)
    if (time <= 0) {
      throw new UnavailableError(new PdpError('timeout', `the checks of a filter took ${FILTER_TIMEOUTS} times the option "timeout"`))
    }
    const queries = await mapInTimeSlices(some, queryOf)
    const start = performance.now()
    const answers = await ask(queries, time)
    spent += performance.now() - start
    for (const [index, item] of some.entries()) if (answers[index] === true && kept.length < limit) kept.push(item)
    size = Math.min(chunk, size * 2)
  }
  if (Array.isArray(items)) {
    const all: readonly Item[] = [...items]
    for (let at = 0; at < all.length && kept.length < limit;) {
      const some = all.slice(at, at + size)
      at += some.length
      await keep(some)
    }
    return kept
  }
  let some: Item[] = []
  for await (const item of items) {
    some.push(item)
    if (some.length < size) continue
    await keep(some)
    if (kept.length >= limit) return kept
    some = []
  }
  if (some.length > 0) await keep(some)
  return kept
}

function isIterable (value: unknown): boolean {
  return typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value)
}
