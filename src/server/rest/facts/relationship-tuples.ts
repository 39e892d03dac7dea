// The routes of relationship tuples, which link two resource instances.
import Type, { type Static } from 'typebox'
import { countedPageOf, CountedList, CountedPageQuery, isWanted, listed, MaybeCountedList, PageQuery } from '../paging.js'
import { done, ok, route, type Route } from '../../http/route.js'
import { Empty, Idents, Operations, TupleCreate, TupleDelete, TupleDetailedRead, TupleRead } from './fact-shapes.js'
import { tupleDetailedView, tupleView } from './fact-view.js'
import { withoutNull } from './body-without-nulls.js'
import type { RelationshipTupleFact } from '../../../engine/facts/fact.js'
import type { Environment } from '../../../environment/environment.js'

const Query = Type.Object({
  tenant: Type.Optional(Type.String()),
  subject: Type.Optional(Type.String()),
  relation: Type.Optional(Type.String()),
  object: Type.Optional(Type.String()),
  subject_type: Type.Optional(Type.String()),
  object_type: Type.Optional(Type.String()),
  detailed: Type.Optional(Type.Boolean({ description: 'Accepted and ignored.' })),
  ...CountedPageQuery
})

const { detailed: _detailed, include_total_count: _counted, ...DetailedFields } = Query.properties
const DetailedQuery = Type.Object({ ...DetailedFields, ...PageQuery })

/** The routes of relationship tuples. */
export const relationshipTupleRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/relationship_tuples',
    summary: 'Lists relationship tuples.',
    query: Query,
    answer: MaybeCountedList(TupleRead),
    async handle ({ query, environment, inTimeSlices }) {
      return ok(await inTimeSlices(listed(wanted(environment, query), query, tuple => tupleView(environment, tuple))))
    }
  }),

  route({
    method: 'GET',
    path: '/relationship_tuples/detailed',
    summary: 'Lists relationship tuples with their instances, relations and tenants.',
    query: DetailedQuery,
    answer: CountedList(TupleDetailedRead),
    async handle ({ query, environment, inTimeSlices }) {
      return ok(await inTimeSlices(countedPageOf(wanted(environment, query), query, tuple => tupleDetailedView(environment, tuple))))
    }
  }),

  route({
    method: 'POST',
    path: '/relationship_tuples',
    summary: 'Links two resource instances.',
    body: TupleCreate,
    answer: TupleRead,
    async handle ({ body, environment }) {
      return ok(await environment.write(writer => tupleView(environment, writer.createRelationshipTuple(withoutNull(body)).fact)))
    }
  }),

  route({
    method: 'DELETE',
    path: '/relationship_tuples',
    summary: 'Unlinks two resource instances.',
    body: TupleDelete,
    async handle ({ body, environment }) {
      await environment.write(writer => writer.deleteRelationshipTuple(withoutNull(body)))
      return done()
    }
  }),

  route({
    method: 'POST',
    path: '/relationship_tuples/bulk',
    summary: 'Links pairs of resource instances: all or none.',
    body: Operations(TupleCreate),
    answer: Empty,
    async handle ({ body, environment }) {
      await environment.write(writer => body.operations.map(tuple => writer.createRelationshipTuple(withoutNull(tuple))))
      return ok({})
    }
  }),

  route({
    method: 'DELETE',
    path: '/relationship_tuples/bulk',
    summary: 'Unlinks pairs of resource instances: all or none.',
    body: Idents(TupleDelete),
    answer: Empty,
    async handle ({ body, environment }) {
      await environment.write(writer => body.idents.map(tuple => writer.deleteRelationshipTuple(withoutNull(tuple))))
      return ok({})
    }
  })
]

function * wanted (environment: Environment, query: Static<typeof Query>): Generator<RelationshipTupleFact | undefined> {
  const { tenant, subject, relation, object, subject_type: subjectType, object_type: objectType } = query
  const filter: { -readonly [K in keyof RelationshipTupleFact]?: RelationshipTupleFact[K] } = {}
  if (tenant !== undefined) filter.tenant = environment.resolve('tenant', tenant) ?? tenant
  if (subject !== undefined) filter.subject = environment.resolve('resource_instance', subject) ?? subject
  if (object !== undefined) filter.object = environment.resolve('resource_instance', object) ?? object
  if (relation !== undefined) filter.relation = relation
  for (const tuple of environment.engine.facts.relationshipTuplesNear(filter)) {
    const isOfSubjectType = subjectType === undefined || tuple.subject.startsWith(`${subjectType}:`)
    const isOfObjectType = objectType === undefined || tuple.object.startsWith(`${objectType}:`)
    yield isOfSubjectType && isOfObjectType && isWanted(tuple, filter) ? tuple : undefined
  }
}
