// `fastify-permit import openapi`: an app's own document becomes a policy that has every word of its routes.
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import fc from 'fast-check'
import t from 'tap'
import { buildApp } from '../../../example-app/app.js'
import permitPlugin from '../../../src/index.js'
import { readPolicyFile } from '../../../src/environment/file/policy-file.js'
import { permit, type Said } from '../../cli/in-process.js'
import { hostile, wrongWith } from '../../support/hostile.js'

const folder = await mkdtemp(join(tmpdir(), 'fastify-permit-openapi-'))
t.teardown(() => rm(folder, { recursive: true, force: true }))
const [DOCUMENT, OUT, APP] = ['openapi.json', 'permit.yaml', 'app.mjs'].map(name => join(folder, name)) as [string, string, string]

async function importDocument (document: unknown, ...more: string[]): Promise<Said> {
  await writeFile(DOCUMENT, typeof document === 'string' ? document : JSON.stringify(document, null, 2))
  return permit(['import', 'openapi', DOCUMENT, ...more])
}

/** What the command `routes` finds when it compares the app with the imported policy. */
async function routesOf (create: () => Promise<FastifyInstance>): Promise<{ readonly code: number, readonly unknown: string[], readonly unused: string[] }> {
  (globalThis as { createMovedApp?: unknown }).createMovedApp = create
  await writeFile(APP, 'export const buildApp = () => globalThis.createMovedApp()')
  const { code, out, err } = await permit(['routes', APP, '--policy', OUT, '--json'])
  if (code > 1) throw new Error(err)
  const { unknown, unused } = JSON.parse(out) as { unknown: string[], unused: string[] }
  return { code, unknown, unused }
}

const POLICY = {
  resources: {
    task: { actions: { create: {}, list: {}, read: {}, update: {} } },
    folder: { actions: { open: {}, constructor: {} } },
    'yes-no_1': { actions: { null: {} } }
  }
}

/** An app with every kind of annotation. */
async function appWithEverything (version: 'openapi' | 'swagger' = 'openapi'): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(swagger, version === 'swagger' ? { swagger: {} } : { openapi: {} })
  await app.register(permitPlugin, { policy: POLICY, user: () => 'ann' })
  const handler = async () => 'ok'
  app.get('/tasks', { config: { permit: 'task:list' } }, handler)
  app.get('/tasks/:id', { config: { permit: { action: 'read', resource: 'task:{id}' } } }, handler)
  app.post('/tasks', { config: { permit: { allOf: ['task:create', { anyOf: ['folder:open', 'folder:constructor'] }] } } }, handler)
  app.put('/tasks/:id', { config: { permit: { action: 'update', resource: () => 'task' } } }, handler)
  app.patch('/odd', { config: { permit: { anyOf: [{ action: 'null', resource: 'yes-no_1' }, { action: 'read', resource: () => 'task' }] } } }, handler)
  app.route({ method: ['GET', 'POST'], url: '/both', config: { permit: { GET: 'task:list', POST: 'folder:open' } }, handler })
  app.get('/free', { config: { permit: false } }, handler)
  return app
}

t.test("an app's own document, imported, has every permission that its routes require", async t => {
  for (const version of ['openapi', 'swagger'] as const) {
    const app = await appWithEverything(version)
    t.teardown(() => app.close())
    await app.ready()
    for (const document of [app.swagger(), app.swagger({ yaml: true })]) {
      const said = await importDocument(document, '--out', OUT, '--yes')
      t.equal(said.code, 0, said.err)
      t.match(said.err, /these operations also depend on.*:\n {2}PATCH \/odd\n/)
      t.match(said.err, /these operations say nothing.*:\n(?: {2}.*\n)* {2}GET \/free/)
      const { resources, roles } = await readPolicyFile(OUT)
      t.same(Object.keys(resources?.['folder']?.actions ?? {}).sort(), ['constructor', 'open'])
      t.equal(roles, undefined, 'roles are left to the person')
      // What a function returns, the document does not say: nothing else is missing.
      const found = await routesOf(() => appWithEverything(version))
      t.same(found, { code: 0, unknown: [], unused: [] })
    }
  }
})

