// The route of searches over Permit's wire, which the plugin asks: Permit's PDP has none, so its path is one that Permit's cannot have.
import Type, { type Static } from 'typebox'
import { nameOfResource, ok, outcomeOfSearch, route, type Route } from '../http/route.js'
import { SEARCH_PATH } from '../../contract/search-path.js'
import type { SearchQuery } from '../../engine/search/search-page.js'
import { Page, PageRequest, stepsOfPage } from './search-pages.js'
import { Failure } from '../http/error-responses.js'
import { Attributes, Key, toEngineUser, WireUser } from './wire.js'

const Question = Type.Object({
  find: Type.Enum(['resources', 'users', 'actions']),
  user: Type.Optional(WireUser),
  action: Type.Optional(Type.String()),
  resource: Type.Object({ type: Type.String(), key: Type.Optional(Key), tenant: Key, attributes: Type.Optional(Attributes) }),
  context: Type.Optional(Attributes),
  page: PageRequest
})

const KINDS = { resources: 'searchResources', users: 'searchUsers', actions: 'searchActions' } as const

/** The route of searches. */
export const searchRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: SEARCH_PATH,
    summary: 'Finds resource instances, users or actions that a decision would allow, page by page. An extension of fastify-permit.',
    body: Question,
    answer: Type.Object({
      page: Page,
      results: Type.Array(Type.String({ description: 'The key of a resource or a user, or the name of an action.' }))
    }),
    listing: {
      question: ({ find, user, action, resource }) => ({
        kind: KINDS[find],
        user: find === 'users' ? undefined : user?.key,
        action: find === 'actions' ? undefined : action,
        resource: find === 'resources' ? resource.type : nameOfResource(resource),
        tenant: resource.tenant
      }),
      outcome: ({ page }) => outcomeOfSearch(page.count)
    },
    async handle ({ body: { page, ...search }, environment: { engine }, inTimeSlices }) {
      return ok(await inTimeSlices(stepsOfPage(engine, queryOf(search), page, search, ({ key }) => key)))
    }
  })
]

type Search = Omit<Static<typeof Question>, 'page'>

function queryOf ({ find, user, action, resource, context }: Search): SearchQuery {
  if (find === 'users') return { find, action: given('action', action), resource, context }
  const who = toEngineUser(given('user', user))
  if (find === 'actions') return { find, user: who, resource, context }
  const { type, tenant } = resource
  return { find: 'resources', user: who, action: given('action', action), resource: { type, tenant }, context }
}

function given<T> (name: string, value: T | undefined): T {
  if (value === undefined) throw new Failure(422, `body: ${name} is missing`)
  return value
}
