// Promise 2: no annotated route is unguarded, whenever and however it is declared.
import { request as http2Request } from 'node:http'
import { connect } from 'node:http2'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import cors from '@fastify/cors'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance, type RouteOptions } from 'fastify'
import t, { type Test } from 'tap'
import { WebSocket } from 'undici'
import permit from '../../src/index.js'
import { fastifyFor, guardedApp, logSink, optionsFor, pdpFor } from '../support/app.js'

const annotated = { config: { permit: 'task:create' } }

/** The route answers ann, refuses eve (the PDP says no) and nobody. The handler has run once in the end. */
async function isGuarded (t: Test, app: FastifyInstance, runs: () => number, url = '/tasks', method: 'GET' | 'POST' | 'PUT' | 'HEAD' = 'GET', headers = {}) {
  const before = runs()
  t.equal((await app.inject({ method, url, headers })).statusCode, 401, `${method} ${url} refuses nobody`)
  t.equal((await app.inject({ method, url, headers: { ...headers, 'x-user': 'eve' } })).statusCode, 403, `${method} ${url} refuses eve`)
  t.equal(runs(), before, 'the handler did not run')
  t.equal((await app.inject({ method, url, headers: { ...headers, 'x-user': 'ann' } })).statusCode, 200, `${method} ${url} answers ann`)
  t.equal(runs(), before + 1, 'the handler ran once')
}

function counter () {
  let count = 0
  return { runs: () => count, handler: async () => { count++; return { ok: true } } }
}

t.test('a route declared after register is guarded', async t => {
  const { app } = await guardedApp(t)
  const { runs, handler } = counter()
  app.get('/tasks', annotated, handler)
  await isGuarded(t, app, runs)
})

t.test('a route declared before register is guarded', async t => {
  const pdp = await pdpFor(t, { decide: q => q.user.key !== 'eve' })
  const app = fastifyFor(t)
  const { runs, handler } = counter()
  app.get('/tasks', annotated, handler)
  await app.register(permit, optionsFor(pdp))
  await isGuarded(t, app, runs)
})

t.test('a route declared after a register that was not awaited is guarded', async t => {
  const pdp = await pdpFor(t, { decide: q => q.user.key !== 'eve' })
  const { lines, logger } = logSink('warn')
  const app = fastifyFor(t, { logger })
  const { runs, handler } = counter()
  app.register(permit, optionsFor(pdp))
  app.get('/tasks', annotated, handler)
  await isGuarded(t, app, runs)
  const warnings = lines.filter(line => String(line.msg).includes('was declared before fastify-permit was registered'))
  t.equal(warnings.length, 1, 'and says once that it would like to be awaited')
})

t.test('routes of child plugins registered before and after are guarded', async t => {
  const pdp = await pdpFor(t, { decide: q => q.user.key !== 'eve' })
  const app = fastifyFor(t)
  const { runs, handler } = counter()
  app.register(async child => { child.get('/early', annotated, handler) })
  app.register(permit, optionsFor(pdp))
  app.register(async child => {
    child.get('/late', annotated, handler)
    child.register(async grandchild => { grandchild.get('/deep', annotated, handler) })
  })
  await app.ready()
  for (const url of ['/early', '/late', '/deep']) await isGuarded(t, app, runs, url)
})

t.test('a wrong annotation on a route declared before register refuses each request', async t => {
  const pdp = await pdpFor(t, { decide: () => true })
  const app = fastifyFor(t)
  const { runs, handler } = counter()
  app.get('/undefined', { config: { permit: undefined } }, handler)
  app.get('/typo', { config: { permit: { action: 'retrieve', resource: 'task:{id}' } } }, handler)
  app.get('/public', { config: { permit: false } }, async () => 'public')
  await app.register(permit, optionsFor(pdp))
  for (const url of ['/undefined', '/typo']) {
    const { statusCode, json } = await app.inject({ url, headers: { 'x-user': 'ann' } })
    t.equal(statusCode, 500)
    t.equal(json().code, 'FST_PERMIT_ANNOTATION')
  }
  t.equal(runs(), 0)
  t.equal((await app.inject('/public')).statusCode, 200)
})

t.test('both spellings of a prefixed root are guarded', async t => {
  const { app } = await guardedApp(t)
  const { runs, handler } = counter()
  app.register(async child => { child.get('/', annotated, handler) }, { prefix: '/api' })
  await isGuarded(t, app, runs, '/api')
  await isGuarded(t, app, runs, '/api/')
})

