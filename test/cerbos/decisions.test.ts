// The plugin asks the real Cerbos: what is decided by what, alone and in a batch.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import permit, { type EvaluationMap, type PermitOptions, type ResourceInput, type UserInput } from '../../src/index.js'
import { byHeader, fastifyFor, logSink } from '../support/app.js'
import { POLICIES } from './policies.js'
import { startProxy } from './proxy.js'
import { binary, startCerbos } from './server.js'

type Question = [user: UserInput, action: string, resource: ResourceInput]

if (binary === undefined) t.plan(0, 'Cerbos is not to be had on this platform')
else {
  const cerbos = await startCerbos(t, { policies: POLICIES })

  async function appFor (t: Test, options: Partial<PermitOptions> = {}) {
    const app = fastifyFor(t)
    await app.register(permit, { pdp: cerbos.url, protocol: 'authzen', cache: false, user: byHeader, ...options, authzen: { tenants: 'properties', ...options.authzen as object } })
    return app
  }

  const withRoles = (key: string, ...roles: string[]) => ({ key, attributes: { 'cerbos.roles': roles } })

  t.test('roles come from the attribute cerbos.roles; without it a user has the role "user"', async t => {
    const app = await appFor(t)
    t.equal(await app.permit.check(withRoles('ann', 'viewer'), 'read', 'task:1'), true)
    t.equal(await app.permit.check(withRoles('ann', 'viewer'), 'write', 'task:1'), false)
    t.equal(await app.permit.check(withRoles('ann', 'viewer', 'editor'), 'write', 'task:1'), true)
    t.equal(await app.permit.check('ann', 'read', 'task'), false)
    t.equal(await app.permit.check('ann', 'greet', 'task'), true)
    t.equal(await app.permit.check('ann', 'greet', 'nothing'), false, 'a resource without a policy')
  })

  t.test('an attribute cannot replace the tenant', async t => {
    const app = await appFor(t)
    const ann = { key: 'ann', attributes: { tenants: ['acme'] } }
    t.equal(await app.permit.check(ann, 'list', { type: 'task', tenant: 'acme' }), true)
    t.equal(await app.permit.check(ann, 'list', { type: 'task', tenant: 'other', attributes: { tenant: 'acme' } }), false)
  })

  t.test('a map passes the context to the policies', async t => {
    const map: EvaluationMap = (evaluation, { context = {} }) => ({
      ...evaluation,
      resource: { ...evaluation.resource, properties: { ...evaluation.resource.properties, context } }
    })
    for (const [options, allowed] of [[{}, false], [{ authzen: { map } }, true]] as const) {
      const app = await appFor(t, options)
      t.equal(await app.permit.check('ann', 'visit', 'task', { context: { ip: '10.0.0.1' } }), allowed)
      t.equal(await app.permit.check('ann', 'visit', 'task', { context: { ip: '10.0.0.2' } }), false)
    }
  })

  // Cerbos (0.55) decides evaluations of one batch about one subject and one resource by the properties of the first of them.
  t.test('checks in different tenants at the same time do not mix', async t => {
    const app = await appFor(t)
    const ann = { key: 'ann', attributes: { tenants: ['acme'] } }
    for (const order of [['acme', 'other', 'third'], ['other', 'acme', 'third'], ['third', 'other', 'acme']]) {
      const checks = order.map(tenant => ({ action: 'list', resource: { type: 'task', tenant } }))
      const answers = await app.permit.bulkCheck(ann, [{ action: 'greet', resource: 'task' }, ...checks])
      t.same(answers.slice(1), order.map(tenant => tenant === 'acme'), order.join())
    }
    t.ok((app.permit.stats().batches?.requests ?? 0) > 0, 'in batches')
  })

  t.test('any checks at the same time get the same answers as one by one', async t => {
    const app = await appFor(t)
    const question: fc.Arbitrary<Question> = fc.tuple(
      fc.record({
        key: fc.constantFrom('ann', 'bob'),
        attributes: fc.record({ level: fc.nat(3), tenants: fc.subarray(['acme', 'other']), 'cerbos.roles': fc.subarray(['viewer', 'editor']) }, { requiredKeys: [] })
      }),
      fc.constantFrom('read', 'write', 'list', 'approve', 'greet'),
      fc.record({
        type: fc.constantFrom('task', 'nothing'),
        key: fc.constantFrom(undefined, '1', '2'),
        tenant: fc.constantFrom('acme', 'other'),
        attributes: fc.record({ level: fc.nat(3) }, { requiredKeys: [] })
      })
    )
    await fc.assert(fc.asyncProperty(fc.array(question, { minLength: 2, maxLength: 40 }), async questions => {
      const alone: boolean[] = []
      for (const [user, action, resource] of questions) alone.push(await app.permit.check(user, action, resource))
      const together = await Promise.all(questions.map(([user, action, resource]) => app.permit.check(user, action, resource)))
      assert.deepEqual(together, alone)
    }), { numRuns: 40 })
    const { batches } = app.permit.stats()
    t.ok((batches?.largest ?? 0) > 10, `${batches?.largest} in the largest batch`)
    t.equal(batches?.splits, 0)
  })

  t.test('a batch that is too large is split, and no such batch is sent again', async t => {
    const small = await startCerbos(t, { policies: POLICIES, limit: 12 })
    const app = await appFor(t, { pdp: small.url, batch: 40, connections: 1 })
    const viewer = withRoles('ann', 'viewer')
    const checks = (from: number) => Array.from({ length: 81 }, (_, index) => ({ action: index % 2 === 0 ? 'read' : 'write', resource: `task:${from + index}` }))
    const expected = checks(0).map(({ action }) => action === 'read')
    t.same(await app.permit.bulkCheck(viewer, checks(0)), expected)
    const { splits = 0 } = app.permit.stats().batches ?? {}
    t.ok(splits > 0, `${splits} splits`)
    t.same(await app.permit.bulkCheck(viewer, checks(100)), expected)
    t.equal(app.permit.stats().batches?.splits, splits)
    t.equal(app.permit.stats().checks?.failed, 0)
  })

  t.test('a check that Cerbos refuses does not affect others in the same batch', async t => {
    const app = await appFor(t)
    const viewer = withRoles('ann', 'viewer')
    const lone = '\ud800'
    const answers = await Promise.allSettled([...'abcdefgh', lone].map(key => app.permit.check(viewer, 'read', { type: 'task', key })))
    t.same(answers.map(answer => answer.status === 'fulfilled' && answer.value), [true, true, true, true, true, true, true, true, false])
    t.match(answers.at(-1), { status: 'rejected', reason: { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'unsendable' } } })
  })

  t.test('explain contains the reasons that Cerbos sends, if asked to', async t => {
    const app = await appFor(t)
    t.match(await app.permit.explain(withRoles('ann', 'viewer'), 'read', 'task:1', { context: { 'cerbos.includeMeta': true } }), {
      allow: true,
      source: 'pdp',
      context: { 'cerbos.response': { results: [{ meta: { actions: { read: { matchedPolicy: 'resource.task.vdefault' } } } }] } }
    })
    t.equal((await app.permit.explain(withRoles('ann', 'viewer'), 'read', 'task:1')).context, undefined)
    t.match(await app.permit.explain('ann', 'transfer', 'task:1', { context: { 'cerbos.includeMeta': true } }), {
      allow: false,
      context: { 'cerbos.response': { results: [{ outputs: [{ val: { step_up: 'a second factor' } }] }] } }
    })
  })

  t.test('guarded routes answer 200, 403 and 401, and Cerbos gets the id of each request', async t => {
    const proxy = await startProxy(t, cerbos)
    const log = logSink('debug')
    const app = fastifyFor(t, { logger: log.logger })
    await app.register(permit, {
      pdp: proxy.url,
      protocol: 'authzen',
      cache: false,
      user: request => byHeader(request) === undefined ? undefined : withRoles(byHeader(request) as string, 'viewer')
    })
    app.get('/tasks/:id', { config: { permit: { action: 'read', resource: 'task:{id}' } } }, async () => 'ok')
    app.delete('/tasks/:id', { config: { permit: { action: 'write', resource: 'task:{id}' } } }, async () => 'ok')
    const headers = { 'x-user': 'ann' }
    t.equal((await app.inject({ url: '/tasks/1', headers })).statusCode, 200)
    t.equal((await app.inject({ method: 'DELETE', url: '/tasks/1', headers })).statusCode, 403)
    t.equal((await app.inject('/tasks/1')).statusCode, 401)
    const exchanges = proxy.exchanges.filter(({ question }) => !JSON.stringify(question ?? '').includes('fastify-permit-probe'))
    t.same(exchanges.map(({ path, headers }) => [path, headers['x-request-id']]),
      [['/.well-known/authzen-configuration', undefined], ['/access/v1/evaluation', 'req-1'], ['/access/v1/evaluation', 'req-2']])

    await Promise.all(['1', '2', '3', '4'].map(id => app.inject({ url: `/tasks/${id}`, headers })))
    const batch = proxy.exchanges.find(({ path }) => path === '/access/v1/evaluations')
    const line = log.lines.find(({ msg }) => msg === 'permit: checks sent in one batch') as { permit: { requestId: string, requestIds: string[] } }
    t.equal(batch?.headers['x-request-id'], line.permit.requestId)
    t.same(line.permit.requestIds, ['req-4', 'req-5', 'req-6', 'req-7'])
  })

  t.test('parts that are the same in all checks are sent once per batch', async t => {
    const proxy = await startProxy(t, cerbos)
    const app = await appFor(t, { pdp: proxy.url })
    await app.permit.bulkCheck(withRoles('ann', 'viewer'), ['1', '2', '3'].map(key => ({ action: 'read', resource: `task:${key}` })))
    t.same(proxy.exchanges.find(({ path }) => path === '/access/v1/evaluations')?.question, {
      subject: { type: 'user', id: 'ann', properties: { 'cerbos.roles': ['viewer'] } },
      action: { name: 'read' },
      context: {},
      options: { evaluations_semantic: 'execute_all' },
      evaluations: ['1', '2', '3'].map(id => ({ resource: { type: 'task', id, properties: { tenant: 'default' } } }))
    })
  })
}
