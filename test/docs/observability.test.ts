// docs/observability.md is what somebody reads at night: its apps run, its tables name what there is.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import Fastify, { type FastifyInstance, type InjectOptions } from 'fastify'
import { register } from 'prom-client'
import t, { type Test } from 'tap'
import permit, { type DecisionEvent } from '../../src/index.js'
import { code, documentOf, folderWith, root, snippetsOf, tableIn } from '../support/documents.js'
import { startFakePdp } from '../support/fake-pdp.js'

const page = await documentOf('docs/observability.md')
const POLICY = snippetsOf(await documentOf('README.md')).find(({ language }) => language === 'yaml')?.text as string
const files = Object.fromEntries(snippetsOf(page).filter(({ language }) => language === 'ts').map(({ file, text }) => [file ?? '', text]))

/** What a snippet of the page exports, run beside the README's permit.yaml. */
async function moduleOf<T> (t: Test, file: string): Promise<T> {
  const folder = await folderWith(t, { 'permit.yaml': POLICY, ...files })
  process.chdir(folder)
  t.teardown(() => process.chdir(root))
  const module = await import(pathToFileURL(join(folder, file)).href) as T & { app?: FastifyInstance }
  t.teardown(() => module.app?.close())
  return module
}

const as = (user: string, request: InjectOptions): InjectOptions => ({ ...request, headers: { 'x-user': `${user}@example.com` } })
const create: InjectOptions = { method: 'POST', url: '/tasks' }

t.test('the table of metrics has exactly those that there are, and their types', async t => {
  const { app } = await moduleOf<{ app: FastifyInstance }>(t, 'metrics.ts')
  t.equal((await app.inject(as('ada', create))).statusCode, 200)
  t.equal((await app.inject(as('victor', create))).statusCode, 403)
  const { body } = await app.inject('/metrics')
  t.match(body, 'fastify_permit_checks_total{result="deny",source="embedded"} 1')
  const metrics = [...body.matchAll(/^# TYPE (fastify_permit_\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`)
  t.same(tableIn(page, 'Metric').map(([name = '', type = '']) => `${code(name)[0]} ${type}`).sort(), metrics.sort())
  register.clear()
})

t.test('a pod without a PDP is alive, and not ready; with one again it is', async t => {
  let gone = false
  const pdp = await startFakePdp({
    intercept: (_request, response) => {
      if (gone) response.writeHead(500).end()
      return gone
    }
  })
  t.teardown(() => pdp.close())
  process.env.PERMIT_PDP_URL = pdp.url
  process.env.PERMIT_API_KEY = pdp.token
  t.teardown(() => {
    delete process.env.PERMIT_PDP_URL
    delete process.env.PERMIT_API_KEY
  })
  const { app } = await moduleOf<{ app: FastifyInstance }>(t, 'health.ts')
  const statusOf = async (url: string) => (await app.inject(url)).statusCode
  t.equal(await statusOf('/readyz'), 200)
  gone = true
  t.equal(await statusOf('/readyz'), 503)
  t.equal(await statusOf('/livez'), 200)
  gone = false
  t.equal(await statusOf('/readyz'), 200)
})

t.test('the audit trail has who was let in, who was not, and by which request', async t => {
  const { app, trail } = await moduleOf<{ app: FastifyInstance, trail: Array<DecisionEvent & { request: string }> }>(t, 'audit.ts')
  await app.inject(as('ada', create))
  await app.inject(as('victor', create))
  t.equal((await app.inject(create)).statusCode, 401)
  await new Promise(resolve => setImmediate(resolve))
  t.match(trail, [
    { user: 'ada@example.com', action: 'create', resource: 'task', tenant: 'default', allow: true, request: 'req-1' },
    { user: 'victor@example.com', allow: false, code: 'no_permission', request: 'req-2' }
  ])
  t.equal(trail.length, 2)
})

t.test('who may not see a task cannot tell it from one that there is not', async t => {
  const { app } = await moduleOf<{ app: FastifyInstance }>(t, 'hidden.ts')
  t.equal((await app.inject(as('victor', { url: '/tasks/42' }))).statusCode, 200)
  const refused = await app.inject(as('noel', { url: '/tasks/42' }))
  const missing = await app.inject(as('victor', { url: '/tasks/43' }))
  t.equal(refused.statusCode, 404)
  t.same([refused.statusCode, refused.body], [missing.statusCode, missing.body])
})

t.test('with openTelemetry the app starts and decides', async t => {
  const { app } = await moduleOf<{ app: FastifyInstance }>(t, 'tracing.ts')
  t.equal(await app.permit.check('ada@example.com', 'create', 'task'), true)
})

t.test('the channel tells once of a check without a decision, and of none that was quick', async t => {
  const pdp = await startFakePdp({ decide: ({ user }) => user.key === 'ada@example.com' })
  const gone = await startFakePdp()
  await gone.close()
  const { slow } = await moduleOf<{ slow: string[] }>(t, 'channel.ts')
  for (const [{ url, token }, status] of [[pdp, 200], [gone, 503]] as const) {
    const app = Fastify()
    await app.register(permit, { pdp: url, token, user: () => 'ada@example.com' })
    app.post('/tasks', { config: { permit: 'task:create' } }, async () => 'created')
    t.equal((await app.inject(create)).statusCode, status)
    t.equal((await app.inject(create)).statusCode, status)
    await app.close()
  }
  await pdp.close()
  t.same(slow, ['create task', 'create task'])
})

t.test('no snippet has a type error', async t => {
  const folder = await folderWith(t, { 'tsconfig.json': JSON.stringify({ extends: '../../tsconfig.json', include: ['*.ts'] }), ...files })
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder])
    .catch((error: { stdout: string }) => error)
  t.equal(stdout, '')
})
