// Random policies of roles in tenants, roles on instances and derivations, with facts, and the questions about them.
import fc from 'fast-check'
import type { Policy } from '../../../src/index.js'

const TYPES = ['document', 'folder', 'user', 'tenant'] as const
const ACTIONS = ['read', 'edit', 'owner', 'parent', 'role'] as const
const ROLES = ['owner', 'editor', 'viewer'] as const
const RELATIONS = ['parent', 'owner'] as const
const TENANTS = ['default', 'acme', 'Ünïcode ltd: a/b#c@d*'] as const
const USERS = ['ann', 'ben@example.com', '日本 🎲', 'a/b:c#d', '*', '%2A'] as const
const KEYS = ['1', 'a:b', '*', 'x/y z'] as const

/** A question to a PDP. */
export interface Question {
  readonly user: string
  readonly action: string
  readonly type: string
  /** Undefined: about the type. */
  readonly key: string | undefined
  readonly tenant: string
}

/** A policy, and all questions about it: also about users, tenants and keys that it does not have. */
export interface World {
  readonly policy: Policy
  readonly questions: readonly Question[]
}

type Pick = <T>(items: readonly T[]) => T

/** The world of a seed. Half of what could be in it is. */
export function worldOf (seed: number): World {
  let state = seed >>> 0
  const random = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32
  // The first numbers of neighbouring seeds are alike.
  for (let turn = 0; turn < 5; turn++) random()
  const chance = (of = 0.5): boolean => random() < of
  const some = <T>(items: readonly T[], of = 0.5): T[] => items.filter(() => chance(of))
  const pick: Pick = items => items[Math.floor(random() * items.length)] as never

  const types = TYPES.slice(0, 1 + Math.floor(random() * TYPES.length))
  const relations = new Map(types.map(type => [type, Object.fromEntries(some(RELATIONS, 0.7).map(relation => [relation, pick(types)]))]))
  const roles = new Map(types.map(type => [type, some(ROLES, 0.8)]))
  const actions = new Map(types.map(type => [type, some(ACTIONS, 0.8)]))
  const when = () => chance(0.3) ? { when: { no_direct_roles_on_object: true } } : {}
  const resources = Object.fromEntries(types.map(type => [type, {
    actions: Object.fromEntries(actions.get(type)!.map(action => [action, {}])),
    relations: relations.get(type)!,
    roles: Object.fromEntries(roles.get(type)!.map((role, index, all) => [role, {
      permissions: some(actions.get(type)!, 0.4),
      extends: some(all.slice(0, index), 0.3),
      granted_to: {
        users_with_role: Object.entries(relations.get(type)!).flatMap(([relation, on]) => some(roles.get(on)!, 0.4).map(role =>
          ({ role, on_resource: on, linked_by_relation: relation, ...when() }))),
        ...when()
      }
    }]))
  }]))
  const permissions = types.flatMap(type => actions.get(type)!.map(action => `${type}:${action}`))
  const tenantRoles = some(['admin', 'viewer', 'nobody'], 0.8)
  const tenants = TENANTS.slice(0, 2 + Math.floor(random() * 2))
  const instances = types.flatMap(type => some(KEYS, 0.7).map(key => ({ resource: type, key, tenant: pick(tenants) })))
  const ids = (wanted: string, tenant: string) => instances.filter(({ resource, tenant: home }) => resource === wanted && home === tenant)
    .map(({ resource, key }) => `${resource}:${key}`)
  const policy = {
    resources,
    roles: Object.fromEntries(tenantRoles.map((role, index) => [role, {
      permissions: some(permissions, 0.2), extends: some(tenantRoles.slice(0, index), 0.4)
    }])),
    set_rules: tenantRoles.flatMap(role => some(permissions, 0.1).map(permission =>
      ({ user_set: role, permission, resource_set: permission.split(':')[0]! }))),
    tenants: Object.fromEntries(tenants.map(key => [key, {}])),
    users: Object.fromEntries(USERS.map(key => [key, {}])),
    resource_instances: instances,
    role_assignments: [
      ...USERS.flatMap(user => tenantRoles.flatMap(role => some(tenants, 0.2).map(tenant => ({ user, role, tenant })))),
      ...USERS.flatMap(user => instances.flatMap(({ resource, key }) =>
        some(roles.get(resource)!, 0.1).map(role => ({ user, role, resource_instance: `${resource}:${key}` }))))
    ],
    relationship_tuples: instances.flatMap(({ resource, key, tenant }) => Object.entries(relations.get(resource)!).flatMap(([relation, on]) =>
      some(ids(on, tenant), 0.4).map(subject => ({ subject, relation, object: `${resource}:${key}` }))))
  }
  const questions = [...USERS, 'stranger'].flatMap(user => [...tenants, 'elsewhere'].flatMap(tenant => types.flatMap(type =>
    actions.get(type)!.flatMap(action => [...KEYS, 'unknown', undefined].map(key => ({ user, action, type, key, tenant }))))))
  return { policy: policy as unknown as Policy, questions }
}

/** Worlds, as fast-check makes them. A failure shows the seed. */
export const worlds = fc.integer({ min: 0, max: 2 ** 32 - 1 })
