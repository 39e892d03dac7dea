// The inspector on its sockets: who may see it, what it shows, what it never shows, and that the app never waits for it.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import express4 from 'express4'
import fc from 'fast-check'
import Fastify from 'fastify'
import t from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import { guard, permit as permitFor } from '../../src/express/index.js'
import { DecisionFeed, MAX_KEPT } from '../../src/inspector/decision-feed.js'
import { DecisionStreams, MAX_STREAMS } from '../../src/inspector/decision-streams.js'
import { createQuery } from '../../src/decision/query.js'
import { pdpFor } from '../support/app.js'
import { FRAMEWORKS, get, policy, streamOf } from './watching.js'

const PATHS = ['/_permit', '/_permit/', '/_permit/page.js', '/_permit/page.css', '/_permit/icon.svg', '/_permit/stream', '/_permit/routes', '/_permit/why', '/_permit/decision', '/_permit/names', '/_permit/policy', '/_permit/health', '/_permit/audit', '/_permit/near', '/_permit/nothing']

/** What a request of someone else has that reached the app from this machine. */
const foreign = fc.oneof(
  fc.domain().map(host => ({ host })),
  fc.ipV4().filter(ip => !ip.startsWith('127.')).map(host => ({ host })),
  fc.constantFrom('localhost.example.com', '127.0.0.1.example.com', 'example.com:80', 'xlocalhost', '[::2]', '0.0.0.0').map(host => ({ host })),
  fc.tuple(
    fc.constantFrom('forwarded', 'via', 'x-forwarded-for', 'X-Forwarded-Host', 'x-forwarded-proto', 'x-real-ip', 'cf-connecting-ip', 'true-client-ip', 'x-client-ip', 'x-cluster-client-ip', 'fastly-client-ip', 'x-original-forwarded-for', 'x-envoy-external-address'),
    fc.constantFrom('10.0.0.1', '127.0.0.1', 'for=127.0.0.1', '')
  ).map(([name, value]) => ({ [name]: value })),
  fc.constantFrom('https://example.com', 'http://localhost.example.com', 'null').map(origin => ({ origin })),
  fc.constantFrom('https://example.com/_permit/', 'http://10.0.0.1/').map(referer => ({ referer })),
  fc.constantFrom('cross-site', 'same-site', 'anything').map(site => ({ 'sec-fetch-site': site, 'sec-fetch-mode': 'cors' })),
  fc.constant({ connection: 'close' })
)

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  t.test(`${name}: without a guard, requests that could come from another user or machine get nothing`, async t => {
    const { port, ask } = await start(t, true)
    t.equal(await ask('ann', 'seen-by-nobody'), 200)
    const refused = async (headers: Record<string, string>, path: string): Promise<void> => {
      const { status, body } = await get(port, path, headers)
      if (status !== 403 && status !== 400) throw new Error(`${status} for ${path} with ${JSON.stringify(headers)}`)
      if (/seen-by-nobody|<html/.test(body)) throw new Error(`${path} shows something`)
    }
    await fc.assert(fc.asyncProperty(foreign, fc.constantFrom(...PATHS), refused), {
      numRuns: 60, examples: [[{ host: 'example.com' }, '/_permit/stream'], [{ 'x-forwarded-for': '127.0.0.1' }, '/_permit/stream']]
    })
    for (const host of ['localhost', `localhost:${port}`, '127.0.0.1', '127.9.9.9:80', '[::1]', `[::1]:${port}`, 'LOCALHOST']) {
      t.equal((await get(port, '/_permit/', { host })).status, 200, host)
    }
    t.equal((await get(port, '/_permit/', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' })).status, 200, 'a link to the page')
    t.equal((await get(port, '/_permit/stream', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' })).status, 403, 'no link to data')
  })

  t.test(`${name}: a guard protects the page, its files, the stream and unknown paths, and other sites still get nothing`, async t => {
    const { port } = await start(t, { guard: 'task:inspect' })
    for (const path of PATHS) {
      t.equal((await get(port, path)).status, 401, path)
      t.equal((await get(port, path, { 'x-user': 'ann' })).status, 403, path)
      const { headers } = await get(port, path, { 'x-user': 'ann' })
      t.equal(headers['cache-control'], 'no-store', path)
      if (path === '/_permit/stream') continue
      t.equal((await get(port, path, { 'x-user': 'otto', host: 'app.example.com', 'x-forwarded-for': '10.0.0.1' })).status, ({ '/_permit': 302, '/_permit/nothing': 404, '/_permit/why': 400, '/_permit/decision': 400, '/_permit/names': 400, '/_permit/audit': 400, '/_permit/near': 400 } as Record<string, number>)[path] ?? 200, path)
    }
    const stream = await streamOf(t, port, { 'x-user': 'otto', host: 'app.example.com' })
    t.equal(stream.status, 200)
    for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'https://example.com' }]) {
      t.equal((await get(port, '/_permit/stream', { 'x-user': 'otto', ...headers })).status, 403, JSON.stringify(headers))
    }
  })

  t.test(`${name}: every answer forbids caches, frames, sniffing, scripts of others and inline scripts, and lets no other site read it`, async t => {
    const { port } = await start(t, true)
    for (const path of PATHS) {
      const { headers, body } = path === '/_permit/stream' ? { headers: (await streamOf(t, port)).message.headers, body: '' } : await get(port, path)
      t.equal(headers['cache-control'], 'no-store', path)
      t.equal(headers['x-content-type-options'], 'nosniff')
      t.equal(headers['x-frame-options'], 'DENY')
      t.match(headers['content-security-policy'], /default-src 'none'; script-src 'self'; style-src 'self';.*frame-ancestors 'none'.*require-trusted-types-for 'script'/)
      t.notMatch(headers['content-security-policy'], /unsafe|\*|https?:|data:/)
      t.equal(headers['access-control-allow-origin'], undefined)
      if (path === '/_permit/') t.notOk(/<script>|<style|style=|onclick=|https?:/i.test(body), 'all of it is in files of its own')
    }
    t.equal((await get(port, '/_permit?next=//example.com')).headers.location, '_permit/', 'the way to the page names no host')
    for (const method of ['POST', 'PUT', 'DELETE', 'HEAD']) {
      const { status } = await get(port, '/_permit/stream', {}, method)
      t.ok(status === 404 || status === 405, `${method} opens no stream: ${status}`)
    }
    t.equal((await get(port, '/_permitted')).status, 404, 'a path that begins alike')
  })

  t.test(`${name}: the stream has each decision with its route, and neither the checks of the inspector nor attribute values`, async t => {
    const { port, ask, check } = await start(t, { guard: 'task:inspect', path: '/ops/see' })
    t.equal(await ask('ann', '7'), 200)
    const stream = await streamOf(t, port, { 'x-user': 'otto' }, '/ops/see/stream')
    t.equal(await ask('eve', '8'), 403)
    t.equal(await check('ann', '9', { salary: '5ecret' }), true)
    await stream.until(() => stream.rows().length === 3)
    t.match(stream.rows(), [
      { id: 1, kind: 'check', user: 'ann', action: 'read', resource: 'task:7', tenant: 'default', outcome: 'yes', source: 'embedded', route: 'GET /tasks/:id' },
      { id: 2, user: 'eve', resource: 'task:8', outcome: 'no', code: /./, reason: /./, route: 'GET /tasks/:id' },
      { id: 3, user: 'ann', resource: 'task:9', outcome: 'yes' }
    ])
    t.notOk('route' in (stream.rows()[2] as object), 'no request')
    t.notMatch(stream.text(), /5ecret|inspect/)
    const open = await start(t, { attributes: true })
    await open.check('ann', '9', { salary: '5ecret' })
    const second = await streamOf(t, open.port)
    await second.until(() => second.rows().length === 1)
    t.same(JSON.parse(second.rows()[0]?.values as string), { user: { attributes: { salary: '5ecret' } }, resource: { salary: '5ecret' } }, 'only with the option')
  })

  t.test(`${name}: a browser that comes back gets what it has missed, and everything after a restart of the app`, async t => {
    const { port, ask } = await start(t, true)
    await ask('ann', '1')
    const first = await streamOf(t, port)
    await first.until(() => first.rows().length === 1)
    first.end()
    await ask('ann', '2')
    const second = await streamOf(t, port, { 'last-event-id': first.lastId() })
    await second.until(() => second.rows().length === 1)
    t.match(second.text(), /"fresh":false/)
    t.equal(second.rows()[0]?.resource, 'task:2')
    for (const id of ['0123456789abcdef-1', first.lastId().replace(/-.*/, '-999'), 'anything', '']) {
      const other = await streamOf(t, port, { 'last-event-id': id })
      await other.until(() => other.rows().length === 2)
      t.match(other.text(), /"fresh":true/, id)
    }
  })

  t.test(`${name}: the number of streams is limited, a closed stream makes room for another, and closing the app ends all streams`, async t => {
    const { port, close } = await start(t, true)
    const streams = []
    for (let i = 0; i < MAX_STREAMS; i++) streams.push(await streamOf(t, port))
    const refused = await get(port, '/_permit/stream')
    t.equal(refused.status, 503)
    t.equal(refused.headers['retry-after'], '5')
    streams[0]?.end()
    let status = 503
    while (status === 503) {
      const stream = await streamOf(t, port)
      status = stream.status
    }
    t.equal(status, 200)
    await Promise.all([close(), ...streams.map(({ ended }) => ended)])
  })
}

/** Asks as the page does. */
async function answerOf (port: number, path: string, parameters: object) {
  const { status, body } = await get(port, `/_permit/${path}`, { 'x-inspector-question': encodeURIComponent(JSON.stringify(parameters)) })
  return status === 200 ? JSON.parse(body) : { status, body }
}

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  t.test(`${name}: a decision and any other question are answered with a tree and what would allow them, and nothing is counted or changed`, async t => {
    const { port, ask, check } = await start(t, true)
    await ask('eve', '7')
    await check('ann', '8', { salary: '5ecret' })
    const stream = await streamOf(t, port)
    const decision = await answerOf(port, 'decision', { id: 1 })
    t.match(decision, {
      question: { user: { key: 'eve' }, action: 'read', resource: { type: 'task', key: '7', tenant: 'default' }, hidden: false },
      outcome: 'no',
      code: 'user_not_synced',
      tree: { mark: false, text: 'eve may not read task:7 in default (user_not_synced)', branches: [{ mark: false, text: 'RBAC: roles in the tenant' }] },
      changes: [["create user 'eve'", "assign role 'reader' to 'eve' in tenant 'default'"]]
    })
    const hidden = await answerOf(port, 'decision', { id: 2 })
    t.match(hidden, { question: { user: { attributes: { salary: '(hidden)' } }, hidden: true }, outcome: 'yes', tree: { mark: true } })
    t.notMatch(JSON.stringify(hidden), /5ecret/)
    t.equal(await answerOf(port, 'decision', { id: 3 }), null)
    t.match(await answerOf(port, 'why', { user: 'ann', action: 'inspect', resource: 'task' }), { outcome: 'no', changes: [["assign role 'operator' to 'ann' in tenant 'default'"], ["give role 'reader' the permission 'task:inspect'"]] })
    t.strictSame((await answerOf(port, 'why', { user: 'ann', action: 'inspect', resource: 'task' })).question,
      { user: { key: 'ann' }, action: 'inspect', resource: { type: 'task', tenant: 'default' }, hidden: false }, 'nothing is called hidden that is not there')
    t.match(await answerOf(port, 'policy', {}), { types: [{ key: 'task', actions: ['read', 'inspect'] }] })
    t.same(await answerOf(port, 'names', { kind: 'user', text: 'N' }), ['ann'])
    t.same(await answerOf(port, 'near', { user: 'ann' }), { roles: [{ role: 'reader', at: 'tenant default' }], subjects: [], objects: [], more: false })
    t.equal(await answerOf(port, 'near', { user: 'eve' }), null)
    t.same(await answerOf(port, 'names', { kind: 'tenant' }), ['default'])
    t.match(await answerOf(port, 'why', { user: 'ann', action: 'inspect', resource: 'task:' }), { status: 400 })
    t.match(await answerOf(port, 'why', { user: '', action: 'inspect', resource: 'task' }), { status: 400, body: /the user is missing/ })
    t.match(await answerOf(port, 'why', { user: 'ann', action: 'inspect', resource: 'task', context: 'x'.repeat(20_000) }), { status: 431 })
    t.match(await get(port, '/_permit/why', { 'x-inspector-question': '%' }), { status: 400 })
    t.match(await get(port, '/_permit/why', { 'x-inspector-question': '[]' }), { status: 400 })
    await stream.until(() => stream.rows().length >= 2)
    t.equal(stream.rows().length, 2, 'no row of its own')
    const shown = await start(t, { attributes: true })
    await shown.check('ann', '8', { salary: '5ecret' })
    t.match(await answerOf(shown.port, 'decision', { id: 1 }), { question: { user: { attributes: { salary: '5ecret' } }, hidden: false } })
  })
}

t.test('a question is kept with its attributes, unless it is so large that many of them would fill the memory', t => {
  const feed = new DecisionFeed({ routeOf: () => undefined, attributes: false })
  const outcome = { decision: { allow: true }, source: 'pdp', duration: 1 } as const
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`n${index}`, index]))
  for (const attributes of [{ a: [{ b: 1 }] }, { a: 'x'.repeat(20_000) }, many, { a: { ['x'.repeat(20_000)]: 1 } }]) {
    feed.ended(createQuery({ key: 'ann', attributes }, 'read', 'task'), outcome, undefined)
  }
  feed.ended(createQuery('x'.repeat(20_000), 'read', 'task'), outcome, undefined)
  feed.ended(createQuery({ key: 'ann', email: 'x'.repeat(20_000) }, 'read', 'task'), outcome, undefined)
  t.same([1, 2, 3, 4, 5, 6].map(id => feed.questionOf(id) !== undefined), [true, false, false, false, false, false])
  t.match(JSON.parse(feed.json(2) as string), { id: 2, user: 'ann', action: 'read', resource: 'task', outcome: 'yes' }, 'its row stays')
  t.equal(feed.questionOf(7), undefined)
  t.end()
})