t.test('a route under a prefix is guarded', async t => {
  const { app } = await guardedApp(t)
  const { runs, handler } = counter()
  app.register(async child => { child.get('/tasks', annotated, handler) }, { prefix: '/v1' })
  await isGuarded(t, app, runs, '/v1/tasks')
})

t.test('routes with the same URL and different constraints are guarded separately', async t => {
  const { app, pdp } = await guardedApp(t)
  const one = counter()
  const two = counter()
  app.route({ method: 'GET', url: '/tasks', constraints: { version: '1.0.0' }, config: { permit: 'task:one' }, handler: one.handler })
  app.route({ method: 'GET', url: '/tasks', constraints: { version: '2.0.0' }, config: { permit: 'task:two' }, handler: two.handler })
  app.route({ method: 'GET', url: '/tasks', constraints: { host: 'a.example' }, config: { permit: 'task:host' }, handler: two.handler })
  await isGuarded(t, app, one.runs, '/tasks', 'GET', { 'accept-version': '1.0.0' })
  await isGuarded(t, app, two.runs, '/tasks', 'GET', { 'accept-version': '2.0.0' })
  await isGuarded(t, app, two.runs, '/tasks', 'GET', { host: 'a.example' })
  t.same(pdp.questions.map(q => q.action), ['one', 'one', 'two', 'two', 'host', 'host'])
})

t.test('a route with several methods is guarded for each', async t => {
  const { app } = await guardedApp(t)
  const { runs, handler } = counter()
  app.route({ method: ['GET', 'POST', 'PUT'], url: '/tasks', ...annotated, handler })
  for (const method of ['GET', 'POST', 'PUT'] as const) await isGuarded(t, app, runs, '/tasks', method)
})

t.test('a route with an asynchronous or failing constraint is guarded', async t => {
  const strategy = {
    name: 'tier',
    storage () {
      const handlers = new Map<unknown, unknown>()
      return { get: (tier: unknown) => handlers.get(tier) ?? null, set: (tier: unknown, handler: unknown) => { handlers.set(tier, handler) } }
    },
    deriveConstraint (request: { headers: Record<string, string | undefined> }, _context: unknown, done?: (error: Error | null, tier?: string) => void) {
      const { 'x-tier': tier } = request.headers
      setImmediate(() => done?.(tier === 'broken' ? new Error('no tier') : null, tier))
    },
    validate () {}
  }
  const { app } = await guardedApp(t, {}, {}, { constraints: { tier: strategy as never } })
  const gold = counter()
  const other = counter()
  app.get('/tasks', { ...annotated, constraints: { tier: 'gold' } as never }, gold.handler)
  app.get('/tasks', annotated, other.handler)
  await isGuarded(t, app, gold.runs, '/tasks', 'GET', { 'x-tier': 'gold' })
  await isGuarded(t, app, other.runs, '/tasks', 'HEAD', { 'x-tier': 'silver' })
  t.equal((await app.inject({ url: '/tasks', headers: { 'x-tier': 'broken', 'x-user': 'eve' } })).statusCode, 500)
  t.same([gold.runs(), other.runs()], [1, 1])
})

t.test('the HEAD route that Fastify adds is guarded, and checks once', async t => {
  const { app, pdp } = await guardedApp(t)
  const { runs, handler } = counter()
  app.get('/tasks', annotated, handler)
  await isGuarded(t, app, runs, '/tasks', 'HEAD')
  t.equal(pdp.questions.length, 2, 'one question for eve and one for ann')
})

t.test('the HEAD route of a route declared before register is guarded', async t => {
  const pdp = await pdpFor(t, { decide: q => q.user.key !== 'eve' })
  const app = fastifyFor(t)
  const { runs, handler } = counter()
  app.get('/tasks', annotated, handler)
  await app.register(permit, optionsFor(pdp))
  await isGuarded(t, app, runs, '/tasks', 'HEAD')
})

