// `fastify-permit routes`: the table of an app's routes, and what CI is told of it.
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { folderWith } from '../../support/documents.js'
import '../../support/loader.js'
import { permit } from '../in-process.js'

const POLICY = `resources:
  task:
    actions: { create: {}, list: {}, delete: {} }
`

const REGISTER = "await app.register(permit, { policy: './permit.yaml', user: () => 'ann' OPTIONS })"
const ROUTES = `
  app.get('/tasks', { config: { permit: 'task:list' } }, async () => [])
  app.post('/tasks', { preHandler: app.permit.guard('task:create'), constraints: { version: '1.0.0' } }, async () => ({}))
  app.get('/healthz', { config: { permit: false } }, async () => 'ok')
`
const IMPORTS = "import Fastify from 'fastify'\nimport permit from 'fastify-permit'\n"

async function folderFor (t: Test, app: string, options = '') {
  const folder = await folderWith(t, { 'permit.yaml': POLICY, 'app.ts': app.replace('REGISTER', REGISTER).replace('OPTIONS', options).replace('ROUTES', ROUTES) })
  const before = process.cwd()
  process.chdir(folder)
  t.teardown(() => process.chdir(before))
  return join(folder, 'app.ts')
}

const APP = `${IMPORTS}export const app = Fastify()\nREGISTER\nROUTES`

t.test('it prints the table of an app\'s routes', async t => {
  const file = await folderFor(t, APP)
  t.same(await permit(['routes', file]), {
    code: 0,
    err: '',
    out: [
      'Method  URL                         Requires     Resource  Tenant',
      'GET     /tasks                      task:list    task      default',
      'POST    /tasks {"version":"1.0.0"}  task:create  task      default',
      'GET     /healthz                    public'
    ].join('\n')
  })
})

t.test('it prints the table in Markdown and in JSON', async t => {
  const file = await folderFor(t, APP)
  t.same((await permit(['routes', file, '--markdown'])).out.split('\n'), [
    '| Method | URL | Requires | Resource | Tenant |',
    '| --- | --- | --- | --- | --- |',
    '| GET | `/tasks` | task:list | task | default |',
    '| POST | `/tasks {"version":"1.0.0"}` | task:create | task | default |',
    '| GET | `/healthz` | public |  |  |'
  ])
  const again = await folderFor(t, APP)
  const { out } = await permit(['routes', again, '--json', '--policy', 'permit.yaml'])
  t.match(JSON.parse(out), {
    routes: [{ method: 'GET', url: '/tasks', permission: 'task:list' }, { method: 'POST' }, { url: '/healthz', public: true }],
    undeclared: [],
    unknown: [],
    unused: ['task:delete']
  })
})

for (const [how, text] of Object.entries({
  'a function that makes it': `${IMPORTS}export async function buildApp () { const app = Fastify()\nREGISTER\nROUTES\nreturn app }`,
  'a function with options': `${IMPORTS}export default async function build (options: object) { const app = Fastify({ ...options && {} })\nREGISTER\nROUTES\nreturn app }`,
  'a plugin as fastify-cli starts it': `${IMPORTS}import type { FastifyInstance } from 'fastify'\nexport default async function (app: FastifyInstance, options: object) {\nREGISTER\nROUTES\n}`,
  'a plugin with one parameter': `${IMPORTS}import type { FastifyInstance } from 'fastify'\nexport default async function (app: FastifyInstance) {\nREGISTER\nROUTES\n}`,
  'a plugin in a scope': `${IMPORTS}import fp from 'fastify-plugin'\nexport default fp(async root => { root.register(async app => {\nREGISTER\nROUTES\n}) })`
})) {
  t.test(`the file may export ${how}`, async t => {
    const { code, out, err } = await permit(['routes', await folderFor(t, text), '--strict'])
    t.equal(err, '')
    t.equal(code, 0)
    t.equal(out.split('\n').length, 4)
  })
}

t.test('a route without an annotation fails with --strict, and in a strict app', async t => {
  const silent = `${APP}\napp.get('/silent', async () => 'ok')`
  const lax = await permit(['routes', await folderFor(t, silent)])
  t.equal(lax.code, 0)
  t.match(lax.err, 'Declare nothing: GET /silent')
  t.equal((await permit(['routes', await folderFor(t, silent), '--strict'])).code, 1)
  const strict = await permit(['routes', await folderFor(t, silent, ', strict: true')])
  t.equal(strict.code, 1)
  t.match(strict.out, /GET +\/silent +nothing; not declared public/)
})

t.test('a route declared before the plugin fails with --strict, because its annotation is unknown', async t => {
  const early = APP.replace('REGISTER', "app.get('/early', { config: { permit: false } }, async () => 'ok')\nREGISTER")
  const { code, out } = await permit(['routes', await folderFor(t, early), '--strict'])
  t.equal(code, 1)
  t.match(out, /GET +\/early +unknown: declared before/)
})

t.test('a permission that is not in the policy fails; an unused permission fails on request', async t => {
  const typo = `${APP}\napp.get('/typo', { config: { permit: 'task:lsit' } }, async () => 'ok')`
  const unknown = await permit(['routes', await folderFor(t, typo), '--policy', 'permit.yaml'])
  t.equal(unknown.code, 1)
  t.match(unknown.err, 'Not in the policy: task:lsit (did you mean task:list?)')
  const unused = await permit(['routes', await folderFor(t, APP), '--policy', 'permit.yaml'])
  t.equal(unused.code, 0)
  t.match(unused.err, 'In the policy, but required by no route: task:delete')
  t.equal((await permit(['routes', await folderFor(t, APP), '--policy', 'permit.yaml', '--fail-on-unused'])).code, 1)
})

t.test('the app is closed afterwards, also when it does not start', async t => {
  const closing = `${IMPORTS}export const app = Fastify()\napp.addHook('onClose', async () => { process.emit('permit-test-closed' as never) })\n`
  let closed = 0
  const count = () => { closed++ }
  process.on('permit-test-closed', count)
  t.teardown(() => process.off('permit-test-closed', count))
  await permit(['routes', await folderFor(t, `${closing}REGISTER\nROUTES`)])
  t.equal(closed, 1)
  const { code, err } = await permit(['routes', await folderFor(t, `${closing}app.addHook('onReady', async () => { throw new Error('no database') })`)])
  t.equal(code, 3)
  t.match(err, 'no database')
  t.equal(closed, 2)
})

t.test('files that cannot be used are reported', async t => {
  t.equal((await permit(['routes'])).code, 2)
  t.equal((await permit(['routes', 'a.js', 'b.js'])).code, 2)
  t.equal((await permit(['routes', 'a.js', '--json', '--markdown'])).code, 2)
  t.equal((await permit(['routes', 'a.js', '--fail-on-unused'])).code, 2)
  t.equal((await permit(['routes', 'nowhere.js'])).code, 3)
  t.match(await permit(['routes', await folderFor(t, 'export const nothing = 1')]), { code: 3, err: /exports no app; export a Fastify app/ })
  t.match(await permit(['routes', await folderFor(t, "import Fastify from 'fastify'\nexport default Fastify()")]), { code: 3, err: /fastify-permit is not registered/ })
})
