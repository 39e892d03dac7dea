// `now` in the policy of an app: a decision and a plan end with their time, however long the cache keeps others.
import Fastify from 'fastify'
import t from 'tap'
import permit from '../../src/index.js'
import type { Policy } from '../../src/engine/policy/policy.js'

const policyUntil = (end: number): Policy => ({
  resources: { doc: { actions: { read: {} } } },
  user_sets: { early: { conditions: { now: { 'less-than': new Date(end).toISOString() } } } },
  set_rules: [{ user_set: 'early', permission: 'doc:read', resource_set: 'doc' }],
  users: { ann: {} }
})

const reached = async (end: number) => {
  while (Date.now() < end) await new Promise(resolve => setTimeout(resolve, end - Date.now()))
}

const POLICY_OF_USERS: Policy = {
  ...policyUntil(0),
  user_sets: { early: { conditions: { 'user.until': { 'greater-than': { ref: 'now' } } } } }
}

t.test('what is allowed until a time is refused from then on, through the cache', async t => {
  // Far, until everything is loaded: a busy machine takes its time to start an app.
  let until = '2999-01-01T00:00:00Z'
  const app = Fastify()
  await app.register(permit, { policy: POLICY_OF_USERS, user: () => ({ key: 'ann', attributes: { until } }), cache: { ttl: 3_600_000, max: 100 } })
  t.teardown(() => app.close())
  app.get('/doc', { config: { permit: 'doc:read' } }, async () => 'yes')
  app.get('/why', { config: { permit: false } }, async request => request.permit.explain('read', 'doc'))
  app.get('/plan', { config: { permit: false } }, async request => (await request.permit.plan('read', 'doc')).kind)
  const said = async () => [(await app.inject('/doc')).statusCode, (await app.inject('/plan')).body]
  t.same(await said(), [200, 'all'])
  const end = Date.now() + 4_000
  until = new Date(end).toISOString()
  t.same(await said(), [200, 'all'])
  t.same(await said(), [200, 'all'])
  t.ok(app.permit.stats().cache!.hits > 0, 'the second one is cached')
  t.match((await app.inject('/doc?now=2000-01-01T00:00:00Z')).statusCode, 200)
  await reached(end)
  t.same(await said(), [403, 'none'])
  const { allow, reason } = (await app.inject('/why')).json()
  t.notOk(allow)
  t.match(reason, "'user.until' (greater-than 'now')")
})

t.test('a context of the app does not set the time', async t => {
  const app = Fastify()
  await app.register(permit, { policy: policyUntil(Date.now() - 1), user: () => ({ key: 'ann', attributes: { now: '2000-01-01T00:00:00Z' } }) })
  t.teardown(() => app.close())
  const context = { now: '2000-01-01T00:00:00Z', 'now.time': '00:00' }
  app.get('/doc', { config: { permit: { action: 'read', resource: 'doc', context: () => context } } }, async () => 'yes')
  t.equal((await app.inject('/doc')).statusCode, 403)
  await app.ready()
  t.notOk(await app.permit.check('ann', 'read', { type: 'doc', attributes: context }, { context }))
})
