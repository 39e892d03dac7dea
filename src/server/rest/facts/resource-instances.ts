// The routes of resource instances.
import Type, { type Static } from 'typebox'
import { countedPageOf, CountedList, CountedPageQuery, listed, MaybeCountedList, PageQuery } from '../paging.js'
import { makeRoomFor } from './large-deletions.js'
import { done, ok, route, type Route } from '../../http/route.js'
import { Empty, Idents, InstanceCreate, InstanceDetailedRead, InstanceRead, InstanceUpdate, Operations } from './fact-shapes.js'
import { instanceDetailedView, instanceView, keyOf } from './fact-view.js'
import { withoutNull } from './body-without-nulls.js'
import type { ResourceInstanceFact } from '../../../engine/facts/fact.js'
import type { Environment, FactWriter } from '../../../environment/environment.js'

const Query = Type.Object({
  tenant: Type.Optional(Type.String()),
  resource: Type.Optional(Type.String()),
  search: Type.Optional(Type.String({ description: 'Part of the key.' })),
  ...CountedPageQuery
})

const { include_total_count: _counted, ...DetailedFields } = Query.properties
const DetailedQuery = Type.Object({ ...DetailedFields, ...PageQuery })

/** The routes of resource instances. */
export const resourceInstanceRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/resource_instances',
    summary: 'Lists resource instances.',
    query: Query,
    answer: MaybeCountedList(InstanceRead),
    async handle ({ query, environment, inTimeSlices }) {
      return ok(await inTimeSlices(listed(wanted(environment, query), query, instance => instanceView(environment, instance))))
    }
  }),

  route({
    method: 'GET',
    path: '/resource_instances/detailed',
    summary: 'Lists resource instances with the relationship tuples in which each is the subject.',
    query: DetailedQuery,
    answer: CountedList(InstanceDetailedRead),
    async handle ({ query, environment, inTimeSlices }) {
      const view = (instance: Parameters<typeof instanceDetailedView>[1]) => instanceDetailedView(environment, instance)
      return ok(await inTimeSlices(countedPageOf(wanted(environment, query), query, view)))
    }
  }),

  route({
    method: 'POST',
    path: '/resource_instances',
    summary: 'Creates a resource instance.',
    body: InstanceCreate,
    answer: InstanceRead,
    async handle ({ body, environment }) {
      return ok(await environment.write(writer => instanceView(environment, writer.createResourceInstance(withoutNull(body)).fact)))
    }
  }),

  route({
    method: 'GET',
    path: '/resource_instances/:instance',
    summary: 'Reads a resource instance, `<resource>:<key>`.',
    answer: InstanceRead,
    handle ({ params, environment }) {
      const id = keyOf(environment, 'resource_instance', params.instance)
      return ok(instanceView(environment, environment.engine.facts.getResourceInstance(id) as ResourceInstanceFact))
    }
  }),

  ...(['PATCH', 'PUT'] as const).map(method => route({
    method,
    path: '/resource_instances/:instance',
    summary: 'Replaces the attributes of a resource instance.',
    body: InstanceUpdate,
    answer: InstanceRead,
    async handle ({ params, body, environment }) {
      return ok(await environment.write(writer => instanceView(environment, writer.updateResourceInstance(params.instance, body).fact)))
    }
  })),

  route({
    method: 'DELETE',
    path: '/resource_instances/:instance',
    summary: 'Deletes a resource instance, with the roles on it and its relationship tuples.',
    async handle ({ params, environment }) {
      await makeRoomFor(environment, 'resource_instance', [params.instance])
      await environment.write(writer => writer.deleteResourceInstance(params.instance))
      return done()
    }
  }),

  route({
    method: 'PUT',
    path: '/bulk/resource_instances',
    summary: 'Creates resource instances or replaces their attributes: all or none.',
    body: Operations(InstanceCreate),
    answer: Empty,
    async handle ({ body, environment }) {
      await environment.write(writer => body.operations.map(instance => replace(writer, environment, instance)))
      return ok({})
    }
  }),

  route({
    method: 'DELETE',
    path: '/bulk/resource_instances',
    summary: 'Deletes resource instances: all or none.',
    body: Idents(Type.String()),
    answer: Empty,
    async handle ({ body, environment }) {
      await makeRoomFor(environment, 'resource_instance', body.idents)
      await environment.write(writer => body.idents.map(instance => writer.deleteResourceInstance(instance)))
      return ok({})
    }
  })
]

function replace (writer: FactWriter, environment: Environment, instance: Static<typeof InstanceCreate>) {
  const { resource, key, attributes } = instance
  const id = `${environment.resolve('resource', resource) ?? resource}:${key}`
  if (environment.engine.facts.getResourceInstance(id) === undefined) return writer.createResourceInstance(withoutNull(instance))
  return writer.updateResourceInstance(id, { attributes: attributes ?? null })
}

function * wanted (environment: Environment, query: Static<typeof Query>): Generator<ResourceInstanceFact | undefined> {
  const { tenant, resource, search } = query
  const part = search?.toLowerCase()
  const wantedTenant = tenant === undefined ? undefined : environment.resolve('tenant', tenant) ?? tenant
  const type = resource === undefined ? undefined : environment.resolve('resource', resource) ?? resource
  // Uses one index, and filters its result by the other condition.
  const filter = wantedTenant !== undefined ? { tenant: wantedTenant } : type !== undefined ? { resource: type } : {}
  const found = environment.engine.facts.resourceInstances(filter)
  for (const instance of found) {
    const isOfType = type === undefined || instance.resource === type
    yield isOfType && (part === undefined || instance.key.toLowerCase().includes(part)) ? instance : undefined
  }
}