t.test('a browser that does not read loses decisions and is told how many; what waits for it is bounded, and the app goes on', async t => {
  const feed = new DecisionFeed({ routeOf: () => undefined, attributes: false })
  const streams = new DecisionStreams(feed)
  let waiting = (): number => 0
  const server = createServer((request, response) => {
    waiting = () => response.writableLength
    streams.add(response, request.headers['last-event-id'])
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { streams.close(); server.close() })
  const stream = await streamOf(t, (server.address() as AddressInfo).port, {}, '/')
  await stream.until(() => stream.text().includes('data:'))
  stream.message.pause()
  const long = 'k'.repeat(500)
  const query = createQuery(long, long, { type: 'task', key: long })
  let largest = 0
  // Until what the sockets of both sides hold is full: then it is the same in three turns.
  for (let last = -1, same = 0; same < 3;) {
    for (let i = 0; i < MAX_KEPT; i++) feed.ended(query, { decision: { allow: false, code: long, reason: long }, source: 'pdp', duration: 1 }, undefined)
    await new Promise(resolve => setTimeout(resolve, 110))
    largest = Math.max(largest, waiting())
    same = waiting() > 0 && waiting() === last ? same + 1 : 0
    last = waiting()
  }
  t.ok(largest < 2_000_000, `${largest} bytes wait`)
  const made = feed.last
  stream.message.resume()
  await stream.until(() => stream.rows().at(-1)?.id === made)
  t.ok(stream.lost() > 0, `${stream.lost()} lost`)
  t.equal(stream.rows().length + stream.lost(), made)
})

t.test('the routes are listed with what protects them; Express tells less', async t => {
  const [fastify, onExpress] = await Promise.all(Object.values(FRAMEWORKS).map(async start => {
    const { port } = await start(t, true)
    return JSON.parse((await get(port, '/_permit/routes')).body)
  }))
  t.match(fastify.at(-1), { permissions: ['task:read'] })
  t.match(fastify, [{ method: 'GET', url: '/_permit', public: true, guardedBy: null }, { url: '/_permit/*', public: true }, { method: 'GET', url: '/tasks/:id', permission: 'task:read', resource: 'task:{id}', public: false, guardedBy: 'annotation' }])
  t.match(onExpress, { note: /does not tell where a router is mounted/, routes: [{ method: 'GET', url: '/tasks/:id', permission: 'task:read', permissions: ['task:read'], resource: 'task:{id}', guardedBy: 'guard' }] })
})

for (const [version, create, router] of [['4', express4, express4.Router], ['5', express, express.Router]] as const) {
  t.test(`Express ${version}: routes are listed with their guards, in routers too, and a route that a guard may be around is not called open`, async t => {
    const app = create() as ReturnType<typeof express>
    const silent = { debug () {}, info () {}, warn () {}, error () {} }
    const authz = permitFor({ policy, inspector: true, log: silent, user: () => 'ann' })
    t.teardown(() => authz.close())
    app.use(authz)
    app.get('/open', (_request, response) => { response.send('') })
    app.route('/both').get(guard('task:read'), authz.guard('task:inspect'), (_request, response) => { response.send('') }).post((_request, response) => { response.send('') })
    const inner = router() as ReturnType<typeof express.Router>
    inner.get('/before', (_request, response) => { response.send('') })
    inner.use(guard('task:read'))
    inner.get('/<b>:id', (_request, response) => { response.send('') })
    app.use('/inner', inner)
    app.all('/all', guard(() => 'task:read'), (_request, response) => { response.send('') })
    app.use('/some', guard('task:read'))
    app.get('/after', (_request, response) => { response.send('') })
    await authz.ready()
    const server = app.listen(0, '127.0.0.1')
    t.teardown(() => { server.close(); server.closeAllConnections() })
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const { routes } = JSON.parse((await get(port, '/_permit/routes')).body) as { routes: Array<Record<string, unknown>> }
    const rows = routes.map(({ method, url, permission, guardedBy }) => [method, url, permission, guardedBy])
    t.same(rows, [
      ['GET', '/open', null, null],
      ['GET', '/both', 'task:read and task:inspect', 'guard'],
      ['POST', '/both', null, null],
      ['GET', '…/before', null, null],
      ['GET', '…/<b>:id', null, 'unknown'],
      ['ALL', '/all', 'by function', 'guard'],
      ['GET', '/after', null, 'unknown']
    ])
    t.same((await answerOf(port, 'audit', { user: 'ann' })).may, { 'task:read': 'always', 'task:inspect': 'never' })
  })
}

t.test('the audit says which permissions no route requires, which the policy does not have, and what a user holds of those that are required', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, { policy, inspector: true, user: () => 'ann' })
  app.get('/a', { config: { permit: { allOf: ['task:read', { anyOf: ['task:fly', 'plane:read'] }] } } }, async () => '')
  await app.listen({ port: 0, host: '127.0.0.1' })
  const port = Number(new URL(app.listeningOrigin).port)
  t.same(await answerOf(port, 'audit', {}), { unused: ['task:inspect'], unknown: ['task:fly', 'plane:read'] })
  t.same((await answerOf(port, 'audit', { user: 'ann' })).may, { 'task:read': 'always' })
  t.same((await answerOf(port, 'audit', { user: 'otto' })).may, { 'task:read': 'never' })
  t.match(await answerOf(port, 'audit', { user: 'eve' }), { problem: /does not know this user/ })
  t.match(await answerOf(port, 'audit', { user: 'ann', tenant: 'x' }), { problem: /does not exist/ })
})

