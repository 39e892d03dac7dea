// The searches of AuthZEN 1.0 for subjects, resources and actions. A search finds everything that an evaluation would allow.
import Type, { type TSchema } from 'typebox'
import { nameOfResource, ok, outcomeOfSearch, route, type Route } from '../http/route.js'
import { Action, Context, isUser, keyOf, Resource, resourceOf, Searched, Subject, tenantOf, userOf } from './authzen-query.js'
import { Page, PageRequest, stepsOfPage } from './search-pages.js'

// The page comes first, as the standard recommends.
const found = <T extends TSchema>(item: T) => Type.Object({ page: Page, results: Type.Array(item) })

/** The routes of the searches. */
export const authzenSearchRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/access/v1/search/subject',
    summary: 'Finds the subjects that may do the action on the resource (AuthZEN).',
    body: Type.Object({ subject: Searched, action: Action, resource: Resource, context: Context, page: PageRequest }),
    answer: found(Type.Object({ type: Type.String(), id: Type.String() })),
    listing: {
      question: ({ action, resource }) => ({
        kind: 'searchUsers', user: undefined, action: action.name, resource: nameOf(resource), tenant: tenantOf(resource)
      }),
      outcome: ({ page }) => outcomeOfSearch(page.count)
    },
    async handle ({ body: { page, ...search }, environment: { engine }, userTypes, inTimeSlices }) {
      const { subject, action, resource, context } = search
      const { key: _key, ...user } = userOf({ id: '', properties: subject.properties })
      const asked = { ...resourceOf(resource), key: keyOf(resource) }
      const { type } = subject
      const query = { find: 'users' as const, user, action: action.name, resource: asked, context: context ?? undefined }
      const known = isUser(type, userTypes) ? query : undefined
      return ok(await inTimeSlices(stepsOfPage(engine, known, page, search, ({ key }) => ({ type, id: key }))))
    }
  }),

  route({
    method: 'POST',
    path: '/access/v1/search/resource',
    summary: 'Finds the resource instances on which the subject may do the action (AuthZEN), in `resource.properties.tenant` or in all.',
    body: Type.Object({ subject: Subject, action: Action, resource: Searched, context: Context, page: PageRequest }),
    answer: found(Type.Object({ type: Type.String(), id: Type.String(), properties: Type.Object({ tenant: Type.String() }) })),
    listing: {
      question: ({ subject, action, resource }) => ({
        kind: 'searchResources', user: subject.id, action: action.name, resource: resource.type, tenant: tenantOf(resource)
      }),
      outcome: ({ page }) => outcomeOfSearch(page.count)
    },
    async handle ({ body: { page, ...search }, environment: { engine }, userTypes, inTimeSlices }) {
      const { subject, action, resource, context } = search
      const { type, attributes } = resourceOf(resource)
      const query = {
        find: 'resources' as const,
        user: userOf(subject),
        action: action.name,
        resource: { type, tenant: tenantOf(resource), attributes },
        context: context ?? undefined
      }
      const known = isUser(subject.type, userTypes) ? query : undefined
      return ok(await inTimeSlices(stepsOfPage(engine, known, page, search,
        ({ key, tenant }) => ({ type, id: key, properties: { tenant: tenant as string } }))))
    }
  }),

  route({
    method: 'POST',
    path: '/access/v1/search/action',
    summary: 'Finds the actions that the subject may do on the resource (AuthZEN).',
    body: Type.Object({ subject: Subject, resource: Resource, context: Context, page: PageRequest }),
    answer: found(Type.Object({ name: Type.String() })),
    listing: {
      question: ({ subject, resource }) => ({
        kind: 'searchActions', user: subject.id, action: undefined, resource: nameOf(resource), tenant: tenantOf(resource)
      }),
      outcome: ({ page }) => outcomeOfSearch(page.count)
    },
    async handle ({ body: { page, ...search }, environment: { engine }, userTypes, inTimeSlices }) {
      const { subject, resource, context } = search
      const asked = { ...resourceOf(resource), key: keyOf(resource) }
      const query = { find: 'actions' as const, user: userOf(subject), resource: asked, context: context ?? undefined }
      const known = isUser(subject.type, userTypes) ? query : undefined
      return ok(await inTimeSlices(stepsOfPage(engine, known, page, search, ({ key: name }) => ({ name }))))
    }
  })
]

function nameOf ({ type, id }: { readonly type: string, readonly id: string }): string {
  return nameOfResource({ type, key: id })
}
