// Plans and searches are told to observers as checks are: an audit event, metrics and a span for each, with their result and their source.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import type { FastifyRequest } from 'fastify'
import client from 'prom-client'
import t, { type Test } from 'tap'
import permit, { type DecisionEvent, type PermitOptions, type Policy } from '../../src/index.js'
import { createLocalPdp } from '../../src/server/index.js'
import { fastifyFor } from '../support/app.js'
import { authzenPdpFor } from '../support/authzen-pdp.js'

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

const POLICY: Policy = {
  resources: { task: { actions: { read: {}, share: {}, burn: {} } } },
  roles: { admin: { permissions: ['task:read', 'task:share'] } },
  user_sets: { everybody: { conditions: { allOf: [] } } },
  resource_sets: {
    own: { resource: 'task', conditions: { 'resource.owner': { equals: { ref: 'user.key' } } } },
    odd: { resource: 'task', conditions: { 'resource.box': { equals: { secret: 'of a user' } } } }
  },
  set_rules: [
    { user_set: 'everybody', permission: 'task:read', resource_set: 'own' }, { user_set: 'everybody', permission: 'task:burn', resource_set: 'odd' }
  ],
  users: { ada: {}, ben: {} },
  role_assignments: [{ user: 'ada', role: 'admin' }],
  resource_instances: [{ resource: 'task', key: '1', attributes: { box: { size: 1 } } }]
}

const settle = () => new Promise<void>(resolve => setImmediate(() => setImmediate(resolve)))

async function observedApp (t: Test, options: Partial<PermitOptions> = {}) {
  const events: Array<[DecisionEvent, FastifyRequest | undefined]> = []
  const register = new client.Registry()
  const spans = new InMemorySpanExporter()
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const meterProvider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })] })
  t.teardown(() => meterProvider.shutdown())
  const app = fastifyFor(t)
  await app.register(permit, {
    ...(options.pdp === undefined ? { policy: POLICY } : {}),
    user: request => request.headers['x-user']?.toString(),
    onDecision: (event, request) => { events.push([event, request]) },
    metrics: { register },
    openTelemetry: { tracerProvider, meterProvider },
    ...options
  })
  app.get('/tasks', { config: { permit: false } }, async request => request.permit.plan('read', 'task'))
  app.get('/found', { config: { permit: false } }, async request => request.permit.searchResources('read', 'task').toArray())
  return {
    app,
    events,
    register,
    spans: (name = 'permit.plan') => spans.getFinishedSpans().filter(span => span.name === name),
    tracer: tracerProvider.getTracer('test'),
    async points () {
      await meterProvider.forceFlush()
      const metrics = exporter.getMetrics().at(-1)?.scopeMetrics.flatMap(({ metrics }) => metrics) ?? []
      return metrics.filter(({ descriptor }) => descriptor.name === 'fastify_permit.list.duration')
        .flatMap(({ dataPoints }) => dataPoints.map(({ attributes, value }) => ({ attributes, count: (value as { count: number }).count })))
    }
  }
}

t.test('each plan is an audit event: which rows, for whom, from where, and of which request', async t => {
  const { app, events } = await observedApp(t, { cache: { ttl: 60_000 } })
  for (const user of ['ada', 'ben', 'ben']) await app.inject({ url: '/tasks', headers: { 'x-user': user } })
  await app.permit.plan('ben', 'share', 'task', { tenant: 'acme' })
  await t.rejects(app.permit.plan('ben', 'burn', 'task'), { code: 'FST_PERMIT_PLAN' })
  await settle()
  t.match(events.map(([event]) => event), [
    { kind: 'plan', user: 'ada', action: 'read', resource: 'task', tenant: 'default', allow: true, rows: 'all', source: 'embedded' },
    { kind: 'plan', user: 'ben', action: 'read', allow: true, rows: 'some', source: 'embedded' },
    { kind: 'plan', user: 'ben', action: 'read', allow: true, rows: 'some', source: 'cache' },
    { kind: 'plan', user: 'ben', action: 'share', tenant: 'acme', allow: false, rows: 'none', source: 'embedded' },
    { kind: 'plan', user: 'ben', action: 'burn', allow: undefined, rows: undefined, failure: undefined, code: 'FST_PERMIT_PLAN', reason: /resource\.box/ }
  ])
  t.same(events.map(([, request]) => request?.url), ['/tasks', '/tasks', '/tasks', undefined, undefined])
  t.ok(events.every(([{ duration, time }]) => duration >= 0 && time instanceof Date))
  t.notMatch(JSON.stringify(events.map(([event]) => event)), 'of a user', 'without values of conditions')
})

