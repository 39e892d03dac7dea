// `permit()` of Express 5 and 4: what an app gets from it, what its clients are told, what is logged, and how it ends.
import fc from 'fast-check'
import type { NextFunction, Request, Response } from 'express'
import t from 'tap'
import { ForbiddenError, guard, permit, UnauthenticatedError, UnavailableError, type PermitOptions } from '../../src/express/index.js'
import { createQuery } from '../../src/decision/query.js'
import type { DecisionPath } from '../../src/decision/path.js'
import { Gate, untilOpen } from '../../src/express/until-open.js'
import { deferred, pdpFor } from '../support/app.js'
import { appOf, authzFor, byHeader, EXPRESSES, guardedApp, listen, optionsFor, silentLog } from '../support/express.js'

for (const [version, express] of EXPRESSES) {
  t.test(`${version}: the two lines in the docs guard a route`, async t => {
    const pdp = await pdpFor(t, { decide: ({ user }) => user.key === 'ann' })
    process.env.PERMIT_PDP_URL = pdp.url
    process.env.PERMIT_API_KEY = pdp.token
    t.teardown(() => { delete process.env.PERMIT_PDP_URL; delete process.env.PERMIT_API_KEY })
    const app = appOf(express)
    app.use((request, _response, next) => { Object.assign(request, { user: { sub: request.headers['x-user'] } }); next() })
    const authz = permit({ log: silentLog().log })
    t.teardown(() => authz.close())
    app.use(authz)
    app.get('/tasks/:id', guard('task:retrieve'), (request, response) => { response.send(request.params.id) })
    app.get('/one/:id', guard({ action: 'retrieve', resource: 'task:{id}' }), (request, response) => { response.send(request.params.id) })
    const { ask } = await listen(t, app)
    t.match(await ask('/tasks/7', 'ann'), { status: 200, body: '7' })
    t.match(await ask('/one/7', 'ann'), { status: 200, body: '7' })
    t.match(pdp.questions, [{ action: 'retrieve', resource: { type: 'task', key: undefined } }, { resource: { type: 'task', key: '7' } }])
    t.equal((await ask('/one/7', 'eve')).status, 403)
  })

  t.test(`${version}: errors are passed to next, with status, statusCode and code, and never say why`, async t => {
    const { app, pdp } = await guardedApp(t, express)
    const errors: unknown[] = []
    app.get('/', guard('task:read'), (_request, response) => { response.send('in') })
    app.get('/inside', (request, _response, next) => { request.permit.assert('read', 'task').then(() => next(), next) })
    app.use((error: Error, _request: Request, _response: Response, next: NextFunction) => { errors.push(error); next(error) })
    const { ask } = await listen(t, app)
    for (const path of ['/', '/inside']) {
      const answers = [await ask(path), await ask(path, 'eve')]
      t.same(answers.map(({ status }) => status), [401, 403])
      t.notMatch(answers[1]?.body, /no_permission|eve|denial|does not have/)
    }
    await pdp.close()
    for (const path of ['/', '/inside']) {
      const { status, headers, body } = await ask(path, 'ann')
      t.equal(status, 503)
      t.equal(headers.get('retry-after'), '1', path)
      t.notMatch(body, /ECONNREFUSED|127\.0\.0\.1|cause/)
    }
    t.match(errors, [
      { code: 'FST_PERMIT_UNAUTHENTICATED', status: 401, statusCode: 401 }, { code: 'FST_PERMIT_FORBIDDEN', status: 403, statusCode: 403 }, {}, {},
      { code: 'FST_PERMIT_UNAVAILABLE', status: 503, statusCode: 503 }, {}
    ])
    t.ok(errors[0] instanceof UnauthenticatedError && errors[1] instanceof ForbiddenError && errors[4] instanceof UnavailableError)
    t.notOk('status' in { ...errors[1] as object }, 'and a spread error is as before')
  })

  t.test(`${version}: Retry-After is sent with a custom error body, too`, async t => {
    const { app, pdp } = await guardedApp(t, express)
    app.get('/', guard('task:read'), (_request, response) => { response.send('in') })
    app.use((error: { status: number }, _request: Request, response: Response, _next: NextFunction) => { response.status(error.status).json({ ...error }) })
    await pdp.close()
    const { ask } = await listen(t, app)
    const { headers, status, body } = await ask('/', 'ann')
    t.equal(status, 503)
    t.equal(headers.get('retry-after'), '1')
    t.notMatch(body, /ECONNREFUSED|127\.0\.0\.1|cause/)
  })

  t.test(`${version}: a cached or embedded decision is available in the same tick`, async t => {
    const pdp = await pdpFor(t, { decide: ({ user }) => user.key === 'ann' })
    const remote = authzFor(t, optionsFor(pdp, { cache: { ttl: 60_000 } }))
    const embedded = authzFor(t, {
      user: byHeader,
      policy: { resources: { task: { actions: { read: {} } } }, roles: { r: { permissions: ['task:read'] } }, users: { ann: {} }, role_assignments: [{ user: 'ann', role: 'r' }] }
    })
    await Promise.all([remote.ready(), embedded.ready()])
    for (const user of ['ann', 'eve']) await remote.permit.check(user, 'read', 'task')
    for (const authz of [remote, embedded]) {
      const request = (user: string | undefined) => ({ headers: { 'x-user': user }, params: {}, socket: {} }) as unknown as Request
      for (const [user, code] of [['ann', undefined], ['eve', 'FST_PERMIT_FORBIDDEN'], [undefined, 'FST_PERMIT_UNAUTHENTICATED']]) {
        let called = 0
        let error: { code?: string } | undefined
        authz.guard('task:read')(request(user), {} as Response, given => { called++; error = given as typeof error })
        t.equal(called, 1, 'next was called before the guard returned')
        t.equal(error?.code, code)
      }
    }
  })

  t.test(`${version}: req.permit and authz.permit answer like with Fastify`, async t => {
    const { app, authz, pdp } = await guardedApp(t, express, { cache: { ttl: 60_000 }, tenant: request => request.headers['x-tenant'] }, { decide: ({ resource }) => resource.key !== '2' })
    app.get('/', async (request, response) => {
      response.json({
        check: await request.permit.check('read', 'task:1'),
        bulk: await request.permit.bulkCheck([{ action: 'read', resource: 'task:1' }, { action: 'read', resource: 'task:2' }]),
        filter: await request.permit.filter('read', ['1', '2', '3'], key => ({ type: 'task', key })),
        explain: await request.permit.explain('read', 'task:2'),
        permissions: await request.permit.permissions()
      })
    })
    const { ask } = await listen(t, app)
    const { body } = await ask('/', 'ann', { headers: { 'x-tenant': 'acme' } })
    t.match(JSON.parse(body), {
      check: true,
      bulk: [true, false],
      filter: ['1', '3'],
      explain: { allow: false, code: 'no_permission', source: 'cache' },
      permissions: { '__tenant:default': { permissions: ['task:retrieve'] } }
    })
    t.equal(pdp.questions[0]?.resource.tenant, 'acme')
    t.equal(await authz.permit.check('ann', 'read', 'task:1'), true)
    await t.rejects(authz.permit.assert('ann', 'read', 'task:2'), { code: 'FST_PERMIT_FORBIDDEN', status: 403 })
    t.match(authz.permit.stats(), { cache: { max: 50_000 }, pdp: { failures: 0 } })
    t.match(await authz.permit.health(), { ok: true, pdp: pdp.url })
    const asked = pdp.questions.length
    authz.permit.invalidate('ann')
    await authz.permit.check('ann', 'read', 'task:1')
    t.equal(pdp.questions.length, asked + 1)
  })

  t.test(`${version}: denials, missing decisions and mistakes that are hidden from the client are logged`, async t => {
    const { log, lines } = silentLog()
    const { app, pdp } = await guardedApp(t, express, { log })
    app.get('/', guard('task:read'), () => {})
    app.get('/mistake', guard({ action: 'read', resource: () => ({ type: '' }) }), () => {})
    const { ask } = await listen(t, app)
    await ask('/', 'eve')
    const mistake = await ask('/mistake', 'ann')
    await pdp.close()
    await ask('/', 'ann')
    t.match(lines.filter(({ level }) => level !== 'debug'), [
      { level: 'info', message: 'permit: denied', details: { permit: { user: 'eve', action: 'read', resource: 'task', code: 'no_permission' } } },
      { level: 'error', details: { err: { code: 'FST_PERMIT_QUERY' } } },
      { level: 'warn', message: 'permit: no decision', details: { permit: { failure: 'network' } } }
    ])
    t.equal(mistake.status, 500)
    t.notMatch(mistake.body, /type/)
    t.notMatch(JSON.stringify(lines), pdp.token)
  })

  t.test(`${version}: a log that throws neither prevents a response nor allows a request`, async t => {
    const fails = () => { throw new Error('disk full') }
    const { app } = await guardedApp(t, express, { log: { debug () {}, info: fails, warn: fails, error: fails } })
    app.get('/', guard('task:read'), () => {})
    const { ask } = await listen(t, app)
    t.equal((await ask('/', 'eve')).status, 403)
  })

  t.test(`${version}: an error of the handler is handled once, as usual`, async t => {
    const { app } = await guardedApp(t, express, { cache: {} })
    let ran = 0
    app.get('/sync', guard('task:read'), () => { ran++; throw new Error('mine') })
    app.get('/async', guard('task:read'), async (_request, _response, next) => {
      ran++
      // Express 4 does not look at what a handler returns.
      if (version === 'Express 4') next(new Error('mine'))
      else throw new Error('mine')
    })
    const { ask } = await listen(t, app)
    for (const path of ['/sync', '/sync', '/async', '/async']) t.equal((await ask(path, 'ann')).status, 500)
    t.equal(ran, 4)
  })

  t.test(`${version}: a client that disconnects during the decision does no harm`, async t => {
    const asked = deferred<(allow: boolean) => void>()
    const { app } = await guardedApp(t, express, {}, { decide: question => question.user.key === 'gone' ? new Promise(resolve => asked.resolve(resolve)) : true })
    let ran = 0
    app.get('/', guard('task:read'), (_request, response) => { ran++; response.send('in') })
    const { ask } = await listen(t, app)
    const abort = new AbortController()
    const gone = ask('/', 'gone', { signal: abort.signal }).catch((error: Error) => error.name)
    const answer = await asked.promise
    abort.abort()
    t.equal(await gone, 'AbortError')
    answer(false)
    t.equal((await ask('/', 'ann')).status, 200)
    t.equal(ran, 1)
  })
}