t.test('an address of another machine is refused, whatever its headers say', async t => {
  const app = Fastify({ trustProxy: true })
  t.teardown(() => app.close())
  await app.register(permit, { policy, inspector: true, user: () => 'ann' })
  for (const remoteAddress of ['10.0.0.7', '::2', '::ffff:10.0.0.7']) {
    t.equal((await app.inject({ url: '/_permit/', remoteAddress, headers: { host: 'localhost' } })).statusCode, 403, remoteAddress)
  }
  for (const remoteAddress of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    t.equal((await app.inject({ url: '/_permit/', remoteAddress, headers: { host: 'localhost' } })).statusCode, 200, remoteAddress)
  }
  t.equal(app.permit.routes().find(({ url }) => url === '/_permit/*')?.public, true)
})

t.test('with NODE_ENV=production an app starts only with a guard or without the inspector, and other mistakes are named, too', async t => {
  const before = process.env.NODE_ENV
  t.teardown(() => {
    if (before === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = before
  })
  const start = async (inspector: unknown) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(permit, { policy, inspector, user: () => 'ann' } as PermitOptions)
    await app.ready()
  }
  process.env.NODE_ENV = 'production'
  for (const inspector of [true, {}, { attributes: true }, { guard: undefined }]) {
    await t.rejects(start(inspector), { code: 'FST_PERMIT_OPTIONS', message: /option "inspector" is on with NODE_ENV=production.*guard/ })
    t.throws(() => permitFor({ policy, inspector } as object), { code: 'FST_PERMIT_OPTIONS', message: /NODE_ENV=production/ })
  }
  for (const name of ['Production', ' production', 'PRODUCTION\n', "'production'", 'prod']) {
    process.env.NODE_ENV = name
    await t.rejects(start(true), { message: /NODE_ENV=production/ }, JSON.stringify(name))
  }
  for (const name of ['development', 'preproduction', 'production-like', '']) {
    process.env.NODE_ENV = name
    await t.resolves(start(true), JSON.stringify(name))
  }
  process.env.NODE_ENV = 'production'
  await t.resolves(start(false))
  await t.resolves(start({ guard: 'task:inspect' }))
  for (const guard of [false, null, '', true, 1, { GET: false }, { '*': false }, { GET: 'task:inspect' }]) await t.rejects(start({ guard }), /inspector/, JSON.stringify(guard))
  await t.rejects(start({ guard: 'inspect' }), { message: /_permit.*type:action/ })
  t.throws(() => permitFor({ policy, inspector: { guard: 'inspect' } } as object), /type:action/)
  for (const path of ['/', '', 'permit', '/a/', '/:id', '/a/*', '/a?b', '/..', '/a/../b', '//host', '/a#b']) {
    await t.rejects(start({ guard: 'task:inspect', path }), { code: 'FST_PERMIT_OPTIONS', message: /inspector\.path/ }, path)
  }
})