t.test('the example app: import, then the route check finds nothing missing and nothing unused', async t => {
  const app = await buildApp()
  t.teardown(() => app.close())
  await app.ready()
  t.equal((await importDocument(app.swagger(), '--out', OUT, '--yes')).code, 0)
  t.same(await routesOf(() => buildApp()), { code: 0, unknown: [], unused: [] })
  const text = await readFile(OUT, 'utf8')
  t.match(text, /^# What the operations of openapi\.json require\./)
  // With the roles of the comment, the file is a policy.
  await writeFile(OUT, text + text.split('\n').filter(line => line.startsWith('#   ')).map(line => `${line.slice(4)}\n`).join(''))
  t.same(Object.keys((await readPolicyFile(OUT)).roles ?? {}), ['admin'])
})

t.test('what is no document, or has names that a policy cannot have, is refused with its place', async t => {
  const operation = (extensions: object, path = {}) => ({ openapi: '3.0.3', paths: { '/a': { ...path, get: extensions } } })
  const cases: ReadonlyArray<readonly [document: unknown, says: RegExp]> = [
    ['', /empty/],
    ['[1]', /not an OpenAPI document/],
    ['openapi: [3]', /not an OpenAPI document/],
    [{ openapi: '3.0.3' }, /no operation has an x-permit-action/],
    [{ openapi: '3.0.3', paths: { '/a': null, '/b': { get: 1 } } }, /no operation has an x-permit-action/],
    [operation({ 'x-permit-action': 'read' }), /openapi\.json:6: read: neither the operation nor its path has an x-permit-resource/],
    [operation({ 'x-permit-action': 1 }), /openapi\.json:6: x-permit-action: it is not a text/],
    [operation({ 'x-permit-requires': {} }), /openapi\.json:6: x-permit-requires: it is not a text/],
    [operation({ 'x-permit-action': '*' }, { 'x-permit-resource': 'task' }), /openapi\.json:7: task:\*: the keys of a policy/],
    [operation({ 'x-permit-action': 'read' }, { 'x-permit-resource': '__proto__' }), /__proto__:read: the keys/],
    [operation({ 'x-permit-requires': '(a.b:c and task:read)' }), /openapi\.json:6: a\.b:c: the keys/],
    ['{"openapi":"3.0.3","openapi":"3.0.3"}', /twice/],
    [`openapi: 3.0.3\npaths: ${'['.repeat(500)}`, /nested deeper/]
  ]
  for (const [document, says] of cases) {
    const { code, err } = await importDocument(document, '--out', join(folder, 'never.yaml'))
    t.same([code, says.test(err)], [1, true], err)
    await t.rejects(access(join(folder, 'never.yaml')))
  }
  t.equal((await permit(['import', 'openapi'])).code, 2)
  t.equal((await importDocument({}, '--user', 'a')).code, 2)
  const good = operation({ 'x-permit-action': 'read' }, { 'x-permit-resource': 'task' })
  await importDocument(good, '--out', OUT, '--yes')
  t.match(await importDocument(good, '--out', OUT), { code: 1, err: /exists; give --yes/ })
})

t.test('hostile documents are refused or become a policy that loads, and what is printed is printable', async t => {
  const text = fc.oneof(hostile, fc.constantFrom('task', 'read', 'task:read', '__proto__', 'constructor'))
  const run = await fc.check(fc.asyncProperty(text, text, text, text, async (url, type, action, requires) => {
    const said = await importDocument({ openapi: '3.1.0', paths: { [url]: { 'x-permit-resource': type, get: { 'x-permit-action': action }, put: { 'x-permit-requires': requires } } } }, '--out', OUT, '--yes')
    for (const printed of [said.out, said.err]) if (wrongWith(printed) !== undefined) throw new Error(`printed ${wrongWith(printed)}`)
    if (said.code === 0) await readPolicyFile(OUT)
    else if (said.code !== 1) throw new Error(`exit code ${said.code}`)
  }), { numRuns: 60, endOnFailure: true })
  t.notOk(run.failed, fc.defaultReportMessage(run) ?? '')
})