for (const [version, express] of EXPRESSES) {
  t.test(`${version}: onDecision is called once for a guard, whether the request has passed the middleware or not`, async t => {
    for (const uses of [0, 1, 2]) {
      const pdp = await pdpFor(t, { decide: () => true })
      const events: string[] = []
      const authz = authzFor(t, optionsFor(pdp, { onDecision: ({ action }, request) => { events.push(`${action} ${request?.url}`) } }))
      const app = appOf(express)
      for (let use = 0; use < uses; use++) app.use(authz)
      app.get('/tasks', authz.guard('task:list'), (_request, response) => { response.send('ok') })
      const { ask } = await listen(t, app)
      t.equal((await ask('/tasks', 'ann')).status, 200)
      await new Promise(resolve => setTimeout(resolve, 20))
      t.same(events, ['list /tasks'])
    }
  })
}

t.test('invalid options are thrown at once, with the messages of the Fastify plugin', async t => {
  t.throws(() => permit({ policy: {}, pdp: 'http://localhost:7766' }), { code: 'FST_PERMIT_OPTIONS', message: /both/ })
  t.throws(() => permit({ policy: {}, timeout: 0 }), { code: 'FST_PERMIT_OPTIONS', message: /timeout/ })
  t.throws(() => permit({ policy: {}, other: 1 } as PermitOptions), { code: 'FST_PERMIT_OPTIONS', message: /"other" is not known/ })
  for (const nothing of [undefined, null, 7]) t.throws(() => permit(nothing as never), { code: 'FST_PERMIT_OPTIONS', message: /object/ })
  for (const log of [null, true, {}, { info () {}, warn () {}, error () {} }]) t.throws(() => permit({ policy: {}, log: log as never }), { code: 'FST_PERMIT_OPTIONS', message: /log/ })
})

