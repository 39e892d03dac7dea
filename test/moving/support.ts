// A local PDP as Permit's API, a connection to it, and random policies of every model.
import fc from 'fast-check'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createLocalPdp } from '../../src/server/index.js'
import { compilePolicy } from '../../src/engine/policy/compile-policy.js'
import { modelOf } from '../../src/moving/moved-policy.js'
import { planMove } from '../../src/moving/move-plan.js'
import { textOfPolicy, type PolicyToMove } from '../../src/moving/policy-files.js'
import { push } from '../../src/moving/push.js'
import { readEnvironment } from '../../src/moving/read-environment.js'
import { RestClient } from '../../src/moving/rest-client.js'
import type { Policy } from '../../src/index.js'
import { permit, type Said } from '../cli/in-process.js'

export const KEY = 'permit_key_of_the_tests'

/** An empty environment, or one with this policy. */
export async function environmentFor (t: Pick<Test, 'teardown'>, policy?: Policy) {
  const app = createLocalPdp({ token: KEY, ...(policy === undefined ? {} : { policy }) })
  t.teardown(() => app.close())
  const url = await app.listen({ port: 0 })
  const client = await RestClient.open({ url: new URL(url), key: KEY, deadline: performance.now() + 120_000 })
  t.teardown(() => client.close())
  return {
    app,
    url,
    client,
    /** Runs a command against it. */
    permit: (...args: string[]): Promise<Said> => permit(args, { env: { PERMIT_API_URL: url, PERMIT_API_KEY: KEY } })
  }
}

/** Moves a policy into the environment, and returns the number of steps that it took. */
export async function pushPolicy (client: RestClient, policy: Policy, { facts = true, prune = false } = {}): Promise<number> {
  const wanted = modelOf(policy, facts ? compilePolicy(policy).facts : undefined)
  const plan = planMove(wanted, await readEnvironment(client, { facts }), { prune })
  await push(client, plan)
  return plan.steps.length
}

/** The text of a file with everything that the environment says. */
export async function pullText (client: RestClient, existing?: PolicyToMove, format: 'yaml' | 'json' = 'yaml') {
  const { schema, facts, unsaid } = await readEnvironment(client, { facts: true })
  return textOfPolicy({ schema, facts, permit: unsaid.data }, format, existing)
}

/** A folder that is removed when the test is over. */
export async function folderFor (t: Pick<Test, 'teardown'>, files: Record<string, string> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-permit-moving-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return folder
}

const TYPES = ['bool', 'number', 'string', 'time', 'array', 'json', 'object', 'object_array'] as const
const key = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_-]{0,7}$/).filter(key => !key.startsWith('__'))
/** Keys of facts, and texts: everything that a person or an attacker can write. */
const word = fc.oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), fc.constantFrom(
  'true', 'null', '~', '012', '1e3', '- a', 'a: b', '#a', '*a', '&a', '!a', "it's", '"', ' a ', 'a\nb', '\u2028', 'ä', '日本', '🎲', '2026-01-31', '<<', '@', '%', '|', '>'
))
/** As the policy's schema takes keys: none begins with the end of a line. */
const noColon = word.filter(text => /^./.test(text) && !text.includes('\u0000'))
const keys = (max: number) => fc.uniqueArray(key, { maxLength: max })
const value = fc.jsonValue({ maxDepth: 2, stringUnit: 'grapheme' }).map(value => JSON.parse(JSON.stringify(value)) as unknown)
const values = fc.dictionary(noColon.filter(name => name !== '__proto__'), value, { maxKeys: 3, noNullPrototype: true })
const texts = fc.record({ name: noColon, description: word }, { requiredKeys: [] })

function someOf<T> (items: readonly T[]): fc.Arbitrary<T[]> {
  return items.length === 0 ? fc.constant([]) : fc.subarray([...items])
}

