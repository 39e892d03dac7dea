// The routes of permissions and derivations of resource roles.
import { notFound } from '../../http/error-responses.js'
import { done, ok, route, type Route } from '../../http/route.js'
import { changeSchema, type Draft } from './schema-change.js'
import { resourceOf } from './resources.js'
import {
  DerivationCreate, DerivationDelete, DerivationRead, DerivationSettings, ResourceRoleRead, RolePermissions
} from './schema-shapes.js'
import { SchemaView } from './schema-view.js'
import type { PolicyResourceRole } from '../../../engine/policy/policy.js'
import type { Environment } from '../../../environment/environment.js'

/** The routes of permissions and derivations of resource roles, under `/v2/schema/{project}/{environment}`. */
export const resourceRoleRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/resources/:resource/roles/:role/permissions',
    summary: 'Adds permissions to a role of a resource.',
    body: RolePermissions,
    answer: ResourceRoleRead,
    async handle ({ params, body, environment }) {
      const { resource, role } = find(environment, params)
      await changeSchema(environment, draft => {
        const block = roleOf(draft, resource, role)
        const held = new Set(block.permissions?.map(permission => actionOf(resource, permission)))
        const added = body.permissions.filter(permission => !held.has(actionOf(resource, permission)))
        block.permissions = [...block.permissions ?? [], ...added]
      })
      return ok(new SchemaView(environment).resourceRole(resource, role))
    }
  }),

  route({
    method: 'DELETE',
    path: '/resources/:resource/roles/:role/permissions',
    summary: 'Removes permissions from a role of a resource.',
    body: RolePermissions,
    answer: ResourceRoleRead,
    async handle ({ params, body, environment }) {
      const { resource, role } = find(environment, params)
      const taken = new Set(body.permissions.map(permission => actionOf(resource, permission)))
      await changeSchema(environment, draft => {
        const block = roleOf(draft, resource, role)
        block.permissions = block.permissions?.filter(permission => !taken.has(actionOf(resource, permission)))
      })
      return ok(new SchemaView(environment).resourceRole(resource, role))
    }
  }),

  route({
    method: 'POST',
    path: '/resources/:resource/roles/:role/implicit_grants',
    summary: 'Derives a role of a resource from a role on a related resource.',
    body: DerivationCreate,
    answer: DerivationRead,
    async handle ({ params, body, environment }) {
      const { view, resource, role } = find(environment, params)
      const rule = { ...body, ...keysOf(view, resource, body) }
      await changeSchema(environment, draft => {
        const block = roleOf(draft, resource, role)
        const others = rulesOf(block).filter(other => !isSame(other, rule))
        block.granted_to = { ...block.granted_to, users_with_role: [...others, rule] }
      })
      return ok(view.derivation(resource, rule))
    }
  }),

  route({
    method: 'DELETE',
    path: '/resources/:resource/roles/:role/implicit_grants',
    summary: 'Removes a derivation.',
    body: DerivationDelete,
    async handle ({ params, body, environment }) {
      const { view, resource, role } = find(environment, params)
      const rule = keysOf(view, resource, body)
      await changeSchema(environment, draft => {
        const block = roleOf(draft, resource, role)
        const others = rulesOf(block).filter(other => !isSame(other, rule))
        if (others.length === rulesOf(block).length) throw notFound(describe(role, rule))
        block.granted_to = { ...block.granted_to, users_with_role: others }
      })
      return done()
    }
  }),

  route({
    method: 'PUT',
    path: '/resources/:resource/roles/:role/implicit_grants/conditions',
    summary: 'Sets the conditions under which the derivations of a role apply.',
    body: DerivationSettings,
    answer: DerivationSettings,
    async handle ({ params, body, environment }) {
      const { resource, role } = find(environment, params)
      await changeSchema(environment, draft => {
        const block = roleOf(draft, resource, role)
        block.granted_to = { ...block.granted_to, when: body }
      })
      return ok(body)
    }
  })
]

interface Rule { role: string, on_resource: string, linked_by_relation: string }

function find (environment: Environment, params: { readonly resource: string, readonly role: string }) {
  const view = new SchemaView(environment)
  const resource = view.resourceKey(params.resource)
  return { view, resource, role: view.partKey(resource, 'roles', params.role) }
}

function roleOf (draft: Draft, resource: string, role: string): PolicyResourceRole {
  const roles = resourceOf(draft, resource).roles!
  const block = roles[role] ?? {}
  roles[role] = block
  return block
}

function rulesOf (role: PolicyResourceRole) {
  return role.granted_to?.users_with_role ?? []
}

/** Resolves ids to keys. @throws 404 when an object does not exist */
function keysOf (view: SchemaView, resource: string, { role, on_resource: on, linked_by_relation: relation }: Rule): Rule {
  const source = view.resourceKey(on)
  return {
    role: view.partKey(source, 'roles', role),
    on_resource: source,
    linked_by_relation: view.partKey(resource, 'relations', relation)
  }
}

function describe (role: string, { role: source, on_resource: on, linked_by_relation: relation }: Rule): string {
  return `a derivation of role '${role}' from role '${source}' of resource '${on}' by relation '${relation}'`
}

function isSame (a: Rule, b: Rule): boolean {
  return a.role === b.role && a.on_resource === b.on_resource && a.linked_by_relation === b.linked_by_relation
}

/** The permission as `resource:action`. Permissions of a resource's role may leave out the resource. */
function actionOf (resource: string, permission: string): string {
  return permission.includes(':') ? permission : `${resource}:${permission}`
}
