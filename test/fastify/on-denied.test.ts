// The option onDenied answers differently; whatever it does, the handler behind the guard does not run.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { OnDenied } from '../../src/index.js'
import { guardedApp, logSink } from '../support/app.js'

async function deniedApp (t: Test, onDenied: OnDenied, prepare: (app: Awaited<ReturnType<typeof guardedApp>>['app']) => void = () => {}) {
  const sink = logSink()
  const { app, pdp } = await guardedApp(t, { onDenied }, {}, { logger: sink.logger })
  let ran = 0
  prepare(app)
  app.get('/tasks/:id', { config: { permit: { action: 'retrieve', resource: 'task:{id}' } } }, async () => { ran++; return 'secret' })
  const ask = (user: string | undefined) => app.inject({ url: '/tasks/7', headers: user === undefined ? {} : { 'x-user': user } })
  return { app, pdp, ask, ran: () => ran, lines: sink.lines }
}

t.test('a returned error is sent instead of the 403, with access to the denial', async t => {
  let seen: unknown
  const { ask, ran } = await deniedApp(t, (request, _reply, denial) => {
    seen = { id: (request.params as { id: string }).id, denial }
    return Object.assign(new Error('There is no such task.'), { statusCode: 404 })
  })
  const { statusCode, body } = await ask('eve')
  t.equal(statusCode, 404)
  t.match(body, 'There is no such task.')
  t.match(seen, { id: '7', denial: { user: 'eve', action: 'retrieve', resource: 'task:7', code: 'no_permission' } })
  t.equal(ran(), 0)
  t.equal((await ask('ann')).body, 'secret')
  t.equal(ran(), 1)
})

t.test('a reply that it sends and returns is sent, also with slow hooks', async t => {
  const { ask, ran } = await deniedApp(t, async (_request, reply) => reply.code(200).type('text/html').send('<h1>Please ask your admin</h1>'), app => {
    app.addHook('onSend', async (_request, _reply, payload) => {
      await new Promise(resolve => setImmediate(resolve))
      return payload
    })
  })
  const { statusCode, body } = await ask('eve')
  t.equal(statusCode, 200)
  t.equal(body, '<h1>Please ask your admin</h1>')
  t.equal(ran(), 0)
})

/** A hook of onSend that takes its time with every payload, so that `reply.sent` is false meanwhile. */
function slowly (app: FastifyInstance, change: (payload: unknown) => unknown = payload => payload) {
  app.addHook('onSend', async (_request, _reply, payload) => {
    await new Promise(resolve => setTimeout(resolve, 20))
    return change(payload)
  })
}

const SENDING: Readonly<Record<string, OnDenied>> = {
  'sends a page': (_request, reply) => { reply.code(200).type('text/html').send('<h1>Please ask your admin</h1>') },
  'sends a page after waiting': async (_request, reply) => {
    await new Promise(resolve => setImmediate(resolve))
    reply.code(200).type('text/html').send('<h1>Please ask your admin</h1>')
  },
  'sends a page, and returns an error as well': (_request, reply) => {
    reply.code(200).type('text/html').send('<h1>Please ask your admin</h1>')
    return new Error('too late')
  },
  'sends a page, and throws': (_request, reply) => {
    reply.code(200).type('text/html').send('<h1>Please ask your admin</h1>')
    throw new Error('too late')
  }
}

for (const [name, onDenied] of Object.entries(SENDING)) {
  t.test(`a function that ${name}, without returning the reply: the page is sent completely and once, with slow onSend hooks, too`, async t => {
    const { ask, ran, lines } = await deniedApp(t, onDenied, slowly)
    const { statusCode, headers, body } = await ask('eve')
    t.equal(statusCode, 200)
    t.match(headers['content-type'], 'text/html')
    t.equal(body, '<h1>Please ask your admin</h1>')
    t.equal(ran(), 0)
    t.same(lines.filter(({ err }) => (err as { code?: string } | undefined)?.code === 'FST_ERR_REP_ALREADY_SENT'), [])
  })
}

t.test('a function that redirects, without returning the reply: the client is redirected', async t => {
  const { ask, ran } = await deniedApp(t, (_request, reply) => { reply.redirect('/ask-your-admin') }, slowly)
  t.match(await ask('eve'), { statusCode: 302, headers: { location: '/ask-your-admin' } })
  t.equal(ran(), 0)
})

t.test('a function that calls the 404 handler: that handler responds, even if it is slow', async t => {
  const { ask, ran } = await deniedApp(t, (_request, reply) => { reply.callNotFound() }, app => {
    app.setNotFoundHandler(async (_request, reply) => {
      await new Promise(resolve => setTimeout(resolve, 20))
      return reply.code(404).send('no such page')
    })
  })
  t.match(await ask('eve'), { statusCode: 404, body: 'no such page' })
  t.equal(ran(), 0)
})

t.test('a page whose onSend hook fails is a 500, and the handler does not run', async t => {
  const { ask, ran } = await deniedApp(t, (_request, reply) => { reply.code(200).send('a page') }, app => {
    slowly(app, payload => { if (payload === 'a page') throw new Error('of the hook'); return payload })
  })
  t.equal((await ask('eve')).statusCode, 500)
  t.equal(ran(), 0)
})

