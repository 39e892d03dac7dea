// The engine answers as Permit's published policy does on a real OPA: decisions, codes and lists.
import t, { type Test } from 'tap'
import { Engine } from '../../src/engine/engine.js'
import { policyWorlds, type PolicyWorld } from './vectors.js'

const worlds = policyWorlds()

t.test('every decision, with the codes of the models', async t => {
  everyWorld(t, 2_400, (engine, { cases }) => cases.map(({ input, allow, rbac, abac }) => {
    const explained = engine.explain(input)
    const { debug } = explained
    // What said nothing in Permit's debug output has nothing to be compared with.
    const found = { allow: engine.decide(input).allow, rbac: rbac === undefined ? undefined : debug.rbac?.code, abac: abac === undefined ? undefined : debug.abac?.code }
    return { input, found, expected: { allow, rbac, abac }, also: explained.allow === allow }
  }))
})

t.test('the tenants in which a user is allowed', async t => {
  everyWorld(t, 240, (engine, { lists }) => lists.allTenants.map(({ input, tenants }) =>
    ({ input, found: engine.allTenants(input).map(({ tenant }) => tenant.key).sort(), expected: [...tenants].sort() })))
})

t.test('the permissions of a user', async t => {
  everyWorld(t, 240, (engine, { lists }) => lists.userPermissions.map(({ user, resource_types: types, context, permissions }) => {
    const found = engine.userPermissions(user, { resource_types: types, context })
    return { input: { user, types, context }, found: sorted(Object.entries(found).map(([id, { permissions }]) => [id, permissions])), expected: sorted(Object.entries(permissions)) }
  }))
})

t.test('the authorized users', async t => {
  everyWorld(t, 240, (engine, { lists }) => lists.authorizedUsers.map(({ action, resource, users }) => {
    const { users: found } = engine.authorizedUsers({ action, resource, context: { enable_abac_authorized_users: true } })
    return { input: { action, resource }, found: Object.keys(found).sort(), expected: [...users].sort() }
  }))
})

interface Compared { readonly input: unknown, readonly found: unknown, readonly expected: unknown, readonly also?: boolean }

function everyWorld (t: Test, count: number, compare: (engine: Engine, world: PolicyWorld) => Compared[]): void {
  let alike = 0
  const different: unknown[] = []
  for (const [index, world] of worlds.entries()) {
    for (const { input, found, expected, also = true } of compare(new Engine(world.policy), world)) {
      if (also && JSON.stringify(found) === JSON.stringify(expected)) alike++
      else if (different.length < 5) different.push({ world: index, input, found, expected })
    }
  }
  t.same(different, [])
  t.equal(alike, count)
}

function sorted (entries: Array<[string, readonly string[]]>): unknown {
  return entries.map(([id, permissions]) => [id, [...permissions].sort()] as const).filter(([, permissions]) => permissions.length > 0).sort(([a], [b]) => a < b ? -1 : 1)
}
