// Who may ask the local PDP, from where, and how much it bears.
import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import Fastify from 'fastify'
import { serverOptions, SERVER_LIMITS } from '../../../src/server/http/http-server.js'
import { createLocalPdp } from '../../../src/server/index.js'
import { ask, pdpFor, TOKEN } from '../support.js'

const question = { user: { key: 'ada' }, action: 'read', resource: { type: 'task', tenant: 'acme' } }

/** Sends bytes, and gives back what comes. */
async function raw (url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let text = ''
  socket.setEncoding('utf8').on('data', chunk => { text += chunk })
  socket.end(bytes)
  await once(socket, 'close')
  return text
}

/** A PDP without a token. */
function openPdp (t: Test) {
  const app = createLocalPdp()
  t.teardown(() => app.close())
  return app
}

t.test('every route except health checks needs the token, also routes that do not exist', async t => {
  const { url, get, send } = await pdpFor(t)
  const { json } = await get('/openapi.json')
  const paths = Object.entries((json as { paths: Record<string, Record<string, unknown>> }).paths)
  t.ok(paths.length > 60)
  const routes = paths.flatMap(([path, methods]) => Object.keys(methods).map(method => [method.toUpperCase(), path.replace(/\{\w+\}/g, 'default')] as const))
  for (const [method, path] of [...routes, ['GET', '/openapi.json'] as const, ['HEAD', '/facts/users'] as const, ['GET', '/nothing'] as const, ['POST', '/'] as const]) {
    if (/^\/(healthy|health|ready)$/.test(path)) continue
    const refused = /^\/(access\/v1|\.well-known)\//.test(path) ? 401 : 403
    const missing = await ask(url, method, path, undefined, { authorization: undefined })
    t.equal(missing.status, 401, `${method} ${path} without a token`)
    const wrong = await send(method, path, undefined, { authorization: 'Bearer wrong' })
    t.equal(wrong.status, refused, `${method} ${path} with another`)
    if (refused === 401) t.equal(wrong.headers.get('www-authenticate'), 'Bearer', 'AuthZEN 1.0 says so')
  }
})

t.test('refusals are plain text, with the messages of the container', async t => {
  const { post } = await pdpFor(t)
  const missing = await post('/allowed', question, { authorization: undefined })
  t.same([missing.status, missing.text], [401, 'Missing Authorization header'])
  t.match(missing.headers.get('content-type'), /^text\/plain/)
  for (const authorization of ['', 'Bearer', 'Bearer ', `Bearer ${TOKEN.slice(0, -1)}`, `Bearer ${TOKEN}x`, `Bearer ${TOKEN.toUpperCase()}`, TOKEN, `Basic ${TOKEN}`, `Bearer  ${TOKEN}`]) {
    const { status, text } = await post('/allowed', question, { authorization })
    t.same([status, text], [403, 'You are not authorized to access this resource, please check your API key.'], JSON.stringify(authorization))
  }
  t.equal((await post('/allowed', question, { authorization: `bearer ${TOKEN}` })).status, 200, 'the scheme has no case')
})

t.test('a body is not read without the token', async t => {
  const { url } = await pdpFor(t)
  // A body that is announced and never comes: the answer does not wait for it.
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write('POST /allowed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n')
  const [chunk] = await once(socket.setEncoding('utf8'), 'data')
  t.match(chunk, /^HTTP\/1\.1 401 /)
  socket.destroy()
})

t.test('without a token it listens only on the loopback', async t => {
  for (const host of ['0.0.0.0', '::', 'example.com', '10.0.0.1']) {
    await t.rejects(openPdp(t).listen({ port: 0, host }), { code: 'FST_PERMIT_OPTIONS', message: /loopback/ }, host)
  }
  for (const host of ['127.0.0.1', 'localhost', '127.0.0.2']) {
    const url = await openPdp(t).listen({ port: 0, host })
    t.equal((await ask(url, 'GET', '/facts/users', undefined, { authorization: undefined })).status, 200, host)
  }
  // Not by the back door, either.
  const app = openPdp(t)
  await app.ready()
  app.server.listen(0, '0.0.0.0')
  const [error] = await once(app.server, 'error')
  t.match(error, { code: 'FST_PERMIT_OPTIONS' })
  t.equal(app.server.listening, false)
  app.server.listen(0)
  await once(app.server, 'error')
  t.equal(app.server.listening, false)
})

