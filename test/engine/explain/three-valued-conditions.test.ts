// What depends on the circumstances is `depends`, and what the rest of a condition rules out is not.
import t from 'tap'
import { Engine } from '../../../src/engine/engine.js'

t.test('a condition on the context excludes users whom the rest of the condition excludes', async t => {
  const engine = new Engine({
    resources: { task: { actions: { read: {} } } },
    user_sets: { office: { conditions: { allOf: [{ 'user.department': { equals: 'it' } }, { 'context.hour': { between: [8, 18] } }] } } },
    set_rules: [{ user_set: 'office', permission: 'task:read', resource_set: 'task' }],
    users: { ann: { attributes: { department: 'it' } }, bob: { attributes: { department: 'hr' } } }
  })
  t.same(['ann', 'bob'].map(user => engine.possiblePermissions(user, 'default').map(({ may }) => may)), [['depends'], ['never']])
})

t.test('alternatives and negations are evaluated with three values', async t => {
  const may = (conditions: Record<string, unknown>) => new Engine({
    resources: { task: { actions: { read: {} } } },
    user_sets: { set: { conditions } },
    set_rules: [{ user_set: 'set', permission: 'task:read', resource_set: 'task' }],
    users: { ann: { attributes: { level: 3 } } }
  }).possiblePermissions('ann', 'default')[0]?.may
  const [yes, no, maybe] = [{ 'user.level': { equals: 3 } }, { 'user.level': { equals: 4 } }, { 'context.hour': { equals: 9 } }]
  t.equal(may({ anyOf: [no, maybe] }), 'depends')
  t.equal(may({ anyOf: [yes, maybe] }), 'always')
  t.equal(may({ anyOf: [no, no] }), 'never')
  t.equal(may({ not: [maybe] }), 'depends')
  t.equal(may({ not: [yes, maybe] }), 'never')
  t.equal(may({ not: [no] }), 'always')
  t.equal(may({ allOf: [] }), 'always')
  t.equal(may({ 'user.level': { anyOf: [{ equals: 4 }, { equals: { ref: 'context.level' } }] } }), 'depends')
  t.equal(may({ 'user.level': { allOf: [{ equals: 4 }, { equals: { ref: 'context.level' } }] } }), 'never')
})
