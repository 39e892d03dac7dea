// Each difference in decisions that docs/differences.md lists is one.
import t from 'tap'
import { readFileSync } from 'node:fs'
import { Engine } from '../../src/engine/engine.js'
import { pdpFor } from '../server/support.js'

const page = readFileSync(new URL('../../docs/differences.md', import.meta.url), 'utf8')

function decide (conditions: Record<string, unknown>, attributes: Record<string, unknown>): boolean {
  const engine = new Engine({ resources: { task: { actions: { read: {} } } }, user_sets: { set: { conditions } }, set_rules: [{ user_set: 'set', permission: 'task:read', resource_set: 'task' }], users: { ann: {} } })
  return engine.decide({ user: { key: 'ann', attributes }, action: 'read', resource: { type: 'task', tenant: 'default' } }).allow
}

t.test('array_subset over a missing attribute is false', async t => {
  t.match(page, /`array_subset` over an attribute that is missing/)
  t.equal(decide({ 'user.tags': { array_subset: ['a'] } }, {}), false)
  t.equal(decide({ 'user.tags': { array_subset: ['a'] } }, { tags: [] }), true)
})

t.test('array_superset of nothing over a missing attribute is false', async t => {
  t.match(page, /`array_superset` of a `ref` that is missing, or of `\[\]`/)
  t.equal(decide({ 'user.tags': { array_superset: [] } }, {}), false)
  t.equal(decide({ 'user.tags': { array_superset: [] } }, { tags: [] }), true)
  t.equal(decide({ 'user.tags': { array_superset: { ref: 'user.wanted' } } }, { tags: ['a'] }), false)
  t.equal(decide({ 'user.tags': { array_superset: { ref: 'user.wanted' } } }, { tags: ['a'], wanted: [] }), true)
})

t.test('a rule that joins a role with a type is told by its code', async t => {
  t.match(page, /a rule joins a role with a type/)
  const engine = new Engine({
    resources: { task: { actions: { read: {} } } },
    roles: { viewer: {} },
    set_rules: [{ user_set: 'viewer', permission: 'task:read', resource_set: 'task' }],
    users: { ann: {} },
    role_assignments: [{ user: 'ann', role: 'viewer', tenant: 'default' }]
  })
  t.match(engine.explain({ user: { key: 'ann' }, action: 'read', resource: { type: 'task', tenant: 'default' } }).debug, { abac: { allow: true, code: 'allow' } })
})

t.test('a denial names its nearest miss beside code and reason', async t => {
  t.match(page, /`nearest_miss`/)
  const { post } = await pdpFor(t)
  const child = { user: { key: 'bob', attributes: { age: 12 } }, action: 'approve', resource: { type: 'task', tenant: 'acme' } }
  const { debug } = (await post('/allowed', child)).json as { debug: { abac: Record<string, string> } }
  t.match(debug.abac, { code: 'no_matching_rules', nearest_miss: "the nearest rule is set_rules[0]: resource set 'task' is met, user set 'adults' is not: 'user.age' (greater-than)" })
  t.notMatch(debug.abac['nearest_miss'], /12|17/)
})

t.test('comparisons across types are false', async t => {
  t.match(page, /Comparisons across types/)
  for (const operator of ['less-than', 'greater-than', 'less-than-equals', 'greater-than-equals']) {
    t.equal(decide({ 'user.level': { [operator]: 9 } }, { level: '10' }), false, operator)
    t.equal(decide({ 'user.level': { [operator]: '9' } }, { level: 10 }), false, operator)
  }
})

t.test('authorized users are those that a check allows', async t => {
  const engine = new Engine({
    resources: { task: { actions: { read: {}, write: {} } } },
    user_sets: { set: { conditions: { 'user.level': { equals: 1 } } } },
    resource_sets: { open: { resource: 'task', conditions: { 'resource.open': { equals: true } } } },
    set_rules: [{ user_set: 'set', permission: 'task:read', resource_set: 'open' }, { user_set: 'set', permission: 'task:write', resource_set: 'task' }],
    users: { ann: { attributes: { level: 1 } } }
  })
  const context = { enable_abac_authorized_users: true }
  t.same(Object.keys(engine.authorizedUsers({ action: 'read', resource: { type: 'task', tenant: 'default' }, context }).users), [])
  t.same(Object.keys(engine.authorizedUsers({ action: 'write', resource: { type: 'task', tenant: 'default' }, context }).users), ['ann'])
})

t.test('facts in a query are ignored', async t => {
  const { post } = await pdpFor(t)
  const assignments = { 'user:bob': { '__tenant:acme': ['viewer'] } }
  const question = { user: { key: 'bob' }, action: 'read', resource: { type: 'task', tenant: 'acme' }, context: { use_factdb: true, data: { role_assignments: assignments, users: { bob: { roleAssignments: { acme: ['viewer'] } } } } } }
  t.match((await post('/allowed', question)).json, { allow: false })
  t.same((await post('/user-permissions', { user: { key: 'bob' }, resource_types: ['__tenant'], context: question.context })).json, {})
})