t.test('with a token it listens on the given address', async t => {
  const app = createLocalPdp({ token: TOKEN })
  t.teardown(() => app.close())
  const { port } = new URL(await app.listen({ port: 0, host: '0.0.0.0' }))
  t.equal((await ask(`http://127.0.0.1:${port}`, 'GET', '/facts/users')).status, 200)
})

t.test('the port for OPA has the same rule', async t => {
  const app = createLocalPdp({ opa: { port: 0, host: '0.0.0.0' } })
  t.teardown(() => app.close().catch(() => {}))
  await t.rejects(app.listen({ port: 0 }), { code: 'FST_PERMIT_OPTIONS' })
})

t.test('without a token a web page gets no access, whatever its name resolves to', async t => {
  const app = openPdp(t)
  const url = await app.listen({ port: 0 })
  const get = (host: string) => raw(url, `GET /facts/users HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)
  t.match(await get('127.0.0.1:7766'), /^HTTP\/1\.1 200 /)
  t.match(await get('localhost'), /^HTTP\/1\.1 200 /)
  t.match(await get('[::1]:7766'), /^HTTP\/1\.1 200 /)
  t.match(await get('evil.example:7766'), /^HTTP\/1\.1 403 /)
  t.match(await get('127.0.0.1.evil.example'), /^HTTP\/1\.1 403 /)
  t.match(await get(''), /^HTTP\/1\.1 403 /)
  // A page can send this much without being asked whether it may.
  const { status } = await ask(url, 'POST', '/facts/users', '{"key":"eve"}', { authorization: undefined, 'content-type': 'text/plain' })
  t.equal(status, 422)
  const bare = await raw(url, 'POST /facts/users HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\ncontent-length: 13\r\nconnection: close\r\n\r\n{"key":"eve"}')
  t.match(bare, /^HTTP\/1\.1 422 /, 'nor without a content type')
  t.equal((await ask(url, 'GET', '/facts/users/eve', undefined, { authorization: undefined })).status, 404)
})

t.test('bodies that are too large, or of another type or encoding, are refused', async t => {
  const { post, url } = await pdpFor(t)
  const large = await post('/allowed', JSON.stringify({ ...question, context: { text: 'x'.repeat(4 * 1024 * 1024) } }))
  t.same([large.status, large.json], [413, { detail: 'the body is too large' }])
  t.equal((await post('/allowed', question, { 'content-type': 'application/x-www-form-urlencoded' })).status, 422)
  t.equal((await post('/allowed', question, { 'content-type': 'text/plain' })).status, 422)
  t.equal((await post('/facts/users', { key: 'x' }, { 'content-type': 'text/plain' })).status, 422)
  t.equal((await post('/access/v1/evaluation', {}, { 'content-type': 'text/plain' })).status, 400, 'AuthZEN 1.0 knows 400')
  t.match(await raw(url, `GET /facts/users/%zz HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\nconnection: close\r\n\r\n`), /^HTTP\/1\.1 4/)
  t.match(await raw(url, `GET /healthy HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /)
  t.equal((await post('/allowed', question)).status, 200, 'and it goes on')
})

