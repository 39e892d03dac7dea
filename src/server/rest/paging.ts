// Splits lists into pages, with or without the total count, like Permit's REST API.
import Type, { type TSchema } from 'typebox'

/** The default number of items on a page. */
const DEFAULT_PER_PAGE = 30

/** The query of every list. */
export const PageQuery = {
  page: Type.Optional(Type.Integer({ minimum: 1, description: 'The page, starting at 1.' })),
  per_page: Type.Optional(Type.Integer({
    minimum: 1,
    maximum: 100,
    description: `The number of items on a page; the default is ${DEFAULT_PER_PAGE}.`
  }))
}

/** The query of lists that can include the total count. */
export const CountedPageQuery = {
  ...PageQuery,
  include_total_count: Type.Optional(Type.Boolean({
    description: 'Whether to answer `{ data, total_count, page_count }` instead of an array.'
  }))
}

/** A page with the total count. */
export interface Counted<T> {
  data: T[]
  total_count: number
  /** The number of pages. */
  page_count: number
}

interface Page { page?: number, per_page?: number }

/** The schema of {@link Counted}. */
export function CountedList<T extends TSchema> (item: T) {
  return Type.Object({ data: Type.Array(item), total_count: Type.Integer(), page_count: Type.Integer() })
}

/** The schema of a list with or without the total count. */
export function MaybeCountedList<T extends TSchema> (item: T) {
  return Type.Union([Type.Array(item), CountedList(item)])
}

/**
 * Returns the items of one page, converted by `show`, in steps. It stops at the end of the page. An item is converted in the same step in
 * which it is found, because it may be deleted before the next step.
 *
 * @param items - `undefined` stands for an item that does not match
 */
export function * pageOf<T, R> (
  items: Iterable<T | undefined>, { page = 1, per_page: size = DEFAULT_PER_PAGE }: Page, show: (item: T) => R
): Generator<undefined, R[]> {
  const start = (page - 1) * size
  const shown: R[] = []
  let index = 0
  for (const item of items) {
    if (item !== undefined && index++ >= start) shown.push(show(item))
    if (index >= start + size) break
    yield
  }
  return shown
}

/** Returns the items of one page, converted by `show`, and the total count, in steps. It goes through all items. */
export function * countedPageOf<T, R> (
  items: Iterable<T | undefined>, { page = 1, per_page: size = DEFAULT_PER_PAGE }: Page, show: (item: T) => R
): Generator<undefined, Counted<R>> {
  const start = (page - 1) * size
  const data: R[] = []
  let total = 0
  for (const item of items) {
    if (item !== undefined) {
      if (total >= start && total < start + size) data.push(show(item))
      total++
    }
    yield
  }
  return { data, total_count: total, page_count: Math.ceil(total / size) }
}

/** Returns a page, with the total count if the query asks for it, in steps. */
export function * listed<T, R> (
  items: Iterable<T | undefined>, query: Page & { include_total_count?: boolean }, show: (item: T) => R
): Generator<undefined, R[] | Counted<R>> {
  return query.include_total_count === true ? yield * countedPageOf(items, query, show) : yield * pageOf(items, query, show)
}

/** Whether the item has all values of the filter. */
export function isWanted<T extends object> (item: T, filter: Partial<T>): boolean {
  return (Object.keys(filter) as Array<keyof T>).every(name => filter[name] === undefined || item[name] === filter[name])
}
