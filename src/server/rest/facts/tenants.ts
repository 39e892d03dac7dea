// The routes of tenants and their members.
import Type from 'typebox'
import { notFound } from '../../http/error-responses.js'
import { CountedList, CountedPageQuery, listed, MaybeCountedList } from '../paging.js'
import { makeRoom, makeRoomFor } from './large-deletions.js'
import { done, ok, route, type Route } from '../../http/route.js'
import { Empty, Idents, Operations, TenantCreate, TenantRead, TenantUpdate, UserRead } from './fact-shapes.js'
import { UsersQuery, usersPage } from './users.js'
import { keyOf, tenantView } from './fact-view.js'
import { withoutNull } from './body-without-nulls.js'
import type { TenantFact, UserFact } from '../../../engine/facts/fact.js'
import type { FactsReader } from '../../../environment/environment.js'

/** The routes of tenants. */
export const tenantRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/tenants',
    summary: 'Lists the tenants.',
    query: Type.Object({ search: Type.Optional(Type.String({ description: 'Part of the key or the name.' })), ...CountedPageQuery }),
    answer: MaybeCountedList(TenantRead),
    async handle ({ query, environment, inTimeSlices }) {
      const tenants = wanted(environment.engine.facts, query.search)
      return ok(await inTimeSlices(listed(tenants, query, tenant => tenantView(environment, tenant))))
    }
  }),

  route({
    method: 'POST',
    path: '/tenants',
    summary: 'Creates a tenant.',
    body: TenantCreate,
    answer: TenantRead,
    async handle ({ body, environment }) {
      return ok(await environment.write(writer => tenantView(environment, writer.createTenant(withoutNull(body)).fact)))
    }
  }),

  route({
    method: 'GET',
    path: '/tenants/:tenant',
    summary: 'Reads a tenant.',
    answer: TenantRead,
    handle ({ params, environment }) {
      const key = keyOf(environment, 'tenant', params.tenant)
      return ok(tenantView(environment, environment.engine.facts.getTenant(key) as TenantFact))
    }
  }),

  route({
    method: 'PATCH',
    path: '/tenants/:tenant',
    summary: 'Changes a tenant. Fields that are not given stay as they are.',
    body: TenantUpdate,
    answer: TenantRead,
    async handle ({ params, body, environment }) {
      return ok(await environment.write(writer => tenantView(environment, writer.updateTenant(params.tenant, body).fact)))
    }
  }),

  route({
    method: 'DELETE',
    path: '/tenants/:tenant',
    summary: 'Deletes a tenant, with the roles in it and its resource instances.',
    async handle ({ params, environment }) {
      await makeRoomFor(environment, 'tenant', [params.tenant])
      await environment.write(writer => writer.deleteTenant(params.tenant))
      return done()
    }
  }),

  route({
    method: 'GET',
    path: '/tenants/:tenant/users',
    summary: 'Lists the users who have a role in a tenant.',
    query: UsersQuery,
    answer: CountedList(UserRead),
    async handle ({ params, query, environment, inTimeSlices }) {
      const tenant = keyOf(environment, 'tenant', params.tenant)
      return ok(await inTimeSlices(usersPage(environment, membersOf(environment.engine.facts, tenant, query.role), query)))
    }
  }),

  route({
    method: 'DELETE',
    path: '/tenants/:tenant/users/:user',
    summary: 'Removes all roles of a user in a tenant.',
    async handle ({ params, environment }) {
      const tenant = keyOf(environment, 'tenant', params.tenant)
      const user = keyOf(environment, 'user', params.user)
      await makeRoom(environment, function * () {
        for (const assignment of environment.engine.facts.roleAssignments({ user, tenant })) yield { assignment }
      })
      await environment.write(writer => {
        const assignments = [...environment.engine.facts.roleAssignments({ user, tenant })]
        if (assignments.length === 0) throw notFound(`user '${user}' in tenant '${tenant}'`)
        for (const assignment of assignments) writer.unassignRole(assignment)
      })
      return done()
    }
  }),

  route({
    method: 'POST',
    path: '/bulk/tenants',
    summary: 'Creates tenants: all or none.',
    body: Operations(TenantCreate),
    answer: Empty,
    async handle ({ body, environment }) {
      await environment.write(writer => body.operations.map(tenant => writer.createTenant(withoutNull(tenant))))
      return ok({})
    }
  }),

  route({
    method: 'DELETE',
    path: '/bulk/tenants',
    summary: 'Deletes tenants: all or none.',
    body: Idents(Type.String()),
    answer: Empty,
    async handle ({ body, environment }) {
      await makeRoomFor(environment, 'tenant', body.idents)
      await environment.write(writer => body.idents.map(tenant => writer.deleteTenant(tenant)))
      return ok({})
    }
  })
]

function * wanted (facts: FactsReader, search: string | undefined): Generator<TenantFact | undefined> {
  const part = search?.toLowerCase()
  for (const tenant of facts.tenants()) {
    yield part === undefined || [tenant.key, tenant.name].some(text => text?.toLowerCase().includes(part)) ? tenant : undefined
  }
}

function * membersOf (facts: FactsReader, tenant: string, role: string | undefined): Generator<UserFact | undefined> {
  const seen = new Set<string>()
  for (const assignment of facts.roleAssignmentsNear({ tenant })) {
    const { user, resource_instance: on } = assignment
    const isNew = on === undefined && (role === undefined || assignment.role === role) && !seen.has(user)
    if (isNew) seen.add(user)
    yield isNew ? facts.getUser(user) : undefined
  }
}
