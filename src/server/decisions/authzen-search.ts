// The searches of AuthZEN 1.0 for subjects, resources and actions. A search finds everything that an evaluation would allow.
import { createHash } from 'node:crypto'
import Type, { type Static, type TSchema } from 'typebox'
import { Failure } from '../http/failures.js'
import { ok, route, type Route } from '../http/route.js'
import { Action, Context, isUser, keyOf, Resource, resourceOf, Searched, Subject, tenantOf, userOf } from './authzen-query.js'
import { QUESTION_STEPS, Work } from '../../engine/engine.js'
import type { DecisionEngine } from '../../environment/environment.js'
import type { EngineQuery } from '../../engine/engine-query.js'

const PageToken = Type.Union([Type.String(), Type.Null()], { description: 'The `next_token` of the previous page of the same search.' })

const PageRequest = Type.Optional(Type.Union([Type.Object({
  token: Type.Optional(PageToken),
  limit: Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.Null()], { description: 'The most results on a page.' }))
}), Type.Null()]))

const Page = Type.Object({
  next_token: Type.String({ description: 'Empty on the last page.' }),
  count: Type.Integer({ description: 'The number of results on this page.' })
})

const found = <T extends TSchema>(item: T) => Type.Object({ results: Type.Array(item), page: Page })

/** The routes of the searches. */
export const authzenSearchRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/access/v1/search/subject',
    summary: 'Finds the subjects that may do the action on the resource (AuthZEN).',
    body: Type.Object({ subject: Searched, action: Action, resource: Resource, context: Context, page: PageRequest }),
    answer: found(Type.Object({ type: Type.String(), id: Type.String() })),
    async handle ({ body: { page, ...search }, environment: { engine }, userTypes, inTurns }) {
      const { subject, action, resource, context } = search
      const asked = resourceOf(resource)
      const base = userOf({ id: '', properties: subject.properties })
      const work = new Work(QUESTION_STEPS)
      function * subjects () {
        if (!isUser(subject.type, userTypes)) return
        for (const { key } of engine.facts.users()) {
          const query = {
            user: { ...base, key },
            action: action.name,
            resource: { ...asked, key: keyOf(resource) },
            context: context ?? undefined
          }
          yield allows(engine, query, work) ? { type: subject.type, id: key } : undefined
        }
      }
      return ok(await inTurns(pageOf(subjects(), page, search)))
    }
  }),

  route({
    method: 'POST',
    path: '/access/v1/search/resource',
    summary: 'Finds the resource instances on which the subject may do the action (AuthZEN), in `resource.properties.tenant` or in all.',
    body: Type.Object({ subject: Subject, action: Action, resource: Searched, context: Context, page: PageRequest }),
    answer: found(Type.Object({ type: Type.String(), id: Type.String(), properties: Type.Object({ tenant: Type.String() }) })),
    async handle ({ body: { page, ...search }, environment: { engine }, userTypes, inTurns }) {
      const { subject, action, resource, context } = search
      const [user, asked] = [userOf(subject), resourceOf(resource)]
      const work = new Work(QUESTION_STEPS)
      const tenant = tenantOf(resource)
      function * resources () {
        if (!isUser(subject.type, userTypes)) return
        for (const instance of engine.facts.resourceInstances({ resource: resource.type, ...(tenant === undefined ? {} : { tenant }) })) {
          const query: EngineQuery = {
            user,
            action: action.name,
            resource: { ...asked, key: instance.key, tenant: instance.tenant },
            context: context ?? undefined
          }
          yield allows(engine, query, work) ? { type: resource.type, id: instance.key, properties: { tenant: instance.tenant } } : undefined
        }
      }
      return ok(await inTurns(pageOf(resources(), page, search)))
    }
  }),

  route({
    method: 'POST',
    path: '/access/v1/search/action',
    summary: 'Finds the actions that the subject may do on the resource (AuthZEN).',
    body: Type.Object({ subject: Subject, resource: Resource, context: Context, page: PageRequest }),
    answer: found(Type.Object({ name: Type.String() })),
    async handle ({ body: { page, ...search }, environment: { engine, schema }, userTypes, inTurns }) {
      const { subject, resource, context } = search
      const [user, asked] = [userOf(subject), resourceOf(resource)]
      const work = new Work(QUESTION_STEPS)
      function * actions () {
        if (!isUser(subject.type, userTypes)) return
        const type = Object.hasOwn(schema.resources, resource.type) ? schema.resources[resource.type] : undefined
        for (const name of Object.keys(type?.actions ?? {})) {
          const query = { user, action: name, resource: { ...asked, key: keyOf(resource) }, context: context ?? undefined }
          yield allows(engine, query, work) ? { name } : undefined
        }
      }
      return ok(await inTurns(pageOf(actions(), page, search)))
    }
  })
]

interface ResultPage<T> { results: T[], page: Static<typeof Page> }

/**
 * Returns one page of the results. The token of the next page contains the number of results before it, and is valid only for the same
 * search.
 *
 * @param candidates - `undefined` stands for a candidate that is not a result
 * @throws 400 when the token belongs to another search
 */
function * pageOf<T> (
  candidates: Iterable<T | undefined>, page: Static<typeof PageRequest> | undefined, search: unknown
): Generator<undefined, ResultPage<T>> {
  const limit = page?.limit ?? Infinity
  const token = page?.token ?? ''
  const start = token === '' ? 0 : startOf(token, search)
  const shown: T[] = []
  let index = 0
  let isMore = false
  for (const result of candidates) {
    // There may be many candidates. Other requests get their turn in between.
    yield
    if (result === undefined) continue
    if (index++ < start) continue
    isMore = shown.length === limit
    if (isMore) break
    shown.push(result)
  }
  return { results: shown, page: { next_token: isMore ? `${start + shown.length}.${digestOf(search)}` : '', count: shown.length } }
}

function allows (engine: DecisionEngine, query: EngineQuery, work: Work): boolean {
  work.begin()
  work.spend(1)
  return engine.decide(query, work).allow
}

function startOf (token: string, search: unknown): number {
  const [, start, digest] = /^(\d{1,15})\.(.*)$/.exec(token) ?? []
  if (start === undefined || digest !== digestOf(search)) throw new Failure(400, 'page.token: this token belongs to another search')
  return Number(start)
}

function digestOf (search: unknown): string {
  return createHash('sha256').update(JSON.stringify(search)).digest('base64url').slice(0, 22)
}
