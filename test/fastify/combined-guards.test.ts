// A guard that is one of several says no without answering: who is refused, and how, is for whatever combines them to say.
import assert from 'node:assert/strict'
import auth from '@fastify/auth'
import fc from 'fast-check'
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction, RouteHandlerMethod } from 'fastify'
import t, { type Test } from 'tap'
import type { OnDenied, PermitOptions } from '../../src/index.js'
import { guardedApp } from '../support/app.js'

const PAGE = '<h1>Ask your admin</h1>'

/** Every way to answer without an error, with what the client gets by it. */
const ANSWERS: Readonly<Record<string, { readonly onDenied: OnDenied, readonly status: number, readonly body: string }>> = {
  'sends a page': { onDenied: (_request, reply) => { reply.type('text/html').send(PAGE) }, status: 200, body: PAGE },
  'sends a page with a status': { onDenied: (_request, reply) => reply.code(403).type('text/html').send(PAGE), status: 403, body: PAGE },
  'sends a page after a while': {
    onDenied: async (_request, reply) => {
      await new Promise(resolve => setImmediate(resolve))
      return reply.code(403).type('text/html').send(PAGE)
    },
    status: 403,
    body: PAGE
  },
  redirects: { onDenied: (_request, reply) => reply.redirect('/ask'), status: 302, body: '' },
  'returns an error': { onDenied: () => Object.assign(new Error('Ask your admin'), { statusCode: 404 }), status: 404, body: 'Ask your admin' },
  'does nothing': { onDenied: () => {}, status: 403, body: 'FST_PERMIT_FORBIDDEN' },
  throws: { onDenied: () => { throw new Error('a mistake') }, status: 403, body: 'FST_PERMIT_FORBIDDEN' }
}

/** The header names the actions that the user may do; `away` is a user about whom no decision can be had. */
async function appFor (t: Test, options: Partial<PermitOptions>) {
  const { app, pdp } = await guardedApp(t, { retries: 0, breaker: false, ...options }, {
    decide: ({ user, action }) => user.key.split(',').includes(action),
    intercept: ({ body }, response) => {
      const isLost = JSON.stringify(body).includes('"lost"')
      if (isLost) response.writeHead(500).end()
      return isLost
    }
  })
  await app.register(auth)
  let ran = 0
  const handler: RouteHandlerMethod = async () => { ran++; return 'secret' }
  const ask = async (url: string, user?: string) => {
    ran = 0
    const { statusCode, headers, body } = await app.inject({ url, headers: user === undefined ? {} : { 'x-user': user } })
    return { statusCode, headers, body, ran }
  }
  return { app, pdp, handler, ask }
}

for (const [name, { onDenied, status, body }] of Object.entries(ANSWERS)) {
  t.test(`@fastify/auth, 'or', with an onDenied that ${name}: one allow is enough, and two denials are answered once, by it`, async t => {
    const { app, handler, ask } = await appFor(t, { onDenied })
    for (const run of [undefined, 'all'] as const) {
      app.get(`/${run}`, { preHandler: app.auth([app.permit.guard('task:a'), app.permit.guard('task:b')], { relation: 'or', ...(run && { run }) }) }, handler)
    }
    for (const url of ['/undefined', '/all']) {
      for (const user of ['a', 'b', 'a,b']) t.match(await ask(url, user), { statusCode: 200, body: 'secret', ran: 1 }, `${url} ${user}`)
      const denied = await ask(url, 'c')
      t.equal(denied.statusCode, status, url)
      t.match(denied.body, body, url)
      t.equal(denied.ran, 0, url)
    }
  })
}

t.test('a request allowed by one guard has neither the status nor the Retry-After of another', async t => {
  const { app, handler, ask } = await appFor(t, {})
  app.get('/', { preHandler: app.auth([app.permit.guard('task:lost'), app.permit.guard('task:b')], { relation: 'or' }) }, handler)
  const { statusCode, headers, ran } = await ask('/', 'b')
  t.equal(statusCode, 200)
  t.equal(headers['retry-after'], undefined)
  t.equal(ran, 1)
})

t.test('when the last one fails without a decision: 503 with Retry-After', async t => {
  const { app, handler, ask } = await appFor(t, { onDenied: (_request, reply) => reply.send(PAGE) })
  app.get('/', { preHandler: app.auth([app.permit.guard('task:a'), app.permit.guard('task:lost')], { relation: 'or' }) }, handler)
  t.match(await ask('/', 'b'), { statusCode: 503, headers: { 'retry-after': '1' }, ran: 0 })
  t.match(await ask('/'), { statusCode: 401, ran: 0 })
})

t.test('when something else refuses at the end, its error is sent, and onDenied is not called', async t => {
  let asked = 0
  const { app, handler, ask } = await appFor(t, { onDenied: (_request, reply) => { asked++; reply.send(PAGE) } })
  const byKey = async () => { throw new Error('a key, please') }
  app.get('/key-last', { preHandler: app.auth([app.permit.guard('task:a'), byKey]) }, handler)
  app.get('/key-first', { preHandler: app.auth([byKey, app.permit.guard('task:a')]) }, handler)
  t.match(await ask('/key-last', 'b'), { statusCode: 401, body: /a key, please/, ran: 0 })
  t.equal(asked, 0)
  t.match(await ask('/key-first', 'b'), { body: PAGE, ran: 0 })
  t.equal(asked, 1)
  for (const url of ['/key-last', '/key-first']) t.match(await ask(url, 'a'), { statusCode: 200, body: 'secret' })
})

