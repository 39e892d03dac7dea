// Users, one by one and many at once, and the roles that each has.
import Type, { type Static } from 'typebox'
import { invalid } from '../../http/failures.js'
import { countedPageOf, CountedList, isWanted, listed, MaybeCountedList, CountedPageQuery, PageQuery } from '../paging.js'
import { makeRoomFor } from './make-room.js'
import { done, ok, route, type Route } from '../../http/route.js'
import { AssignmentRead, Empty, Idents, MAX_ITEMS, Operations, UserCreate, UserRead, UserRole, UserSync, UserUpdate } from './fact-shapes.js'
import { assignmentView, keyOf, userView } from './fact-view.js'
import { withoutNull } from './body-without-nulls.js'
import type { RoleAssignmentFact, UserFact } from '../../../engine/facts/fact.js'
import type { Environment, FactWriter } from '../../../environment/environment.js'

/** The query of lists of users. */
export const UsersQuery = Type.Object({
  search: Type.Optional(Type.String({ description: 'Part of a key, an e-mail address or a name.' })),
  role: Type.Optional(Type.String({ description: 'A role that the user has.' })),
  ...PageQuery,
  include_total_count: Type.Optional(Type.Boolean())
})

/** Users. */
export const userRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/users',
    summary: 'Lists the users.',
    query: UsersQuery,
    answer: CountedList(UserRead),
    handle: async ({ query, environment, inTurns }) => ok(await inTurns(usersPage(environment, environment.engine.facts.users(), query)))
  }),

  route({
    method: 'POST',
    path: '/users',
    summary: 'Creates a user, with initial roles.',
    body: UserCreate,
    answer: UserRead,
    async handle ({ body, environment }) {
      const { fact } = await environment.write(writer => create(writer, body))
      return ok(userView(environment, fact))
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
    summary: 'Creates the user (201), with initial roles, or replaces what is known of it (200): roles stay as they are.',
    body: UserSync,
    answer: UserRead,
    statuses: [200, 201],
    async handle ({ params, body, environment }) {
      const key = environment.resolve('user', params.user) ?? params.user
      if (body.key !== undefined && body.key !== key) throw invalid(`body.key: '${body.key}' is not the user of the path, '${key}'`)
      const { status, fact } = await environment.write(writer => sync(writer, environment, { ...body, key }))
      return { status: status === 'created' ? 201 : 200, body: userView(environment, fact) }
    }
  }),

  route({
    method: 'PATCH',
    path: '/users/:user',
    summary: 'Changes a user: what is given is replaced, what is not stays.',
    body: UserUpdate,
    answer: UserRead,
    async handle ({ params, body, environment }) {
      const { fact } = await environment.write(writer => writer.updateUser(params.user, body))
      return ok(userView(environment, fact))
    }
  }),

  route({
    method: 'DELETE',
    path: '/users/:user',
    summary: 'Deletes a user, and the roles that it has.',
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
    async handle ({ params, query, environment, inTurns }) {
      const filter = { user: keyOf(environment, 'user', params.user), ...(query.tenant === undefined ? {} : { tenant: keyOf(environment, 'tenant', query.tenant) }) }
      return ok(await inTurns(listed(within(environment, filter), query, assignment => assignmentView(environment, assignment))))
    }
  }),

  route({
    method: 'POST',
    path: '/users/:user/roles',
    summary: 'Gives a user a role, in a tenant or on a resource instance.',
    body: UserRole,
    answer: AssignmentRead,
    async handle ({ params, body, environment }) {
      const { fact } = await environment.write(writer => writer.assignRole({ user: params.user, ...withoutNull(body) }))
      return ok(assignmentView(environment, fact))
    }
  }),

  route({
    method: 'DELETE',
    path: '/users/:user/roles',
    summary: 'Takes a role from a user.',
    body: UserRole,
    async handle ({ params, body, environment }) {
      await environment.write(writer => writer.unassignRole({ user: params.user, ...withoutNull(body) }))
      return done()
    }
  }),

  route({
    method: 'POST',
    path: '/bulk/users',
    summary: 'Creates users: all, or none.',
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
    summary: 'Creates users, or replaces what is known of them: all, or none.',
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
    summary: 'Deletes users: all, or none.',
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
 * A page of those users that the query wants, in steps.
 * @param users - `undefined` for what was looked at and is none
 */
export function usersPage (environment: Environment, users: Iterable<UserFact | undefined>, query: Static<typeof UsersQuery>) {
  return countedPageOf(wanted(environment, users, query), query, user => userView(environment, user))
}

function * wanted (environment: Environment, users: Iterable<UserFact | undefined>, { search, role }: Static<typeof UsersQuery>): Generator<UserFact | undefined> {
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

/** The roles of new users are items, too. */
function requireFew (users: ReadonlyArray<Static<typeof UserCreate>>): void {
  const items = users.reduce((count, { role_assignments: roles }) => count + 1 + (roles?.length ?? 0), 0)
  if (items > MAX_ITEMS) throw invalid(`body.operations: ${items} users and roles, of at most ${MAX_ITEMS} in one operation`)
}

function create (writer: FactWriter, { role_assignments: roles, ...user }: Static<typeof UserCreate>) {
  const written = writer.createUser(withoutNull(user))
  for (const role of roles ?? []) writer.assignRole({ user: user.key, ...withoutNull(role) })
  return written
}

/** Initial roles count only when the user is new. */
function sync (writer: FactWriter, environment: Environment, user: Static<typeof UserCreate>) {
  if (environment.engine.facts.getUser(user.key) === undefined) return create(writer, user)
  const { role_assignments: _, ...known } = user
  return writer.syncUser(withoutNull(known))
}