t.test('an invalid requirement is thrown when the guard is created', async t => {
  for (const wrong of [false, undefined, null, 7, 'task', {}, { anyOf: [] }, { action: 'read', resource: '{type}:1' }, { action: 'read', resource: 'task:{id' }]) {
    t.throws(() => guard(wrong as never), { code: 'FST_PERMIT_ANNOTATION', message: /^guard/ })
  }
})

t.test('checks before the PDP is open wait until it is, also while closing', async t => {
  const authz = permit({ log: silentLog().log, policy: { resources: { task: { actions: { read: {} } } }, roles: { r: { permissions: ['task:read'] } } } })
  t.same(await authz.permit.health(), { ok: false, pdp: 'embedded', reason: 'it has not started' })
  const { api } = authz.permit
  await authz.permit.write(api.syncUser({ key: 'ann', roles: [{ role: 'r', tenant: 'default' }] }))
  t.equal(await authz.permit.check('ann', 'read', 'task'), true)
  t.match(await authz.permit.permissions('ann'), { '__tenant:default': { permissions: ['task:read'] } })
  await authz.close()

  const first = permit({ log: silentLog().log, policy: {} })
  t.same(await Promise.all([first.permit.permissions('ann'), first.permit.bulkCheck('ann', [])]), [{}, []])
  await first.close()
  await authz.close()

  const shut = permit({ log: silentLog().log, policy: {} })
  await shut.close()
  await t.rejects(shut.permit.check('ann', 'read', 'task'), { code: 'FST_PERMIT_UNAVAILABLE' })
})