t.test('over a PDP, the token, the secrets and attribute values are in nothing that it answers', async t => {
  const pdp = await pdpFor(t, { token: 'token-5ecret', decide: ({ user }) => user.key === 'ann' })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, {
    pdp: pdp.url, token: pdp.token, inspector: true, updates: { path: '/updates', secret: 'updates-5ecret-1234' }, headers: { 'x-gateway': '5ecret' }, user: () => ({ key: 'ann', attributes: { pin: '5ecret' } })
  })
  app.get('/tasks', { config: { permit: { action: 'read', resource: 'task', context: () => ({ pin: '5ecret' }) } } }, async () => 'ok')
  await app.listen({ port: 0, host: '127.0.0.1' })
  const port = Number(new URL(app.listeningOrigin).port)
  t.equal((await get(port, '/tasks')).status, 200)
  t.equal((await get(port, '/tasks?5ecret')).status, 200)
  await pdp.close()
  t.equal(await app.permit.check('bob', 'read', 'task').catch(() => 'none'), 'none')
  const stream = await streamOf(t, port)
  await stream.until(() => stream.rows().length === 3)
  t.match(stream.rows(), [{ source: 'pdp', reason: 'user has the permission' }, { source: 'cache' }, { outcome: 'none', failure: /./ }])
  t.notMatch(stream.text(), /5ecret/)
  const none = await answerOf(port, 'why', { user: 'ann', action: 'read', resource: 'task', context: { pin: 1 } })
  t.match(none, { outcome: 'none', failure: /./ })
  t.notMatch(JSON.stringify([none, await answerOf(port, 'decision', { id: 1 })]), /5ecret/)
  t.equal(await answerOf(port, 'policy', {}), null)
})

