// Ways to get in without a decision, tried one after the other on Express 5 and 4. None may run the handler.
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import t from 'tap'
import { guard, type Annotation, type PermitOptions } from '../../src/express/index.js'
import { appOf, authzFor, EXPRESSES, guardedApp, listen, optionsFor, silentLog, type Express } from '../support/express.js'
import { deferred, pdpFor } from '../support/app.js'
import { sendJson } from '../support/fake-pdp.js'

const POLICY: PermitOptions['policy'] = {
  resources: { task: { actions: { read: {} } } },
  roles: { reader: { permissions: ['task:read'] } },
  users: { ann: {}, eve: {} },
  role_assignments: [{ user: 'ann', role: 'reader' }]
}

for (const [version, express] of EXPRESSES) {
  const twice = (_request: Request, _response: Response, next: NextFunction) => { next(); next() }

  t.test(`${version}: a guard without permit() refuses every request with 500`, async t => {
    const app = appOf(express)
    let ran = 0
    app.get('/', guard('task:read'), (_request, response) => { ran++; response.send('in') })
    // Too late is as good as never.
    app.use(authzFor(t, { policy: POLICY, user: () => 'ann' }))
    app.use((error: { code: string, status: number }, _request: Request, response: Response, _next: NextFunction) => {
      response.status(error.status).send(error.code)
    })
    const { ask } = await listen(t, app)
    t.match(await ask('/', 'ann'), { status: 500, body: 'FST_PERMIT_OPTIONS' })
    t.equal(ran, 0)
  })

  t.test(`${version}: an invalid policy is logged, and guarded routes answer 503`, async t => {
    const { log, lines } = silentLog()
    const authz = authzFor(t, { policy: { roles: { admin: { permissions: ['nothing:read'] } } }, user: () => 'ann', log })
    const app = appOf(express)
    let ran = 0
    app.use(authz)
    app.get('/', guard('task:read'), (_request, response) => { ran++; response.send('in') })
    app.get('/ask', (request, response, next) => { request.permit.check('read', 'task').then(allowed => response.json(allowed), next) })
    const { ask } = await listen(t, app)
    const answers = await Promise.all([ask('/'), ask('/ask')])
    for (const answer of answers) {
      t.equal(answer.status, 503)
      t.equal(answer.headers.get('retry-after'), '1')
    }
    await t.rejects(authz.ready(), { code: 'FST_PERMIT_POLICY' })
    t.match(lines, [{ level: 'error', message: /could not start/, details: { err: { code: 'FST_PERMIT_POLICY' } } }])
    t.match(await ask('/'), { status: 503 })
    await t.rejects(authz.permit.check('ann', 'read', 'task'), { code: 'FST_PERMIT_UNAVAILABLE' })
    await t.rejects(authz.permit.permissions('ann'), { code: 'FST_PERMIT_UNAVAILABLE' })
    t.match(await authz.permit.health(), { ok: false })
    t.equal(ran, 0)
  })

  t.test(`${version}: the very first request is decided, neither refused nor let through`, async t => {
    const app = appOf(express)
    app.use(authzFor(t, { policy: POLICY, user: request => request.headers['x-user'] as string }))
    app.get('/', guard('task:read'), (_request, response) => { response.send('in') })
    const { ask } = await listen(t, app)
    t.match(await Promise.all([ask('/', 'ann'), ask('/', 'eve'), ask('/')]), [{ status: 200 }, { status: 403 }, { status: 401 }])
  })

  t.test(`${version}: after closing, guarded routes answer 503`, async t => {
    const { app, authz } = await guardedApp(t, express, { cache: { ttl: 60_000 } })
    let ran = 0
    app.get('/:what', guard({ action: 'read', resource: 'task:{what}' }), (_request, response) => { ran++; response.send('in') })
    const { ask } = await listen(t, app)
    t.equal((await ask('/1', 'ann')).status, 200)
    await authz.close()
    t.equal((await ask('/2', 'ann')).status, 503)
    t.equal(ran, 1)
  })

  t.test(`${version}: a param that the path does not have is refused`, async t => {
    const { app, pdp } = await guardedApp(t, express)
    let ran = 0
    const handler = (_request: Request, response: Response) => { ran++; response.send('in') }
    const one = guard({ action: 'read', resource: 'task:{id}' })
    app.get('/none', one, handler)
    app.get('/typo/:idd', one, handler)
    app.get('/inherited/:x', guard({ action: 'read', resource: 'task:{constructor}' }), handler)
    const unmerged = express.Router()
    unmerged.get('/', one, handler)
    app.use('/unmerged/:id', unmerged)
    // Before its routes a router does not know their params.
    const early = express.Router()
    early.use(one)
    early.get('/:id', handler)
    app.use('/early', early)
    const { ask } = await listen(t, app)
    for (const path of ['/none', '/typo/7', '/inherited/7', '/unmerged/7', '/early/7']) t.equal((await ask(path, 'ann')).status, 403, path)
    t.equal(ran, 0)
    t.equal(pdp.questions.length, 0, 'and nobody was asked about half a key')
  })

  t.test(`${version}: a router with merged params checks what its handler sees`, async t => {
    const { app, pdp } = await guardedApp(t, express)
    const tenants = express.Router({ mergeParams: true })
    tenants.get('/tasks/:id', guard({ action: 'read', resource: 'task:{org}-{id}' }), (request, response) => { response.json(request.params) })
    // The inner one of two params with one name wins, for guard and handler alike.
    tenants.get('/again/:org', guard({ action: 'read', resource: 'task:{org}' }), (request, response) => { response.json(request.params) })
    app.use('/:org', tenants)
    const { ask } = await listen(t, app)
    t.same(JSON.parse((await ask('/acme/tasks/7', 'ann')).body), { org: 'acme', id: '7' })
    t.same(JSON.parse((await ask('/acme/again/evil', 'ann')).body), { org: 'evil' })
    t.same(pdp.questions.map(({ resource }) => resource.key), ['acme-7', 'evil'])
    t.equal((await ask('/a-c/tasks/7', 'ann')).status, 403, 'and a key that is ambiguous is refused')
  })

  t.test(`${version}: a param changed by app.param is checked as the handler sees it, and an object is refused`, async t => {
    const { app, pdp } = await guardedApp(t, express)
    let ran = 0
    app.param('id', (request, _response, next, id: string) => { request.params.id = `real-${id}`; next() })
    app.param('thing', (request, _response, next) => { request.params.thing = { toString: () => 'mine' } as never; next() })
    app.get('/tasks/:id', guard({ action: 'read', resource: 'task:{id}' }), (request, response) => { ran++; response.send(request.params.id) })
    app.get('/things/:thing', guard({ action: 'read', resource: 'task:{thing}' }), (_request, response) => { ran++; response.send('in') })
    const { ask } = await listen(t, app)
    t.match(await ask('/tasks/7', 'ann'), { status: 200, body: 'real-7' })
    t.equal(pdp.questions[0]?.resource.key, 'real-7')
    t.equal((await ask('/things/7', 'ann')).status, 500)
    t.equal(ran, 1)
  })

  t.test(`${version}: a wildcard is one key or is refused`, async t => {
    const { log, lines } = silentLog()
    const { app, pdp } = await guardedApp(t, express, { log })
    let ran = 0
    const five = version === 'Express 5'
    app.get(five ? '/files/*path' : '/files/*', guard({ action: 'read', resource: five ? 'file:{path}' : 'file:{0}' }), (_request, response) => { ran++; response.send('in') })
    const { ask } = await listen(t, app)
    if (five) {
      // An array: ['a', 'b'] and ['a/b'] would be one key.
      for (const path of ['/files/a', '/files/a/b', '/files/a%2Fb']) t.equal((await ask(path, 'ann')).status, 500, path)
      t.equal(pdp.questions.length, 0)
      t.equal(ran, 0)
      t.match(lines.find(({ level }) => level === 'error'), { details: { err: { code: 'FST_PERMIT_QUERY', message: /"path"/ } } })
    } else {
      t.equal((await ask('/files/a/b', 'ann')).status, 200)
      t.equal(pdp.questions[0]?.resource.key, 'a/b')
    }
  })

  t.test(`${version}: every spelling of a path that Express accepts, and every method, is guarded`, async t => {
    const { app, pdp } = await guardedApp(t, express, {}, { decide: () => false })
    let ran = 0
    app.get('/tasks/:id', guard({ action: 'read', resource: 'task:{id}' }), (_request, response) => { ran++; response.send('in') })
    app.all('/all/:id', guard({ action: 'read', resource: 'task:{id}' }), (_request, response) => { ran++; response.send('in') })
    const { ask } = await listen(t, app)
    for (const path of ['/tasks/1', '/TASKS/1', '/tasks/1/', '/tasks/%31', '/tasks/1?id=2', '/%74asks/1', '/tasks/1%2F..%2F2', '/tasks/%00']) {
      for (const method of ['GET', 'HEAD']) t.ok([403, 404].includes((await ask(path, 'eve', { method })).status), `${method} ${path}`)
    }
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) t.equal((await ask('/all/1', 'eve', { method })).status, 403, method)
    t.equal((await ask('/tasks/%', 'eve')).status, 400)
    t.equal((await ask('/tasks/1', 'eve', { method: 'OPTIONS' })).status, 200, 'which methods there are is told by Express itself')
    t.equal(ran, 0)
    t.ok(pdp.questions.length > 10)
  })

  t.test(`${version}: a function of the app that throws, rejects or returns something else never allows`, async t => {
    const odd: unknown[] = [undefined, null, true, 'route', 'router', 0, false, new Error('mine'), Object.assign(new Error('mine'), { status: 200 }), { then: 1 }]
    const annotations: Annotation[] = odd.flatMap((thrown): Annotation[] => [
      () => { throw thrown },
      () => Promise.reject(thrown),
      () => thrown as never,
      () => Promise.resolve(thrown as never),
      { action: 'read', resource: () => { throw thrown } },
      { action: 'read', resource: 'task', tenant: () => Promise.reject(thrown) },
      { anyOf: [{ action: 'read', resource: () => { throw thrown } }, { action: 'read', resource: () => Promise.reject(thrown) }] }
    ])
    const { app } = await guardedApp(t, express)
    let ran = 0
    annotations.forEach((annotation, index) => app.get(`/${index}`, guard(annotation), (_request, response) => { ran++; response.send('in') }))
    app.use((_request: Request, response: Response) => { response.status(404).send('fell through') })
    const { ask } = await listen(t, app)
    for (const index of annotations.keys()) {
      const { status, body } = await ask(`/${index}`, 'ann')
      t.ok(status >= 500, `${index}: ${status} ${body.slice(0, 60)}`)
    }
    t.equal(ran, 0)
  })

  t.test(`${version}: a user function that throws never allows`, async t => {
    for (const thrown of [undefined, true, 'route', 'router', new Error('mine')]) {
      for (const user of [() => { throw thrown }, () => Promise.reject(thrown)]) {
        const { app } = await guardedApp(t, express, { user })
        let ran = 0
        app.get('/', guard('task:read'), (_request, response) => { ran++; response.send('in') })
        app.get('/', (_request, response) => { response.status(404).send('fell through') })
        const { ask } = await listen(t, app)
        t.equal((await ask('/')).status, 500)
        t.equal(ran, 0)
      }
    }
  })

  t.test(`${version}: an invalid answer never allows`, async t => {
    let answer: unknown
    const { app } = await guardedApp(t, express, {}, { intercept: (_request, response) => { sendJson(response, 200, answer); return true } })
    let ran = 0
    app.get('/', guard('task:read'), (_request, response) => { ran++; response.send('in') })
    const { ask } = await listen(t, app)
    for (answer of [{ allow: 'true' }, { allow: 1 }, { result: true }, [{ allow: true }], true, null]) t.equal((await ask('/', 'ann')).status, 503)
    t.equal(ran, 0)
  })

  t.test(`${version}: a user that is set after the guard is too late`, async t => {
    const { app } = await guardedApp(t, express, { user: undefined })
    let ran = 0
    const logIn = (request: Request, _response: Response, next: NextFunction) => { (request as { user?: object }).user = { sub: 'ann' }; next() }
    app.get('/late', guard('task:read'), logIn, (_request, response) => { ran++; response.send('in') })
    app.get('/early', logIn, guard('task:read'), (_request, response) => { response.send('in') })
    const { ask } = await listen(t, app)
    t.equal((await ask('/late')).status, 401)
    t.equal((await ask('/early')).status, 200)
    t.equal(ran, 0)
  })

  for (const allow of [true, false]) {
    t.test(`${version}: a middleware that calls next twice cannot bypass a guard that waits for ${allow ? 'an allow' : 'a deny'}`, async t => {
      const build: Record<string, (app: ReturnType<Express>, handler: RequestHandler) => void> = {
        '/route': (app, handler) => app.get('/route', twice, guard('task:read'), handler),
        '/router': (app, handler) => {
          const router = express.Router()
          router.use(twice, guard('task:read'))
          router.get('/', handler)
          app.use('/router', router)
        },
        '/before-router': (app, handler) => {
          const router = express.Router()
          router.get('/', handler)
          app.use('/before-router', twice, guard('task:read'), router)
        },
        '/mounted': (app, handler) => {
          const mounted = appOf(express)
          mounted.use(guard('task:read'))
          app.use('/mounted', twice, mounted)
          app.use('/mounted', handler)
        },
        '/two-routes': (app, handler) => {
          app.all('/two-routes', twice, guard('task:read'))
          app.get('/two-routes', handler)
        },
        '/two-guards': (app, handler) => app.get('/two-guards', twice, guard('task:read'), guard('task:other'), handler),
        // Of a router that is called as a function nobody knows. But its second guard knows that the first one waits.
        '/hidden': (app, handler) => {
          const hidden = express.Router()
          hidden.use(twice, guard('task:read'), guard('task:other'), handler)
          app.use((request, response, next) => { hidden(request, response, next) })
        },
        // Out of a route of its own, there is the 404.
        ...(allow
          ? {}
          : {
              '/not-found': (app: ReturnType<Express>, handler: RequestHandler) => {
                app.get('/not-found', twice)
                app.get('/not-found', guard('task:read'), handler)
              }
            })
      }
      for (const [path, routes] of Object.entries(build)) {
        const asked = deferred<(allow: boolean) => void>()
        // The second guard of a route gets its answer at once.
        const { app } = await guardedApp(t, express, {}, { decide: ({ action }) => action === 'other' || new Promise(resolve => asked.resolve(resolve)) })
        let ran = 0
        routes(app, (_request, response) => { ran++; response.send('in') })
        const { ask } = await listen(t, app)
        const answer = ask(path, 'ann')
        const decide = await asked.promise
        // Whatever Express does twice in one tick has been done by now, and the second guard has its answer.
        await new Promise(resolve => setTimeout(resolve, 20))
        t.equal(ran, 0, `${path}: nothing ran before the decision`)
        decide(allow)
        t.equal((await answer).status, path === '/not-found' ? 404 : 500, path)
        t.equal(ran, 0, path)
      }
    })
  }

  t.test(`${version}: a middleware that calls next again after a denial cannot bypass the guard`, async t => {
    const answers: Record<string, Partial<PermitOptions>> = {
      'by onDenied': { onDenied: (_request, response) => { response.status(418).send('no') } },
      'by onDenied, which takes its time': { onDenied: async (_request, response) => response },
      'by somebody else, meanwhile': {}
    }
    for (const [name, options] of Object.entries(answers)) {
      const decided = deferred<boolean>()
      const asked = deferred<void>()
      const { app } = await guardedApp(t, express, options, { decide: () => { asked.resolve(); return decided.promise } })
      let ran = 0
      let goOn = () => {}
      const answerMeanwhile: RequestHandler = (_request, response, next) => {
        if (name === 'by somebody else, meanwhile') asked.promise.then(() => response.status(418).send('no'))
        next()
      }
      app.get('/', answerMeanwhile, (_request, _response, next) => { goOn = next; next() }, guard('task:read'), (_request, response) => { ran++; response.end('in') })
      const { ask } = await listen(t, app)
      const answer = ask('/', 'ann').then(({ status }) => status, () => 'cut')
      await asked.promise
      await new Promise(resolve => setTimeout(resolve, 10))
      decided.resolve(false)
      await new Promise(resolve => setTimeout(resolve, 30))
      goOn()
      t.ok([418, 500].includes(await answer as number), name)
      t.equal(ran, 0, name)
    }
  })

  t.test(`${version}: an error handler that calls next reaches the handlers that the app wants`, async t => {
    const { app } = await guardedApp(t, express)
    app.get('/', guard('task:read'), (_request, response) => { response.send('in') })
    app.use((error: { status: number }, _request: Request, _response: Response, next: NextFunction) => { next(error.status === 403 ? undefined : error) })
    app.get('/', (_request, response) => { response.send('for others') })
    const { ask } = await listen(t, app)
    t.match(await ask('/', 'eve'), { status: 200, body: 'for others' })
    t.match(await ask('/', 'ann'), { status: 200, body: 'in' })
  })

  t.test(`${version}: the innermost app decides, and its options do not apply after it passes a request on`, async t => {
    const outer = await pdpFor(t, { decide: ({ user }) => user.key === 'outer' })
    const inner = await pdpFor(t, { decide: ({ user }) => user.key === 'inner' })
    const app = appOf(express)
    app.use(authzFor(t, optionsFor(outer)))
    const handler = (request: Request, response: Response, next: NextFunction) => {
      request.permit.check('read', 'task').then(allowed => response.json(allowed), next)
    }
    const sub = appOf(express)
    sub.use(authzFor(t, optionsFor(inner)))
    sub.get('/own', guard('task:read'), handler)
    const router = express.Router()
    router.get('/routed', guard('task:read'), handler)
    sub.use(router)
    const without = appOf(express)
    without.get('/without', guard('task:read'), handler)
    sub.use(without)
    app.use('/sub', sub)
    // The mounted app has no such route, and passes the request on.
    app.get('/sub/outer', guard('task:read'), handler)
    app.get('/outer', guard('task:read'), handler)
    const { ask } = await listen(t, app)
    for (const path of ['/sub/own', '/sub/routed', '/sub/without']) {
      t.match(await ask(path, 'inner'), { status: 200, body: 'true' }, path)
      t.equal((await ask(path, 'outer')).status, 403, path)
    }
    for (const path of ['/sub/outer', '/outer']) {
      t.match(await ask(path, 'outer'), { status: 200, body: 'true' }, path)
      t.equal((await ask(path, 'inner')).status, 403, path)
    }
  })

  t.test(`${version}: a permit() of an app that the request has left does not apply elsewhere`, async t => {
    const scopeOf = async (user: string) => authzFor(t, optionsFor(await pdpFor(t, { decide: question => question.user.key === user })))
    const enter: Record<string, (child: ReturnType<Express>) => RequestHandler> = {
      mounted: child => child,
      'called as a function': child => (request, response, next) => { child(request, response, next) }
    }
    for (const [how, via] of Object.entries(enter)) {
      for (const order of ['first', 'second']) {
        const guarded = appOf(express)
        guarded.get('/tasks', guard('task:read'), (_request, response) => { response.send('in') })
        const first = appOf(express)
        first.use(await scopeOf('one'))
        const second = appOf(express)
        second.use(await scopeOf('two'))
        // The last one to mount it is its parent, for Express.
        for (const parent of order === 'first' ? [first, second] : [second, first]) parent.use(parent === first ? '/one' : '/two', via(guarded))
        const app = appOf(express)
        app.use(via(first))
        app.use(via(second))
        app.use('/none', via(guarded))
        const { ask } = await listen(t, app)
        const name = `${how}, ${order}`
        for (const [path, right, wrong] of [['/one/tasks', 'one', 'two'], ['/two/tasks', 'two', 'one']] as const) {
          t.match(await ask(path, right), { status: 200, body: 'in' }, `${name}: ${path} is decided for ${right}`)
          t.equal((await ask(path, wrong)).status, 403, `${name}: ${path} is decided against ${wrong}`)
        }
        for (const user of ['one', 'two']) t.equal((await ask('/none/tasks', user)).status, 500, name)
      }
    }
  })

  t.test(`${version}: a permit() in a router applies to its app, and to no other`, async t => {
    const { authz } = await guardedApp(t, express)
    const app = appOf(express)
    const mounted = appOf(express)
    const outer = express.Router()
    const inner = express.Router()
    inner.use(authz)
    outer.use(inner)
    mounted.use(outer)
    mounted.get('/in', guard('task:read'), (_request, response) => { response.send('in') })
    app.use(mounted)
    app.get('/out', guard('task:read'), (_request, response) => { response.send('in') })
    app.get('/permit', (request, response) => { response.send(typeof request.permit) })
    const { ask } = await listen(t, app)
    t.equal((await ask('/in', 'ann')).status, 200)
    t.equal((await ask('/in', 'eve')).status, 403)
    t.equal((await ask('/out', 'ann')).status, 500)
    t.equal((await ask('/permit', 'ann')).body, 'undefined')
  })

  t.test(`${version}: a request that is in two routers at once is refused`, async t => {
    const { app } = await guardedApp(t, express, {}, { decide: () => true })
    let ran = 0
    const held: NextFunction[] = []
    const inner = express.Router()
    inner.use((_request, _response, next) => { held.push(next); next() })
    const outer = express.Router()
    outer.use(inner)
    app.use(outer)
    app.use((_request, _response, next) => { setImmediate(() => { held.pop()?.(); setImmediate(next) }) })
    app.get('/', guard('task:read'), (_request, response) => { ran++; if (!response.headersSent) response.send('in') })
    const { ask } = await listen(t, app)
    t.equal((await ask('/', 'ann')).status, 500)
    t.equal(ran, 0)
  })

  t.test(`${version}: a waiting guard blocks the app that its request came from, wherever its own app was mounted last`, async t => {
    for (const last of ['this', 'other']) {
      const asked = deferred<(allow: boolean) => void>()
      const { authz } = await guardedApp(t, express, {}, { decide: () => new Promise(resolve => asked.resolve(resolve)) })
      let ran = 0
      const mounted = appOf(express)
      mounted.use(guard('task:read'))
      const app = appOf(express)
      const other = appOf(express)
      for (const parent of last === 'this' ? [other, app] : [app, other]) {
        if (parent === app) parent.use(authz)
        parent.use('/mounted', twice, mounted)
        parent.use('/mounted', (_request, response) => { ran++; response.send('in') })
      }
      const { ask } = await listen(t, app)
      const answer = ask('/mounted', 'ann')
      const decide = await asked.promise
      await new Promise(resolve => setTimeout(resolve, 20))
      t.equal(ran, 0, `nothing ran before the decision: ${last}`)
      decide(false)
      t.equal((await answer).status, 500)
      t.equal(ran, 0)
    }
  })

  t.test(`${version}: a mounted app's permit() applies only to that app`, async t => {
    const app = appOf(express)
    const sub = appOf(express)
    sub.use(authzFor(t, { policy: POLICY, user: () => 'ann' }))
    app.use('/sub', sub)
    let ran = 0
    app.get('/sub/outer', guard('task:read'), (_request, response) => { ran++; response.send('in') })
    app.get('/sub/permit', (request, response) => { response.send(typeof request.permit) })
    const { ask } = await listen(t, app)
    t.equal((await ask('/sub/outer')).status, 500)
    t.match(await ask('/sub/permit'), { status: 200, body: 'undefined' })
    t.equal(ran, 0)
  })

  t.test(`${version}: two permit() in one app are refused, the same one twice is accepted, and authz.guard() always uses its own`, async t => {
    const yes = await pdpFor(t, { decide: () => true })
    const no = await pdpFor(t, { decide: () => false })
    const app = appOf(express)
    const authz = authzFor(t, optionsFor(no))
    const other = authzFor(t, optionsFor(yes))
    let ran = 0
    app.use(authz, authz)
    app.get('/own', other.guard('task:read'), (_request, response) => { response.send('in') })
    app.get('/theirs', guard('task:read'), (_request, response) => { ran++; response.send('in') })
    app.use('/two', other)
    app.get('/two', guard('task:read'), (_request, response) => { ran++; response.send('in') })
    const { ask } = await listen(t, app)
    t.equal((await ask('/own', 'ann')).status, 200)
    t.equal((await ask('/theirs', 'ann')).status, 403)
    t.equal((await ask('/two', 'ann')).status, 500)
    t.equal(ran, 0)
  })

  t.test(`${version}: the content of a request does not choose the permit()`, async t => {
    const { app } = await guardedApp(t, express, {}, { decide: () => false })
    let ran = 0
    app.use((request, _response, next) => {
      Object.assign(request, { permit: { check: async () => true }, allow: true })
      next()
    })
    app.get('/', guard('task:read'), (_request, response) => { ran++; response.send('in') })
    const { ask } = await listen(t, app)
    t.equal((await ask('/?__proto__[allow]=true', 'ann')).status, 403)
    t.equal(ran, 0)
  })
}