t.test('several actions are an event for each, and checks have a kind of their own', async t => {
  const { app, events } = await observedApp(t)
  await app.permit.plan('ada', { anyOf: ['read', 'share'] }, 'task')
  await app.permit.check('ada', 'read', 'task')
  await settle()
  t.same(events.map(([{ kind, action }]) => `${kind} ${action}`), ['plan read', 'plan share', 'check read'])
})

t.test('plans are counted by kind, result and source, apart from checks', async t => {
  const { app, register } = await observedApp(t, { cache: { ttl: 60_000 } })
  for (const user of ['ada', 'ben', 'ben', 'ben']) await app.permit.plan(user, 'read', 'task')
  await app.permit.plan('ben', 'burn', 'task').catch(() => {})
  const text = await register.metrics()
  t.match(text, 'fastify_permit_lists_total{kind="plan",result="all",source="embedded"} 1\n')
  t.match(text, 'fastify_permit_lists_total{kind="plan",result="some",source="embedded"} 1\n')
  t.match(text, 'fastify_permit_lists_total{kind="plan",result="some",source="cache"} 2\n')
  t.match(text, 'fastify_permit_lists_total{kind="plan",result="error",source="embedded"} 1\n')
  t.match(text, 'fastify_permit_list_duration_seconds_count{kind="plan",source="cache"} 2\n')
  t.notMatch(text, /fastify_permit_checks_total\{/)
  t.notMatch(text, /ada|ben|task/, 'without users and resource types')
})

t.test('a plan that is made has a span, a child of the active one; a kept plan has none; an error is on the span', async t => {
  const { app, tracer, spans, points } = await observedApp(t, { cache: { ttl: 60_000 } })
  await tracer.startActiveSpan('request', async request => {
    await app.permit.plan('ben', 'read', 'task')
    await app.permit.plan('ben', 'read', 'task')
    await app.permit.plan('ben', 'burn', 'task').catch(() => {})
    request.end()
    const [first, second, third] = spans()
    t.equal(third, undefined)
    t.equal(first?.parentSpanContext?.spanId, request.spanContext().spanId)
    t.same(first?.attributes, { 'permit.action': 'read', 'permit.resource.type': 'task', 'permit.result': 'some', 'permit.source': 'embedded' })
    t.match(second, { attributes: { 'permit.result': 'error', 'error.type': 'FST_PERMIT_PLAN' }, status: { message: 'FST_PERMIT_PLAN' } })
  })
  const counted = await points()
  t.same(counted.map(({ attributes, count }) => [attributes['permit.kind'], attributes['permit.result'], attributes['permit.source'], count]),
    [['plan', 'some', 'embedded', 1], ['plan', 'some', 'cache', 1], ['plan', 'error', 'embedded', 1]])
})

t.test('with a PDP over HTTP, the source is the PDP or a flight, its request is within the span, and an outage has its failure', async t => {
  const pdp = createLocalPdp({ policy: POLICY, token: 'a-token-for-this-test' })
  t.teardown(() => pdp.close())
  const url = await pdp.listen({ port: 0 })
  const { app, events, spans } = await observedApp(t, { pdp: url, token: 'a-token-for-this-test', cache: false, timeout: 2_000 })
  await Promise.all([app.permit.plan('ben', 'read', 'task'), app.permit.plan('ben', 'read', 'task')])
  await settle()
  t.same(events.map(([{ rows, source }]) => [rows, source]).sort(), [['some', 'flight'], ['some', 'pdp']])
  await pdp.close()
  await t.rejects(app.permit.plan('ada', 'read', 'task'), { code: 'FST_PERMIT_UNAVAILABLE' })
  await settle()
  t.match(events.at(-1)?.[0], { kind: 'plan', allow: undefined, failure: 'network', source: 'pdp' })
  t.match(spans().at(-1)?.attributes, { 'permit.result': 'error', 'error.type': 'network' })
})

t.test('an observer that throws changes no plan', async t => {
  let told = 0
  const { app } = await observedApp(t, { onDecision: () => { told++; throw new Error('of the audit') } })
  t.match(await app.permit.plan('ada', 'read', 'task'), { kind: 'all' })
  await settle()
  t.equal(told, 1)
})

const NEVER = { source: 'embedded', failure: undefined, code: undefined }

t.test('each search is an audit event when it ends: for whom, how many results, and of which request; never the results', async t => {
  const { app, events } = await observedApp(t)
  const { permit } = app
  await app.inject({ url: '/found', headers: { 'x-user': 'ada' } })
  await permit.searchResources('ben', 'share', 'task', { tenant: 'acme' }).toArray()
  await permit.searchActions('ada', 'task:1').toArray()
  await permit.searchUsers('share', 'task:1').toArray()
  await permit.tenants('ada').toArray()
  await permit.tenants('ada', { action: 'share', resource: 'task:1' }).toArray()
  await settle()
  t.match(events.map(([event]) => event), [
    { kind: 'searchResources', user: 'ada', action: 'read', resource: 'task', tenant: 'default', allow: true, rows: 'some', found: 1, ...NEVER },
    { kind: 'searchResources', user: 'ben', action: 'share', resource: 'task', tenant: 'acme', allow: false, rows: 'none', found: 0, ...NEVER },
    { kind: 'searchActions', user: 'ada', action: '', resource: 'task:1', tenant: 'default', found: 2 },
    { kind: 'searchUsers', user: '', action: 'share', resource: 'task:1', tenant: 'default', found: 1 },
    { kind: 'tenants', user: 'ada', action: '', resource: '', tenant: '', found: 1 },
    { kind: 'tenants', user: 'ada', action: 'share', resource: 'task:1', tenant: '', found: 1 }
  ])
  t.same(events.map(([, request]) => request?.url), ['/found', ...new Array<undefined>(5)])
  t.ok(events.every(([{ duration, time }]) => duration >= 0 && time instanceof Date))
})

t.test('a search is told once, however it ends: by its limit, by the caller, by a signal, by an error', async t => {
  const instances = Array.from({ length: 20 }, (_, index) => ({ resource: 'task', key: String(index) }))
  const { app, events, register, spans } = await observedApp(t, { policy: { ...POLICY, resource_instances: instances } })
  const { permit } = app
  const search = (options?: object) => permit.searchResources('ada', 'read', 'task', options)
  await search({ limit: 5 }).toArray()
  for await (const { key } of search()) if (key === '2') break
  const controller = new AbortController()
  const aborted = async () => {
    for await (const { key } of search({ signal: controller.signal })) if (key === '1') controller.abort(new Error('a secret of the app'))
  }
  await t.rejects(aborted(), { message: 'a secret of the app' })
  await t.rejects(search({ signal: AbortSignal.abort('before it began') }).toArray())
  await t.rejects(search({ limit: 0 }).toArray(), { code: 'FST_PERMIT_QUERY' }, 'nothing is asked')
  search()
  await settle()
  t.match(events.map(([event]) => event), [
    { allow: true, rows: 'some', found: 5, code: undefined },
    { allow: true, rows: 'some', found: 3, code: undefined },
    { allow: undefined, rows: undefined, found: 2, code: 'aborted', reason: undefined, failure: undefined },
    { allow: undefined, rows: undefined, found: 0, code: 'aborted', reason: undefined }
  ])
  t.equal(events.length, 4)
  t.notMatch(JSON.stringify(events.map(([event]) => event)), 'secret')
  t.same(spans('permit.searchResources').map(({ attributes, status }) => [attributes['permit.result'], attributes['permit.found'], status.code]),
    [['some', 5, 0], ['some', 3, 0], ['aborted', 2, 0], ['aborted', 0, 0]])
  const text = await register.metrics()
  t.match(text, 'fastify_permit_lists_total{kind="searchResources",result="some",source="embedded"} 2\n')
  t.match(text, 'fastify_permit_lists_total{kind="searchResources",result="aborted",source="embedded"} 2\n')
})

t.test('the duration of a search is that of its pages, not of the caller between the results', async t => {
  const { app, events } = await observedApp(t, { policy: { ...POLICY, resource_instances: [{ resource: 'task', key: '1' }, { resource: 'task', key: '2' }] } })
  const start = performance.now()
  for await (const { key } of app.permit.searchResources('ada', 'read', 'task')) if (key === '1') while (performance.now() - start < 300);
  await settle()
  t.equal(events[0]?.[0].found, 2)
  t.ok(events[0]![0].duration < 200, `${events[0]?.[0].duration} ms`)
})

t.test('over HTTP, the pages are requested within the span of the search, and an outage is told with what was found before', async t => {
  const instances = Array.from({ length: 2_500 }, (_, index) => ({ resource: 'task', key: String(index) }))
  const pdp = createLocalPdp({ policy: { ...POLICY, resource_instances: instances }, token: 'a-token-for-this-test' })
  t.teardown(() => pdp.close())
  const url = await pdp.listen({ port: 0 })
  const within: unknown[] = []
  const { app, events, spans, points } = await observedApp(t, { pdp: url, token: 'a-token-for-this-test', cache: false, timeout: 10_000 })
  const hear = (): void => { within.push(trace.getActiveSpan()?.spanContext().spanId) }
  subscribe('undici:request:create', hear)
  t.teardown(() => unsubscribe('undici:request:create', hear))
  t.equal((await app.permit.searchResources('ada', 'read', 'task').toArray()).length, 2_500)
  const [span] = spans('permit.searchResources')
  t.ok(within.length >= 3, 'a page has 1,000 results')
  t.same([...new Set(within)], [span?.spanContext().spanId])
  let seen = 0
  const failing = async () => {
    for await (const { key } of app.permit.searchResources('ada', 'read', 'task')) if (++seen === 1) { t.type(key, 'string'); await pdp.close() }
  }
  await t.rejects(failing(), { code: 'FST_PERMIT_UNAVAILABLE' })
  await settle()
  t.match(events.at(-1)?.[0], { kind: 'searchResources', allow: undefined, rows: undefined, found: seen, failure: 'network', source: 'pdp' })
  t.match(spans('permit.searchResources').at(-1), { attributes: { 'permit.result': 'error', 'error.type': 'network', 'permit.found': seen }, status: { code: 2 } })
  const counted = await points()
  t.same(counted.map(({ attributes, count }) => [attributes['permit.kind'], attributes['permit.result'], attributes['permit.source'], count]),
    [['searchResources', 'some', 'pdp', 1], ['searchResources', 'error', 'pdp', 1]])
})

t.test('a search over a PDP that has none is told with the code of its error', async t => {
  const pdp = await authzenPdpFor(t)
  const { app, events } = await observedApp(t, { pdp: pdp.url, protocol: 'authzen', cache: false })
  await t.rejects(app.permit.tenants('ada').toArray(), { code: 'FST_PERMIT_UNSUPPORTED' })
  await settle()
  t.match(events.map(([event]) => event), [{ kind: 'tenants', user: 'ada', allow: undefined, found: 0, code: 'FST_PERMIT_UNSUPPORTED', source: 'pdp' }])
})

t.test('an observer that throws changes no search', async t => {
  const { app } = await observedApp(t, { onDecision: () => { throw new Error('of the audit') } })
  t.same(await app.permit.searchActions('ada', 'task:1').toArray(), ['read', 'share'])
})
