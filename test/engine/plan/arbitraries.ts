// Random policies whose conditions use every operator on rows, on either side and inside of lists, and random rows.
import fc from 'fast-check'
import { policy as basePolicy } from '../arbitraries.js'
import type { Policy } from '../../../src/engine/policy/policy.js'
import type { Row } from './evaluate.js'

const NAMES = ['age', 'tags', 'owner', '__proto__']
const MEMBERS = ['a', 'b', 'constructor']
const pick = (names: readonly string[]) => fc.constantFrom(...names)

const scalar = fc.constantFrom<unknown>(0, 1, 2, '1', 'us', 'usa', 'a@b.c', '', true, false, null)
const list = fc.array(scalar, { maxLength: 3 })
const object = fc.dictionary(pick(MEMBERS), fc.oneof(scalar, list), { maxKeys: 2 })
export const value = fc.oneof({ weight: 4, arbitrary: scalar }, list, fc.constantFrom([0, 1], ['a', 'v'], [2, 1]), object, fc.array(object, { maxLength: 2 }))

const path = fc.oneof(
  { weight: 5, arbitrary: pick(NAMES).map(name => `resource.${name}`) },
  { weight: 1, arbitrary: fc.tuple(pick(['tags', 'owner']), pick(MEMBERS)).map(([name, member]) => `resource.${name}.${member}`) },
  { weight: 2, arbitrary: fc.tuple(pick(['user', 'context']), pick(NAMES)).map(([scope, name]) => `${scope}.${name}`) },
  { weight: 1, arbitrary: pick(['user.roles', 'user.key', 'user.email', 'tenant.age', 'resource.type']) }
)
const ref = path.map(ref => ({ ref }))
const or = (arbitrary: fc.Arbitrary<unknown>) => fc.oneof({ weight: 2, arbitrary }, ref)

/** A value that is known on the left, and the row on the right. */
const turned = fc.tuple(
  fc.tuple(pick(['user', 'context']), pick(NAMES)), pick(NAMES),
  pick(['equals', 'not-equals', 'less-than', 'less-than-equals', 'greater-than', 'greater-than-equals', 'between', 'contains', 'in', 'array_contains', 'array_subset', 'array_superset', 'array_intersect'])
).map(([left, right, operator]) => ({ [left.join('.')]: { [operator]: { ref: `resource.${right}` } } }))

const { tests, condition } = fc.letrec<{ tests: Record<string, unknown>, comparison: Record<string, unknown>, condition: Record<string, unknown> }>(tie => ({
  comparison: fc.oneof(
    fc.tuple(pick(['equals', 'not-equals', 'array_contains']), or(value)),
    fc.tuple(pick(['less-than', 'less-than-equals', 'greater-than', 'greater-than-equals']), or(fc.constantFrom<unknown>(0, 1, 2, '1', 'us'))),
    fc.tuple(pick(['in', 'array_subset', 'array_superset', 'array_intersect']), or(fc.oneof(list, fc.array(value, { maxLength: 3 })))),
    fc.tuple(fc.constant('contains'), or(pick(['u', 'us', '']))),
    fc.tuple(fc.constant('between'), or(fc.constantFrom<unknown>([0, 1], ['a', 'v'], [2, 1]))),
    fc.tuple(pick(['object_match', 'any_match', 'all_match']), fc.tuple(pick(MEMBERS), tie('tests')).map(([field, tests]) => ({ match: { [field]: tests } })))
  ).map(([operator, written]) => ({ [operator]: written })),
  tests: fc.oneof({ maxDepth: 3, withCrossShrink: true },
    tie('comparison'),
    fc.tuple(tie('comparison'), tie('comparison')).map(([a, b]) => ({ ...a, ...b })),
    fc.tuple(pick(['anyOf', 'or']), fc.array(tie('tests'), { minLength: 2, maxLength: 3 })).map(([key, items]) => ({ [key]: items })),
    fc.tuple(pick(['allOf', 'anyOf', 'not']), fc.array(tie('tests'), { maxLength: 2 })).map(([key, items]) => ({ [key]: items }))),
  condition: fc.oneof({ maxDepth: 3, withCrossShrink: true },
    fc.tuple(path, tie('tests')).map(([path, tests]) => ({ [path]: tests })),
    fc.tuple(path, tie('tests')).map(([path, tests]) => ({ [path]: tests })),
    turned,
    fc.tuple(pick(['anyOf', 'or']), fc.array(tie('condition'), { minLength: 2, maxLength: 3 })).map(([key, items]) => ({ [key]: items })),
    fc.tuple(pick(['allOf', 'anyOf', 'not', 'and', 'or']), fc.array(tie('condition'), { minLength: 0, maxLength: 3 })).map(([key, items]) => ({ [key]: items })))
}))
export { tests }

const attributes = fc.dictionary(pick(NAMES), value, { minKeys: 2, maxKeys: 4 })

/** A policy of all models. Objects among the stored attributes are rare: they make plans that look at them impossible. */
export const policy: fc.Arbitrary<Policy> = fc.tuple(
  basePolicy, fc.tuple(condition, condition, condition), fc.array(fc.tuple(fc.nat(), attributes)), fc.array(attributes, { minLength: 4, maxLength: 4 }), fc.integer({ min: 0, max: 6 }), fc.boolean()
).map(([policy, [first, second, third], stored, others, rules, whole]) => {
  const sets = Object.entries(policy.resource_sets ?? {})
  return {
    ...policy,
    user_sets: { ...policy.user_sets, users0: { conditions: first }, everybody: { conditions: { allOf: [] } } },
    resource_sets: Object.fromEntries(sets.map(([key, set], index) => [key, { ...set, conditions: index === 0 ? second : third }])),
    set_rules: unique([
      ...(policy.set_rules ?? []).slice(0, rules % 4),
      ...sets.map(([key, { resource }]) => ({ user_set: 'everybody', permission: `${resource}:read`, resource_set: key })),
      ...(whole ? sets.map(([key, { resource }]) => ({ user_set: 'users0', permission: `${resource}:write`, resource_set: key })) : [])
    ]),
    users: Object.fromEntries(Object.entries(policy.users ?? {}).map(([key, user], index) => [key, { ...user, attributes: others[index] ?? {} }])),
    tenants: Object.fromEntries(Object.entries(policy.tenants ?? {}).map(([key, tenant]) => [key, { ...tenant, attributes: others[3]! }])),
    resource_instances: (policy.resource_instances ?? []).map((instance, index) => {
      const { attributes: _dropped, ...bare } = instance
      const own = stored.find(([which]) => which % 7 === index)?.[1]
      return own === undefined ? bare : { ...bare, attributes: own }
    })
  }
})

function unique<T> (items: readonly T[]): T[] {
  return [...new Map(items.map(item => [JSON.stringify(item), item])).values()]
}

export const KEYS = ['1', 'a:b', '3', 'not stored']
export const row: fc.Arbitrary<Row> = fc.record({ key: pick(KEYS), tenant: fc.constantFrom('default', 'default', 'default', 't1', 't1', 'none'), attributes })
export const context = fc.option(attributes, { nil: undefined, freq: 4 })
