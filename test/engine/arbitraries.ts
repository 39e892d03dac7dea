// Small random policies and queries, few enough names that they meet one another, and names that trip up objects used as maps.

import fc from 'fast-check'
import type { EngineQuery } from '../../src/engine/engine-query.js'
import type { Policy } from '../../src/engine/policy/policy.js'

export const TYPES = ['doc', '__proto__']
export const ACTIONS = ['read', 'write', 'constructor']
export const ROLES = ['admin', 'editor', 'toString']
export const RESOURCE_ROLES = ['viewer', 'owner', 'hasOwnProperty']
export const RELATIONS = ['parent', 'team']
export const TENANTS = ['default', 't1']
export const USERS = ['u1', 'u2', '__proto__']
const KEYS = ['1', 'a:b', '3']
const NAMES = ['age', 'tags', 'constructor', '__proto__']

/** An instance's tenant is told by its key, so that random instances agree. */
const tenantOf = (key: string): string => key === '3' ? 't1' : 'default'

const pick = (names: readonly string[]) => fc.constantFrom(...names)
const some = (names: readonly string[]) => fc.subarray([...names])
const mostly = (names: readonly string[], odd: string) => fc.oneof({ weight: 15, arbitrary: pick(names) }, fc.constant(odd))
const record = <T>(entries: ReadonlyArray<readonly [string, T]>): Record<string, T> => Object.fromEntries(entries)

const scalar = fc.constantFrom<unknown>(0, 1, 2, '1', 'us', 'usa', '', true, false, null)
const list = fc.array(scalar, { maxLength: 3 })
const object = fc.tuple(some(NAMES), fc.array(scalar, { minLength: 5, maxLength: 5 })).map(([names, values]) => record(names.map((name, index) => [name, values[index]])))
const value = fc.oneof({ weight: 3, arbitrary: scalar }, list, object, fc.array(object, { maxLength: 2 }))
const attributes = fc.option(fc.tuple(fc.subarray(NAMES, { minLength: 2 }), fc.array(value, { minLength: 5, maxLength: 5 })).map(([names, values]) => record(names.map((name, index) => [name, values[index]]))), { nil: undefined, freq: 4 })

const attributePath = fc.oneof(
  fc.tuple(pick(['user', 'subject', 'resource', 'tenant', 'context', 'environment']), pick(NAMES)).map(([scope, name]) => `${scope}.${name}`),
  fc.tuple(pick(['user', 'resource']), pick(NAMES), pick(NAMES)).map(parts => parts.join('.')),
  pick(['user.roles', 'user.tenants', 'user.key', 'resource.type', 'user.email'])
)
const reference = attributePath.map(ref => ({ ref }))
const ordered = fc.constantFrom<unknown>(0, 1, 2, '1', 'us')
const or = (arbitrary: fc.Arbitrary<unknown>) => fc.oneof({ weight: 3, arbitrary }, reference)

const comparison: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  fc.tuple(pick(['equals', 'not-equals', 'array_contains']), or(fc.oneof(scalar, list, object))),
  fc.tuple(pick(['less-than', 'less-than-equals', 'greater-than', 'greater-than-equals']), or(ordered)),
  fc.tuple(pick(['in', 'array_subset', 'array_superset', 'array_intersect']), or(list)),
  fc.tuple(fc.constant('contains'), or(pick(['u', 'us', '']))),
  fc.tuple(fc.constant('between'), fc.constantFrom<unknown>([0, 1], ['a', 'v'], [2, 1])),
  fc.tuple(pick(['object_match', 'any_match', 'all_match']), fc.tuple(pick(NAMES), pick(['equals', 'not-equals']), scalar).map(([field, operator, wanted]) => ({ match: record([[field, { [operator]: wanted }]]) })))
).map(([operator, written]) => ({ [operator]: written }))

const { test, condition } = fc.letrec<{ test: Record<string, unknown>, condition: Record<string, unknown> }>(tie => ({
  test: fc.oneof({ maxDepth: 3, withCrossShrink: true }, comparison, fc.tuple(pick(['allOf', 'anyOf', 'not', 'and', 'or']), fc.array(tie('test'), { maxLength: 2 })).map(([key, items]) => ({ [key]: items }))),
  condition: fc.oneof({ maxDepth: 3, withCrossShrink: true },
    fc.tuple(attributePath, tie('test')).map(([path, tests]) => ({ [path]: tests })),
    fc.tuple(pick(['allOf', 'anyOf', 'not', 'and', 'or']), fc.array(tie('condition'), { maxLength: 3 })).map(([key, items]) => ({ [key]: items }))
  )
}))
export { condition, test }

/** Parents come later in the list: no cycles. */
const parents = (names: readonly string[], name: string) => some(names.slice(names.indexOf(name) + 1))

const resourceRole = (type: string, key: string, relations: Record<string, string>) => fc.record({
  permissions: fc.oneof(some(ACTIONS), some(ACTIONS).map(actions => actions.map(action => `${type}:${action}`))),
  extends: parents(RESOURCE_ROLES, key),
  granted_to: fc.record({
    users_with_role: fc.array(fc.record({ role: pick(RESOURCE_ROLES), relation: pick(RELATIONS), when: fc.option(fc.record({ no_direct_roles_on_object: fc.boolean() }), { nil: undefined }) })
      .map(({ role, relation, when }) => ({ role, on_resource: relations[relation] ?? type, linked_by_relation: relation, ...(when === undefined ? {} : { when }) })), { minLength: 1, maxLength: 3 }),
    when: fc.record({ no_direct_roles_on_object: fc.boolean() })
  })
})

