// Prometheus metrics, read as a scraper reads them.
import client from 'prom-client'
import t, { type Test } from 'tap'
import type { MetricsOptions, PermitOptions } from '../../src/index.js'
import permit from '../../src/index.js'
import { byHeader, fastifyFor, guardedApp } from '../support/app.js'

async function scrape (register: client.Registry): Promise<Record<string, number>> {
  const lines = (await register.metrics()).split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(lines.map(line => {
    const [, name = '', value = ''] = /^(.+) (\S+)$/.exec(line) ?? []
    return [name, Number(value)]
  }))
}

async function meteredApp (t: Test, options: Partial<PermitOptions> = {}, metrics: MetricsOptions = {}) {
  const register = new client.Registry()
  const { app, pdp } = await guardedApp(t, { metrics: { register, ...metrics }, ...options })
  app.get('/tasks', { config: { permit: 'task:list' } }, async () => 'ok')
  return { app, pdp, register, ask: async (user: string) => (await app.inject({ url: '/tasks', headers: { 'x-user': user } })).statusCode }
}

t.test('checks are counted by result and source, with their duration', async t => {
  const { pdp, register, ask } = await meteredApp(t, { cache: { ttl: 60_000 } })
  for (const user of ['ann', 'ann', 'ann', 'eve']) await ask(user)
  pdp.options.intercept = (_request, response) => { response.writeHead(400).end(); return true }
  t.equal(await ask('bob'), 503)
  const metrics = await scrape(register)
  t.match(metrics, {
    'fastify_permit_checks_total{result="allow",source="pdp"}': 1,
    'fastify_permit_checks_total{result="allow",source="cache"}': 2,
    'fastify_permit_checks_total{result="deny",source="pdp"}': 1,
    'fastify_permit_checks_total{result="error",source="pdp"}': 1,
    'fastify_permit_check_duration_seconds_count{source="pdp"}': 3,
    'fastify_permit_check_duration_seconds_count{source="cache"}': 2,
    fastify_permit_cache_entries: 2,
    fastify_permit_cache_hits_total: 2,
    fastify_permit_cache_misses_total: 3,
    fastify_permit_cache_hit_ratio: 0.4
  })
  t.ok((metrics.fastify_permit_pdp_requests_total ?? 0) >= 3)
  t.ok((metrics.fastify_permit_pdp_request_failures_total ?? 0) >= 1)
  t.ok((metrics['fastify_permit_check_duration_seconds_sum{source="pdp"}'] ?? 0) > 0)
})

t.test('the batch size is a histogram, including single checks', async t => {
  const { app, register } = await meteredApp(t, { cache: false })
  await app.permit.bulkCheck('ann', Array.from({ length: 100 }, (_, index) => ({ action: 'read', resource: { type: 'task', key: String(index) } })))
  const { checks: travelled = 0, requests = 0, largest = 0 } = app.permit.stats().batches ?? {}
  const metrics = await scrape(register)
  t.equal(metrics.fastify_permit_batch_size_sum, 100)
  t.equal(metrics['fastify_permit_batch_size_bucket{le="1"}'], 100 - travelled)
  t.equal(metrics.fastify_permit_batch_size_count, requests + 100 - travelled)
  t.ok(largest > 10)
  t.ok((metrics['fastify_permit_batch_size_bucket{le="10"}'] ?? 0) < (metrics.fastify_permit_batch_size_count ?? 0))
})

t.test('several registrations share a registry: their counters add up, and a closed one is no longer read', async t => {
  const { app: first, register, ask } = await meteredApp(t, { cache: { ttl: 60_000 } })
  const second = fastifyFor(t)
  await second.register(permit, { policy: {}, user: byHeader, cache: {}, metrics: { register } })
  await ask('ann')
  await second.permit.check('bob', 'read', 'task')
  const both = await scrape(register)
  t.equal(both.fastify_permit_cache_entries, 2)
  t.equal(both['fastify_permit_checks_total{result="allow",source="pdp"}'], 1)
  t.equal(both['fastify_permit_checks_total{result="deny",source="embedded"}'], 1)
  const counters = (metrics: Record<string, number>) => Object.fromEntries(Object.entries(metrics).filter(([name]) => /_total\b|hit_ratio/.test(name)))
  const before = counters(await scrape(register))
  t.match(before, { fastify_permit_cache_misses_total: 2 })
  await first.close()
  const after = await scrape(register)
  t.equal(after.fastify_permit_cache_entries, 1)
  t.same(counters(after), before, 'no counter falls')
  await second.permit.check('bob', 'read', 'task')
  await second.close()
  t.match(await scrape(register), { fastify_permit_cache_entries: 0, fastify_permit_cache_misses_total: 2, fastify_permit_cache_hits_total: 1 })
})

