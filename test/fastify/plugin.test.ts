// The face of the plugin: what is on the app and on the request, and how it comes and goes.
import t from 'tap'
import permit from '../../src/index.js'
import { deferred, fastifyFor, guardedApp, optionsFor, pdpFor } from '../support/app.js'

const ann = { 'x-user': 'ann' }

t.test('request.permit checks the user of the request', async t => {
  const { app, pdp } = await guardedApp(t, { tenant: request => request.headers['x-tenant'] as string }, {
    decide: q => q.user.key === 'ann' && q.resource.tenant === 'acme' && ['1', '3'].includes(q.resource.key ?? '')
  })
  const items = [{ id: '1' }, { id: '2' }, { id: '3' }]
  app.get('/', async request => ({
    yes: await request.permit.check('read', 'task:1'),
    no: await request.permit.check('read', { type: 'task', key: '2' }),
    elsewhere: await request.permit.check('read', 'task:1', { tenant: 'other' }),
    bulk: await request.permit.bulkCheck([{ action: 'read', resource: 'task:3' }, { action: 'read', resource: 'task:2' }, { action: 'read', resource: 'task:1', tenant: 'other' }]),
    filtered: await request.permit.filter('read', items, item => ({ type: 'task', key: item.id })),
    asserted: await request.permit.assert('read', 'task:1').then(() => 'yes', (error: { code: string }) => error.code),
    refused: await request.permit.assert('read', 'task:2').then(() => 'yes', (error: { code: string }) => error.code),
    explained: await request.permit.explain('read', 'task:2', { context: { why: 'test' } })
  }))
  const { json } = await app.inject({ url: '/', headers: { ...ann, 'x-tenant': 'acme' } })
  t.match(json(), {
    yes: true,
    no: false,
    elsewhere: false,
    bulk: [true, false, false],
    filtered: [{ id: '1' }, { id: '3' }],
    asserted: 'yes',
    refused: 'FST_PERMIT_FORBIDDEN',
    explained: { allow: false, code: 'no_permission', reason: 'user does not have the permission', source: 'pdp', duration: Number }
  })
  t.same(pdp.questions.at(-1)?.context, { why: 'test' })
})

t.test('every method of request.permit rejects with 401 when the request is not authenticated', async t => {
  const { app, pdp } = await guardedApp(t)
  app.get('/', async ({ permit }) => Promise.all([
    permit.check('read', 'task'), permit.assert('read', 'task'), permit.explain('read', 'task'), permit.bulkCheck([{ action: 'read', resource: 'task' }]),
    permit.filter('read', [1], () => 'task'), permit.permissions()
  ].map(answer => (answer as Promise<unknown>).then(() => 'answered', (error: { code: string }) => error.code))))
  t.same((await app.inject('/')).json(), Array(6).fill('FST_PERMIT_UNAUTHENTICATED'))
  t.equal(pdp.requests.length, 0)
})

t.test('app.permit checks the given user', async t => {
  const { app, pdp } = await guardedApp(t, {}, { decide: q => q.user.key === 'ann' && q.resource.key !== '2' })
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  t.equal(await app.permit.check({ key: 'bob', email: 'b@x.example' }, 'read', { type: 'task', tenant: 'acme' }, { context: { ip: '::1' } }), false)
  t.same(pdp.questions.at(-1), { user: { key: 'bob', email: 'b@x.example' }, action: 'read', resource: { type: 'task', tenant: 'acme' }, context: { ip: '::1' } })
  await app.permit.assert('ann', 'read', 'task')
  await t.rejects(app.permit.assert('bob', 'read', 'task'), { code: 'FST_PERMIT_FORBIDDEN', statusCode: 403 })
  t.same(await app.permit.bulkCheck('ann', [{ action: 'read', resource: 'task:1' }, { action: 'read', resource: 'task:2' }]), [true, false])
  t.same(await app.permit.filter('ann', 'read', ['1', '2', '3'], key => ({ type: 'task', key })), ['1', '3'])
  t.match(await app.permit.explain('ann', 'read', 'task'), { allow: true, code: 'allow', source: 'pdp' })
  t.same(await app.permit.permissions('ann', { tenants: ['default'], resourceTypes: ['task'] }), {
    '__tenant:default': { tenant: { key: 'default' }, permissions: ['task:retrieve'], roles: ['viewer'] }
  }, 'without attributes, unless asked')
  t.match(await app.permit.permissions('ann', { attributes: true }), { '__tenant:default': { tenant: { attributes: {} } } })
  await app.permit.permissions('ann', { tenants: ['default'], resourceTypes: ['task'] })
  t.same(pdp.requests.at(-1)?.body, { user: { key: 'ann' }, tenants: ['default'], resource_types: ['task'], context: {} })
})

t.test('an invalid check rejects, and sends nothing', async t => {
  const { app, pdp } = await guardedApp(t)
  for (const resource of ['', 'task:', { type: '' }, undefined] as unknown[] as string[]) {
    await t.rejects(app.permit.check('ann', 'read', resource), { code: 'FST_PERMIT_QUERY' })
    await t.rejects(app.permit.filter('ann', 'read', [1], () => resource), { code: 'FST_PERMIT_QUERY' })
  }
  t.equal(pdp.requests.length, 0)
})