const resource = (type: string) => fc.record({ parent: pick(TYPES), team: pick(TYPES) }).chain(relations => fc.record({
  actions: fc.constant(record(ACTIONS.map(action => [action, {}]))),
  relations: fc.constant(relations),
  roles: fc.tuple(...RESOURCE_ROLES.map(key => resourceRole(type, key, relations))).map(roles => record(RESOURCE_ROLES.map((key, index) => [key, roles[index]!])))
}))

const permissions = TYPES.flatMap(type => ACTIONS.map(action => `${type}:${action}`))
const instances = TYPES.flatMap(resource => KEYS.map(key => ({ resource, key, tenant: tenantOf(key) })))

const schema = fc.record({
  resources: fc.tuple(...TYPES.map(resource)).map(resources => record(TYPES.map((type, index) => [type, resources[index]!]))),
  roles: fc.tuple(...ROLES.map(role => fc.record({ permissions: fc.subarray(permissions, { maxLength: 3 }), extends: parents(ROLES, role) })))
    .map(roles => record(ROLES.map((role, index) => [role, roles[index]!]))),
  user_sets: fc.tuple(condition, condition).map(conditions => record(conditions.map((conditions, index) => [`users${index}`, { conditions }]))),
  resource_sets: fc.tuple(...TYPES.map(() => condition)).map(conditions => record(conditions.map((conditions, index) => [`set_${TYPES[index]}`, { resource: TYPES[index]!, conditions }]))),
  set_rules: fc.uniqueArray(fc.record({ user_set: pick(['users0', 'users1', ...ROLES]), type: pick(TYPES), action: pick(ACTIONS), whole: fc.boolean() })
    .map(({ user_set: userSet, type, action, whole }) => ({ user_set: userSet, permission: `${type}:${action}`, resource_set: whole ? type : `set_${type}` })), { minLength: 1, maxLength: 6, selector: rule => JSON.stringify(rule) })
})

export const assignment = fc.oneof(
  fc.record({ user: pick(USERS), role: pick(ROLES), tenant: pick(TENANTS) }),
  fc.record({ user: pick(USERS), role: pick(RESOURCE_ROLES), on: fc.constantFrom(...instances) })
    .map(({ user, role, on }) => ({ user, role, tenant: on.tenant, resource_instance: `${on.resource}:${on.key}` }))
)

/** Subjects that the schema does not allow are turned into allowed ones by the caller, who knows the schema. */
export const looseTuple = fc.record({ object: fc.constantFrom(...instances), relation: pick(RELATIONS), key: pick(KEYS) })
export type LooseTuple = typeof looseTuple extends fc.Arbitrary<infer T> ? T : never

export function toTuple (resources: NonNullable<Policy['resources']>, { object, relation, key }: LooseTuple) {
  const subject = resources[object.resource]!.relations![relation] as string
  const inTenant = tenantOf(key) === object.tenant ? key : object.key
  return { subject: `${subject}:${inTenant}`, relation, object: `${object.resource}:${object.key}`, tenant: object.tenant }
}

export const instance = fc.record({ of: fc.constantFrom(...instances), attributes }).map(({ of, attributes }) => attributes === undefined ? of : { ...of, attributes })

const email = fc.option(pick(['us', 'a@b.c']), { nil: undefined })
const clean = <T extends object>(value: T): T => Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T

/** A valid policy with schema and facts. */
export const policy: fc.Arbitrary<Policy> = fc.record({
  schema,
  users: fc.tuple(...USERS.map(() => fc.record({ email, attributes }).map(clean))),
  known: fc.oneof({ weight: 4, arbitrary: fc.constant(USERS) }, some(USERS)),
  tenant: fc.record({ attributes }).map(clean),
  role_assignments: fc.uniqueArray(assignment, { minLength: 3, maxLength: 10, selector: fact => JSON.stringify(fact) }),
  resource_instances: fc.uniqueArray(instance, { maxLength: 4, selector: ({ resource, key }) => `${resource}:${key}` }),
  tuples: fc.array(looseTuple, { minLength: 3, maxLength: 12 })
}).map(({ schema, users, known, tenant, role_assignments: assignments, resource_instances: listed, tuples }) => {
  const mentioned = instances.filter(({ resource, key }) => !listed.some(instance => instance.resource === resource && instance.key === key))
  return {
    ...schema,
    users: record(USERS.map((user, index) => [user, users[index]!] as const).filter(([user]) => known.includes(user))),
    tenants: { t1: tenant },
    role_assignments: assignments.filter(({ user }) => known.includes(user)),
    // All of them, because the reference does not know of instances that are only mentioned.
    resource_instances: [...listed, ...mentioned],
    relationship_tuples: [...new Map(tuples.map(tuple => toTuple(schema.resources, tuple)).map(tuple => [JSON.stringify(tuple), tuple])).values()]
  }
})

export const query: fc.Arbitrary<EngineQuery> = fc.record({
  user: fc.record({ key: mostly(USERS, 'nobody'), email, attributes }).map(clean),
  action: mostly(ACTIONS, 'valueOf'),
  resource: fc.record({ type: mostly(TYPES, 'constructor'), key: fc.option(pick(KEYS), { nil: undefined, freq: 4 }), tenant: mostly([...TENANTS, 'default'], 'hasOwnProperty'), attributes }).map(clean),
  context: attributes
}).map(clean)

/** Every question without attributes: what a list of permissions has to agree with. */
export const ALL_QUERIES: EngineQuery[] = USERS.flatMap(key => TYPES.flatMap(type => ACTIONS.flatMap(action => TENANTS.flatMap(tenant => [undefined, ...KEYS].map(instance =>
  ({ user: { key }, action, resource: { type, tenant, ...(instance === undefined ? {} : { key: instance }) } }))))))