for (const [how, hooks] of Object.entries({
  'no hook': () => undefined,
  'a function': (log: string[]) => async () => { log.push('own') },
  'a callback function': (log: string[]) => (_request: unknown, _reply: unknown, done: () => void) => { log.push('own'); done() },
  'an array': (log: string[]) => [async () => { log.push('own') }, async () => { log.push('own too') }],
  'an empty array': () => []
} satisfies Record<string, (log: string[]) => RouteOptions['preHandler']>)) {
  t.test(`the guard runs after the route's own preHandler hooks: ${how}`, async t => {
    const { app, pdp } = await guardedApp(t)
    const log: string[] = []
    pdp.options.decide = question => { log.push('guard'); return question.user.key !== 'eve' }
    const { runs, handler } = counter()
    const preHandler = hooks(log)
    app.get('/tasks', { ...annotated, preHandler }, handler)
    await isGuarded(t, app, runs)
    const last = log.lastIndexOf('own too') === -1 ? 'own' : 'own too'
    if (log.includes('own')) t.same(log.slice(-2), [last, 'guard'])
    if (Array.isArray(preHandler)) t.equal(preHandler.length, how === 'an array' ? 2 : 0, "the app's own array is left alone")
  })
}

t.test('the user that a preHandler hook of the route authenticates is checked', async t => {
  const { app } = await guardedApp(t, { user: request => (request as { who?: string }).who })
  app.get('/tasks', {
    ...annotated,
    preHandler: async request => { (request as { who?: string }).who = request.headers['x-user'] as string }
  }, async () => 'ok')
  t.equal((await app.inject({ url: '/tasks', headers: { 'x-user': 'ann' } })).statusCode, 200)
  t.equal((await app.inject({ url: '/tasks', headers: { 'x-user': 'eve' } })).statusCode, 403)
})

t.test('options shared by several routes guard each of them once', async t => {
  const { app, pdp } = await guardedApp(t)
  const { runs, handler } = counter()
  const shared = { config: { permit: 'task:create' }, preHandler: [async () => {}] }
  app.get('/a', shared, handler)
  app.get('/b', shared, handler)
  await isGuarded(t, app, runs, '/a')
  await isGuarded(t, app, runs, '/b')
  t.equal(pdp.questions.length, 4)
  t.equal(shared.preHandler.length, 1)
})

t.test('a route created from the options of a guarded one has only its own guard', async t => {
  const { app, pdp } = await guardedApp(t)
  const { runs, handler } = counter()
  let copied = false
  app.addHook('onRoute', function (route) {
    if (copied || route.method !== 'GET') return
    copied = true
    this.route({ ...route, url: '/copy', config: { ...route.config, permit: 'task:copy' } })
  })
  app.get('/tasks', annotated, handler)
  await isGuarded(t, app, runs, '/copy')
  t.same(pdp.questions.map(q => q.action), ['copy', 'copy'])
})

t.test('a later onRoute hook can neither remove a guard nor add an annotation unnoticed', async t => {
  for (const [message, hook] of [
    [/replaced or wrapped/, (route: RouteOptions) => { route.preHandler = [async () => {}] }],
    [/was changed after/, (route: RouteOptions) => { route.config = { ...route.config, permit: false } as never }],
    [/was changed after/, (route: RouteOptions) => { route.config = {} as never }]
  ] as const) {
    const { app } = await guardedApp(t)
    app.addHook('onRoute', hook)
    app.get('/tasks', annotated, async () => 'ok')
    await t.rejects(async () => app.ready(), { code: 'FST_PERMIT_ANNOTATION', message })
  }
  const { app } = await guardedApp(t)
  app.addHook('onRoute', route => { route.config = { ...route.config, permit: 'task:create' } as never })
  app.get('/tasks', async () => 'ok')
  await t.rejects(async () => app.ready(), { code: 'FST_PERMIT_ANNOTATION', message: /GET \/tasks was changed/ })
})

t.test('a later onRoute hook may add hooks of its own', async t => {
  const { app } = await guardedApp(t)
  const { runs, handler } = counter()
  app.addHook('onRoute', route => { route.preHandler = [async () => {}].concat(route.preHandler as never) })
  app.get('/tasks', annotated, handler)
  await isGuarded(t, app, runs)
})

t.test('callback handlers and async handlers are both guarded', async t => {
  const { app } = await guardedApp(t)
  let count = 0
  app.get('/callback', annotated, (_request, reply) => { count++; reply.send({ ok: true }) })
  await isGuarded(t, app, () => count, '/callback')
})

