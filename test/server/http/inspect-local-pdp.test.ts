// The inspector of a local PDP: what it shows, and who sees it. Real sockets, because clients such as fetch send no other Host.
import { once } from 'node:events'
import { request, type OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { createLocalPdp, type LocalPdpOptions } from '../../../src/server/index.js'
import { built } from '../../support/built.js'
import { POLICY, TOKEN } from '../support.js'

// The page is bundled by the build.
built('inspector/page.js')

const AS_PASSWORD = `Basic ${Buffer.from(`me:${TOKEN}`).toString('base64')}`

async function inspected (t: Test, options: LocalPdpOptions = {}) {
  const app = createLocalPdp({ policy: POLICY, inspector: true, ...options })
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  return { app, port }
}

/** Sends any headers, `Host` included, and any path as it is. */
async function send (port: number, path: string, headers: OutgoingHttpHeaders = {}, method = 'GET', body?: string) {
  const asking = request({ port, host: '127.0.0.1', path, method, headers: { host: `127.0.0.1:${port}`, connection: 'keep-alive', ...headers }, agent: false })
  asking.end(body)
  const [message] = await once(asking, 'response')
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk)
  return { status: message.statusCode as number, headers: message.headers, body: Buffer.concat(chunks).toString() }
}

async function answerOf (port: number, path: string, parameters: object, headers: OutgoingHttpHeaders = {}) {
  const { status, body } = await send(port, `/_permit/${path}`, { 'x-inspector-question': encodeURIComponent(JSON.stringify(parameters)), ...headers })
  return status === 200 ? JSON.parse(body) : { status, body }
}

/** Reads so many rows of the stream. A busy machine sends them in several events. */
async function rowsOf (t: Test, port: number, count: number): Promise<{ readonly rows: ReadonlyArray<Record<string, unknown>>, readonly text: string }> {
  const asking = request({ port, host: '127.0.0.1', path: '/_permit/stream', headers: { host: `127.0.0.1:${port}`, connection: 'keep-alive' } })
  t.teardown(() => asking.destroy())
  asking.end()
  const [stream] = await once(asking, 'response')
  let text = ''
  for await (const chunk of stream.setEncoding('utf8')) {
    text += chunk
    const rows = [...text.matchAll(/^data: (.*)\n\n/gm)].flatMap(([, data]) => JSON.parse(data as string).rows)
    if (rows.length >= count) return { rows, text }
  }
  throw new Error(`the stream ended before there were ${count} rows`)
}

const decide = (port: number, path: string, body: unknown, headers: OutgoingHttpHeaders = {}) =>
  send(port, path, { 'content-type': 'application/json', ...headers }, 'POST', JSON.stringify(body))

const question = (user: string, action = 'read') => ({ user: { key: user, attributes: { pin: '5ecret' } }, action, resource: { type: 'task', tenant: 'acme' } })

