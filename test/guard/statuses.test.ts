// Promise 1 and the table of errors: what goes out, and that a handler runs after a believable yes only.
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import t from 'tap'
import { ForbiddenError, UnauthenticatedError, UnavailableError } from '../../src/index.js'
import { deferred, fastifyFor, guardedApp, logSink } from '../support/app.js'
import permit from '../../src/index.js'
import { sendJson } from '../support/fake-pdp.js'

const annotated = { config: { permit: 'task:create' } }
const ann = { 'x-user': 'ann' }

t.test('the bodies have the format of Fastify\'s errors and do not say why', async t => {
  const { app, pdp } = await guardedApp(t)
  app.get('/tasks', annotated, async () => 'ok')

  t.same((await app.inject('/tasks')).json(), {
    statusCode: 401, code: 'FST_PERMIT_UNAUTHENTICATED', error: 'Unauthorized', message: 'Authentication is required.'
  })
  t.same((await app.inject({ url: '/tasks', headers: { 'x-user': 'eve' } })).json(), {
    statusCode: 403, code: 'FST_PERMIT_FORBIDDEN', error: 'Forbidden', message: 'You are not allowed to do this.'
  })
  await pdp.close()
  const unavailable = await app.inject({ url: '/tasks', headers: ann })
  t.same(unavailable.json(), {
    statusCode: 503, code: 'FST_PERMIT_UNAVAILABLE', error: 'Service Unavailable', message: 'Your permission cannot be checked right now. Try again later.'
  })
  t.equal(unavailable.headers['retry-after'], '1')
})

t.test('Retry-After is sent with a custom error handler, too', async t => {
  const { app, pdp } = await guardedApp(t)
  app.setErrorHandler((error: Error & { statusCode: number }, _request, reply) => { reply.code(error.statusCode).send({ ...error }) })
  app.get('/tasks', annotated, async () => 'ok')
  app.get('/inside', async request => request.permit.check('create', 'task'))
  t.notMatch((await app.inject({ url: '/tasks', headers: { 'x-user': 'eve' } })).body, /no_permission|eve|denial/, 'spreading a 403 does not tell the reason')
  await pdp.close()
  const { headers, body, statusCode } = await app.inject({ url: '/tasks', headers: ann })
  t.equal(statusCode, 503)
  t.equal(headers['retry-after'], '1')
  t.notMatch(body, /ECONNREFUSED|127\.0\.0\.1|cause/)
})

/** Ways to answer a question wrongly. Each would let ann in if it were believed. */
const LIES: Record<string, (response: ServerResponse) => void> = {
  'allow as the string "true"': response => sendJson(response, 200, { allow: 'true' }),
  'allow as 1': response => sendJson(response, 200, { allow: 1 }),
  'allow as [true]': response => sendJson(response, 200, { allow: [true] }),
  'allow as {}': response => sendJson(response, 200, { allow: {} }),
  'allow as null': response => sendJson(response, 200, { allow: null }),
  'no allow, but result': response => sendJson(response, 200, { result: true }),
  'allow nested in result': response => sendJson(response, 200, { result: { allow: true } }),
  'allow by __proto__': response => response.writeHead(200, { 'content-type': 'application/json' }).end('{"__proto__":{"allow":true}}'),
  'an array': response => sendJson(response, 200, [{ allow: true }]),
  'a bulk answer': response => sendJson(response, 200, { allow: [{ allow: true }] }),
  true: response => sendJson(response, 200, true),
  null: response => sendJson(response, 200, null),
  'an empty body': response => response.writeHead(200, { 'content-type': 'application/json' }).end(),
  'half of an answer': response => response.writeHead(200, { 'content-type': 'application/json' }).end('{"allow":true'),
  'two answers': response => response.writeHead(200, { 'content-type': 'application/json' }).end('{"allow":true}{"allow":true}'),
  'a body that ends early': response => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
    response.write('{"allow":true}')
    setImmediate(() => response.destroy())
  },
  'an answer as text/html': response => response.writeHead(200, { 'content-type': 'text/html' }).end('{"allow":true}'),
  'an answer as application/jsonp': response => response.writeHead(200, { 'content-type': 'application/jsonp' }).end('{"allow":true}'),
  'an answer without a content type': response => response.writeHead(200).end('{"allow":true}'),
  'an answer in an encoding': response => response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end('{"allow":true}'),
  'an answer that is too long': response => response.writeHead(200, { 'content-type': 'application/json' }).end(`{"allow":true,"debug":"${'x'.repeat(2 * 1024 * 1024)}"}`),
  'a reset before the answer': response => { response.destroy() },
  ...Object.fromEntries([201, 202, 203, 204, 206, 301, 302, 307, 400, 401, 403, 404, 409, 421, 422, 429, 500, 502, 503, 504].map(status =>
    [`status ${status}`, (response: ServerResponse) => {
      response.writeHead(status, { 'content-type': 'application/json', location: '/elsewhere' }).end(status === 204 ? undefined : '{"allow":true}')
    }]))
}

