// The page for whoever is on call: its snippets run, and its table has every metric.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { CheckMessage, DecisionEvent, PermitOptions } from '../../src/index.js'
import { guardedApp, optionsFor, pdpFor } from '../support/app.js'
import { code, documentOf, folderWith, root, snippetsOf, sourcesOf, tableIn } from '../support/documents.js'
import '../support/loader.js'

const page = await documentOf('docs/observability.md')
const files = await sourcesOf('docs/observability.md')
const policy = snippetsOf(await documentOf('README.md')).find(({ language }) => language === 'yaml')?.text as string

async function load<T> (t: Test, file: string): Promise<T> {
  const folder = await folderWith(t, { 'permit.yaml': policy, ...files })
  process.chdir(folder)
  t.teardown(() => process.chdir(root))
  return await import(pathToFileURL(join(folder, file)).href) as T
}

async function appOf (t: Test, file: string): Promise<FastifyInstance> {
  const { app } = await load<{ app: FastifyInstance }>(t, file)
  t.teardown(() => app.close())
  return app
}

const create = (user: string, headers: Record<string, string> = {}) => ({ method: 'POST', url: '/tasks', headers: { 'x-user': `${user}@example.com`, ...headers } }) as const

t.test('an audit trail contains every decision', async t => {
  const { app, trail } = await load<{ app: FastifyInstance, trail: DecisionEvent[] }>(t, 'audit.ts')
  t.teardown(() => app.close())
  await app.inject(create('ada'))
  await app.inject(create('victor'))
  t.match(trail, [{ user: 'ada@example.com', allow: true }, { user: 'victor@example.com', allow: false, source: 'embedded' }])
})

t.test('a hidden resource answers 404, and a browser gets a page', async t => {
  const app = await appOf(t, 'hidden.ts')
  t.match((await app.inject(create('victor'))).json(), { statusCode: 404, message: 'There is no such thing.' })
  t.match(await app.inject(create('victor', { accept: 'text/html' })), { statusCode: 403, body: '<h1>Please ask your admin</h1>' })
  t.equal((await app.inject(create('ada'))).body, 'created')
})

t.test('the table lists every metric and every label', async t => {
  const app = await appOf(t, 'metrics.ts')
  await app.inject(create('ada'))
  const { body } = await app.inject('/metrics')
  const exposed = [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name)
  const rows = tableIn(page, 'Metric')
  t.same(rows.flatMap(([names = '']) => code(names)).sort(), exposed.sort())
  t.match(body, 'fastify_permit_checks_total{result="allow",source="embedded"} 1')
  const labels = new Set([...body.matchAll(/[{,](\w+)="/g)].map(([, label]) => label))
  labels.delete('le')
  for (const label of labels) t.ok(rows.some(([, named = '']) => named.includes(`\`${label}\``)), String(label))
})

t.test('a request to the PDP is a span with what was checked', async t => {
  const pdp = await pdpFor(t)
  Object.assign(process.env, { PERMIT_PDP_URL: pdp.url, PERMIT_API_KEY: pdp.token })
  t.teardown(() => { delete process.env.PERMIT_PDP_URL; delete process.env.PERMIT_API_KEY })
  const { app, spans } = await load<{ app: FastifyInstance, spans: { getFinishedSpans (): { name: string, attributes: object }[] } }>(t, 'traced.ts')
  t.teardown(() => app.close())
  await app.inject(create('ada'))
  t.match(spans.getFinishedSpans(), [{ name: 'permit.check', attributes: { 'permit.action': 'create', 'permit.resource.type': 'task', 'permit.source': 'pdp' } }])
})

t.test('the channel receives slow checks', async t => {
  const { slow, watch } = await load<{ slow: CheckMessage[], watch (limit: number): void }>(t, 'channel.ts')
  watch(0)
  const { app } = await guardedApp(t)
  await app.permit.check('ann', 'read', 'task')
  t.match(slow, [{ query: { user: { key: 'ann' } }, decision: { allow: true }, source: 'pdp' }])
})

t.test('an app that starts without its PDP becomes ready when the PDP is available', async t => {
  const { build } = await load<{ build (options: PermitOptions): Promise<FastifyInstance> }>(t, 'probes.ts')
  const pdp = await pdpFor(t)
  pdp.options.intercept = (_request, response) => { response.writeHead(503).end(); return true }
  const app = await build({ ...optionsFor(pdp), breaker: false })
  t.teardown(() => app.close())
  app.get('/tasks', { config: { permit: false } }, async () => 'public')
  const status = async (url: string) => (await app.inject(url)).statusCode
  t.same([await status('/alive'), await status('/tasks'), await status('/ready')], [200, 200, 503])
  pdp.options.intercept = undefined
  t.same([await status('/alive'), await status('/tasks'), await status('/ready')], [200, 200, 200])
})

t.test('without a PDP the app is alive and not ready, and becomes ready again later', async t => {
  const { build } = await load<{ build (options: PermitOptions): Promise<FastifyInstance> }>(t, 'probes.ts')
  const pdp = await pdpFor(t)
  const app = await build(optionsFor(pdp))
  t.teardown(() => app.close())
  const status = async (url: string) => (await app.inject(url)).statusCode
  t.same([await status('/alive'), await status('/ready')], [200, 200])
  pdp.options.intercept = (_request, response) => { response.writeHead(503).end(); return true }
  t.same([await status('/alive'), await status('/ready')], [200, 503])
  pdp.options.intercept = undefined
  t.same([await status('/alive'), await status('/ready')], [200, 200])
})