t.test('every kind of decision is a row with its route, and is explained by the policy and the facts', async t => {
  const { port } = await inspected(t)
  const evaluation = { subject: { type: 'user', id: 'ada' }, action: { name: 'read' }, resource: { type: 'task', id: '1', properties: { tenant: 'acme' } } }
  await decide(port, '/allowed', question('ada'))
  await decide(port, '/allowed/bulk', [question('ada'), question('eve')])
  await decide(port, '/access/v1/evaluation', evaluation)
  await decide(port, '/access/v1/evaluations', { ...evaluation, evaluations: [{}, { action: { name: 'write' } }] })
  await send(port, '/nginx_allowed', { 'permit-user-key': 'ada', 'permit-action': 'read', 'permit-resource-type': 'task', 'permit-tenant-id': 'acme' }, 'POST')
  await decide(port, '/kong', { input: { consumer: { id: '1', username: 'ada' }, request: { http: { host: 'h', port: 1, tls: {}, method: 'GET', scheme: 'http', path: '/task', querystring: {}, headers: {} } } } })
  const { rows, text } = await rowsOf(t, port, 8)
  t.same(rows.map(row => [row['user'], row['action'], row['resource'], row['outcome'], row['source'], row['route']]), [
    ['ada', 'read', 'task', 'yes', 'embedded', 'POST /allowed'],
    ['ada', 'read', 'task', 'yes', 'embedded', 'POST /allowed/bulk'],
    ['eve', 'read', 'task', 'no', 'embedded', 'POST /allowed/bulk'],
    ['ada', 'read', 'task:1', 'yes', 'embedded', 'POST /access/v1/evaluation'],
    ['ada', 'read', 'task:1', 'yes', 'embedded', 'POST /access/v1/evaluations'],
    ['ada', 'write', 'task:1', 'no', 'embedded', 'POST /access/v1/evaluations'],
    ['ada', 'read', 'task', 'yes', 'embedded', 'POST /nginx_allowed'],
    ['ada', 'get', 'task', 'no', 'embedded', 'POST /kong']
  ])
  t.match(await answerOf(port, 'decision', { id: 3 }), {
    question: { user: { key: 'eve', attributes: { pin: '(hidden)' } }, hidden: true },
    outcome: 'no',
    tree: { mark: false },
    changes: [["create user 'eve'", "assign role 'viewer' to 'eve' in tenant 'acme'"]]
  })
  t.match(await answerOf(port, 'why', { user: 'bob', action: 'write', resource: 'task:1' }), { outcome: 'yes' })
  t.match(await answerOf(port, 'policy', {}), { types: [{ key: 'task' }] })
  t.same(await answerOf(port, 'names', { kind: 'user', text: 'a' }), ['ada'])
  t.match((await answerOf(port, 'health', {})).at(-1), { checks: { allowed: 5, denied: 3, failed: 0 } })
  t.match(JSON.parse((await send(port, '/_permit/routes')).body), /local PDP does not know the routes/)
  t.notMatch(text, /5ecret/)
})

t.test('plans and searches are rows like checks, with what was found; a request that is wrong is none', async t => {
  const { port } = await inspected(t)
  const ada = { key: 'ada', attributes: { pin: '5ecret' } }
  const bob = { type: 'user', id: 'bob', properties: { pin: '5ecret' } }
  const task = { type: 'task', id: '1', properties: { tenant: 'acme' } }
  const ask = async (path: string, body: object, status = 200) => t.equal((await decide(port, path, body)).status, status, path)
  for (const user of [ada, { key: 'eve' }]) await ask('/fastify-permit/plan', { user, action: 'read', type: 'task', tenant: 'acme' })
  await ask('/fastify-permit/search', { find: 'users', action: 'read', resource: { type: 'task', key: '1', tenant: 'acme' } })
  await ask('/fastify-permit/search', { find: 'actions', user: ada, resource: { type: 'task', tenant: 'acme' } })
  await ask('/fastify-permit/search', { find: 'resources', user: { key: 'bob' }, action: 'write', resource: { type: 'task', key: 'ignored', tenant: 'default' } })
  await ask('/access/v1/search/subject', { subject: { type: 'user' }, action: { name: 'read' }, resource: task })
  await ask('/access/v1/search/resource', { subject: bob, action: { name: 'write' }, resource: { type: 'task' } })
  await ask('/access/v1/search/action', { subject: bob, resource: { ...task, id: '' } })
  await ask('/allowed/all-tenants', { user: ada, action: 'read', resource: { type: 'task' } })
  await ask('/user-tenants', { user: ada })
  await ask('/authorized_users', { action: 'read', resource: { type: 'task', tenant: 'acme' } })
  // Wrong: no user; a token of another search; a tenant that is no text.
  await ask('/fastify-permit/search', { find: 'actions', resource: { type: 'task', tenant: 'acme' } }, 422)
  await ask('/access/v1/search/subject', { subject: { type: 'user' }, action: { name: 'read' }, resource: task, page: { token: '1.1.x' } }, 400)
  await ask('/access/v1/search/action', { subject: bob, resource: { ...task, properties: { tenant: 7 } } }, 400)
  await ask('/allowed', question('ada'))
  const { rows, text } = await rowsOf(t, port, 12)
  t.same(rows.map(row => ['kind', 'user', 'action', 'resource', 'tenant', 'outcome', 'rows', 'found', 'route'].map(name => row[name])), [
    ['plan', 'ada', 'read', 'task', 'acme', 'yes', 'all', undefined, 'POST /fastify-permit/plan'],
    ['plan', 'eve', 'read', 'task', 'acme', 'no', 'none', undefined, 'POST /fastify-permit/plan'],
    ['searchUsers', '', 'read', 'task:1', 'acme', 'yes', 'some', 1, 'POST /fastify-permit/search'],
    ['searchActions', 'ada', '', 'task', 'acme', 'yes', 'some', 2, 'POST /fastify-permit/search'],
    ['searchResources', 'bob', 'write', 'task', 'default', 'yes', 'some', 1, 'POST /fastify-permit/search'],
    ['searchUsers', '', 'read', 'task:1', 'acme', 'yes', 'some', 1, 'POST /access/v1/search/subject'],
    ['searchResources', 'bob', 'write', 'task', '', 'yes', 'some', 1, 'POST /access/v1/search/resource'],
    ['searchActions', 'bob', '', 'task', 'acme', 'no', 'none', 0, 'POST /access/v1/search/action'],
    ['tenants', 'ada', 'read', 'task', '', 'yes', 'some', 1, 'POST /allowed/all-tenants'],
    ['tenants', 'ada', '', '', '', 'yes', 'some', 1, 'POST /user-tenants'],
    ['searchUsers', '', 'read', 'task', 'acme', 'yes', 'some', 1, 'POST /authorized_users'],
    ['check', 'ada', 'read', 'task', 'acme', 'yes', undefined, undefined, 'POST /allowed']
  ])
  t.ok(rows.every(row => row['source'] === 'embedded' && Number(row['duration']) >= 0))
  t.notMatch(text, /5ecret/)
  t.equal(await answerOf(port, 'decision', { id: 1 }), null, 'only a check has the question of Why?')
  t.match((await answerOf(port, 'health', {})).at(-1), { checks: { allowed: 1, denied: 0, failed: 0 } }, 'they are no checks')
})

