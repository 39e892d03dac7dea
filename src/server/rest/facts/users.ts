// The routes of users and their roles.
import Type, { type Static } from 'typebox'
import { invalid } from '../../http/error-responses.js'
import { countedPageOf, CountedList, isWanted, listed, MaybeCountedList, CountedPageQuery, PageQuery } from '../paging.js'
import { makeRoomFor } from './large-deletions.js'
import { done, ok, route, type Route } from '../../http/route.js'
import {
  AssignmentRead, Empty, Idents, MAX_ITEMS, Operations, UserCreate, UserRead, UserRole, UserSync, UserUpdate
} from './fact-shapes.js'
import { assignmentView, keyOf, userView } from './fact-view.js'
import { withoutNull } from './body-without-nulls.js'
import type { RoleAssignmentFact, UserFact } from '../../../engine/facts/fact.js'
import type { Environment, FactWriter } from '../../../environment/environment.js'

/** The query of user lists. */
export const UsersQuery = Type.Object({
  search: Type.Optional(Type.String({ description: 'Part of the key, the email address or a name.' })),
  role: Type.Optional(Type.String({ description: 'A role of the user.' })),
  include_resource_instance_roles: Type.Optional(Type.Boolean({ description: 'Whether to include roles on resource instances.' })),
  ...PageQuery,
  include_total_count: Type.Optional(Type.Boolean())
})

/** The routes of users. */
export const userRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/users',
    summary: 'Lists the users.',
    query: UsersQuery,
    answer: CountedList(UserRead),
    handle: async ({ query, environment, inTimeSlices }) =>
      ok(await inTimeSlices(usersPage(environment, environment.engine.facts.users(), query)))
  }),

  route({
    method: 'POST',
    path: '/users',
    summary: 'Creates a user, with initial roles.',
    body: UserCreate,
    answer: UserRead,
    async handle ({ body, environment }) {
      return ok(await environment.write(writer => userView(environment, create(writer, body).fact)))
    }
  }),

  route({
    method: 'GET',
    path: '/users/:user',
    summary: 'Reads a user.',
    answer: UserRead,
    handle: ({ params, environment }) => ok(readUser(environment, params.user))
  }),

  route({
    method: 'PUT',
    path: '/users/:user',
    summary: 'Creates a user with initial roles (201), or replaces the data of an existing user (200), whose roles stay.',
    body: UserSync,
    answer: UserRead,
    statuses: [200, 201],
    async handle ({ params, body, environment }) {
      const key = environment.resolve('user', params.user) ?? params.user
      if (body.key !== undefined && body.key !== key) throw invalid(`body.key: is '${body.key}', but the user in the path is '${key}'`)
      return environment.write(writer => {
        const { status, fact } = sync(writer, environment, { ...body, key })
        return { status: status === 'created' ? 201 : 200, body: userView(environment, fact) }
      })
    }
  }),

  route({
    method: 'PATCH',
    path: '/users/:user',
    summary: 'Changes a user. Fields that are not given stay as they are.',
    body: UserUpdate,
    answer: UserRead,
    async handle ({ params, body, environment }) {
      return ok(await environment.write(writer => userView(environment, writer.updateUser(params.user, body).fact)))
    }
  }),

  route({
    method: 'DELETE',
    path: '/users/:user',
    summary: 'Deletes a user, with the roles of the user.',
    async handle ({ params, environment }) {
      await makeRoomFor(environment, 'user', [params.user])
      await environment.write(writer => writer.deleteUser(params.user))
      return done()
    }
  }),

  route({
    method: 'GET',
    path: '/users/:user/roles',
    summary: 'Lists the roles of a user.',
    query: Type.Object({ tenant: Type.Optional(Type.String()), ...CountedPageQuery }),
    answer: MaybeCountedList(AssignmentRead),
    async handle ({ params, query, environment, inTimeSlices }) {
      const user = keyOf(environment, 'user', params.user)
      const filter = query.tenant === undefined ? { user } : { user, tenant: keyOf(environment, 'tenant', query.tenant) }
      return ok(await inTimeSlices(listed(within(environment, filter), query, assignment => assignmentView(environment, assignment))))
    }
  }),

  route({
    method: 'POST',
    path: '/users/:user/roles',
    summary: 'Assigns a role to a user, in a tenant or on a resource instance.',
    body: UserRole,
    answer: AssignmentRead,
    async handle ({ params, body, environment }) {
      const assignment = { user: params.user, ...withoutNull(body) }
      return ok(await environment.write(writer => assignmentView(environment, writer.assignRole(assignment).fact)))
    }
  }),

  route({
    method: 'DELETE',
    path: '/users/:user/roles',
    summary: 'Removes a role from a user.',
    body: UserRole,
    async handle ({ params, body, environment }) {
      await environment.write(writer => writer.unassignRole({ user: params.user, ...withoutNull(body) }))
      return done()
    }
  }),

  route({
    method: 'POST',
    path: '/bulk/users',
    summary: 'Creates users: all or none.',
    body: Operations(UserCreate),
    answer: Empty,
    async handle ({ body, environment }) {
      requireFew(body.operations)
      await environment.write(writer => body.operations.map(user => create(writer, user)))
      return ok({})
    }
  }),

  route({
    method: 'PUT',
    path: '/bulk/users',
    summary: 'Creates users or replaces their data: all or none.',
    body: Operations(UserCreate),
    answer: Empty,
    async handle ({ body, environment }) {
      requireFew(body.operations)
      await environment.write(writer => body.operations.map(user => sync(writer, environment, user)))
      return ok({})
    }
  }),

  route({
    method: 'DELETE',
    path: '/bulk/users',
    summary: 'Deletes users: all or none.',
    body: Idents(Type.String()),
    answer: Empty,
    async handle ({ body, environment }) {
      await makeRoomFor(environment, 'user', body.idents)
      await environment.write(writer => body.idents.map(user => writer.deleteUser(user)))
      return ok({})
    }
  })
]

