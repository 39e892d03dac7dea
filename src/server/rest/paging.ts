// Lists in pages, with and without their length, as Permit's REST API has them.
import Type, { type TSchema } from 'typebox'

/** Items on a page unless told otherwise. */
const DEFAULT_PER_PAGE = 30

/** The query of every list. */
export const PageQuery = {
  page: Type.Optional(Type.Integer({ minimum: 1, description: 'From 1.' })),
  per_page: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, description: `Items on a page, ${DEFAULT_PER_PAGE} unless told otherwise.` }))
}

/** The query of lists that may come with their length. */
export const CountedPageQuery = {
  ...PageQuery,
  include_total_count: Type.Optional(Type.Boolean({ description: 'Whether to answer `{ data, total_count, page_count }` instead of an array.' }))
}

/** A page that knows how many there are. */
export interface Counted<T> {
  data: T[]
  total_count: number
  /** Pages. */
  page_count: number
}

interface Page { page?: number, per_page?: number }

/** The schema of {@link Counted}. */
export function CountedList<T extends TSchema> (item: T) {
  return Type.Object({ data: Type.Array(item), total_count: Type.Integer(), page_count: Type.Integer() })
}

/** The schema of a list that may come with its length. */
export function MaybeCountedList<T extends TSchema> (item: T) {
  return Type.Union([Type.Array(item), CountedList(item)])
}

/**
 * The items of one page, shown; those after it are not looked at. In steps: an item is shown in the step in which it is found, because it may be gone in
 * the next.
 *
 * @param items - `undefined` for one that was looked at and is not wanted
 */
export function * pageOf<T, R> (items: Iterable<T | undefined>, { page = 1, per_page: size = DEFAULT_PER_PAGE }: Page, show: (item: T) => R): Generator<undefined, R[]> {
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

/** The items of one page, shown, and how many there are: all are counted. In steps. */
export function * countedPageOf<T, R> (items: Iterable<T | undefined>, { page = 1, per_page: size = DEFAULT_PER_PAGE }: Page, show: (item: T) => R): Generator<undefined, Counted<R>> {
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

/** The page, shown; counted only if the query asks for it. In steps. */
export function * listed<T, R> (items: Iterable<T | undefined>, query: Page & { include_total_count?: boolean }, show: (item: T) => R): Generator<undefined, R[] | Counted<R>> {
  return query.include_total_count === true ? yield * countedPageOf(items, query, show) : yield * pageOf(items, query, show)
}

/** Whether the item has everything that the filter names. */
export function isWanted<T extends object> (item: T, filter: Partial<T>): boolean {
  return (Object.keys(filter) as Array<keyof T>).every(name => filter[name] === undefined || item[name] === filter[name])
}
