// The local PDP as a Fastify app: its options, its document, its beginning and its end.
import { once } from 'node:events'
import { writeFile, mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createLocalPdp, type LocalPdpOptions } from '../../src/server/index.js'
import { ask, pdpFor, TOKEN } from './support.js'

t.test('invalid options are named, with what is expected', t => {
  const wrong: Array<[unknown, RegExp]> = [
    [null, /the options of the local PDP are null/],
    [{ policy: 7 }, /option "policy".*policy file/],
    [{ policy: '' }, /option "policy"/],
    [{ data: true }, /option "data".*folder/],
    [{ token: 'with a space' }, /option "token".*visible ASCII/],
    [{ token: '' }, /option "token"/],
    [{ watch: 'yes' }, /option "watch"/],
    [{ opa: { port: 70_000 } }, /option "opa.port" of the local PDP is 70000; expected a port/],
    [{ opa: {} }, /option "opa"/],
    [{ port: 7766 }, /option "port".*not known.*policy, data, token/]
  ]
  for (const [options, words] of wrong) {
    t.throws(() => createLocalPdp(options as LocalPdpOptions), { code: 'FST_PERMIT_OPTIONS', message: words })
  }
  try {
    createLocalPdp({ token: 'my secret' })
  } catch (error) {
    t.notMatch((error as Error).message, /secret/)
  }
  t.end()
})

t.test('an invalid policy prevents the start, with the place', async t => {
  const app = createLocalPdp({ policy: { resources: {}, roles: { viewer: { permissions: ['task:read'] } } } })
  await t.rejects(app.listen({ port: 0 }), /roles\.viewer\.permissions\[0\].*task/)
  await app.close()
  const none = createLocalPdp({ policy: '/no/such/permit.yaml' })
  await t.rejects(none.listen({ port: 0 }), /permit\.yaml/)
  await none.close()
})

t.test('without a policy everything is written by the API', async t => {
  const { send, post } = await pdpFor(t, { policy: undefined })
  await send('POST', '/v2/schema/default/default/resources', { key: 'task', name: 'Task', actions: { read: {} } })
  await send('POST', '/v2/schema/default/default/roles', { key: 'viewer', name: 'Viewer', permissions: ['task:read'] })
  await send('PUT', '/facts/users/ada', { role_assignments: [{ role: 'viewer' }] })
  t.match((await post('/allowed', { user: { key: 'ada' }, action: 'read', resource: { type: 'task', tenant: 'default' } })).json, { allow: true })
})

t.test('the policy file is reloaded when it changes, if requested', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'local-pdp-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'permit.yaml')
  const policy = (permissions: string) => `resources: { task: { actions: { read: {}, write: {} } } }\nroles: { viewer: { permissions: [${permissions}] } }\nusers: { ada: {} }\nrole_assignments: [{ user: ada, role: viewer }]\n`
  await writeFile(file, policy("'task:read'"))
  let reloaded = () => {}
  const whenReloaded = new Promise<void>(resolve => { reloaded = resolve })
  const { post } = await pdpFor(t, { policy: file, watch: true, logger: { level: 'info', stream: { write: (line: string) => { if (line.includes('is in use')) reloaded() } } } })
  const question = { user: { key: 'ada' }, action: 'write', resource: { type: 'task', tenant: 'default' } }
  t.match((await post('/allowed', question)).json, { allow: false })
  await writeFile(file, policy("'task:read', 'task:write'"))
  await whenReloaded
  t.match((await post('/allowed', question)).json, { allow: true })
})

t.test('its OpenAPI document lists exactly the routes that it serves', async t => {
  const app = createLocalPdp({ token: TOKEN })
  t.teardown(() => app.close())
  const served = new Set<string>()
  app.addHook('onRoute', ({ method, url }) => { if (method !== 'HEAD') served.add(`${String(method)} ${url.replace(/:(\w+)/g, '{$1}')}`) })
  const url = await app.listen({ port: 0 })
  const { json } = await ask(url, 'GET', '/openapi.json')
  const document = json as { openapi: string, paths: Record<string, Record<string, { operationId: string, parameters: Array<{ in: string, name: string }>, responses: object }>> }
  t.equal(document.openapi, '3.1.0')
  const described = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`))
  served.delete('GET /openapi.json')
  t.same(described.sort(), [...served].sort())
  const operations = Object.values(document.paths).flatMap(methods => Object.values(methods))
  t.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length, 'ids of operations are unique')
  for (const [path, methods] of Object.entries(document.paths)) {
    const names = Array.from(path.matchAll(/\{(\w+)\}/g), ([, name]) => name)
    for (const { parameters } of Object.values(methods)) t.same(parameters.filter(parameter => parameter.in === 'path').map(({ name }) => name), names)
  }
})

t.test('requests in flight are answered, and written, when it closes', async t => {
  const { app, url, post } = await pdpFor(t)
  const body = JSON.stringify({ key: 'late' })
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const seen = new Promise<void>(resolve => app.server.once('request', () => resolve()))
  socket.write(`POST /facts/users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body.slice(0, 5)}`)
  await seen
  const closed = app.close()
  socket.write(body.slice(5))
  const [chunk] = await once(socket.setEncoding('utf8'), 'data')
  t.match(chunk, /^HTTP\/1\.1 200 /)
  await closed
  await t.rejects(post('/allowed', {}), 'nobody answers any more')
})

t.test('an app that was never ready can be closed, and so can one used by inject', async t => {
  await createLocalPdp().close()
  const app = createLocalPdp()
  t.equal((await app.inject({ url: '/healthy' })).statusCode, 200)
  t.match((await app.inject({ url: '/facts/tenants' })).json(), [{ key: 'default' }])
  await app.close()
})