t.test('a PDP with an open breaker is reported as down, and as up when it recovers', async t => {
  const { app, pdp, register } = await meteredApp(t, { breaker: { failures: 1, halfOpenAfter: 50 } })
  const name = `fastify_permit_pdp_up{pdp="${pdp.url}"}`
  const states = async () => {
    const metrics = await scrape(register)
    return ['closed', 'open', 'half-open'].map(state => metrics[`fastify_permit_pdp_breaker_state{pdp="${pdp.url}",state="${state}"}`])
  }
  t.equal((await scrape(register))[name], 1)
  t.same(await states(), [1, 0, 0])
  pdp.options.intercept = (_request, response) => { response.writeHead(500).end(); return true }
  await t.rejects(app.permit.check('ann', 'read', 'task'))
  while ((await scrape(register))[name] !== 0) await app.permit.check('ann', 'read', 'task').catch(() => {})
  t.match(await states(), [0, Number, Number])
  pdp.options.intercept = undefined
  while ((await scrape(register))[name] !== 1) await new Promise(resolve => setTimeout(resolve, 5))
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  t.same(await states(), [1, 0, 0])
})

t.test('a half-open breaker is distinguished from an open one', async t => {
  const { app, pdp, register } = await meteredApp(t, { breaker: { failures: 1, halfOpenAfter: 20 } })
  const is = async (state: string) => (await scrape(register))[`fastify_permit_pdp_breaker_state{pdp="${pdp.url}",state="${state}"}`]
  // The probe of a breaker that is half-open finds a PDP that says nothing.
  pdp.options.intercept = (_request, response) => { response.writeHead(500).end(); return true }
  while (await is('open') !== 1) await app.permit.check('ann', 'read', 'task').catch(() => {})
  pdp.options.intercept = () => true
  while (await is('half-open') !== 1) await new Promise(resolve => setTimeout(resolve, 5))
  t.same([await is('closed'), await is('open')], [0, 0])
})

t.test('a cleared registry gets all metrics again from the next registration', async t => {
  const { app, register } = await meteredApp(t)
  const before = Object.keys(await scrape(register)).filter(name => name.startsWith('fastify_permit_cache'))
  register.clear()
  await app.close()
  const second = fastifyFor(t)
  await second.register(permit, { policy: {}, user: byHeader, cache: {}, metrics: { register } })
  t.same(Object.keys(await scrape(register)).filter(name => name.startsWith('fastify_permit_cache')), before)
})

t.test('names can have another prefix, and then do not collide', async t => {
  const register = new client.Registry()
  const app = fastifyFor(t)
  await app.register(permit, { policy: {}, metrics: { register, prefix: 'tasks_authz_' } })
  await app.permit.check('bob', 'read', 'task')
  t.ok(Object.keys(await scrape(register)).every(name => name.startsWith('tasks_authz_')))
})

t.test('true uses the default registry of prom-client', async t => {
  t.teardown(() => client.register.clear())
  const app = fastifyFor(t)
  await app.register(permit, { policy: {}, metrics: true })
  await app.permit.check('bob', 'read', 'task')
  t.ok((await scrape(client.register))['fastify_permit_checks_total{result="deny",source="embedded"}'])
})

t.test('labels have a fixed set of values: no user, resource or action creates new ones', async t => {
  const { app, register } = await meteredApp(t)
  const before = Object.keys(await scrape(register)).length
  for (let user = 0; user < 200; user++) await app.permit.check(`user${user}`, `action${user}`, `type${user}:1`)
  t.ok(Object.keys(await scrape(register)).length < before + 40)
})

t.test('an invalid registry or prefix stops the app', async t => {
  for (const metrics of [1, 'yes', { register: 1 }, { prefix: 'a-b' }, { prefix: '' }, { other: 1 }]) {
    await t.rejects(async () => fastifyFor(t).register(permit, { policy: {}, metrics: metrics as never }), { code: 'FST_PERMIT_OPTIONS', message: /"metrics/ }, JSON.stringify(metrics))
  }
})