t.test('a bulk check of thousands is answered in order, with few requests', async t => {
  const { app, pdp } = await guardedApp(t, { queue: 200, timeout: 30_000 }, { decide: q => Number(q.resource.key) % 3 === 0 })
  const keys = Array.from({ length: 3_000 }, (_, index) => String(index))
  const allowed = await app.permit.filter('ann', 'read', keys, key => ({ type: 'task', key }))
  t.same(allowed, keys.filter(key => Number(key) % 3 === 0))
  t.ok(pdp.requests.length <= 100, `${pdp.requests.length} requests`)
})

t.test('a bulk check rejects when one of its checks has no answer', async t => {
  const { app } = await guardedApp(t, {}, {
    decide: q => {
      if (q.resource.key === '2') throw new Error('the PDP breaks')
      return true
    }
  })
  await t.rejects(app.permit.filter('ann', 'read', ['1', '2', '3'], key => ({ type: 'task', key })), { code: 'FST_PERMIT_UNAVAILABLE' })
  t.same(await app.permit.bulkCheck('ann', []), [])
})

t.test('a cached decision is not requested again, until it is invalidated', async t => {
  let allow = true
  const { app, pdp } = await guardedApp(t, { cache: { ttl: 60_000 } }, { decide: () => allow })
  app.get('/', { config: { permit: 'task:create' } }, async () => 'ok')
  t.equal((await app.inject({ url: '/', headers: ann })).statusCode, 200)
  t.equal((await app.inject({ url: '/', headers: ann })).statusCode, 200)
  t.equal(pdp.questions.length, 1)
  t.match(await app.permit.explain('ann', 'create', 'task'), { allow: true, source: 'cache' })

  allow = false
  app.permit.invalidate('bob')
  t.equal((await app.inject({ url: '/', headers: ann })).statusCode, 200)
  app.permit.invalidate({ key: 'ann' })
  t.equal((await app.inject({ url: '/', headers: ann })).statusCode, 403)
  allow = true
  app.permit.invalidate()
  t.equal((await app.inject({ url: '/', headers: ann })).statusCode, 200)
  t.throws(() => app.permit.invalidate(7 as never), { code: 'FST_PERMIT_QUERY' })
})

t.test('stats counts the checks', async t => {
  const { app, pdp } = await guardedApp(t, { cache: { ttl: 60_000, max: 7 } })
  t.match(app.permit.stats(), { checks: { allowed: 0, denied: 0, failed: 0 }, pdp: { requests: 0, latency: undefined } })
  await Promise.all([app.permit.check('ann', 'read', 'task'), app.permit.check('ann', 'read', 'task')])
  await app.permit.check('ann', 'read', 'task')
  await app.permit.check('eve', 'read', 'task')
  await pdp.close()
  await t.rejects(app.permit.check('bob', 'read', 'task'))
  t.match(app.permit.stats(), {
    checks: { allowed: 3, denied: 1, failed: 1 },
    cache: { size: 2, max: 7, hits: 1, misses: 4 },
    coalesced: 1,
    pdp: { requests: 3, failures: 1, inFlight: 0, latency: { p50: Number, p99: Number, mean: Number, max: Number } }
  })
})

t.test('health tells whether the PDP can decide now', async t => {
  const { app, pdp } = await guardedApp(t)
  t.same(await app.permit.health(), { ok: true, pdp: pdp.url, replicas: [{ url: pdp.url, state: 'closed' }] })
  pdp.options.intercept = (_request, response) => { response.writeHead(503).end(); return true }
  t.match(await app.permit.health(), { ok: false, reason: /503/ })
  await pdp.close()
  t.match(await app.permit.health(), { ok: false, pdp: pdp.url, reason: /request to the PDP failed/ })
})

t.test('a path in the URL of the PDP is a prefix', async t => {
  const pdp = await pdpFor(t, { intercept: (request, response) => { response.writeHead(200, { 'content-type': 'application/json' }).end('{"allow":true}'); return request.url !== '' } })
  const app = fastifyFor(t)
  await app.register(permit, { ...optionsFor(pdp), pdp: `${pdp.url}/behind/proxy/` })
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  t.equal(pdp.requests[0]?.url, '/behind/proxy/allowed')
})

t.test('closing waits for a check in flight, and refuses later checks', async t => {
  const asked = deferred<(allow: boolean) => void>()
  const { app } = await guardedApp(t, { timeout: 10_000 }, { decide: () => new Promise(resolve => asked.resolve(resolve)) })
  await app.ready()
  const check = app.permit.check('ann', 'read', 'task')
  const answer = await asked.promise
  const closed = app.close()
  answer(true)
  t.equal(await check, true)
  await closed
  await t.rejects(app.permit.check('ann', 'other', 'task'), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'closed' } })
})

t.test('closing waits for a PDP no longer than the deadline', async t => {
  const { app } = await guardedApp(t, { timeout: 100 }, { decide: () => new Promise(() => {}) })
  await app.ready()
  const check = app.permit.check('ann', 'read', 'task')
  const start = performance.now()
  const [outcome] = await Promise.all([check.catch((error: { code: string }) => error.code), app.close()])
  t.equal(outcome, 'FST_PERMIT_UNAVAILABLE')
  t.ok(performance.now() - start < 1_000)
})