t.test("the app's own error handler gets the errors", async t => {
  const { app } = await guardedApp(t)
  app.setErrorHandler((error: { code: string, statusCode: number }, _request, reply) =>
    reply.code(error.statusCode).send({ mine: error.code }))
  app.get('/tasks', annotated, async () => 'ok')
  t.same((await app.inject('/tasks')).json(), { mine: 'FST_PERMIT_UNAUTHENTICATED' })
  t.same((await app.inject({ url: '/tasks', headers: { 'x-user': 'eve' } })).json(), { mine: 'FST_PERMIT_FORBIDDEN' })
})

t.test("the app's own 404 handler is not guarded and checks nothing", async t => {
  const { app, pdp } = await guardedApp(t)
  app.setNotFoundHandler(async (_request, reply) => reply.code(404).send({ mine: true }))
  app.get('/tasks', annotated, async () => 'ok')
  const { statusCode, json } = await app.inject('/nowhere')
  t.equal(statusCode, 404)
  t.same(json(), { mine: true })
  t.equal(pdp.questions.length, 0)
})

t.test('also in an app with routes from before the plugin', async t => {
  const pdp = await pdpFor(t)
  const app = fastifyFor(t)
  app.get('/tasks', annotated, async () => 'ok')
  await app.register(permit, optionsFor(pdp))
  t.equal((await app.inject('/nowhere')).statusCode, 404)
})

t.test('a body is parsed once, and the handler gets it', async t => {
  const { app } = await guardedApp(t)
  let parsed = 0
  app.addContentTypeParser('application/x-own', { parseAs: 'string' }, (_request, body, done) => { parsed++; done(null, { body }) })
  app.post('/tasks', annotated, async request => request.body)
  const { json } = await app.inject({
    method: 'POST', url: '/tasks', payload: 'hello', headers: { 'content-type': 'application/x-own', 'x-user': 'ann' }
  })
  t.same(json(), { body: 'hello' })
  t.equal(parsed, 1)
})