t.test('internal errors reveal nothing', async t => {
  const lines: string[] = []
  const app = createLocalPdp({ token: TOKEN, logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  app.addHook('preHandler', async () => { throw new Error('the inner workings') })
  const url = await app.listen({ port: 0 })
  for (const path of ['/allowed', '/facts/users']) {
    const { status, text } = await ask(url, 'POST', path, path === '/allowed' ? question : { key: 'x' })
    t.equal(status, 500)
    t.notMatch(text, /inner workings|at |\.ts|\.js/)
  }
  t.match(lines.join(''), /the inner workings/, 'the log has it')
  t.notMatch(lines.join(''), TOKEN, 'and never the token')
})

t.test('a wrong token is not logged', async t => {
  const lines: string[] = []
  const { post } = await pdpFor(t, { logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  await post('/allowed', question, { authorization: 'Bearer mistyped-token' })
  await post('/allowed', { ...question, context: { secret: 'attribute-value' } })
  t.ok(lines.length > 0)
  t.notMatch(lines.join(''), /mistyped-token|attribute-value/)
  t.notMatch(lines.join(''), TOKEN)
})

t.test('a client that sends its head or body slowly is disconnected, and others are served meanwhile', async t => {
  const app = Fastify({ ...serverOptions('no token', { ...SERVER_LIMITS, requestTimeout: 300, checkInterval: 50, lingerTimeout: 100 }) })
  t.teardown(() => app.close())
  app.post('/allowed', async () => 'ok')
  const { port } = new URL(await app.listen({ port: 0 }))
  const starts = ['POST /allowed HTTP/1.1\r\nhost: x\r\nx: ', 'POST /allowed HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\n', '']
  await Promise.all(starts.map(async start => {
    const socket = connect(Number(port), '127.0.0.1')
    // It goes on sending, so that it may hear of the end as an error.
    socket.on('error', () => {}).resume()
    if (start !== '') socket.write(start)
    const drip = setInterval(() => socket.write('x'), 40)
    const from = performance.now()
    await new Promise(resolve => socket.once('close', resolve))
    clearInterval(drip)
    t.ok(performance.now() - from < 2_000, JSON.stringify(start.slice(-20)))
  }))
  t.equal((await fetch(`http://127.0.0.1:${port}/allowed`, { method: 'POST' })).status, 200)
})

t.test('past the limit of connections, a new one is closed, and existing ones continue', async t => {
  const app = Fastify({ ...serverOptions('no token', { ...SERVER_LIMITS, maxConnections: 2 }) })
  t.teardown(() => app.close())
  app.get('/', async () => 'ok')
  const { port } = new URL(await app.listen({ port: 0 }))
  const sockets = await Promise.all([0, 1].map(async () => {
    const socket = connect(Number(port), '127.0.0.1')
    await once(socket, 'connect')
    return socket
  }))
  const third = connect(Number(port), '127.0.0.1')
  third.on('error', () => {}).resume()
  await new Promise(resolve => third.once('close', resolve))
  for (const socket of sockets) {
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    const [chunk] = await once(socket.setEncoding('utf8'), 'data')
    t.match(chunk, /^HTTP\/1\.1 200 /)
    socket.destroy()
  }
})

t.test('the local PDP has these limits, on both of its ports', async t => {
  for (const token of [TOKEN, undefined]) {
    const app = createLocalPdp({ token })
    t.teardown(() => app.close())
    await app.ready()
    t.match(app.server, { requestTimeout: 10_000, headersTimeout: 10_000, maxConnections: 4_096, maxHeaderSize: 16 * 1024, timeout: 75_000 })
  }
})

t.test('JSON that is deeply nested, or that has __proto__, has no side effects', async t => {
  const { post, get } = await pdpFor(t)
  for (const deep of ['['.repeat(100) + ']'.repeat(100), `{"key":"x","attributes":${'{"a":'.repeat(100)}1${'}'.repeat(100)}}`]) t.equal((await post('/facts/users', deep)).status, 422)
  t.equal((await post('/facts/users', '['.repeat(1_000_000))).status, 422)
  for (const name of ['__proto__', 'constructor', 'prototype']) {
    const body = `{"key":"${name}","attributes":{"${name}":{"age":99,"polluted":true}}}`
    t.equal((await post('/facts/users', body)).status, 200, name)
    t.equal((await get(`/facts/users/${name}`)).status, 200)
    t.match((await post('/allowed', { ...question, user: { key: name }, action: 'approve' })).json, { allow: false })
  }
  // Where an attribute of everybody would be found.
  const asked = await post('/allowed', '{"user":{"key":"bob","attributes":{"__proto__":{"age":99}}},"action":"approve","resource":{"type":"task","tenant":"acme"},"__proto__":{"allow":true}}')
  t.match(asked.json, { allow: false })
  t.equal(({} as { polluted?: unknown }).polluted, undefined)
})
