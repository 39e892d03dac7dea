// The recipes run: each page's app is started as a reader would have it, and does what the page says.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { FastifyInstance, InjectOptions } from 'fastify'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import { documentOf, folderWith, pages, root, snippetsOf, sourcesOf } from '../support/documents.js'
import '../support/loader.js'

const POLICY = snippetsOf(await documentOf('README.md')).find(({ language }) => language === 'yaml')?.text as string

const filesOf = (page: string): Promise<Record<string, string>> => sourcesOf(`docs/recipes/${page}.md`)

/** The app of a page, beside the README's permit.yaml. */
async function appOf (t: Test, page: string, env: Readonly<Record<string, string>> = {}, replace: Readonly<Record<string, string>> = {}): Promise<FastifyInstance> {
  const files = await filesOf(page)
  for (const [from, to] of Object.entries(replace)) {
    if (files['app.ts']?.includes(from) !== true) throw new Error(`the page has no ${from} any more`)
    files['app.ts'] = files['app.ts'].replace(from, to)
  }
  const folder = await folderWith(t, { 'permit.yaml': POLICY, ...files })
  for (const [name, value] of Object.entries(env)) {
    process.env[name] = value
    t.teardown(() => { delete process.env[name] })
  }
  process.chdir(folder)
  t.teardown(() => process.chdir(root))
  const { app } = await import(pathToFileURL(join(folder, 'app.ts')).href) as { app: FastifyInstance }
  t.teardown(() => app.close())
  return app
}

async function statusOf (app: FastifyInstance, request: InjectOptions): Promise<number> {
  return (await app.inject(request)).statusCode
}

const create: InjectOptions = { method: 'POST', url: '/tasks' }

t.test('with @fastify/jwt: 401 without a token or with a forged one, access by role, and a public route', async t => {
  const app = await appOf(t, 'jwt', { JWT_SECRET: 'a secret for this test' })
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
  t.equal(await statusOf(app, create), 401)
  t.equal(await statusOf(app, { ...create, ...bearer(app.jwt.sign({ sub: 'ada@example.com' })) }), 200)
  t.equal(await statusOf(app, { ...create, ...bearer(app.jwt.sign({ sub: 'victor@example.com' })) }), 403)
  t.equal(await statusOf(app, { ...create, ...bearer(`${app.jwt.sign({ sub: 'ada@example.com' })}x`) }), 401)
  t.equal(await statusOf(app, { url: '/' }), 200)
})

t.test('the attributes on the page about @fastify/jwt are sent to the PDP, and used', async t => {
  const app = await appOf(t, 'jwt', { JWT_SECRET: 'a secret for this test' }, {
    "import permit from 'fastify-permit'": "import permit from 'fastify-permit'\nimport { user } from './user.js'",
    "{ policy: './permit.yaml' }": `{ user, policy: {
      resources: { task: { actions: { create: {} } } },
      user_sets: { builders: { conditions: { 'user.department': { equals: 'building' } } } },
      set_rules: [{ user_set: 'builders', permission: 'task:create', resource_set: 'task', is_resource: true }],
      users: { ann: {}, bob: {} }
    } }`
  })
  const as = (claims: { sub: string, department?: string }) => ({ ...create, headers: { authorization: `Bearer ${app.jwt.sign(claims)}` } })
  t.equal(await statusOf(app, as({ sub: 'ann', department: 'building' })), 200)
  t.equal(await statusOf(app, as({ sub: 'bob', department: 'sales' })), 403)
  t.equal(await statusOf(app, as({ sub: 'bob' })), 403)
  t.equal(await statusOf(app, create), 401)
})