t.test('a guard before the PDP is open waits for the decision, at most until the deadline', async t => {
  const request = (user: string) => ({ headers: { 'x-user': user }, params: {}, socket: {} }) as unknown as Request
  const response = { setHeader () {} } as unknown as Response
  const ask = (authz: ReturnType<typeof permit>, user: string) =>
    new Promise<unknown>(resolve => { authz.guard('task:read')(request(user), response, resolve) })

  const authz = authzFor(t, { user: byHeader, policy: { resources: { task: { actions: { read: {} } } }, roles: { r: { permissions: ['task:read'] } }, users: { ann: {} }, role_assignments: [{ user: 'ann', role: 'r' }] } })
  t.match(await Promise.all([ask(authz, 'ann'), ask(authz, 'eve')]), [undefined, { code: 'FST_PERMIT_FORBIDDEN' }])

  const gate = new Gate()
  const start = performance.now()
  await t.rejects(gate.wait(start + 40), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'timeout' } })
  t.ok(performance.now() - start >= 39)
  await t.rejects(gate.wait(start), { code: 'FST_PERMIT_UNAVAILABLE' }, 'and not beyond a deadline that has passed')
  gate.open()
  await gate.wait(start)
})

t.test('the deadline of a check starts when the PDP is open: loading does not count', async t => {
  const gate = new Gate()
  const left: number[] = []
  let load!: (path: DecisionPath) => void
  const options = { origin: { kind: 'policy', policy: {} }, cache: false, timeout: 50 } as const
  const path = untilOpen({ options, load: () => new Promise(resolve => { load = resolve }) } as never, gate)
  const query = createQuery('ann', 'read', 'task')
  const decided = path.point.decide(query, performance.now() + 50)
  const outcome = new Promise((resolve, reject) => {
    path.point.ask(query, performance.now() + 50, { settle: resolve, fail: reject }, { source: undefined })
  })
  await new Promise(resolve => setTimeout(resolve, 60))
  const allow = { allow: true }
  const point: DecisionPath['point'] = {
    peek: () => undefined,
    decide (_query, deadline) { left.push(deadline - performance.now()); return allow },
    ask (_query, deadline, outcome) { left.push(deadline - performance.now()); outcome.settle(allow) },
    stats: () => ({})
  }
  load({ point } as DecisionPath)
  await new Promise(resolve => setImmediate(resolve))
  gate.open()
  t.same([await decided, await outcome], [allow, allow])
  for (const time of left) t.ok(time > 0 && time <= 50, `${time} ms are left`)
  t.equal(left.length, 2)
})

t.test('a gate that has failed stays closed, for current and later checks', async t => {
  const gate = new Gate()
  const waits = t.rejects(gate.wait(performance.now() + 60_000), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'closed' } })
  gate.fail()
  await waits
  await t.rejects(gate.wait(performance.now() + 60_000), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'closed' } })
  t.equal(gate.isOpen, false)
})

t.test('without a log, problems are printed to the console', async t => {
  const said = t.capture(console, 'error', () => {})
  const authz = permit({ policy: { roles: { r: { permissions: ['nothing:read'] } } } })
  await t.rejects(authz.ready(), { code: 'FST_PERMIT_POLICY' })
  t.match(said(), [{ args: [/could not start/, { err: { code: 'FST_PERMIT_POLICY' } }] }])
  await authz.close()
})

t.test('options that Express cannot support are refused', t => {
  t.throws(() => guard('url'), { code: 'FST_PERMIT_ANNOTATION', message: /for Fastify only, because Express does not tell a guard its path.*guard\(\{ url: '\/tasks\/\{id\}' \}\)/ })
  for (const name of ['strict', 'openapi']) {
    t.throws(() => permit({ policy: {}, [name]: true } as never), { code: 'FST_PERMIT_OPTIONS', message: new RegExp(`"${name}" is given; expected only with Fastify`) })
  }
  t.end()
})

t.test('nothing that only Fastify can enforce is accepted and then enforced nowhere', t => {
  const urls = fc.record({ base: fc.constantFrom('https://api.example.com', 'http://localhost:3000', 'no url'), default: fc.boolean() })
  const option = fc.oneof(
    urls.map(urls => ({ urls })), fc.constantFrom(true, { public: ['/docs'] }).map(strict => ({ strict })),
    fc.constant({ routes: [{ url: '/docs/*', permit: 'docs:read' }] }), fc.boolean().map(openapi => ({ openapi }))
  )
  const others = fc.record({ tenant: fc.constant(() => 'acme'), denials: fc.constant('debug'), cache: fc.constant({ ttl: 5 }) }, { requiredKeys: [] })
  fc.assert(fc.property(option, others, fc.constantFrom({ policy: {} }, { pdp: 'http://127.0.0.1:9', token: 'x' }), (option, others, origin) => {
    t.throws(() => permit({ ...origin, ...others, ...option } as never), { code: 'FST_PERMIT_OPTIONS', message: /is given; expected only with Fastify/ })
  }), { numRuns: 200, examples: [[{ urls: { base: 'https://api.example.com', default: true } }, {}, { policy: {} }]] })
  t.end()
})