t.test('an invalid answer is no decision: 503, nothing is cached, and the next answer counts', async t => {
  let lie: ((response: ServerResponse) => void) | undefined
  const { app, pdp } = await guardedApp(t, { cache: { ttl: 60_000 } }, {
    intercept: (_request, response) => {
      lie?.(response)
      return lie !== undefined
    }
  })
  let ran = 0
  app.get('/tasks/:id', { config: { permit: { action: 'retrieve', resource: 'task:{id}' } } }, async () => { ran++; return 'ok' })

  for (const [index, [name, answer]] of Object.entries(LIES).entries()) {
    lie = answer
    const { statusCode, json } = await app.inject({ url: `/tasks/${index}`, headers: ann })
    t.equal(statusCode, 503, name)
    t.equal(json().code, 'FST_PERMIT_UNAVAILABLE')
    t.equal(ran, index, 'the handler did not run')
    lie = undefined
    t.equal((await app.inject({ url: `/tasks/${index}`, headers: ann })).statusCode, 200, 'and the next answer counts')
  }
  t.notOk(pdp.requests.some(request => request.url === '/elsewhere'), 'no redirect was followed')
  t.equal(app.permit.stats().pdp?.failures, Object.keys(LIES).length)
})

t.test('a PDP that accepts and never answers is 503 at the deadline, not later', async t => {
  const { app } = await guardedApp(t, { timeout: 80 }, { decide: () => new Promise(() => {}) })
  let ran = 0
  app.get('/tasks', annotated, async () => { ran++ })
  const start = performance.now()
  const { statusCode } = await app.inject({ url: '/tasks', headers: ann })
  const took = performance.now() - start
  t.equal(statusCode, 503)
  t.ok(took >= 75, `it was waited for (${took} ms)`)
  t.ok(took < 1_000, `but not for long (${took} ms)`)
  t.equal(ran, 0)
})

t.test('a PDP that sends its answer byte by byte is 503 at the deadline', async t => {
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{')
    const timer = setInterval(() => socket.write(' '), 10)
    socket.on('close', () => clearInterval(timer))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const app = fastifyFor(t)
  await app.register(permit, { pdp: `http://127.0.0.1:${(server.address() as { port: number }).port}`, token: 'x', user: () => 'ann', timeout: 100 })
  app.get('/tasks', annotated, async () => 'ok')
  const start = performance.now()
  t.equal((await app.inject('/tasks')).statusCode, 503)
  t.ok(performance.now() - start < 1_000)
})

t.test('when the queue is full, a check is refused at once', async t => {
  const { app } = await guardedApp(t, { connections: 1, queue: 2, timeout: 5_000 }, { decide: () => new Promise(() => {}) })
  const check = (action: string) => app.permit.check('ann', action, 'task').catch((error: Error) => error)
  const pending = [check('a')]
  // The checks of a turn of the event loop are sent together at its end.
  await new Promise(resolve => setImmediate(resolve))
  pending.push(check('b'), check('c'))
  const start = performance.now()
  await t.rejects(app.permit.check('ann', 'd', 'task'), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'overload' } })
  t.ok(performance.now() - start < 1_000)
  t.match(app.permit.stats(), { pdp: { inFlight: 1 }, batches: { waiting: 2 } })
  await app.close()
  await Promise.all(pending)
})