/**
 * Returns a page of the users that match the query, in steps.
 * @param users - `undefined` stands for an entry that is not a user
 */
export function usersPage (environment: Environment, users: Iterable<UserFact | undefined>, query: Static<typeof UsersQuery>) {
  return countedPageOf(wanted(environment, users, query), query, user => userView(environment, user, query.include_resource_instance_roles))
}

function * wanted (
  environment: Environment, users: Iterable<UserFact | undefined>, { search, role }: Static<typeof UsersQuery>
): Generator<UserFact | undefined> {
  const part = search?.toLowerCase()
  const { facts } = environment.engine
  for (const user of users) {
    const texts = user === undefined ? [] : [user.key, user.email, user.first_name, user.last_name]
    const isFound = part === undefined || texts.some(text => text?.toLowerCase().includes(part))
    const hasRole = role === undefined || user === undefined || facts.roleAssignments({ user: user.key, role }).next().done !== true
    yield isFound && hasRole ? user : undefined
  }
}

function * within (environment: Environment, filter: Partial<RoleAssignmentFact>): Generator<RoleAssignmentFact | undefined> {
  for (const assignment of environment.engine.facts.roleAssignmentsNear(filter)) yield isWanted(assignment, filter) ? assignment : undefined
}

function readUser (environment: Environment, given: string) {
  const key = keyOf(environment, 'user', given)
  return userView(environment, environment.engine.facts.getUser(key) as UserFact)
}

/** Limits the items of a bulk operation. The initial roles of users count as items. */
function requireFew (users: ReadonlyArray<Static<typeof UserCreate>>): void {
  const items = users.reduce((count, { role_assignments: roles }) => count + 1 + (roles?.length ?? 0), 0)
  if (items > MAX_ITEMS) throw invalid(`body.operations: has ${items} users and roles; at most ${MAX_ITEMS} are allowed in one operation`)
}

function create (writer: FactWriter, { role_assignments: roles, ...user }: Static<typeof UserCreate>) {
  const written = writer.createUser(withoutNull(user))
  for (const role of roles ?? []) writer.assignRole({ user: user.key, ...withoutNull(role) })
  return written
}

/** Initial roles are only assigned when the user is new. */
function sync (writer: FactWriter, environment: Environment, user: Static<typeof UserCreate>) {
  if (environment.engine.facts.getUser(user.key) === undefined) return create(writer, user)
  const { role_assignments: _, ...known } = user
  return writer.syncUser(withoutNull(known))
}
