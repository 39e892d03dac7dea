// The objects that a policy is made of, one for each object of Permit's API, in the order in which they can be created.
import type { PolicyConditions } from '../engine/policy/policy.js'
import type { Model } from './moved-policy.js'

/** The kinds, in order of dependency: each only depends on earlier ones. */
export const KINDS = [
  'resource', 'action', 'attribute', 'action_group', 'relation', 'resource_role', 'role', 'derivation', 'derivation_settings', 'user_set',
  'resource_set', 'set_rule', 'proxy_config', 'tenant', 'user', 'resource_instance', 'role_assignment', 'relationship_tuple'
] as const

export type Kind = typeof KINDS[number]

/** Each kind only needs those of lower ranks, and those before it. A resource comes together with its actions and attributes. */
const RANKS: Readonly<Record<Kind, number>> = Object.fromEntries(KINDS.map((kind, index) => [kind, Math.max(index, 2)])) as never

/** The order in which objects can be created; of equal ranks, that of the policy. */
export function byRank (a: Pick<Moved, 'kind'>, b: Pick<Moved, 'kind'>): number {
  return RANKS[a.kind] - RANKS[b.kind]
}

/** The kinds that are facts. */
export const FACT_KINDS: ReadonlySet<Kind> = new Set(['tenant', 'user', 'resource_instance', 'role_assignment', 'relationship_tuple'])

/** The path of an object in a policy document. */
export type Path = ReadonlyArray<string | number>

/** One object. */
export interface Moved {
  readonly kind: Kind
  /** What identifies it among its kind: keys, from the outside to the inside. */
  readonly keys: readonly string[]
  /** What can be changed about it. */
  readonly value: Readonly<Record<string, unknown>>
  /** What cannot be changed. An object with another value here is a new object. */
  readonly fixed?: string
  /** Its place in a policy file. */
  readonly path: Path
}

/** The name of an object for people. */
export function nameOf ({ kind, keys }: Pick<Moved, 'kind' | 'keys'>): string {
  const [first = '', second = '', ...rest] = keys
  switch (kind) {
    case 'resource': return `resource '${first}'`
    case 'action': return `action '${first}:${second}'`
    case 'attribute':
    case 'action_group':
    case 'relation': return `${kind.replace('_', ' ')} '${second}' of ${ownerOf(first)}`
    case 'resource_role': return `role '${second}' of resource '${first}'`
    case 'derivation': {
      const [on = '', role = '', relation = ''] = rest
      return `derivation of role '${second}' of resource '${first}' from '${role}' of '${on}' by '${relation}'`
    }
    case 'derivation_settings': return `settings of the derivations of role '${second}' of resource '${first}'`
    case 'role': return `role '${first}'`
    case 'user_set': return `user set '${first}'`
    case 'resource_set': return `resource set '${first}'`
    case 'set_rule': return `rule that '${first}' has '${second}' on '${rest[0] ?? ''}'`
    case 'proxy_config': return `proxy configuration '${first}'`
    case 'tenant': return `tenant '${first}'`
    case 'user': return `user '${first}'`
    case 'resource_instance': return `resource instance '${first}:${second}'`
    case 'role_assignment': return `role '${second}' of user '${first}' ${rest[1] === '' ? `in tenant '${rest[0]}'` : `on '${rest[1]}'`}`
    case 'relationship_tuple': return `relationship '${first}' ${second} '${rest[0] ?? ''}'`
  }
}

function ownerOf (resource: string): string {
  if (resource === '__user') return 'users'
  return resource === '__tenant' ? 'tenants' : `resource '${resource}'`
}

/** Identifies an object. */
export function idOf ({ kind, keys }: Pick<Moved, 'kind' | 'keys'>): string {
  // Permit's API keeps user sets and resource sets in one list, so no two of them have the same key.
  return JSON.stringify([kind === 'user_set' || kind === 'resource_set' ? 'condition_set' : kind, ...keys])
}

