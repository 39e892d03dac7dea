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
