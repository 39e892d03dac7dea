// The local PDP tells apps of its changes: in order, again and again until they have heard it, and without waiting for them.
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { affectedBy } from '../../src/decision/update-reports.js'
import { createLocalPdp } from '../../src/server/index.js'
import { Reports } from '../../src/server/send-update-reports.js'

interface Heard { headers: IncomingHttpHeaders, body: string }

/** An app that listens for reports, and answers as it is told. */
async function listener (t: Test, answer: (heard: Heard) => number | Promise<number> = () => 204) {
  const heard: Heard[] = []
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const one = { headers: request.headers, body: Buffer.concat(chunks).toString() }
    heard.push(one)
    server.emit('heard')
    response.writeHead(await answer(one)).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return {
    heard,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/permit/updates`,
    async until (count: number) { while (heard.length < count) await once(server, 'heard') }
  }
}

const silent = { info () {}, warn () {} }

t.test('the start, and each change of data or policy, is reported with the given headers', async t => {
  const app = await listener(t)
  const pdp = createLocalPdp({
    policy: { resources: { task: { actions: { read: {} } } }, roles: { viewer: { permissions: ['task:read'] } } },
    reportTo: [{ url: app.url, headers: { 'x-permit-updates-secret': 'a-secret-of-the-updates' } }]
  })
  t.teardown(() => pdp.close())
  const write = async (method: 'POST' | 'PUT' | 'DELETE', url: string, payload: object) => {
    const { statusCode, body } = await pdp.inject({ method, url, payload, headers: { host: 'localhost' } })
    t.ok(statusCode < 300, body)
  }
  await pdp.ready()
  await app.until(1)
  await write('PUT', '/facts/users/ann', { key: 'ann' })
  await app.until(2)
  await write('POST', '/facts/role_assignments', { user: 'ann', role: 'viewer', tenant: 'default' })
  await app.until(3)
  await write('DELETE', '/facts/role_assignments', { user: 'ann', role: 'viewer', tenant: 'default' })
  await app.until(4)
  await write('POST', '/facts/tenants', { key: 'acme', name: 'Acme' })
  await app.until(5)
  await write('POST', '/v2/schema/default/default/roles', { key: 'boss', name: 'Boss', permissions: ['task:read'] })
  await app.until(6)
  t.same(app.heard.map(({ body }) => affectedBy(body)), [{ all: true }, { users: ['ann'] }, { users: ['ann'] }, { users: ['ann'] }, { all: true }, { all: true }])
  t.ok(app.heard.every(({ headers }) => headers['x-permit-updates-secret'] === 'a-secret-of-the-updates'))
})

t.test('reports are retried until they are delivered, merged with newer changes, with two log lines', async t => {
  let well = false
  const app = await listener(t, () => well ? 204 : 503)
  const lines: string[] = []
  const reports = new Reports([{ url: app.url }], { info: (_, message) => { lines.push(`info ${message}`) }, warn: (_, message) => { lines.push(`warn ${message}`) } })
  t.teardown(() => reports.close())
  reports.report({ users: ['ann'] })
  await app.until(1)
  reports.report({ users: ['bob'] })
  await app.until(3)
  well = true
  const told = app.heard.length
  await app.until(told + 1)
  const { users } = affectedBy(app.heard.at(-1)?.body ?? '') as { users: string[] }
  t.same([...users].sort(), ['ann', 'bob'])
  reports.report({ all: true })
  await app.until(told + 2)
  t.same(affectedBy(app.heard.at(-1)?.body ?? ''), { all: true })
  t.same(lines.map(line => line.split(' ')[0]), ['warn', 'info'])
})

t.test('thousands of users in undelivered reports become one report about everyone', async t => {
  let well = false
  const app = await listener(t, () => well ? 204 : 500)
  const reports = new Reports([{ url: app.url }], silent)
  t.teardown(() => reports.close())
  for (let user = 0; user < 5_000; user++) reports.report({ users: [`user${user}`] })
  await app.until(2)
  well = true
  const told = app.heard.length
  await app.until(told + 1)
  const last = app.heard.at(-1)?.body ?? ''
  t.same(affectedBy(last), { all: true })
  t.ok(last.length < 1_000)
})

t.test('an app that hangs delays neither the write, nor other apps, nor the end of the PDP', async t => {
  const hanging = await listener(t, () => new Promise(() => {}))
  const well = await listener(t)
  const pdp = createLocalPdp({ reportTo: [{ url: hanging.url }, { url: well.url }] })
  const { statusCode } = await pdp.inject({ method: 'PUT', url: '/facts/users/ann', payload: { key: 'ann' }, headers: { host: 'localhost' } })
  t.equal(statusCode, 201)
  await well.until(2)
  const start = performance.now()
  await pdp.close()
  t.ok(performance.now() - start < 4_000)
})

t.test('undelivered reports get a last attempt when the PDP closes', async t => {
  const app = await listener(t)
  const reports = new Reports([{ url: app.url }], silent)
  reports.report({ users: ['ann'] })
  await reports.close()
  t.equal(app.heard.length, 1)
})

t.test('a report right after a delivery is not lost', async t => {
  const app = await listener(t)
  const reports = new Reports([{ url: app.url }], silent)
  t.teardown(() => reports.close())
  for (let round = 1; round <= 50; round++) {
    reports.report({ users: [`user${round}`] })
    // Some while the last one is on its way, some as it ends.
    for (let tick = 0; tick < round % 7; tick++) await new Promise(resolve => setImmediate(resolve))
  }
  const named = () => new Set(app.heard.flatMap(({ body }) => (affectedBy(body) as { users: string[] }).users))
  while (named().size < 50) await app.until(app.heard.length + 1)
  t.equal(named().size, 50)
})

t.test('an invalid URL or header of a target is refused', async t => {
  for (const reportTo of [[{ url: 'nowhere' }], [{ url: 'ftp://x' }], [{}], [{ url: 'http://x', headers: { a: 'b\r\nc: d' } }], 'http://x', [{ url: 'http://x', secret: 'x' }]]) {
    t.throws(() => createLocalPdp({ reportTo: reportTo as never }), { code: 'FST_PERMIT_OPTIONS', message: /"reportTo[".]/ }, JSON.stringify(reportTo))
  }
})
