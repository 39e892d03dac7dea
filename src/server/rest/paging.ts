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

/** The items of one page. Those after it are not looked at. */
export function pageOf<T> (items: Iterable<T>, { page = 1, per_page: size = DEFAULT_PER_PAGE }: Page): T[] {
  const start = (page - 1) * size
  const found: T[] = []
  let index = 0
  for (const item of items) {
    if (index >= start + size) break
    if (index++ >= start) found.push(item)
  }
  return found
}

/** The items of one page, and how many there are: all are counted, only those of the page are kept. */
export function countedPageOf<T> (items: Iterable<T>, { page = 1, per_page: size = DEFAULT_PER_PAGE }: Page): Counted<T> {
  const start = (page - 1) * size
  const data: T[] = []
  let total = 0
  for (const item of items) {
    if (total >= start && total < start + size) data.push(item)
    total++
  }
  return { data, total_count: total, page_count: Math.ceil(total / size) }
}

/** The page, shown; counted only if the query asks for it. */
export function listed<T, R> (items: Iterable<T>, query: Page & { include_total_count?: boolean }, show: (item: T) => R): R[] | Counted<R> {
  if (query.include_total_count !== true) return pageOf(items, query).map(show)
  const { data, ...counts } = countedPageOf(items, query)
  return { data: data.map(show), ...counts }
}
