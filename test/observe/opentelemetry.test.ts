// OpenTelemetry with its real SDK: spans belong to the span that was active when the question was asked.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { context, trace, SpanStatusCode } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import t, { type Test } from 'tap'
import type { PermitOptions } from '../../src/index.js'
import { guardedApp } from '../support/app.js'

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

async function tracedApp (t: Test, options: Partial<PermitOptions> = {}) {
  const spans = new InMemorySpanExporter()
  const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] })
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })
  const meterProvider = new MeterProvider({ readers: [reader] })
  t.teardown(() => meterProvider.shutdown())
  const { app, pdp } = await guardedApp(t, { openTelemetry: { tracerProvider, meterProvider }, ...options })
  return {
    app,
    pdp,
    tracer: tracerProvider.getTracer('test'),
    spans: () => spans.getFinishedSpans().filter(({ name }) => name === 'permit.check'),
    async points () {
      await meterProvider.forceFlush()
      const [metrics] = exporter.getMetrics().slice(-1)
      return metrics?.scopeMetrics.flatMap(({ metrics }) => metrics).flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(({ attributes, value }) => ({ name: descriptor.name, unit: descriptor.unit, attributes, count: (value as { count: number }).count }))) ?? []
    }
  }
}

t.test('a request to the PDP is a child of the caller\'s span, across all asynchronous steps', async t => {
  const { app, tracer, spans } = await tracedApp(t)
  await Promise.all(['one', 'two'].map(name => tracer.startActiveSpan(name, async span => {
    await new Promise(resolve => setImmediate(resolve))
    await app.permit.check(name, 'read', 'task')
    span.end()
    const own = spans().filter(({ parentSpanContext }) => parentSpanContext?.spanId === span.spanContext().spanId)
    t.equal(own.length, 1, name)
    t.equal(own[0]?.spanContext().traceId, span.spanContext().traceId)
  })))
  t.equal(trace.getActiveSpan(), undefined)
})

t.test('the span of a check is active during the check, and not after it', async t => {
  const { app, tracer, spans } = await tracedApp(t)
  const inside: string[] = []
  // Published where undici makes the request: instrumentation of it begins its span there.
  const hear = () => { inside.push(trace.getActiveSpan()?.spanContext().spanId ?? 'none') }
  subscribe('undici:request:create', hear)
  t.teardown(() => unsubscribe('undici:request:create', hear))
  await tracer.startActiveSpan('request', async request => {
    await app.permit.check('ann', 'read', 'task')
    t.equal(trace.getActiveSpan(), request)
    request.end()
  })
  t.same(inside, spans().map(span => span.spanContext().spanId))
})

t.test('the batch size is a histogram', async t => {
  const { app, points } = await tracedApp(t, { cache: false })
  await app.permit.bulkCheck('ann', Array.from({ length: 20 }, (_, index) => ({ action: 'read', resource: `task:${index}` })))
  const { requests = 0, checks = 0 } = app.permit.stats().batches ?? {}
  t.match((await points()).filter(({ name }) => name === 'fastify_permit.batch.size'), [{ unit: '{check}', attributes: {}, count: requests + 20 - checks }])
})

t.test('a span has the check and its result, but neither the user nor the resource\'s key', async t => {
  const { app, pdp, spans } = await tracedApp(t)
  await app.permit.check({ key: 'ann-key', attributes: { secret: 'value-that-stays-in' } }, 'read', 'task:key-that-stays-in')
  await app.permit.check('eve', 'read', 'task')
  pdp.options.intercept = (_request, response) => { response.writeHead(400).end(); return true }
  await t.rejects(app.permit.check('ann-key', 'read', 'task'))
  t.match(spans().map(({ attributes }) => attributes), [
    { 'permit.action': 'read', 'permit.resource.type': 'task', 'permit.result': 'allow', 'permit.source': 'pdp' },
    { 'permit.result': 'deny' },
    { 'permit.result': 'error', 'error.type': 'status' }
  ])
  t.same(spans().map(({ status }) => status.code), [SpanStatusCode.UNSET, SpanStatusCode.UNSET, SpanStatusCode.ERROR])
  t.notMatch(JSON.stringify(spans().map(({ attributes, name, events, status }) => ({ attributes, name, events, status }))), /ann-key|stays-in/)
})

t.test('cached decisions are measured, and have no span', async t => {
  const { app, spans, points } = await tracedApp(t, { cache: { ttl: 60_000 } })
  for (let time = 0; time < 5; time++) await app.permit.check('ann', 'read', 'task')
  t.equal(spans().length, 1)
  const found = (await points()).filter(({ name }) => name === 'fastify_permit.check.duration')
  t.ok(found.every(({ unit }) => unit === 's'))
  t.same(found.map(({ attributes, count }) => [attributes['permit.source'], count]).sort(), [['cache', 4], ['pdp', 1]])
})

t.test('a guard is traced, too', async t => {
  const { app, spans } = await tracedApp(t)
  app.get('/tasks', { config: { permit: 'task:list' } }, async () => 'ok')
  await app.inject({ url: '/tasks', headers: { 'x-user': 'ann' } })
  t.match(spans().map(({ attributes }) => attributes), [{ 'permit.action': 'list', 'permit.result': 'allow' }])
})
