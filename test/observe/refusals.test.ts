// Requests that the guard refuses without a check: onDecision and the metrics have them, as they have denials of a PDP.
import { MeterProvider, InMemoryMetricExporter, PeriodicExportingMetricReader, AggregationTemporality } from '@opentelemetry/sdk-metrics'
import client from 'prom-client'
import t from 'tap'
import permit, { type DecisionEvent, type Policy } from '../../src/index.js'
import { byHeader, fastifyFor } from '../support/app.js'

const policy: Policy = {
  resources: { page: { actions: { read: {} } } },
  roles: { visitor: { permissions: ['page:read'] } },
  users: { vic: {} },
  role_assignments: [{ user: 'vic', role: 'visitor' }],
  proxy_configs: { app: { mapping_rules: [{ url: 'https://app.example/pages/{id}', http_method: 'get', resource: 'page', action: 'read' }] } }
}

t.test('a refusal of the guard is an event with its code, and counted by it', async t => {
  const register = new client.Registry()
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const meterProvider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] })
  t.teardown(() => meterProvider.shutdown())
  const events: DecisionEvent[] = []
  const app = fastifyFor(t)
  await app.register(permit, {
    policy, user: byHeader, urls: { base: 'https://app.example' }, metrics: { register }, openTelemetry: { meterProvider }, onDecision: event => { events.push(event) }
  })
  for (const url of ['/pages/:id', '/other']) app.get(url, { config: { permit: 'url' } }, async () => 'ok')
  app.get('/keyed/:id', { config: { permit: { action: 'read', resource: 'page:{id}' } } }, async () => 'ok')
  const status = async (url: string) => (await app.inject({ url, headers: { 'x-user': 'vic' } })).statusCode

  t.same([await status('/pages/1'), await status('/other'), await status('/pages/1?a=1&a=2'), await status('/keyed/')], [200, 403, 403, 403])
  t.match(events, [
    { allow: true, source: 'embedded' },
    { kind: 'check', user: 'vic', action: 'get', resource: 'url:https://app.example/other', allow: false, code: 'no_url_mapping', source: undefined },
    { allow: false, code: 'ambiguous_url' },
    { action: 'read', resource: 'page', allow: false, code: 'incomplete_request' }
  ])
  t.equal(events.length, 4)
  const metrics = await register.metrics()
  for (const code of ['no_url_mapping', 'ambiguous_url', 'incomplete_request']) t.match(metrics, `fastify_permit_guard_refusals_total{code="${code}"} 1`)
  t.match(metrics, 'fastify_permit_checks_total{result="allow",source="embedded"} 1')
  t.notMatch(metrics, 'result="deny"', 'a refusal is no check')

  await meterProvider.forceFlush()
  const [refusals] = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics).flatMap(({ metrics }) => metrics).filter(({ descriptor }) => descriptor.name === 'fastify_permit.guard.refusals')
  t.same(refusals?.dataPoints.map(({ attributes, value }) => [attributes['permit.code'], value]).sort(), [['ambiguous_url', 1], ['incomplete_request', 1], ['no_url_mapping', 1]])
})

t.test('without observers a refusal is the same 403', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy, user: byHeader, urls: { base: 'https://app.example' } })
  app.get('/other', { config: { permit: 'url' } }, async () => 'ok')
  t.equal((await app.inject({ url: '/other', headers: { 'x-user': 'vic' } })).statusCode, 403)
})
