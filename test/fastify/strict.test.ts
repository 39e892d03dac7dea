// The option `strict`: an app with a route that says nothing does not start, and one that nobody saw lets nobody in.
import assert from 'node:assert/strict'
import cors from '@fastify/cors'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import websocket from '@fastify/websocket'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import permit, { UndeclaredRouteError, type PermitOptions } from '../../src/index.js'
import { routesPrinted } from '../../src/fastify/routes-before-plugin.js'
import { strictness } from '../../src/guard/strict.js'
import { byHeader, fastifyFor } from '../support/app.js'

const POLICY = {
  resources: { task: { actions: { create: {}, list: {} } } },
  roles: { admin: { permissions: ['task:create', 'task:list'] } },
  users: { ann: {} },
  role_assignments: [{ user: 'ann', role: 'admin', tenant: 'default' }]
}

const strictly = (options: Partial<PermitOptions> = {}): PermitOptions => ({ policy: POLICY, user: byHeader, strict: true, ...options })

async function strictApp (t: Test, options: Partial<PermitOptions> = {}) {
  const app = fastifyFor(t)
  await app.register(permit, strictly(options))
  return app
}

const ok = async () => 'ok'

t.test('an app in which every route is annotated starts, and decides as usual', async t => {
  const app = await strictApp(t)
  app.get('/tasks', { config: { permit: 'task:list' } }, ok)
  app.post('/tasks', { preHandler: app.permit.guard('task:create') }, ok)
  app.get('/healthz', { config: { permit: false } }, ok)
  await app.ready()
  t.equal((await app.inject('/healthz')).statusCode, 200)
  t.equal((await app.inject('/tasks')).statusCode, 401)
  t.equal((await app.inject({ url: '/tasks', headers: { 'x-user': 'ann' } })).statusCode, 200)
  t.equal((await app.inject({ method: 'HEAD', url: '/tasks' })).statusCode, 401)
  t.equal((await app.inject({ method: 'POST', url: '/tasks' })).statusCode, 401)
  t.equal((await app.inject({ method: 'POST', url: '/tasks', headers: { 'x-user': 'ann' } })).statusCode, 200)
  t.equal((await app.inject('/nowhere')).statusCode, 404, 'what is no route is 404')
})