t.test('over a PDP, a question goes to the PDP by the cache, and what it says of attributes is shown with the option only', async t => {
  for (const attributes of [false, true]) {
    const pdp = await pdpFor(t, { decide: ({ user }) => user.key === 'ann' })
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(permit, { pdp: pdp.url, token: pdp.token, inspector: { attributes }, user: () => 'ann' })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const port = Number(new URL(app.listeningOrigin).port)
    const question = { user: 'eve', action: 'read', resource: 'task:1', userAttributes: { pin: '5ecret' } }
    const answer = await answerOf(port, 'why', question)
    t.match(answer, { outcome: 'no', question: { user: { key: 'eve', attributes: { pin: attributes ? '5ecret' : '(hidden)' } } }, tree: { mark: false, text: /eve may not read task:1/ } })
    t.equal('changes' in answer, false)
    t.equal(app.permit.stats().checks?.denied, 0, 'not counted')
    t.equal(app.permit.stats().cache?.size, 0, 'not kept')
    await app.permit.check('ann', 'read', 'task')
    await app.permit.check('ann', 'read', 'task')
    const [first, last] = await answerOf(port, 'health', {})
    t.match(first, { checks: { allowed: 0 }, cache: { hits: 0, misses: 0 }, batches: { requests: 0, waiting: 0 }, replicas: [{ url: pdp.url, state: 'closed', busy: Number }] })
    t.match(last, { checks: { allowed: 2 }, cache: { hits: 1, misses: 1 }, batches: { waiting: 0 }, replicas: [{ requests: 2, inFlight: 0 }] })
    t.ok(last.replicas[0].busy > 0 && last.replicas[0].busy < 5_000, `${last.replicas[0].busy} ms`)
    t.equal(await answerOf(port, 'audit', {}), null)
  }
})

t.test('the feed keeps the latest decisions only, with texts of bounded length, and computes no reason while no browser watches', t => {
  const feed = new DecisionFeed({ routeOf: () => undefined, attributes: true })
  let computed = 0
  const decision = Object.create({ allow: false, get reason () { return `reason ${++computed}` } }) as { allow: boolean }
  const query = createQuery({ key: 'u'.repeat(2_000), attributes: { long: 'x'.repeat(9_000) } }, 'read', 'task')
  for (let i = 0; i < MAX_KEPT + 10; i++) feed.ended(query, { decision, source: 'embedded', duration: 1 }, undefined)
  t.equal(computed, 0)
  t.equal(feed.first, 11)
  t.equal(feed.json(10), undefined)
  t.equal(feed.json(feed.last + 1), undefined)
  t.equal(JSON.parse(feed.json(11) as string).id, 11)
  t.ok((feed.json(feed.last) as string).length < 6_000)
  feed.watchers = 1
  feed.ended(query, { decision, source: 'embedded', duration: 1 }, undefined)
  t.match(JSON.parse(feed.json(feed.last) as string), { reason: 'reason 1', outcome: 'no' })
  t.end()
})