/** Groups of actions: an array in the array of `auth` has the other relation. */
const groups = fc.array(fc.oneof(fc.constantFrom('a', 'b', 'c'), fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })), { minLength: 1, maxLength: 4 })

t.test('any combination in @fastify/auth allows exactly the right requests, whatever onDenied does, and answers each once', async t => {
  await fc.assert(fc.asyncProperty(
    fc.array(groups, { minLength: 1, maxLength: 4 }), fc.constantFrom('or', 'and'), fc.constantFrom(undefined, 'all'), fc.constantFrom(...Object.values(ANSWERS)),
    fc.constantFrom('onRequest', 'preValidation', 'preHandler'),
    async (routes, relation, run, { onDenied, status }, hook) => {
      await t.test('one app', async t => {
        const { app, handler, ask } = await appFor(t, { onDenied })
        routes.forEach((parts, index) => {
          const guards = parts.map(part => Array.isArray(part) ? part.map(action => app.permit.guard(`task:${action}`)) : app.permit.guard(`task:${part}`))
          app.get(`/${index}`, { [hook]: app.auth(guards as never, { relation, ...(run && { run }) } as never) }, handler)
        })
        for (const user of ['none', 'a', 'b', 'a,c', 'a,b,c']) {
          const may = user.split(',')
          const meets = (part: string | string[]) => !Array.isArray(part)
            ? may.includes(part)
            : relation === 'or' ? part.every(action => may.includes(action)) : part.some(action => may.includes(action))
          for (const [index, parts] of routes.entries()) {
            const isIn = relation === 'or' ? parts.some(meets) : parts.every(meets)
            const { statusCode, ran } = await ask(`/${index}`, user)
            assert.equal(ran, isIn ? 1 : 0, JSON.stringify({ parts, relation, run, user }))
            assert.equal(statusCode, isIn ? 200 : status)
          }
        }
      })
    }
  ), { numRuns: 12 })
})

type Hook = (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => unknown

t.test('combined by hand, with callbacks: the same', async t => {
  const { app, handler, ask } = await appFor(t, { onDenied: (_request, reply) => reply.code(403).send(PAGE) })
  const either = (first: Hook, second: Hook): Hook => (request, reply, done) => {
    first(request, reply, (error?: Error) => { if (error === undefined) done(); else second(request, reply, done) })
  }
  app.get('/', { preHandler: either(app.permit.guard('task:a') as Hook, app.permit.guard('task:b') as Hook) as never }, handler)
  for (const user of ['a', 'b']) t.match(await ask('/', user), { statusCode: 200, ran: 1 })
  t.match(await ask('/', 'c'), { statusCode: 403, body: PAGE, ran: 0 })
})

t.test('combined by hand, with promises: without a callback a guard returns a promise, which rejects when it refuses', async t => {
  const { app, handler, ask } = await appFor(t, { onDenied: (_request, reply) => reply.code(403).send(PAGE) })
  const [a, b] = [app.permit.guard('task:a'), app.permit.guard('task:b')]
  app.get('/or', { preHandler: async (request, reply) => { await a(request, reply).catch(() => b(request, reply)) } }, handler)
  app.get('/any', { preHandler: async (request, reply) => { await Promise.any([a(request, reply), b(request, reply)]).catch((error: AggregateError) => { throw error.errors[0] }) } }, handler)
  app.get('/and', { preHandler: async (request, reply) => { await a(request, reply); await b(request, reply) } }, handler)
  for (const url of ['/or', '/any']) {
    for (const user of ['a', 'b']) t.match(await ask(url, user), { statusCode: 200, ran: 1 }, url)
    t.match(await ask(url, 'c'), { statusCode: 403, body: PAGE, ran: 0 }, url)
  }
  t.match(await ask('/and', 'a,b'), { statusCode: 200, ran: 1 })
  for (const user of ['a', 'b', 'c']) t.match(await ask('/and', user), { statusCode: 403, body: PAGE, ran: 0 })
  t.match(await ask('/and'), { statusCode: 401, ran: 0 })
})

t.test('a guard with onDenied: false refuses with the 403, whatever the option does', async t => {
  const { app, handler, ask } = await appFor(t, { onDenied: (_request, reply) => reply.code(200).send(PAGE) })
  app.get('/', { preHandler: app.permit.guard('task:a', { onDenied: false }) }, handler)
  t.match(await ask('/', 'a'), { statusCode: 200, ran: 1 })
  t.match(await ask('/', 'b'), { statusCode: 403, body: /FST_PERMIT_FORBIDDEN/, ran: 0 })
})

t.test('unknown options and invalid values of a guard are refused when the route is declared', async t => {
  const { app } = await appFor(t, {})
  t.throws(() => app.permit.guard('task:a', { onDenyed: false } as never), { code: 'FST_PERMIT_QUERY', message: /"onDenyed".*did you mean "onDenied"/ })
  t.throws(() => app.permit.guard('task:a', { onDenied: 'no' } as never), { code: 'FST_PERMIT_QUERY', message: /onDenied/ })
  t.throws(() => app.permit.guard('task:a', 'task:b' as never), { code: 'FST_PERMIT_QUERY', message: /must be an object/ })
})

t.test('a guard as a preParsing hook, which gets the payload in place of the callback', async t => {
  const { app, handler, ask } = await appFor(t, { onDenied: (_request, reply) => reply.code(403).send(PAGE) })
  app.get('/', { preParsing: app.permit.guard('task:a') as never }, handler)
  t.match(await ask('/', 'a'), { statusCode: 200, ran: 1 })
  t.match(await ask('/', 'b'), { statusCode: 403, body: PAGE, ran: 0 })
  t.match(await ask('/'), { statusCode: 401, ran: 0 })
})
