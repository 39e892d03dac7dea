// The routes of role assignments, in a tenant or on a resource instance.
import Type, { type Static } from 'typebox'
import { countedPageOf, CountedList, CountedPageQuery, isWanted, listed, MaybeCountedList, PageQuery } from '../paging.js'
import { done, ok, route, type Answer, type Route } from '../../http/route.js'
import { Assignment, AssignmentDetailedRead, AssignmentRead, Assignments, NewAssignment, NewAssignments } from './fact-shapes.js'
import { assignmentDetailedView, assignmentView } from './fact-view.js'
import { withoutNull } from './body-without-nulls.js'
import type { RoleAssignmentFact } from '../../../engine/facts/fact.js'
import type { Environment } from '../../../environment/environment.js'

const Query = Type.Object({
  user: Type.Optional(Type.String()),
  role: Type.Optional(Type.String()),
  tenant: Type.Optional(Type.String()),
  resource: Type.Optional(Type.String({ description: 'Only roles on instances of this resource.' })),
  resource_instance: Type.Optional(Type.String()),
  detailed: Type.Optional(Type.Boolean({ description: 'Whether to include users, roles, tenants and instances instead of their keys.' })),
  ...CountedPageQuery
})

const { detailed: _detailed, include_total_count: _counted, ...DetailedFields } = Query.properties
const DetailedQuery = Type.Object({ ...DetailedFields, ...PageQuery })

const AssignmentList = MaybeCountedList(AssignmentRead)
const AssignmentDetailedList = MaybeCountedList(AssignmentDetailedRead)

/** The routes of role assignments. */
export const roleAssignmentRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/role_assignments',
    summary: 'Lists role assignments.',
    query: Query,
    answer: Type.Union([AssignmentList, AssignmentDetailedList]),
    async handle ({
      query, environment, inTimeSlices
    }): Promise<Answer<Static<typeof AssignmentList> | Static<typeof AssignmentDetailedList>>> {
      const found = wanted(environment, query)
      return query.detailed === true
        ? ok(await inTimeSlices(listed(found, query, assignment => assignmentDetailedView(environment, assignment))))
        : ok(await inTimeSlices(listed(found, query, assignment => assignmentView(environment, assignment))))
    }
  }),

  route({
    method: 'GET',
    path: '/role_assignments/detailed',
    summary: 'Lists role assignments with their users, roles, tenants and instances.',
    query: DetailedQuery,
    answer: CountedList(AssignmentDetailedRead),
    async handle ({ query, environment, inTimeSlices }) {
      const found = wanted(environment, query)
      return ok(await inTimeSlices(countedPageOf(found, query, assignment => assignmentDetailedView(environment, assignment))))
    }
  }),

  route({
    method: 'POST',
    path: '/role_assignments',
    summary: 'Assigns a role to a user, in a tenant or on a resource instance.',
    body: NewAssignment,
    answer: AssignmentRead,
    async handle ({ body, environment }) {
      return ok(await environment.write(writer => assignmentView(environment, writer.assignRole(withoutNull(body)).fact)))
    }
  }),

  route({
    method: 'DELETE',
    path: '/role_assignments',
    summary: 'Removes a role from a user.',
    body: Assignment,
    async handle ({ body, environment }) {
      await environment.write(writer => writer.unassignRole(withoutNull(body)))
      return done()
    }
  }),

  route({
    method: 'POST',
    path: '/role_assignments/bulk',
    summary: 'Assigns roles: all or none.',
    body: NewAssignments,
    answer: Type.Object({ assignments_created: Type.Integer() }),
    async handle ({ body, environment }) {
      const written = await environment.write(writer => body.map(assignment => writer.assignRole(withoutNull(assignment))))
      return ok({ assignments_created: written.filter(({ status }) => status === 'created').length })
    }
  }),

  route({
    method: 'DELETE',
    path: '/role_assignments/bulk',
    summary: 'Removes roles: all or none.',
    body: Assignments,
    answer: Type.Object({ assignments_removed: Type.Integer() }),
    async handle ({ body, environment }) {
      const written = await environment.write(writer => body.map(assignment => writer.unassignRole(withoutNull(assignment))))
      return ok({ assignments_removed: written.length })
    }
  })
]

/** Ids in the query are resolved to keys. Objects that do not exist have no assignments. */
function * wanted (environment: Environment, query: Static<typeof Query>): Generator<RoleAssignmentFact | undefined> {
  const { user, role, tenant, resource, resource_instance: on } = query
  const filter: { -readonly [K in keyof RoleAssignmentFact]?: RoleAssignmentFact[K] } = {}
  if (user !== undefined) filter.user = environment.resolve('user', user) ?? user
  if (tenant !== undefined) filter.tenant = environment.resolve('tenant', tenant) ?? tenant
  if (on !== undefined) filter.resource_instance = environment.resolve('resource_instance', on) ?? on
  if (role !== undefined) filter.role = environment.resolve('role', role) ?? role
  const type = resource === undefined ? undefined : `${environment.resolve('resource', resource) ?? resource}:`
  for (const assignment of environment.engine.facts.roleAssignmentsNear(filter)) {
    const isOfType = type === undefined || assignment.resource_instance?.startsWith(type) === true
    yield isOfType && isWanted(assignment, filter) ? assignment : undefined
  }
}