t.test('a denial and an outage are logged with what an operator needs', async t => {
  const { lines, text, logger } = logSink('trace')
  const secret = 'attribute-value-that-stays-in'
  const { app, pdp } = await guardedApp(t, { user: () => ({ key: 'eve', attributes: { secret } }) }, { token: 'token-that-stays-in' }, { logger })
  app.get('/tasks/:id', { config: { permit: { action: 'retrieve', resource: { type: 'task', key: '{id}', attributes: { secret } }, context: { secret } } } }, async () => 'ok')

  const denied = await app.inject('/tasks/7')
  t.match(lines.find(line => line.msg === 'permit: denied'), {
    level: 30, permit: { user: 'eve', action: 'retrieve', resource: 'task:7', tenant: 'default', code: 'no_permission' }
  })
  pdp.options.intercept = (_request, response) => { sendJson(response, 403, { detail: 'wrong' }); return true }
  const refused = await app.inject('/tasks/7')
  t.match(lines.find(line => String(line.msg).startsWith('permit: no decision')), { level: 40, permit: { failure: 'token', reason: /rejected the token with status 403/ } })
  pdp.options.intercept = (_request, response) => { sendJson(response, 200, { allow: secret }); return true }
  await app.inject('/tasks/7')
  await pdp.close()
  const down = await app.inject('/tasks/7')

  t.ok(pdp.requests.some(request => JSON.stringify(request.body).includes(secret)), 'the PDP was asked with the attribute')
  for (const kept of ['token-that-stays-in', secret]) {
    t.notMatch(text(), kept)
    for (const response of [denied, refused, down]) t.notMatch(response.body + JSON.stringify(response.headers), kept)
  }
})

t.test('the token is sent to the PDP in one header, and nowhere else', async t => {
  const { app, pdp } = await guardedApp(t)
  await app.permit.check('ann', 'read', 'task')
  await app.permit.health()
  for (const { headers, body, url } of pdp.requests) {
    t.equal(headers.authorization, `Bearer ${pdp.token}`)
    t.notMatch(JSON.stringify({ ...headers, authorization: undefined, body, url }), pdp.token)
  }
})

t.test('the errors are of the exported classes', async t => {
  const { app, pdp } = await guardedApp(t)
  app.get('/', async request => {
    await request.permit.assert('create', 'task')
  })
  const errors: unknown[] = []
  app.addHook('onError', async (_request, _reply, error) => { errors.push(error) })
  await app.inject('/')
  await app.inject({ url: '/', headers: { 'x-user': 'eve' } })
  await pdp.close()
  await app.inject({ url: '/', headers: { 'x-user': 'ann' } })
  t.ok(errors[0] instanceof UnauthenticatedError)
  t.ok(errors[1] instanceof ForbiddenError)
  t.match((errors[1] as ForbiddenError).denial, { user: 'eve', code: 'no_permission' })
  t.ok(errors[2] instanceof UnavailableError)
})

t.test('an error of the handler is handled once, as usual', async t => {
  const { app } = await guardedApp(t, { cache: {} })
  let ran = 0
  app.get('/sync', annotated, () => { ran++; throw new Error('mine') })
  app.get('/async', annotated, async () => { ran++; throw new Error('mine') })
  for (const url of ['/sync', '/sync', '/async', '/async']) {
    const { statusCode, json } = await app.inject({ url, headers: ann })
    t.equal(statusCode, 500)
    t.equal(json().message, 'mine')
  }
  t.equal(ran, 4)
})

t.test('a client that disconnects during the decision does no harm', async t => {
  const asked = [deferred<(allow: boolean) => void>(), deferred<(allow: boolean) => void>()]
  let count = 0
  const { app } = await guardedApp(t, {}, { decide: () => new Promise(resolve => asked[count++]!.resolve(resolve)) })
  let ran = 0
  app.get('/tasks', annotated, async () => { ran++; return 'ok' })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const abort = new AbortController()
  const gone = fetch(`${url}/tasks`, { headers: ann, signal: abort.signal }).catch((error: Error) => error.name)
  const answerFirst = await asked[0]!.promise
  abort.abort()
  t.equal(await gone, 'AbortError')
  answerFirst(false)
  const again = fetch(`${url}/tasks`, { headers: ann })
  const answerSecond = await asked[1]!.promise
  answerSecond(true)
  t.equal((await again).status, 200)
  t.equal(ran, 1)
})
