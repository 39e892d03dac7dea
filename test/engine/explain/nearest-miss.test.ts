// A denial names the rule that came nearest, by its sets and attributes; the code stays Permit's, and no value is told.
import t from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import permit, { type Policy } from '../../../src/index.js'
import { pdpFor, TOKEN } from '../../server/support.js'
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

t.test('request.permit.explain contains the nearest miss', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy, user: byHeader })
  app.get('/', async ({ permit }) => permit.explain('read', 'doc:1', { context: { hour: 3 } }))
  const { allow, code, reason } = (await app.inject({ url: '/', headers: { 'x-user': 'ann' } })).json() as { allow: boolean, code: string, reason: string }
  t.match({ allow, code, reason }, { allow: false, code: 'no_graph_roles', reason: /the nearest rule is set_rules\[1\].*'context\.hour' \(between\)/ })
})

t.test('the log line of a denial and the error tell it, and no value', async t => {
  const lines: string[] = []
  const app = fastifyFor(t, { logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } } })
  await app.register(permit, { policy, user: byHeader })
  app.get('/', { config: { permit: { action: 'read', resource: 'doc:1', context: () => ({ hour: 3 }) } } }, async () => 'in')
  app.get('/late', { config: { permit: false } }, async ({ permit }) => { await permit.assert('read', 'doc:1', { context: { hour: 3 } }) })
  for (const url of ['/', '/late']) t.equal((await app.inject({ url, headers: { 'x-user': 'ann' } })).statusCode, 403)
  const denied = lines.map(line => JSON.parse(line) as { msg: string, permit?: { code: string, reason: string } }).filter(({ msg }) => msg === 'permit: denied')
  t.ok(denied.length >= 1)
  for (const { permit } of denied) {
    t.equal(permit?.code, 'no_graph_roles', "Permit's code stays")
    t.match(permit?.reason, /; the nearest rule is set_rules\[1\]: user set 'staff' is met, resource set 'office_hours' is not: 'context\.hour' \(between\)$/)
    t.notMatch(permit?.reason, /sesame|40|17|\b3\b/)
  }
  const error = await app.permit.assert('ann', 'read', 'doc:1', { context: { hour: 3 } }).catch((error: unknown) => error)
  t.match((error as { denial: object }).denial, { code: 'no_graph_roles', reason: /office_hours/ })
})

t.test('an app that asks the local PDP logs it, too', async t => {
  const pdp = await pdpFor(t, { policy })
  const app = fastifyFor(t)
  await app.register(permit, { pdp: pdp.url, token: TOKEN, user: byHeader })
  const error = await app.permit.assert('ann', 'read', 'doc:1', { context: { hour: 3 } }).catch((error: unknown) => error)
  t.match((error as { denial: object }).denial, { code: 'no_graph_roles', reason: /; the nearest rule is set_rules\[1\].*'context\.hour' \(between\)/ })
})