t.test('routes without an annotation prevent the start, and the error lists each once with the fix', async t => {
  const app = await strictApp(t)
  app.get('/fine', { config: { permit: 'task:list' } }, ok)
  app.get('/tasks', ok)
  app.route({ method: ['PUT', 'PATCH'], url: '/tasks/:id', handler: ok })
  app.route({ method: 'GET', url: '/tasks', constraints: { version: '1.0.0', host: /^a\./ }, handler: ok })
  app.register(async child => { child.delete('/deep', { config: {} }, ok) }, { prefix: '/v1' })
  app.route({ method: 'GET', url: '/behind-another-hook', preHandler: [async () => {}], handler: ok })
  const error = await app.ready().then(() => undefined, (error: Error & { code: string }) => error)
  t.type(error, UndeclaredRouteError)
  t.equal(error?.code, 'FST_PERMIT_UNDECLARED')
  const lines = error?.message.split('\n') ?? []
  t.equal(lines[0], 'strict: 5 routes say neither which permission is required nor that the route is public:')
  t.same(lines.slice(1, 6), [
    '  GET /tasks',
    '  PUT,PATCH /tasks/:id',
    '  GET /tasks {"version":"1.0.0","host":"/^a\\\\./"}',
    '  GET /behind-another-hook',
    '  DELETE /v1/deep'
  ])
  t.match(lines[6], /config: \{ permit: 'type:action' \}.*permit: false.*app\.permit\.guard.*strict: \{ public:/)
  for (const url of ['/tasks', '/fine', '/behind-another-hook']) {
    t.equal((await app.inject({ url, headers: { 'x-user': 'ann' } })).statusCode, 500, `${url}: who injects all the same gets nothing`)
  }
})

t.test('without strict, and with strict: false, such an app starts', async t => {
  for (const strict of [undefined, false]) {
    const app = await strictApp(t, { strict })
    app.get('/tasks', ok)
    await app.ready()
    t.equal((await app.inject('/tasks')).statusCode, 200)
  }
})

t.test('permit: undefined is a mistake', async t => {
  const app = fastifyFor(t)
  await app.register(permit, strictly())
  t.throws(() => app.get('/tasks', { config: { permit: undefined } }, ok), { code: 'FST_PERMIT_ANNOTATION' })
})

t.test('a HEAD route without an annotation is listed unless it belongs to a GET route', async t => {
  const app = await strictApp(t)
  app.get('/tasks', { config: { permit: 'task:list' }, exposeHeadRoute: false }, ok)
  app.head('/tasks', ok)
  await t.rejects(async () => app.ready(), { message: /one route says [^]*\n {2}HEAD \/tasks\n/ })
})

t.test('a guard of a scope counts for the route, one inside of another hook does not', async t => {
  const app = await strictApp(t)
  app.register(async child => {
    const guard = child.permit.guard('task:list')
    child.addHook('preHandler', guard)
    child.get('/by-scope', ok)
  })
  app.register(async child => {
    const guard = child.permit.guard('task:list')
    child.get('/wrapped', { preHandler: function (request, reply, done) { guard.call(this, request, reply, done) } }, ok)
  })
  await t.rejects(async () => app.ready(), { message: /one route says [^]*\n {2}GET \/wrapped\n/ })
})

t.test('an onRoute hook that removes a guard does not open the route', async t => {
  const app = await strictApp(t)
  app.addHook('onRoute', route => { delete route.preHandler })
  app.get('/tasks', { preHandler: app.permit.guard('task:list') }, ok)
  await app.ready().then(() => {}, () => {})
  t.equal((await app.inject({ url: '/tasks' })).statusCode, 500)
})

t.test('routes from before register prevent the start, whatever their annotations are', async t => {
  const app = fastifyFor(t)
  app.get('/early', ok)
  app.get('/early/:id', { config: { permit: false } }, ok)
  app.route({ method: 'GET', url: '/early', constraints: { version: '2.0.0' }, handler: ok })
  app.get('/assets/app.js', ok)
  await app.register(permit, strictly({ strict: { public: ['/assets/*'] } }))
  app.get('/late', { config: { permit: false } }, ok)
  const error = await app.ready().then(() => undefined, (error: Error) => error)
  t.type(error, UndeclaredRouteError)
  t.match(error?.message, /^strict: declared before fastify-permit/)
  t.same(error?.message.split('\n').filter(line => line.startsWith('  ')).sort(),
    ['  GET,HEAD /early', '  GET,HEAD /early {"version":"2.0.0"}', '  GET,HEAD /early/:id'])
  t.equal((await app.inject('/early')).statusCode, 500)
  t.equal((await app.inject('/assets/app.js')).statusCode, 500, 'not even what is public: the app has not started')
})

t.test('routes of a register that was not awaited count as declared before', async t => {
  const app = fastifyFor(t)
  app.register(permit, strictly())
  app.get('/tasks', ok)
  await t.rejects(async () => app.ready(), { code: 'FST_PERMIT_UNDECLARED', message: /GET,HEAD \/tasks/ })
})

t.test('a route declared later by a scope from before is refused when it is called', async t => {
  const app = fastifyFor(t)
  let scope = app
  let runs = 0
  app.register(async child => { scope = child })
  await app.after()
  app.register(permit, strictly({ strict: { public: ['/public'] } }))
  app.after(() => {
    scope.get('/silent', async () => { runs++; return 'ok' })
    scope.get('/public', async () => 'public')
    scope.get('/said', { config: { permit: false } }, async () => 'said')
    scope.get('/guarded', { config: { permit: 'task:list' } }, async () => 'guarded')
  })
  await app.ready()
  const { statusCode, json, body } = await app.inject({ url: '/silent', headers: { 'x-user': 'ann' } })
  t.equal(statusCode, 500)
  t.equal(json().code, 'FST_PERMIT_UNDECLARED')
  t.notMatch(body, '/silent', 'the client is not told how to repair it')
  t.equal((await app.inject({ method: 'HEAD', url: '/silent' })).statusCode, 500)
  t.equal(runs, 0)
  t.equal((await app.inject('/public')).body, 'public')
  t.equal((await app.inject('/said')).body, 'said')
  t.equal((await app.inject('/guarded')).statusCode, 401)
  t.equal((await app.inject({ url: '/guarded', headers: { 'x-user': 'ann' } })).body, 'guarded')
})

t.test('in a separate scope, a route from before is refused when it is called, and routes outside are ignored', async t => {
  const app = fastifyFor(t)
  app.get('/outside', ok)
  app.register(async child => {
    child.get('/early', ok)
    await child.register(permit, strictly())
    child.get('/late', { config: { permit: false } }, ok)
  }, { prefix: '/in' })
  await app.ready()
  t.equal((await app.inject('/outside')).statusCode, 200)
  t.equal((await app.inject('/in/early')).statusCode, 500)
  t.equal((await app.inject('/in/late')).statusCode, 200)
})

t.test('a config copied from a known route does not make another route known', async t => {
  const app = fastifyFor(t)
  let scope = app
  app.register(async child => { scope = child })
  await app.after()
  app.register(permit, strictly({ strict: { public: ['/public'] } }))
  app.after(() => {
    let config: object = {}
    app.addHook('onRoute', route => { config = { ...route.config } })
    app.get('/public', ok)
    scope.get('/copied', { config }, ok)
  })
  await app.ready()
  t.equal((await app.inject('/public')).statusCode, 200)
  t.equal((await app.inject('/copied')).statusCode, 500)
})

t.test('routes of other plugins are public only by strict.public', async t => {
  const plugins = async (app: Awaited<ReturnType<typeof strictApp>>) => {
    await app.register(cors)
    await app.register(swagger, { openapi: {} })
    await app.register(swaggerUi, { routePrefix: '/docs' })
    app.get('/tasks', { config: { permit: 'task:list' } }, ok)
  }
  const refused = await strictApp(t)
  await plugins(refused)
  await t.rejects(async () => refused.ready(), { message: /\n {2}OPTIONS \*\n[^]*GET \/docs/ })

  const app = await strictApp(t, { strict: { public: ['/docs/*', 'OPTIONS *'] } })
  await plugins(app)
  await app.ready()
  t.equal((await app.inject('/docs/json')).statusCode, 200)
  t.equal((await app.inject('/tasks')).statusCode, 401)
  const preflight = await app.inject({ method: 'OPTIONS', url: '/tasks', headers: { origin: 'http://a.example', 'access-control-request-method': 'GET' } })
  t.equal(preflight.statusCode, 204)
})

t.test('a WebSocket route must be annotated like any other', async t => {
  const app = fastifyFor(t)
  await app.register(websocket)
  await app.register(permit, strictly())
  app.get('/watch', { websocket: true }, () => {})
  await t.rejects(async () => app.ready(), { message: /GET \/watch\n/ })
})

t.test('a 404 handler is not a route, and the route for update reports declares itself', async t => {
  const app = fastifyFor(t)
  await app.register(permit, strictly({ policy: undefined, pdp: 'http://127.0.0.1:9', token: 'a', updates: { path: '/permit/updates', secret: '0123456789abcdef' } }))
  app.setNotFoundHandler(async () => 'not here')
  await app.ready()
  t.equal((await app.inject('/nowhere')).body, 'not here')
  t.equal((await app.inject({ method: 'POST', url: '/permit/updates' })).statusCode, 401)
})

t.test('an annotation under a public prefix counts', async t => {
  const app = await strictApp(t, { strict: { public: ['/docs/*'] } })
  app.get('/docs/secret', { config: { permit: 'task:list' } }, ok)
  await app.ready()
  t.equal((await app.inject('/docs/secret')).statusCode, 401)
})

t.test('an invalid entry of strict.public is refused at boot', async t => {
  for (const entry of ['docs', '', '/a/*/b', '/docs*', 'get /docs', '/**', '* /docs', '/docs/*/*']) {
    const app = fastifyFor(t)
    await t.rejects(async () => app.register(permit, strictly({ strict: { public: [entry] } })), { code: 'FST_PERMIT_OPTIONS' }, JSON.stringify(entry))
  }
  const app = fastifyFor(t)
  await t.rejects(async () => app.register(permit, strictly({ strict: { open: [] } as never })), { message: /"strict.open" is not known; expected one of public/ })
})

t.test('an entry of strict.public opens only what it names', async t => {
  const isPublic = (entry: string, method: string, url: string) => strictness([entry]).isPublic({ methods: [method], url, constraints: undefined })
  for (const [entry, method, url, expected] of [
    ['/docs', 'GET', '/docs', true], ['/docs', 'POST', '/docs', true], ['/docs', 'GET', '/docs/', false], ['/docs', 'GET', '/docs/json', false],
    ['/docs/*', 'GET', '/docs', true], ['/docs/*', 'GET', '/docs/', true], ['/docs/*', 'GET', '/docs/a/b', true],
    ['/docs/*', 'GET', '/docs2', false], ['/docs/*', 'GET', '/Docs/a', false], ['/docs/*', 'GET', '/v1/docs/a', false],
    ['GET /docs/*', 'POST', '/docs/a', false], ['GET /docs/*', 'GET', '/docs/a', true],
    ['/*', 'GET', '/*', true], ['/*', 'GET', '/tasks', false], ['/*', 'GET', '/', false], ['*', 'GET', '/tasks', false], ['*', 'OPTIONS', '*', true],
    ['OPTIONS *', 'GET', '*', false], ['/tasks/:id', 'GET', '/tasks/:id', true], ['/tasks/:id', 'GET', '/tasks/1', false]
  ] as const) t.equal(isPublic(entry, method, url), expected, `${entry} and ${method} ${url}`)
  const one = strictness(['GET /a'])
  t.equal(one.isPublic({ methods: ['GET', 'POST'], url: '/a', constraints: undefined }), false, 'every method of a route has to be named')
  t.equal(one.isPublic({ methods: [], url: '/a', constraints: undefined }), false)
})

t.test('whatever routes there are, the app starts when each is annotated, and lists those that are not', async t => {
  const said = fc.constantFrom('permission', 'public', 'hook', 'listed', 'nothing')
  await fc.assert(fc.asyncProperty(fc.array(said, { maxLength: 8 }), async kinds => {
    const app = fastifyFor(t)
    await app.register(permit, strictly({ strict: { public: ['/listed/*'] } }))
    for (const [index, kind] of kinds.entries()) {
      const url = `/${kind}/${index}`
      if (kind === 'permission') app.get(url, { config: { permit: 'task:list' } }, ok)
      else if (kind === 'public') app.get(url, { config: { permit: false } }, ok)
      else if (kind === 'hook') app.get(url, { preHandler: app.permit.guard('task:list') }, ok)
      else app.get(url, ok)
    }
    const silent = kinds.flatMap((kind, index) => kind === 'nothing' ? [`  GET /nothing/${index}`] : [])
    const error = await app.ready().then(() => undefined, (error: Error) => error)
    assert.deepEqual(error?.message.split('\n').filter(line => line.startsWith('  ')) ?? [], silent)
    for (const [index, kind] of kinds.entries()) {
      const { statusCode } = await app.inject(`/${kind}/${index}`)
      // The route's own guard may come before the question whether the app has started.
      if (silent.length > 0) assert.ok(statusCode === 500 || (['hook', 'permission'].includes(kind) && statusCode === 401), kind)
      else assert.equal(statusCode, kind === 'public' || kind === 'listed' ? 200 : 401)
    }
    await app.close()
  }), { numRuns: 40 })
})

t.test('the output of printRoutes() is parsed back: every route, with its methods and constraints', async t => {
  const app = fastifyFor(t)
  const routes = ['/', '/tasks', '/tasks/:id', '/tasks/:id/x-:y', '/a/:n(^\\d+$)/b', '/st/*', '/p/q/r/s', '/pq']
  for (const url of routes) app.get(url, ok)
  app.options('*', ok)
  app.route({ method: 'GET', url: '/tasks', constraints: { version: '1.0.0' }, handler: ok })
  app.post('/tasks', ok)
  await app.ready()
  t.same(routesPrinted(app.printRoutes()).map(({ methods, url, constraints }) => `${methods.join(',')} ${url} ${constraints ?? ''}`.trim()).sort(), [
    'GET,HEAD /tasks {"version":"1.0.0"}', 'OPTIONS *',
    ...routes.map(url => url === '/tasks' ? 'GET,HEAD,POST /tasks' : `GET,HEAD ${url}`)
  ].sort())
})

t.test('app.permit.routes() lists what every route requires', async t => {
  const app = await strictApp(t, { strict: { public: ['/docs'] } })
  app.get('/tasks', { config: { permit: 'task:list' } }, ok)
  app.get('/tasks/:id', { config: { permit: { action: 'list', resource: { type: 'task', key: '{id}', tenant: 'acme' } } } }, ok)
  app.get('/any', { config: { permit: { anyOf: ['task:list', { allOf: ['task:create', { action: 'read', resource: () => 'x', tenant: () => 'y' }] }] } } }, ok)
  app.get('/function', { config: { permit: () => 'task:list' } }, ok)
  app.post('/hook', { constraints: { version: '1.0.0' }, preHandler: app.permit.guard('task:create') }, ok)
  app.post('/both', { config: { permit: 'task:list' }, preHandler: app.permit.guard('task:create') }, ok)
  app.get('/healthz', { config: { permit: false } }, ok)
  app.get('/docs', ok)
  await app.ready()
  const nothing = { constraints: {}, permission: null, permissions: [], resource: null, tenant: null, public: true, guardedBy: null }
  t.same(app.permit.routes(), [
    { method: 'GET', url: '/tasks', constraints: {}, permission: 'task:list', permissions: ['task:list'], resource: 'task', tenant: 'default', public: false, guardedBy: 'annotation' },
    { method: 'GET', url: '/tasks/:id', constraints: {}, permission: 'task:list', permissions: ['task:list'], resource: 'task:{id}', tenant: 'acme', public: false, guardedBy: 'annotation' },
    {
      method: 'GET',
      url: '/any',
      constraints: {},
      permission: '(task:list or (task:create and (by function):read))',
      permissions: ['task:list', 'task:create'],
      resource: 'task, by function',
      tenant: 'default, by function',
      public: false,
      guardedBy: 'annotation'
    },
    { method: 'GET', url: '/function', constraints: {}, permission: 'by function', permissions: [], resource: 'by function', tenant: 'by function', public: false, guardedBy: 'annotation' },
    { method: 'POST', url: '/hook', constraints: { version: '1.0.0' }, permission: 'task:create', permissions: ['task:create'], resource: 'task', tenant: 'default', public: false, guardedBy: 'hook' },
    {
      method: 'POST',
      url: '/both',
      constraints: {},
      permission: 'task:create and task:list',
      permissions: ['task:create', 'task:list'],
      resource: 'task',
      tenant: 'default',
      public: false,
      guardedBy: 'annotation and hook'
    },
    { ...nothing, method: 'GET', url: '/healthz' },
    { ...nothing, method: 'GET', url: '/docs' }
  ])
})

t.test('with the option tenant, the tenant of a row is by function; a route from before is listed as unknown', async t => {
  const app = fastifyFor(t)
  app.get('/early', ok)
  await app.register(permit, strictly({ strict: false, tenant: () => 'a' }))
  app.get('/tasks', { config: { permit: 'task:list' } }, ok)
  await app.ready()
  t.match(app.permit.routes(), [
    { method: 'GET', url: '/early', permission: null, public: false, guardedBy: 'unknown' },
    { method: 'GET', url: '/tasks', tenant: 'by function' }
  ])
})
