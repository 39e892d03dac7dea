// The routes of roles in tenants, with their permissions and the roles that they inherit from.
import Type from 'typebox'
import { CountedPageQuery, listed, MaybeCountedList } from '../paging.js'
import { done, ok, route, type Route } from '../../http/route.js'
import { changeSchema, type Draft } from './schema-change.js'
import { addBlock } from './resources.js'
import { RoleCreate, RolePermissions, RoleRead, RoleUpdate } from './schema-shapes.js'
import { SchemaView } from './schema-view.js'
import type { PolicyRole } from '../../../engine/policy/policy.js'

/** The routes of roles, under `/v2/schema/{project}/{environment}`. */
export const roleRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/roles',
    summary: 'Lists the roles.',
    query: Type.Object(CountedPageQuery),
    answer: MaybeCountedList(RoleRead),
    async handle ({ query, environment, inTimeSlices }) {
      const view = new SchemaView(environment)
      return ok(await inTimeSlices(listed(view.roleKeys(), query, key => view.role(key))))
    }
  }),

  route({
    method: 'POST',
    path: '/roles',
    summary: 'Creates a role.',
    body: RoleCreate,
    answer: RoleRead,
    async handle ({ body: { key, ...role }, environment }) {
      await changeSchema(environment, draft => addBlock(draft.roles, key, role, `role '${key}'`))
      return ok(new SchemaView(environment).role(key))
    }
  }),

  route({
    method: 'GET',
    path: '/roles/:role',
    summary: 'Reads a role.',
    answer: RoleRead,
    handle ({ params, environment }) {
      const view = new SchemaView(environment)
      return ok(view.role(view.roleKey(params.role)))
    }
  }),

  route({
    method: 'PATCH',
    path: '/roles/:role',
    summary: 'Changes a role. Fields that are not given stay as they are.',
    body: RoleUpdate,
    answer: RoleRead,
    async handle ({ params, body, environment }) {
      const key = new SchemaView(environment).roleKey(params.role)
      await changeSchema(environment, draft => Object.assign(roleOf(draft, key), body))
      return ok(new SchemaView(environment).role(key))
    }
  }),

  route({
    method: 'DELETE',
    path: '/roles/:role',
    summary: 'Deletes a role, and removes it from all users.',
    async handle ({ params, environment }) {
      const key = new SchemaView(environment).roleKey(params.role)
      await changeSchema(environment, draft => { delete draft.roles[key] })
      return done()
    }
  }),

  route({
    method: 'POST',
    path: '/roles/:role/permissions',
    summary: 'Adds permissions to a role.',
    body: RolePermissions,
    answer: RoleRead,
    async handle ({ params, body, environment }) {
      const key = new SchemaView(environment).roleKey(params.role)
      await changeSchema(environment, draft => {
        const role = roleOf(draft, key)
        role.permissions = [...new Set([...role.permissions ?? [], ...body.permissions])]
      })
      return ok(new SchemaView(environment).role(key))
    }
  }),

  route({
    method: 'DELETE',
    path: '/roles/:role/permissions',
    summary: 'Removes permissions from a role.',
    body: RolePermissions,
    answer: RoleRead,
    async handle ({ params, body, environment }) {
      const key = new SchemaView(environment).roleKey(params.role)
      await changeSchema(environment, draft => {
        const role = roleOf(draft, key)
        role.permissions = role.permissions?.filter(permission => !body.permissions.includes(permission))
      })
      return ok(new SchemaView(environment).role(key))
    }
  }),

  route({
    method: 'PUT',
    path: '/roles/:role/parents/:parent',
    summary: 'Makes a role inherit the permissions of another.',
    answer: RoleRead,
    async handle ({ params, environment }) {
      const view = new SchemaView(environment)
      const [key, parent] = [view.roleKey(params.role), view.roleKey(params.parent)]
      await changeSchema(environment, draft => {
        const role = roleOf(draft, key)
        role.extends = [...new Set([...role.extends ?? [], parent])]
      })
      return ok(new SchemaView(environment).role(key))
    }
  }),

  route({
    method: 'DELETE',
    path: '/roles/:role/parents/:parent',
    summary: 'Removes a role from the roles that a role inherits from.',
    answer: RoleRead,
    async handle ({ params, environment }) {
      const view = new SchemaView(environment)
      const [key, parent] = [view.roleKey(params.role), view.roleKey(params.parent)]
      await changeSchema(environment, draft => {
        const role = roleOf(draft, key)
        role.extends = role.extends?.filter(other => other !== parent)
      })
      return ok(new SchemaView(environment).role(key))
    }
  })
]

function roleOf (draft: Draft, key: string): PolicyRole {
  const role = draft.roles[key] ?? {}
  draft.roles[key] = role
  return role
}