t.test('a page whose send throws does not count: the 403 is sent', async t => {
  const { ask, ran } = await deniedApp(t, (_request, reply) => { reply.type('text/html').send({ is: 'no text' }) })
  t.equal((await ask('eve')).statusCode, 403)
  t.equal(ran(), 0)
})

t.test('a request that is let through has no trace of the watch on its reply', async t => {
  const own: boolean[] = []
  const { ask } = await deniedApp(t, () => {}, app => {
    app.addHook('onResponse', async (_request, reply) => { own.push(Object.hasOwn(reply, 'send'), Object.hasOwn(reply, 'callNotFound')) })
  })
  await ask('eve')
  await ask('ann')
  t.same(own, [false, false, false, false])
})

t.test('it is not called without a user, or without a decision', async t => {
  let asked = 0
  const { ask, pdp, ran } = await deniedApp(t, () => { asked++ })
  t.equal((await ask(undefined)).statusCode, 401)
  pdp.options.intercept = (_request, response) => { response.writeHead(500).end(); return true }
  t.equal((await ask('eve')).statusCode, 503)
  t.equal(asked, 0)
  t.equal(ran(), 0)
})

const ATTEMPTS: Readonly<Record<string, OnDenied>> = {
  'returns nothing': () => {},
  'returns true': (() => true) as never,
  'returns null': (() => null) as never,
  'returns an object that looks like an error': (() => ({ statusCode: 200, message: 'ok' })) as never,
  'returns the request': ((request: unknown) => request) as never,
  throws: () => { throw new Error('of its own') },
  'throws nothing at all': () => { throw undefined }, // eslint-disable-line no-throw-literal
  rejects: async () => { throw new Error('of its own') },
  'rejects with nothing': () => Promise.reject(), // eslint-disable-line prefer-promise-reject-errors
  'resolves late with true': (async () => { await new Promise(resolve => setImmediate(resolve)); return true }) as never,
  'is a thenable that resolves twice': (() => ({ then (resolve: (value: unknown) => void) { resolve(undefined); resolve(true) } })) as never,
  'is a thenable that throws': (() => ({ then () { throw new Error('of its own') } })) as never
}

for (const [name, onDenied] of Object.entries(ATTEMPTS)) {
  t.test(`a function that ${name}: the 403 is sent once, and the handler does not run`, async t => {
    const { ask, ran } = await deniedApp(t, onDenied)
    const { statusCode, body } = await ask('eve')
    t.equal(statusCode, 403)
    t.equal(JSON.parse(body).code, 'FST_PERMIT_FORBIDDEN')
    t.notMatch(body, 'of its own')
    t.equal(ran(), 0)
  })
}

t.test('its errors are logged', async t => {
  const { ask, lines } = await deniedApp(t, () => { throw new Error('a mistake of mine') })
  await ask('eve')
  t.match(lines.find(({ msg }) => String(msg).includes('onDenied')), { level: 50, err: { message: 'a mistake of mine' } })
})

t.test('a function that hijacks the reply responds itself, and the handler does not run', async t => {
  const { app, ran } = await deniedApp(t, (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(418).end('hijacked')
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const answer = await fetch(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/tasks/7`, { headers: { 'x-user': 'eve' } })
  t.equal(answer.status, 418)
  t.equal(await answer.text(), 'hijacked')
  t.equal(ran(), 0)
})

t.test('a function that never ends keeps the client waiting, and the handler does not run', async t => {
  const { app, ran } = await deniedApp(t, () => new Promise<undefined>(() => {}))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const controller = new AbortController()
  const answer = fetch(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/tasks/7`, { headers: { 'x-user': 'eve' }, signal: controller.signal })
  const [socket] = await once(app.server, 'connection')
  await once(socket, 'data').catch(() => {})
  controller.abort()
  await t.rejects(answer)
  t.equal(ran(), 0)
})

t.test('a guard in a preHandler of the route is treated in the same way', async t => {
  const { app } = await guardedApp(t, { onDenied: () => Object.assign(new Error('Not here.'), { statusCode: 404 }) })
  app.get('/by-hook', { preHandler: app.permit.guard('task:list') }, async () => 'secret')
  t.equal((await app.inject({ url: '/by-hook', headers: { 'x-user': 'eve' } })).statusCode, 404)
  t.equal((await app.inject({ url: '/by-hook', headers: { 'x-user': 'ann' } })).statusCode, 200)
})

t.test('a reply that is returned now and sent later is the response, and nothing continues meanwhile', async t => {
  const { ask, ran } = await deniedApp(t, (_request, reply) => {
    setTimeout(() => reply.code(418).send('later'), 20)
    return reply
  })
  t.match(await ask('eve'), { statusCode: 418, body: 'later' })
  t.equal(ran(), 0)
})

t.test('a reply that is sent later without being returned is too late: the 403 was sent', async t => {
  let late: Promise<unknown> | undefined
  const { ask, ran } = await deniedApp(t, (_request, reply) => {
    late = new Promise(resolve => setTimeout(() => resolve(reply.code(418).send('later')), 20))
  })
  t.match(await ask('eve'), { statusCode: 403 })
  await late
  t.equal(ran(), 0)
})