t.test('a page is started by the file in the list of recipes, and answers over the network', async t => {
  const { 'server.ts': server = '' } = await filesOf('README')
  const folder = await folderWith(t, { 'permit.yaml': POLICY, ...await filesOf('jwt'), 'server.ts': server })
  const child = spawn(process.execPath, ['--import=tsx', 'server.ts'], {
    cwd: folder, env: { ...process.env, JWT_SECRET: 'a secret for this test', PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill())
  const [said] = await once(child.stdout, 'data') as [Buffer]
  const url = said.toString().trim()
  t.equal((await fetch(url)).status, 200)
  t.equal((await fetch(`${url}/tasks`, { method: 'POST' })).status, 401)
})

t.test('with @fastify/auth, users authenticate with tokens and machines with keys', async t => {
  const app = await appOf(t, 'auth', { JWT_SECRET: 'a secret for this test' })
  t.equal(await statusOf(app, create), 401)
  t.equal(await statusOf(app, { ...create, headers: { 'x-api-key': 'no such key' } }), 401)
  const forged = await app.inject({ ...create, headers: { authorization: 'Bearer forged' } })
  t.match(forged, { statusCode: 401, body: 'You have to log in.' })
  t.equal(await statusOf(app, { ...create, headers: { 'x-api-key': 'key-of-the-builder' } }), 403, 'known, and without a role')
  await app.permit.write(app.permit.api.syncUser({ key: 'builder@example.com', roles: [{ role: 'admin' }] }))
  t.equal((await app.inject({ ...create, headers: { 'x-api-key': 'key-of-the-builder' } })).body, 'created by builder@example.com')
  const token = app.jwt.sign({ sub: 'ada@example.com' })
  t.equal((await app.inject({ ...create, headers: { authorization: `Bearer ${token}` } })).body, 'created by ada@example.com')
})

t.test('with @fastify/auth, a guard is one of several ways to get access', async t => {
  const app = await appOf(t, 'auth', { JWT_SECRET: 'a secret for this test' })
  await import(pathToFileURL(join(process.cwd(), 'either.ts')).href)
  await app.ready()
  const statusWith = (payload: { sub: string, scope?: string }) => statusOf(app, { method: 'DELETE', url: '/tasks', headers: { authorization: `Bearer ${app.jwt.sign(payload)}` } })
  t.equal(await statusWith({ sub: 'ada@example.com' }), 200)
  t.equal(await statusWith({ sub: 'robot@example.com', scope: 'cleaning' }), 200)
  t.equal(await statusWith({ sub: 'robot@example.com', scope: 'painting' }), 403)
  t.equal(await statusOf(app, { method: 'DELETE', url: '/tasks' }), 401)
})

t.test('with @fastify/session, a removed role takes effect for the next request of the session', async t => {
  const app = await appOf(t, 'session', { SESSION_SECRET: 'a secret for this test, which is long', DEMO_PASSWORD: 'open sesame' })
  t.equal(await statusOf(app, create), 401)
  const login = (user: string, password: string) => app.inject({ method: 'POST', url: '/login', payload: { user, password } })
  t.equal((await login('ada@example.com', 'wrong')).statusCode, 401)
  const [cookie] = (await login('ada@example.com', 'open sesame')).cookies
  const cookies = { [cookie?.name as string]: cookie?.value as string }
  t.equal(await statusOf(app, { ...create, cookies }), 200)
  await app.permit.write(app.permit.api.unassignRole('ada@example.com', 'admin'))
  t.equal(await statusOf(app, { ...create, cookies }), 403)
  await app.inject({ method: 'POST', url: '/logout', cookies })
  t.equal(await statusOf(app, { ...create, cookies }), 401)
})

t.test('with @fastify/session, nobody can log in without a password, even if none is configured', async t => {
  const app = await appOf(t, 'session', { SESSION_SECRET: 'a secret for this test, which is long' })
  delete process.env.DEMO_PASSWORD
  const login = (payload?: object) => statusOf(app, { method: 'POST', url: '/login', ...payload && { payload } })
  t.equal(await login({ user: 'ada@example.com' }), 400)
  t.equal(await login({ user: 'ada@example.com', password: '' }), 400)
  t.equal(await login({ user: 'ada@example.com', password: 'undefined' }), 401)
  t.equal(await login(), 400)
})

t.test('with @fastify/autoload, loaded routes are guarded, and each scope by its own policy', async t => {
  const app = await appOf(t, 'autoload', { FASTIFY_AUTOLOAD_TYPESCRIPT: '1' })
  const as = (user: string) => ({ headers: { 'x-user': `${user}@example.com` } })
  t.equal(await statusOf(app, { ...create, ...as('ada') }), 200)
  t.equal(await statusOf(app, { ...create, ...as('victor') }), 403)
  t.equal(await statusOf(app, { url: '/tasks/1', ...as('victor') }), 200)
  t.equal(await statusOf(app, { url: '/tasks/1' }), 401)
  t.equal(await statusOf(app, { url: '/admin/reports', ...as('noel') }), 200)
  t.equal(await statusOf(app, { url: '/admin/reports', ...as('ada') }), 403)
  t.equal(await statusOf(app, { url: '/tasks/1', ...as('noel') }), 403)
  t.notOk(app.hasDecorator('permit'), 'none at the root')
})

t.test('with @fastify/websocket, a socket is closed when the permission is removed, with or without a message', async t => {
  const app = await appOf(t, 'websocket', { RECHECK: '20' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/tasks/watch`
  const { api } = app.permit

  const refused = new WebSocket(url, { headers: { 'x-user': 'noel@example.com' } })
  const [, response] = await once(refused, 'unexpected-response') as [unknown, { statusCode: number, destroy (): void }]
  t.equal(response.statusCode, 403)
  response.destroy()

  for (const says of ['something', 'nothing']) {
    await app.permit.write(api.assignRole('victor@example.com', 'viewer'))
    const socket = new WebSocket(url, { headers: { 'x-user': 'victor@example.com' } })
    await once(socket, 'open')
    socket.send('what is there?')
    const [message] = await once(socket, 'message') as [Buffer]
    t.equal(message.toString(), 'a task')
    await app.permit.write(api.unassignRole('victor@example.com', 'viewer'))
    if (says === 'something') socket.send('and now?')
    const [code] = await once(socket, 'close') as [number]
    t.equal(code, 1008, `it says ${says}`)
  }
})

t.test('with mercurius, each field is checked, and hidden items are not in the list', async t => {
  const app = await appOf(t, 'graphql')
  const ask = async (user: string, query: string) =>
    (await app.inject({ method: 'POST', url: '/graphql', headers: { 'x-user': `${user}@example.com` }, payload: { query } })).json()
  t.same(await ask('ada', '{ tasks { id deletable } }'), { data: { tasks: [{ id: '1', deletable: true }] } })
  t.same(await ask('victor', '{ tasks { id deletable } }'), { data: { tasks: [{ id: '1', deletable: false }] } })
  t.same(await ask('noel', '{ tasks { id } }'), { data: { tasks: [] } })
  t.match(await ask('ada', 'mutation { createTask(title: "New") { id } }'), { data: { createTask: { id: '3' } } })
  const denied = await ask('victor', 'mutation { createTask(title: "New") { id } }')
  t.equal(denied.data, null)
  t.match(denied.errors, [{ message: 'You are not allowed to do this.' }])
  t.notMatch(JSON.stringify(denied), /no_permission|victor/)
  const payload = { query: 'mutation { createTask(title: "New") { id } }' }
  t.equal(await statusOf(app, { method: 'POST', url: '/graphql', payload, headers: { 'x-user': 'victor@example.com' } }), 403)
  t.equal(await statusOf(app, { method: 'POST', url: '/graphql', payload }), 401)
})

t.test('the tests on the page pass, without a network', async t => {
  const folder = await folderWith(t, await filesOf('testing'))
  // The runner must not think that it is part of the one around it.
  const { NODE_TEST_CONTEXT: _, NODE_OPTIONS: _options, ...env } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, ['--import=tsx', '--test', '--test-reporter=tap', 'app.test.ts', 'wire.test.ts'], { cwd: folder, env })
  t.match(stdout, /^# pass 3$/m)
})

t.test('every page is in the list', async t => {
  const list = await documentOf('docs/recipes/README.md')
  for (const page of await pages()) if (page.startsWith('docs/recipes/') && !page.endsWith('README.md')) t.match(list, `(${basename(page)})`)
})