t.test('a WebSocket upgrade is guarded', async t => {
  const { app } = await guardedApp(t)
  await app.register(websocket)
  let opened = 0
  app.get('/socket', { ...annotated, websocket: true }, socket => { opened++; socket.send('hello') })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/socket`

  for (const [headers, expected] of [[{}, 401], [{ 'x-user': 'eve' }, 403]] as const) {
    const request = http2Request(url.replace('ws:', 'http:'), {
      headers: { ...headers, connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', 'sec-websocket-version': '13' }
    })
    request.end()
    const status = await new Promise<number | undefined>((resolve, reject) => {
      request.on('response', response => { response.resume(); resolve(response.statusCode) })
      request.on('upgrade', (_response, socket) => { socket.destroy(); resolve(101) })
      // @fastify/websocket destroys the socket of a refused upgrade, sometimes before the answer is out.
      request.on('error', error => (error as NodeJS.ErrnoException).code === 'ECONNRESET' ? resolve(expected) : reject(error))
    })
    t.equal(status, expected, `${expected}, or the connection is gone: never an upgrade`)
  }
  t.equal(opened, 0)

  const socket = new WebSocket(url, { headers: { 'x-user': 'ann' } })
  const [message] = await once(socket as never, 'message') as [{ data: string }]
  t.equal(message.data, 'hello')
  t.equal(opened, 1)
  socket.close()
})

t.test('a WebSocket route that was declared before register is guarded', async t => {
  const pdp = await pdpFor(t, { decide: () => false })
  const app = fastifyFor(t)
  let opened = 0
  await app.register(websocket)
  app.get('/socket', { ...annotated, websocket: true }, () => { opened++ })
  await app.register(permit, optionsFor(pdp))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = new WebSocket(`ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/socket`, { headers: { 'x-user': 'ann' } })
  await once(socket as never, 'error')
  t.equal(opened, 0)
})

t.test('a preflight request of @fastify/cors needs no user, the request after it does', async t => {
  const { app, pdp } = await guardedApp(t)
  await app.register(cors)
  const { runs, handler } = counter()
  app.put('/tasks', annotated, handler)
  const preflight = await app.inject({
    method: 'OPTIONS', url: '/tasks', headers: { origin: 'https://a.example', 'access-control-request-method': 'PUT' }
  })
  t.equal(preflight.statusCode, 204)
  t.equal(pdp.questions.length, 0)
  await isGuarded(t, app, runs, '/tasks', 'PUT')
})

t.test('HTTP/2 requests are guarded', async t => {
  const pdp = await pdpFor(t, { decide: q => q.user.key !== 'eve' })
  const app = Fastify({ http2: true })
  t.teardown(() => app.close())
  await app.register(permit, optionsFor(pdp))
  app.get('/tasks', annotated, async () => 'ok')
  await app.listen({ port: 0, host: '127.0.0.1' })
  const session = connect(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
  t.teardown(() => session.destroy())
  for (const [user, expected] of [['ann', 200], ['eve', 403]] as const) {
    const stream = session.request({ ':path': '/tasks', 'x-user': user })
    const [headers] = await once(stream, 'response')
    t.equal(headers[':status'], expected)
    stream.resume()
    await once(stream, 'end')
  }
})

t.test('public routes and routes without an annotation check nothing', async t => {
  const { app, pdp } = await guardedApp(t)
  app.get('/plain', async () => 'plain')
  app.get('/public', { config: { permit: false } }, async () => 'public')
  t.equal((await app.inject('/plain')).statusCode, 200)
  t.equal((await app.inject('/public')).statusCode, 200)
  t.equal(pdp.questions.length, 0)
})

t.test('sibling scopes each have their own plugin and options', async t => {
  const one = await pdpFor(t, { decide: () => true })
  const two = await pdpFor(t, { decide: () => false })
  const app = fastifyFor(t)
  app.register(async scope => {
    await scope.register(permit, optionsFor(one))
    scope.get('/one', annotated, async () => 'ok')
  })
  app.register(async scope => {
    await scope.register(permit, optionsFor(two))
    scope.get('/two', annotated, async () => 'ok')
  })
  t.equal((await app.inject({ url: '/one', headers: { 'x-user': 'ann' } })).statusCode, 200)
  t.equal((await app.inject({ url: '/two', headers: { 'x-user': 'ann' } })).statusCode, 403)
})

t.test('a second registration in the same scope, or inside of it, stops the app', async t => {
  const { app, pdp } = await guardedApp(t)
  await t.rejects(async () => app.register(permit, optionsFor(pdp)), { code: 'FST_PERMIT_OPTIONS', message: /registered already/ })
})

t.test('a registration around an existing one stops the app, too', async t => {
  const pdp = await pdpFor(t)
  const app = fastifyFor(t)
  await app.register(async child => {
    await child.register(async grandchild => { await grandchild.register(permit, optionsFor(pdp)) })
  })
  await t.rejects(async () => app.register(permit, optionsFor(pdp)), { code: 'FST_PERMIT_OPTIONS', message: /in a scope inside of this one/ })
})

t.test('an annotated route outside of every scope with the plugin stops the app, or is refused if it was not seen', async t => {
  const pdp = await pdpFor(t, { decide: () => true })
  const scoped = async (early: (app: FastifyInstance) => void, late: (app: FastifyInstance) => void) => {
    const app = fastifyFor(t)
    early(app)
    await app.register(async child => {
      await child.register(permit, optionsFor(pdp))
      child.get('/in', annotated, async () => 'in')
    })
    late(app)
    return app
  }
  const outside = (app: FastifyInstance) => { app.get('/outside', annotated, async () => 'SECRET') }
  const harmless = (app: FastifyInstance) => {
    app.get('/plain', async () => 'plain')
    app.post('/public', { config: { permit: false } }, async () => 'public')
  }
  for (const late of [outside, (app: FastifyInstance) => { app.register(async sibling => { outside(sibling) }) }]) {
    const app = await scoped(harmless, late)
    await t.rejects(async () => app.ready(), { code: 'FST_PERMIT_ANNOTATION', message: /^GET \/outside: config\.permit is outside of every scope/ })
    t.equal((await app.inject({ url: '/outside', headers: { 'x-user': 'ann' } })).statusCode, 500)
  }
  const app = await scoped(outside, app => {
    harmless(app)
    app.register(async sibling => {
      await sibling.register(permit, optionsFor(pdp))
      sibling.get('/sibling', annotated, async () => 'sibling')
    })
  })
  t.equal((await app.inject({ url: '/outside', headers: { 'x-user': 'ann' } })).json().code, 'FST_PERMIT_ANNOTATION')
  t.equal((await app.inject('/plain')).body, 'plain')
  t.equal((await app.inject({ method: 'POST', url: '/public' })).body, 'public')
  for (const url of ['/in', '/sibling']) {
    t.equal((await app.inject({ url, headers: { 'x-user': 'ann' } })).statusCode, 200)
    t.equal((await app.inject(url)).statusCode, 401)
  }
})
