// Pages of searches, and the tokens that lead from one to the next.
import { createHash, randomUUID } from 'node:crypto'
import Type, { type Static } from 'typebox'
import { MAX_PAGE, stepsOfSearchPage, type Found, type SearchPlace, type SearchQuery } from '../../engine/search/search-page.js'
import type { DecisionEngine } from '../../environment/environment.js'
import { Failure } from '../http/error-responses.js'
import { Attributes } from './wire.js'

const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))

/** The page that a search asks for. */
export const PageRequest = orNull(Type.Object({
  token: orNull(Type.String({ description: 'The `next_token` of the previous page of the same search, which has the same limit.' })),
  limit: orNull(Type.Integer({ minimum: 0, description: `The most results on a page; never more than ${MAX_PAGE}.` })),
  properties: orNull(Attributes)
}))

/** The page that an answer is. */
export const Page = Type.Object({
  next_token: Type.String({
    description: 'Empty on the last page. A page may have fewer results than asked for, or none, and not be the last.'
  }),
  count: Type.Integer({ description: 'The number of results on this page.' })
})

interface ResultPage<T> { page: Static<typeof Page>, results: T[] }

/**
 * One page of a search, in steps.
 *
 * @param query - undefined when nothing can be found
 * @param search - the whole search, as it was sent: a token is valid for the same search only
 * @throws 400 when the token belongs to another search
 */
export function * stepsOfPage<T> (
  engine: DecisionEngine, query: SearchQuery | undefined, page: Static<typeof PageRequest> | undefined, search: object,
  show: (found: Found) => T
): Generator<undefined, ResultPage<T>> {
  const { token, ...asked } = page ?? {}
  const digest = digestOf(engine, [search, asked])
  const from = token === undefined || token === null || token === '' ? undefined : placeOf(token, digest)
  if (query === undefined) return { page: { next_token: '', count: 0 }, results: [] }
  const { found, next } = yield * stepsOfSearchPage(engine, query, asked.limit ?? Infinity, from)
  const results = found.map(show)
  return { page: { next_token: next === undefined ? '' : `${next.index}.${next.removals}.${digest}`, count: results.length }, results }
}

function placeOf (token: string, digest: string): SearchPlace {
  const [, index, removals, known] = /^(\d{1,15})\.(\d{1,15})\.(.*)$/s.exec(token) ?? []
  if (index === undefined || removals === undefined || known !== digest) {
    throw new Failure(400, 'page.token: this token belongs to another search, or to an earlier start of this PDP')
  }
  return { index: Number(index), removals: Number(removals) }
}

/** Places count the removals since the start, and the order is that of this process. */
const STARTS = new WeakMap<DecisionEngine, string>()

function digestOf (engine: DecisionEngine, search: unknown): string {
  let start = STARTS.get(engine)
  if (start === undefined) STARTS.set(engine, start = randomUUID())
  return createHash('sha256').update(start).update(JSON.stringify(search)).digest('base64url').slice(0, 22)
}
