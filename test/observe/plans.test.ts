// Plans are told to observers as checks are: an audit event, metrics and a span for each, with their result and their source.
import { context } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import type { FastifyRequest } from 'fastify'
import client from 'prom-client'
import t, { type Test } from 'tap'
import permit, { type DecisionEvent, type PermitOptions, type Policy } from '../../src/index.js'
import { createLocalPdp } from '../../src/server/index.js'
import { fastifyFor } from '../support/app.js'

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
  return {
    app,
    events,
    register,
    spans: () => spans.getFinishedSpans().filter(({ name }) => name === 'permit.plan'),
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