t.test('a plan that is not possible, and a search that takes too much work, are rows without a decision that say why', async t => {
  const costly = { costly: { conditions: { anyOf: Array.from({ length: 60 }, (_, index) => ({ 'resource.list': { any_match: { match: { id: { equals: -index - 1 } } } } })) } } }
  const policy = {
    resources: { doc: { actions: { read: {} } } },
    user_sets: costly,
    set_rules: [{ user_set: 'costly', permission: 'doc:read', resource_set: 'doc' }],
    users: { ada: {} }
  }
  const { port } = await inspected(t, { policy: policy as NonNullable<LocalPdpOptions['policy']> })
  t.match(JSON.parse((await decide(port, '/fastify-permit/plan', { user: { key: 'ada' }, action: 'read', type: 'doc', tenant: 'default', relations: ['gone'] })).body), { no_plan: /./ })
  const attributes = { list: Array.from({ length: 10_000 }, (_, id) => ({ id })) }
  const search = await decide(port, '/fastify-permit/search', { find: 'users', action: 'read', resource: { type: 'doc', tenant: 'default', attributes } })
  t.equal(search.status, 503)
  const check = await decide(port, '/allowed', { user: { key: 'ada' }, action: 'read', resource: { type: 'doc', tenant: 'default', attributes } })
  t.equal(check.status, 503)
  const { rows } = await rowsOf(t, port, 3)
  t.match(rows, [
    { kind: 'plan', outcome: 'none', code: 'FST_PERMIT_PLAN' },
    { kind: 'searchUsers', outcome: 'none', failure: 'overload' },
    { kind: 'check', outcome: 'none', failure: 'overload' }
  ])
})

t.test('attribute values are shown with the option only', async t => {
  const { port } = await inspected(t, { inspector: { attributes: true } })
  await decide(port, '/allowed', question('ada'))
  t.match(await answerOf(port, 'decision', { id: 1 }), { question: { user: { attributes: { pin: '5ecret' } }, hidden: false } })
})

t.test('without the option there is no page', async t => {
  const { port } = await inspected(t, { inspector: false })
  for (const path of ['/_permit', '/_permit/', '/_permit/stream', '/_permit/policy']) t.equal((await send(port, path)).status, 404, path)
})

