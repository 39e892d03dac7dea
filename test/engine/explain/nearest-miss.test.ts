// A denial names the rule that came nearest, by its sets and attributes; the code stays Permit's, and no value is told.
import t from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import permit, { type Policy } from '../../../src/index.js'
import { byHeader, fastifyFor } from '../../support/app.js'

const policy: Policy = {
  resources: { doc: { actions: { read: {}, write: {} }, roles: { owner: { permissions: ['read'] } } } },
  roles: { clerk: {} },
  user_sets: { staff: { conditions: { 'user.team': { equals: 'sesame' } } }, grown: { conditions: { 'user.age': { 'greater-than': 17 } } } },
  resource_sets: {
    office_hours: { resource: 'doc', conditions: { allOf: [{ 'context.hour': { between: [9, 17] } }, { 'resource.secret': { equals: false } }] } },
    not_mine: { resource: 'doc', conditions: { not: [{ 'resource.owner': { equals: { ref: 'user.key' } } }] } }
  },
  set_rules: [
    { user_set: 'clerk', permission: 'doc:read', resource_set: 'doc' },
    { user_set: 'staff', permission: 'doc:read', resource_set: 'office_hours' },
    { user_set: 'grown', permission: 'doc:write', resource_set: 'not_mine' }
  ],
  users: { ann: { attributes: { team: 'sesame', age: 40 } }, bob: {} },
  resource_instances: [{ resource: 'doc', key: '1', attributes: { secret: false, owner: 'ann' } }]
}

const asked = (user: string, action: string, context = {}) => ({ user: { key: user }, action, resource: { type: 'doc', key: '1', tenant: 'default' }, context })

t.test('the nearest rule is named with the attributes that failed', async t => {
  const engine = new Engine(policy)
  for (const [query, code, reason] of [
    [asked('ann', 'read', { hour: 3 }), 'no_graph_roles', /^user 'ann' has no role on 'doc:1'.*; the nearest rule is set_rules\[1\]: user set 'staff' is met, resource set 'office_hours' is not: 'context\.hour' \(between\)$/],
    [asked('ann', 'read'), 'no_graph_roles', /'context\.hour', which is missing \(between\)$/],
    [asked('ann', 'write'), undefined, /set_rules\[2\]: user set 'grown' is met, resource set 'not_mine' is not: 'resource\.owner' \(equals 'user\.key'\)$/],
    [asked('bob', 'write'), undefined, /resource set 'not_mine' is met, user set 'grown' is not: 'user\.age', which is missing \(greater-than\)$/],
    [asked('bob', 'read'), 'no_graph_roles', /set_rules\[0\]: resource set 'doc' is met, user set 'clerk' is not$/]
  ] as const) {
    const plain = engine.explain(query)
    const explained = engine.explainNearest(query)
    t.match(explained.reason, reason)
    t.same({ ...explained, reason: plain.reason }, plain, 'everything else stays')
    if (code !== undefined) t.equal(explained.code, code)
    t.notMatch(explained.reason, /sesame|40|17|\b3\b/)
    t.equal(engine.trace(query).reason, explained.reason)
  }
  t.notMatch(engine.explainNearest(asked('ann', 'read', { hour: 12 })).reason, /nearest/, 'who is let in has missed nothing')
  t.notMatch(engine.explainNearest(asked('ann', 'fly')).reason, /nearest/)
  t.notMatch(new Engine(policy, { unknown: 'deny' }).explainNearest(asked('nobody', 'write')).reason, /nearest/)
})

t.test('request.permit.explain tells it', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy, user: byHeader })
  app.get('/', async ({ permit }) => permit.explain('read', 'doc:1', { context: { hour: 3 } }))
  const { allow, code, reason } = (await app.inject({ url: '/', headers: { 'x-user': 'ann' } })).json() as { allow: boolean, code: string, reason: string }
  t.match({ allow, code, reason }, { allow: false, code: 'no_graph_roles', reason: /the nearest rule is set_rules\[1\].*'context\.hour' \(between\)/ })
})
