// A guard that is one of several says no without answering, in Express: with onDenied: false, or without a `next`, as a promise.
import type { Request, Response, NextFunction } from 'express'
import t from 'tap'
import { guard, type Middleware, type OnDenied } from '../../src/express/index.js'
import { EXPRESSES, guardedApp, listen, silentLog } from '../support/express.js'

const PAGE = '<h1>Ask your admin</h1>'

const sendsPage: OnDenied = (_request, response) => { response.status(403).send(PAGE) }

/** The user's header names the actions that the user may do. */
const fake = { decide: ({ user, action }: { user: { key: string }, action: string }) => user.key.split(',').includes(action) }

function sendError (error: { status?: number, code?: string }, _request: Request, response: Response, _next: NextFunction) {
  response.status(error.status ?? 500).json({ code: error.code })
}

/** By hand, as people write it. */
const either = (first: Middleware, second: Middleware): Middleware => (request, response, next) => {
  first(request, response, error => { if (error === undefined) next(); else second(request, response, next) })
}

for (const [name, express] of EXPRESSES) {
  for (const cache of [false, { ttl: 60_000 }] as const) {
    const title = `${name}, ${cache === false ? 'asked each time' : 'from the cache'}`

    t.test(`${title}: combined with callbacks, one allow is enough, and the last guard responds`, async t => {
      const { log, lines } = silentLog()
      const { app, authz } = await guardedApp(t, express, { onDenied: sendsPage, cache, log }, fake)
      let ran = 0
      for (const [path, make] of [['/bound', authz.guard], ['/free', guard]] as const) {
        app.get(path, either(make('task:a', { onDenied: false }), make('task:b')), (_request, response) => { ran++; response.send('secret') })
        app.get(`${path}/quiet`, either(make('task:a', { onDenied: false }), make('task:b', { onDenied: false })), (_request, response) => { response.send('secret') })
      }
      app.use(sendError)
      const { ask } = await listen(t, app)
      for (let time = 0; time < 2; time++) {
        for (const path of ['/bound', '/free']) {
          for (const user of ['a', 'b']) t.match(await ask(`${path}/quiet`, user), { status: 200, body: 'secret' }, `${path} ${user}`)
          t.match(await ask(path, 'c'), { status: 403, body: PAGE })
          t.match(await ask(`${path}/quiet`, 'c'), { status: 403, body: /FST_PERMIT_FORBIDDEN/ })
          t.match(await ask(path), { status: 401 })
        }
      }
      t.equal(ran, 0)
      t.same(lines.filter(({ level }) => level === 'error'), [])
    })

    t.test(`${title}: combined with promises, it rejects when it refuses, and sends no response`, async t => {
      const { app, authz } = await guardedApp(t, express, { onDenied: sendsPage, cache }, fake)
      const [a, b] = [authz.guard('task:a'), guard('task:b')]
      app.get('/or', (request, response, next) => { a(request, response).catch(() => b(request, response)).then(() => next(), next) }, (_request, response) => { response.send('secret') })
      app.get('/and', (request, response, next) => { a(request, response).then(() => b(request, response)).then(() => next(), next) }, (_request, response) => { response.send('secret') })
      app.use(sendError)
      const { ask } = await listen(t, app)
      for (let time = 0; time < 2; time++) {
        for (const user of ['a', 'b', 'a,b']) t.match(await ask('/or', user), { status: 200, body: 'secret' }, user)
        t.match(await ask('/or', 'c'), { status: 403, body: /FST_PERMIT_FORBIDDEN/ })
        t.match(await ask('/and', 'a,b'), { status: 200, body: 'secret' })
        for (const user of ['a', 'b', 'c']) t.match(await ask('/and', user), { status: 403, body: /FST_PERMIT_FORBIDDEN/ })
        t.match(await ask('/and'), { status: 401 })
      }
    })
  }

  t.test(`${name}: a request that one guard allows has no Retry-After of another without a decision`, async t => {
    const { app } = await guardedApp(t, express, { retries: 0, breaker: false }, {
      ...fake,
      intercept: ({ body }, response) => {
        const isLost = JSON.stringify(body).includes('"lost"')
        if (isLost) response.writeHead(500).end()
        return isLost
      }
    })
    app.get('/in', either(guard('task:lost'), guard('task:b')), (_request, response) => { response.send('secret') })
    app.get('/out', either(guard('task:b'), guard('task:lost')), (_request, response) => { response.send('secret') })
    app.use(sendError)
    const { ask } = await listen(t, app)
    const { status, headers } = await ask('/in', 'b')
    t.equal(status, 200)
    t.equal(headers.get('retry-after'), null)
    const refused = await ask('/out', 'c')
    t.equal(refused.status, 503)
    t.equal(refused.headers.get('retry-after'), '1')
  })

  t.test(`${name}: an unknown option of a guard is refused when the guard is created`, async t => {
    const { authz } = await guardedApp(t, express)
    for (const make of [authz.guard, guard]) {
      t.throws(() => make('task:a', { ondenied: false } as never), { code: 'FST_PERMIT_QUERY', message: /"ondenied".*did you mean "onDenied"/ })
    }
  })
}