t.test('a decision that takes too much work is counted as failed, and is a row without a decision', async t => {
  const policy = {
    resources: { doc: { actions: { read: {} } } },
    user_sets: { costly: { conditions: { anyOf: Array.from({ length: 60 }, (_, index) => ({ 'resource.list': { any_match: { match: { id: { equals: -index - 1 } } } } })) } } },
    set_rules: [{ user_set: 'costly', permission: 'doc:read', resource_set: 'doc' }]
  }
  const { port } = await inspected(t, { policy: policy as NonNullable<LocalPdpOptions['policy']> })
  const list = Array.from({ length: 10_000 }, (_, id) => ({ id }))
  const answer = await decide(port, '/allowed', { user: { key: 'ada' }, action: 'read', resource: { type: 'doc', tenant: 'default', attributes: { list } } })
  t.equal(answer.status, 503)
  t.same((await answerOf(port, 'health', {})).at(-1).checks, { allowed: 0, denied: 0, failed: 1 })
  t.equal(await answerOf(port, 'decision', { id: 1 }), null, 'its question is too large to be kept')
})

t.test('with a token the browser asks for it, and nothing is answered without', async t => {
  const { port } = await inspected(t, { token: TOKEN })
  for (const path of ['/_permit', '/_permit/', '/_permit/page.js', '/_permit/stream', '/_permit/routes', '/_permit/policy', '/_permit/nothing']) {
    for (const authorization of [undefined, '', 'Basic', 'Basic ', `Basic ${TOKEN}`, TOKEN, 'Bearer wrong', ...['me:', ':', TOKEN, `${TOKEN}:`, `me:${TOKEN}x`, `me: ${TOKEN}`].map(text => `Basic ${Buffer.from(text).toString('base64')}`)]) {
      const { status, headers, body } = await send(port, path, authorization === undefined ? {} : { authorization })
      t.equal(status, 401, `${path} with ${authorization}`)
      t.match(headers['www-authenticate'], /^Basic realm=/)
      t.equal(headers['cache-control'], 'no-store')
      t.notMatch(body, /<html|ada|secret-token/)
    }
  }
  for (const authorization of [AS_PASSWORD, `basic ${Buffer.from(`:${TOKEN}`).toString('base64')}`, `Bearer ${TOKEN}`]) {
    const { status, headers, body } = await send(port, '/_permit/', { authorization })
    t.equal(status, 200)
    t.match(headers['content-security-policy'], /default-src 'none'/)
    t.notMatch(body, TOKEN)
    t.match(await answerOf(port, 'policy', {}, { authorization }), { types: [{ key: 'task' }] })
  }
  // The password of the page is not one of the API.
  t.equal((await send(port, '/facts/users', { authorization: AS_PASSWORD })).status, 403)
})