function blocks<T> (keys: readonly string[], block: (key: string) => fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> {
  return fc.record(Object.fromEntries(keys.map(key => [key, block(key)])), { noNullPrototype: true }) as fc.Arbitrary<Record<string, T>>
}

const attribute = fc.record({ type: fc.constantFrom(...TYPES), description: word }, { requiredKeys: ['type'] })
const when = fc.option(fc.record({ no_direct_roles_on_object: fc.boolean() }), { nil: undefined })
const literal = fc.oneof(noColon, fc.integer(), fc.boolean())
const condition = (scope: string) => fc.oneof(
  fc.constant({ allOf: [] }),
  fc.record({ allOf: fc.array(fc.record({ [`${scope}.a`]: fc.record({ equals: literal }) }), { maxLength: 3 }) }),
  fc.record({ not: fc.record({ [`${scope}.b`]: fc.record({ in: fc.array(literal, { maxLength: 3 }) }) }) }),
  fc.record({ anyOf: fc.tuple(fc.record({ [`${scope}.c`]: fc.record({ 'greater-than': fc.integer() }) }), fc.constant({ 'context.ip': { equals: { ref: `${scope}.d` } } })) })
)

/** Earlier roles are the parents of later ones: no circle. */
function roles (names: readonly string[], permissions: readonly string[]) {
  return blocks(names, name => fc.record({
    texts, attributes: values, permissions: someOf(permissions), extends: someOf(names.slice(0, names.indexOf(name)))
  }).map(({ texts, ...role }) => ({ ...texts, ...role })))
}

interface Shape { readonly actions: string[], readonly roles: string[], readonly relations: Record<string, string> }

const shapes = fc.uniqueArray(key, { minLength: 1, maxLength: 4 }).chain(types => blocks(types, () => fc.record({
  actions: keys(4), roles: keys(3), relations: keys(2).chain(names => blocks(names, () => fc.constantFrom(...types)))
})))

function resources (shapes: Record<string, Shape>): fc.Arbitrary<NonNullable<Policy['resources']>> {
  return blocks(Object.keys(shapes), type => {
    const { actions, roles: names, relations } = shapes[type]!
    const derivations = Object.entries(relations).flatMap(([relation, on]) =>
      (shapes[on]?.roles ?? []).map(role => ({ role, on_resource: on, linked_by_relation: relation })))
    return fc.record({
      texts,
      urn: fc.option(noColon, { nil: undefined }),
      actions: blocks(actions, () => fc.oneof(fc.constant(null), fc.record({ texts, attributes: values }).map(({ texts, attributes }) => ({ ...texts, attributes })))),
      attributes: blocks(['a', 'weird key', 'ü'], () => attribute),
      action_groups: keys(2).chain(groups => blocks(groups, () => fc.record({ texts, actions: someOf(actions) }).map(({ texts, actions }) => ({ ...texts, actions })))),
      relations: blocks(Object.keys(relations), relation => fc.oneof(
        fc.constant(relations[relation]!),
        texts.map(texts => ({ ...texts, subject_resource: relations[relation]! }))
      )),
      roles: fc.tuple(roles(names, actions), blocks(names, () => fc.record({
        users_with_role: someOf(derivations).chain(some => fc.tuple(...some.map(rule => when.map(when => when === undefined ? rule : { ...rule, when })))), when
      }))).map(([blocks, grants]) => Object.fromEntries(Object.entries(blocks).map(([name, role]) => [name, { ...role, granted_to: clean(grants[name]!) }])))
    }).map(({ texts, urn, ...resource }) => ({ ...texts, ...(urn === undefined ? {} : { urn }), ...resource }))
  }) as fc.Arbitrary<NonNullable<Policy['resources']>>
}

function clean<T extends object> (value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as T
}

/** Policies of every model, with facts. */
export const policies: fc.Arbitrary<Policy> = shapes.chain(shapes => {
  const types = Object.keys(shapes)
  const permissions = types.flatMap(type => shapes[type]!.actions.map(action => `${type}:${action}`))
  return fc.tuple(
    resources(shapes), keys(4).chain(names => roles(names, permissions)), keys(3), keys(3), fc.uniqueArray(noColon, { maxLength: 4 }), fc.uniqueArray(noColon, { maxLength: 5 }),
    fc.uniqueArray(fc.tuple(fc.constantFrom(...types), noColon), { selector: ([type, key]) => `${type}:${key}`, maxLength: 6 })
  ).chain(([resources, roles, userSets, resourceSets, tenants, users, instances]) => {
    const sets = resourceSets.filter(key => !userSets.includes(key)).map((key, index) => [key, types[index % types.length]!] as const)
    const homes = ['default', ...tenants.filter(key => key !== 'default')]
    const homeOf = new Map(instances.map(([type, key], index) => [`${type}:${key}`, homes[index % homes.length]!]))
    const rules = permissions.flatMap(permission => {
      const type = permission.split(':')[0]!
      return [...userSets, ...Object.keys(roles).filter(role => !userSets.includes(role))].flatMap(user =>
        [...sets.filter(([, on]) => on === type).map(([key]) => key), ...(sets.some(([key]) => key === type) || userSets.includes(type) ? [] : [type])]
          .map(resource => ({ user_set: user, permission, resource_set: resource })))
    })
    const assignments = users.flatMap(user => [
      ...Object.keys(roles).flatMap(role => homes.map(tenant => ({ user, role, tenant }))),
      ...instances.flatMap(([type, key]) => shapes[type]!.roles.map(role => ({ user, role, resource_instance: `${type}:${key}` })))
    ])
    const tuples = instances.flatMap(([type, key]) => Object.entries(shapes[type]!.relations).flatMap(([relation, on]) =>
      instances.filter(([other, otherKey]) => other === on && homeOf.get(`${other}:${otherKey}`) === homeOf.get(`${type}:${key}`))
        .map(([other, otherKey]) => ({ subject: `${other}:${otherKey}`, relation, object: `${type}:${key}` }))))
    const mapped = permissions.map(permission => permission.split(':') as [string, string])
    const mappings = mapped.length === 0
      ? fc.constant([])
      : fc.array(fc.record({
        url: fc.webPath().map(path => `https://example.com${path}/{id}`),
        http_method: fc.constantFrom('get', 'POST', 'delete'),
        to: fc.constantFrom(...mapped),
        priority: fc.nat(3)
      }).map(({ to: [resource, action], ...rule }) => ({ ...rule, resource, action })), { maxLength: 3 })
    return fc.record({
      resources: fc.constant(resources),
      user_attributes: blocks(['a', 'b', 'ü x'], () => attribute),
      tenant_attributes: blocks(['plan'], () => attribute),
      roles: fc.constant(roles),
      user_sets: blocks(userSets, () => fc.tuple(texts, condition('user')).map(([texts, conditions]) => ({ ...texts, conditions }))),
      resource_sets: blocks(sets.map(([key]) => key), key => fc.tuple(texts, condition('resource')).map(([texts, conditions]) =>
        ({ ...texts, resource: sets.find(([other]) => other === key)![1], conditions }))),
      set_rules: someOf(rules),
      proxy_configs: keys(2).chain(names => blocks(names, () => fc.record({ name: noColon, mapping_rules: mappings }, { requiredKeys: ['mapping_rules'] }))),
      tenants: blocks(homes, () => fc.record({ texts, attributes: values }).map(({ texts, attributes }) => ({ ...texts, attributes }))),
      users: blocks(users, () => fc.record({ email: noColon, first_name: noColon, last_name: noColon, attributes: values }, { requiredKeys: [] })),
      resource_instances: fc.tuple(...instances.map(([resource, key]) => values.map(attributes =>
        ({ resource, key, tenant: homeOf.get(`${resource}:${key}`)!, attributes })))),
      role_assignments: someOf(assignments),
      relationship_tuples: someOf(tuples)
    }) as unknown as fc.Arbitrary<Policy>
  })
})