/** All objects of a schema, and of facts if there are any. */
export function * movedObjects ({ schema, facts }: Model): Generator<Moved> {
  for (const [type, { actions, attributes = {}, action_groups: groups = {}, relations = {}, roles = {}, ...resource }] of
    Object.entries(schema.resources ?? {})) {
    const at = ['resources', type]
    yield { kind: 'resource', keys: [type], value: resource, path: at }
    for (const [key, action] of Object.entries(actions)) yield part('action', type, key, action ?? {}, [...at, 'actions', key])
    for (const [key, attribute] of Object.entries(attributes)) {
      yield part('attribute', type, key, attribute ?? {}, [...at, 'attributes', key])
    }
    for (const [key, group] of Object.entries(groups)) yield part('action_group', type, key, group ?? {}, [...at, 'action_groups', key])
    for (const [key, relation] of Object.entries(relations)) {
      const { subject_resource: subject, ...names } = typeof relation === 'string' ? { subject_resource: relation } : relation
      // No call changes a relation, so its name is fixed, too.
      const fixed = JSON.stringify([subject, names])
      yield { kind: 'relation', keys: [type, key], value: { ...names, subject_resource: subject }, fixed, path: [...at, 'relations', key] }
    }
    for (const [key, block] of Object.entries(roles)) {
      const { granted_to: grantedTo, ...role } = block ?? {}
      const path = [...at, 'roles', key]
      yield part('resource_role', type, key, role, path)
      for (const [index, { role: source, on_resource: on, linked_by_relation: relation, when }] of
        (grantedTo?.users_with_role ?? []).entries()) {
        const value = when === undefined ? {} : { when }
        yield {
          kind: 'derivation',
          keys: [type, key, on, source, relation],
          value,
          path: [...path, 'granted_to', 'users_with_role', index]
        }
      }
      const when = grantedTo?.when
      if (when !== undefined) yield part('derivation_settings', type, key, when, [...path, 'granted_to', 'when'])
    }
  }
  for (const [type, section] of [['__user', 'user_attributes'], ['__tenant', 'tenant_attributes']] as const) {
    for (const [key, attribute] of Object.entries(schema[section] ?? {})) {
      yield part('attribute', type, key, attribute ?? {}, [section, key])
    }
  }
  for (const [key, role] of Object.entries(schema.roles ?? {})) yield { kind: 'role', keys: [key], value: role ?? {}, path: ['roles', key] }
  for (const [key, set] of Object.entries(schema.user_sets ?? {})) yield { ...conditionSet('user_set', key, set), fixed: '' }
  for (const [key, { resource, ...set }] of Object.entries(schema.resource_sets ?? {})) {
    yield { ...conditionSet('resource_set', key, set), fixed: resource }
  }
  for (const [index, rule] of (schema.set_rules ?? []).entries()) {
    const { user_set: users, permission, resource_set: resources, is_role: isRole, is_resource: isResource } = rule
    const { user_sets: userSets = {}, resource_sets: resourceSets = {} } = schema
    const ofRole = isRole === true || !Object.hasOwn(userSets, users)
    const ofResource = isResource === true || !Object.hasOwn(resourceSets, resources)
    const keys = [users, permission, resources, ofRole ? 'role' : 'set', ofResource ? 'resource' : 'set']
    yield { kind: 'set_rule', keys, value: {}, path: ['set_rules', index] }
  }
  for (const [key, config] of Object.entries(schema.proxy_configs ?? {})) {
    // Permit's API has no description of it.
    const { description: _, ...value } = config ?? {}
    yield { kind: 'proxy_config', keys: [key], value, path: ['proxy_configs', key] }
  }
  if (facts === undefined) return
  for (const { key, ...tenant } of facts.tenants) yield { kind: 'tenant', keys: [key], value: tenant, path: ['tenants', key] }
  for (const { key, ...user } of facts.users) yield { kind: 'user', keys: [key], value: user, path: ['users', key] }
  for (const [index, { resource, key, tenant, ...instance }] of facts.instances.entries()) {
    yield { kind: 'resource_instance', keys: [resource, key], value: instance, fixed: tenant, path: ['resource_instances', index] }
  }
  for (const [index, { user, role, tenant, resource_instance: on = '', expires_at: end }] of facts.assignments.entries()) {
    const value = end === undefined ? {} : { expires_at: end }
    yield { kind: 'role_assignment', keys: [user, role, tenant, on], value, path: ['role_assignments', index] }
  }
  for (const [index, { subject, relation, object, tenant }] of facts.tuples.entries()) {
    yield { kind: 'relationship_tuple', keys: [subject, relation, object], value: {}, fixed: tenant, path: ['relationship_tuples', index] }
  }
}

function part (kind: Kind, type: string, key: string, value: object, path: Path): Moved {
  return { kind, keys: [type, key], value: value as Moved['value'], path }
}

/** A set is of one kind: a user set with the key of a resource set is another set. */
function conditionSet (kind: 'user_set' | 'resource_set', key: string, set: { conditions: PolicyConditions }): Moved {
  return { kind, keys: [key], value: set, path: [`${kind}s`, key] }
}