t.test('whatever the path, the Host, the method and the headers are: only requests of this machine with the token see anything', async t => {
  const { port } = await inspected(t, { token: TOKEN })
  const hosts = [undefined, `127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, 'evil.example', `evil.example:${port}`, `127.0.0.1.evil.example:${port}`, 'localhost.evil.example', '127.0.0.1@evil.example', '?', '10.0.0.7', '0.0.0.0', 'localhost, evil.example']
  const local = new Set([undefined, `127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`])
  const paths = ['/_permit', '/_permit/', '/_permit/policy', '/_permit/routes', '/_permit/page.js', '/%5Fpermit/policy', '/_permit/%70olicy', '/_permit//policy', '/_permit/../facts/users', '/_permit/%2e%2e/facts/users', '/_permit/..%2ffacts/users', '/facts/../_permit/policy', '//_permit/policy', '/_permit;/policy', '/_permit/policy?x=/healthy', '/healthy/../_permit/policy', '/_PERMIT/policy', `http://localhost:${port}/_permit/policy`, 'http://evil.example/_permit/policy']
  const forwards = [{}, {}, { 'x-forwarded-for': '10.0.0.7' }, { 'x-forwarded-host': 'localhost' }, { forwarded: 'for=1.2.3.4' }, { via: '1.1 proxy' }, { 'x-real-ip': '127.0.0.1' }, { connection: 'close' }]
  const sites = [{}, {}, { origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }, { origin: 'null' }, { referer: 'https://evil.example/' }]
  const trial = async ([method, path, host, authorization, forward, site]: readonly [string, string, string | undefined, string | undefined, OutgoingHttpHeaders, OutgoingHttpHeaders]) => {
    const headers = { 'x-inspector-question': '%7B%7D', ...(host === undefined ? {} : { host }), ...(authorization === undefined ? {} : { authorization }), ...forward, ...site }
    const { status, body } = await send(port, path, headers, method)
    const may = (method === 'GET' || method === 'HEAD') && local.has(host) && authorization === AS_PASSWORD && Object.keys(forward).length === 0 && Object.keys(site).length === 0
    if (status < 400 && !may) throw new Error(`status ${status}`)
    if (!may && /"task"|<html|"ada"/.test(body)) throw new Error(body)
    return status
  }
  t.equal(await trial(['GET', '/_permit/policy', undefined, AS_PASSWORD, {}, {}]), 200, 'what may be seen is seen')
  t.equal(await trial(['GET', '/_permit/policy', 'evil.example', AS_PASSWORD, {}, {}]), 403, 'a name that was resolved to this machine')
  t.equal(await trial(['GET', '/_permit/policy', 'evil.example', undefined, {}, {}]), 403, 'it must not ask for a password, either')
  t.equal(await trial(['POST', '/_permit/policy', undefined, AS_PASSWORD, {}, {}]), 403, 'the PDP wants its bearer token')
  await fc.assert(fc.asyncProperty(fc.tuple(
    fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'), fc.constantFrom(...paths), fc.constantFrom(...hosts),
    fc.constantFrom(undefined, AS_PASSWORD, AS_PASSWORD, 'Basic bWU6', `Basic ${TOKEN}`), fc.constantFrom(...forwards), fc.constantFrom(...sites)
  ), async world => { await trial(world) }), { numRuns: 250 })
})

t.test('without a token it answers the same requests without a password, and no others', async t => {
  const { port } = await inspected(t)
  t.equal((await send(port, '/_permit/policy', { 'x-inspector-question': '%7B%7D' })).status, 200)
  for (const headers of [{ host: 'evil.example' }, { 'x-forwarded-for': '10.0.0.7' }, { origin: 'https://evil.example' }, { connection: 'close' }]) {
    t.equal((await send(port, '/_permit/policy', headers)).status, 403, JSON.stringify(headers))
  }
  for (const method of ['POST', 'PUT', 'DELETE']) t.equal((await send(port, '/_permit/policy', {}, method)).status, 404, method)
})

t.test('it listens on the loopback only, with a token, too', async t => {
  for (const host of ['0.0.0.0', '::', '10.0.0.1']) {
    const app = createLocalPdp({ policy: POLICY, token: TOKEN, inspector: true })
    t.teardown(() => app.close())
    await t.rejects(app.listen({ port: 0, host }), { code: 'FST_PERMIT_OPTIONS', message: /with the inspector.*loopback only, not on .*turn the inspector off/ }, host)
  }
})

t.test('with NODE_ENV=production it needs a token, however production is written', async t => {
  const before = process.env.NODE_ENV
  t.teardown(() => {
    if (before === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = before
  })
  for (const name of ['production', 'Production', ' production ', 'PRODUCTION\n', 'prod', '"production"']) {
    process.env.NODE_ENV = name
    t.throws(() => createLocalPdp({ inspector: true }), { code: 'FST_PERMIT_OPTIONS', message: /NODE_ENV=production.*token/ }, JSON.stringify(name))
    t.doesNotThrow(() => createLocalPdp({ inspector: true, token: TOKEN }))
    t.doesNotThrow(() => createLocalPdp({ inspector: false }))
  }
  process.env.NODE_ENV = 'preproduction'
  t.doesNotThrow(() => createLocalPdp({ inspector: true }))
  for (const inspector of ['yes', { path: '/x' }, { attributes: 1 }]) {
    t.throws(() => createLocalPdp({ inspector } as unknown as LocalPdpOptions), { code: 'FST_PERMIT_OPTIONS', message: /option "inspector/ }, JSON.stringify(inspector))
  }
})

t.test('closing the PDP ends the streams', async t => {
  const { app, port } = await inspected(t)
  const socket = connect(port, '127.0.0.1')
  socket.write(`GET /_permit/stream HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`)
  let text = ''
  socket.setEncoding('utf8').on('data', chunk => { text += chunk })
  await once(socket, 'data')
  await Promise.all([app.close(), once(socket, 'close')])
  t.match(text, /\r\n0\r\n\r\n$/, 'to their end, and not by closing the connection')
})
