// The option onDecision hears of every decision, after the response, and can neither change nor delay it.
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import type { FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import type { DecisionEvent, OnDecision, PermitOptions } from '../../src/index.js'
import { deferred, guardedApp, logSink } from '../support/app.js'

const settle = () => new Promise<void>(resolve => setImmediate(() => setImmediate(resolve)))

async function auditedApp (t: Test, onDecision: OnDecision, options: Partial<PermitOptions> = {}) {
  const sink = logSink()
  const { app, pdp } = await guardedApp(t, { onDecision, ...options }, {}, { logger: sink.logger })
  app.get('/tasks/:id', { config: { permit: { action: 'retrieve', resource: 'task:{id}' } } }, async () => 'ok')
  return { app, pdp, sink, ask: async (user: string) => (await app.inject({ url: '/tasks/7', headers: { 'x-user': user } })).statusCode }
}

t.test('allow, deny and no decision are each reported with user, action, resource and reason', async t => {
  const events: [DecisionEvent, FastifyRequest | undefined][] = []
  const { app, pdp, ask } = await auditedApp(t, (event, request) => { events.push([event, request]) })
  await ask('ann')
  await ask('eve')
  pdp.options.intercept = (_request, response) => { response.writeHead(500).end(); return true }
  await ask('ann')
  await app.permit.check('ann', 'create', 'task').catch(() => {})
  await settle()
  t.match(events.map(([event]) => event), [
    { user: 'ann', action: 'retrieve', resource: 'task:7', tenant: 'default', allow: true, code: 'allow', source: 'pdp' },
    { user: 'eve', allow: false, code: 'no_permission', reason: 'user does not have the permission', source: 'pdp' },
    { user: 'ann', allow: undefined, failure: 'status', source: 'pdp' },
    { user: 'ann', action: 'create', resource: 'task', allow: undefined }
  ])
  t.same(events.map(([, request]) => request?.url), ['/tasks/7', '/tasks/7', '/tasks/7', undefined])
  t.ok(events.every(([{ duration, time }]) => duration >= 0 && time instanceof Date))
})

t.test('a cached decision is reported with its source', async t => {
  const sources: unknown[] = []
  const { ask } = await auditedApp(t, ({ source }) => { sources.push(source) }, { cache: { ttl: 60_000 } })
  await ask('ann')
  await ask('ann')
  t.same(sources, ['pdp', 'cache'])
})

t.test('decisions of the embedded PDP are reported, too', async t => {
  const sources: unknown[] = []
  const { app } = await auditedApp(t, ({ source, allow }) => { sources.push([source, allow]) }, { pdp: undefined, token: undefined, cache: undefined, policy: {} })
  await app.inject({ url: '/tasks/7', headers: { 'x-user': 'ann' } })
  t.same(sources, [['embedded', false]])
})

t.test('each check of a request is reported: of combinations, of check, of filter', async t => {
  const events: string[] = []
  const { app } = await auditedApp(t, ({ action, resource }, request) => { events.push(`${action} ${resource} ${request?.url}`) })
  app.get('/all', { config: { permit: { allOf: ['task:list', 'task:create'] } } }, async request => {
    await request.permit.check('open', 'folder:1')
    return request.permit.filter('retrieve', ['1', '2'], key => ({ type: 'task', key }))
  })
  await app.inject({ url: '/all', headers: { 'x-user': 'ann' } })
  t.same(events, ['list task /all', 'create task /all', 'open folder:1 /all', 'retrieve task:1 /all', 'retrieve task:2 /all'])
})

t.test('it is called only after the response', async t => {
  const order: string[] = []
  const { app } = await auditedApp(t, () => { order.push('decision') })
  app.addHook('onSend', async () => { order.push('send') })
  app.get('/late', { config: { permit: 'task:list' } }, async () => { order.push('handler'); return 'ok' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  await fetch(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/late`, { headers: { 'x-user': 'ann' } })
  await settle()
  t.same(order, ['handler', 'send', 'decision'])
})

t.test('decisions for a client that disconnected are reported, too', async t => {
  const told = deferred<DecisionEvent>()
  const held = deferred<boolean>()
  const asked = deferred<void>()
  const { app, pdp } = await auditedApp(t, event => told.resolve(event))
  pdp.options.decide = () => { asked.resolve(); return held.promise }
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write('GET /tasks/7 HTTP/1.1\r\nhost: x\r\nx-user: ann\r\n\r\n')
  await asked.promise
  socket.destroy()
  held.resolve(true)
  t.match(await told.promise, { user: 'ann', allow: true })
})

t.test('a function that throws, rejects or never ends changes nothing, and is logged once', async t => {
  for (const onDecision of [
    () => { throw new Error('a mistake of mine') },
    async () => { throw new Error('a mistake of mine') },
    () => new Promise(() => {}),
    () => ({ then () { throw new Error('a mistake of mine') } })
  ] as OnDecision[]) {
    const { sink, ask } = await auditedApp(t, onDecision)
    for (let time = 0; time < 3; time++) {
      t.equal(await ask('ann'), 200)
      t.equal(await ask('eve'), 403)
    }
    await settle()
    t.ok(sink.lines.filter(({ msg }) => String(msg).includes('onDecision')).length <= 1)
  }
})

t.test('it gets a copy: changing an event changes no decision', async t => {
  const { ask } = await auditedApp(t, event => { Object.assign(event, { allow: true, user: 'ann' }) }, { cache: { ttl: 60_000 } })
  for (let time = 0; time < 3; time++) t.equal(await ask('eve'), 403)
})

t.test('events contain no attribute values', async t => {
  const events: DecisionEvent[] = []
  const { app } = await auditedApp(t, event => { events.push(event) })
  await app.permit.check({ key: 'ann', attributes: { secret: 'attribute-value-that-stays-in' } }, 'read', { type: 'task', attributes: { secret: 'attribute-value-that-stays-in' } }, { context: { secret: 'attribute-value-that-stays-in' } })
  await settle()
  t.equal(events.length, 1)
  t.notMatch(JSON.stringify(events), 'stays-in')
})

t.test('checks of a WebSocket are reported while it is open, because it has no response', async t => {
  const events: string[] = []
  const { app } = await guardedApp(t, { onDecision: ({ action, allow }) => { events.push(`${action} ${allow}`) } })
  await app.register(websocket)
  app.get('/live', { websocket: true, config: { permit: 'feed:open' } }, (socket, request) => {
    socket.on('message', async () => {
      await request.permit.check('listen', 'feed')
      await settle()
      socket.send('asked')
    })
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `ws://127.0.0.1:${(app.server.address() as AddressInfo).port}/live`
  const socket = new WebSocket(url, { headers: { 'x-user': 'ann' } })
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  t.same(events, ['open true'])
  for (let time = 0; time < 2; time++) {
    socket.send('?')
    await once(socket, 'message')
  }
  t.same(events, ['open true', 'listen true', 'listen true'])

  events.length = 0
  await once(new WebSocket(url, { headers: { 'x-user': 'eve' } }), 'error')
  t.same(events, ['open false'])
})

t.test('a streaming response with many checks keeps a limited number of events', async t => {
  let told = 0
  const { app } = await guardedApp(t, { pdp: undefined, token: undefined, cache: undefined, policy: {}, user: () => 'ann', onDecision: () => { told++ } })
  const toldMeanwhile = deferred<number>()
  app.get('/stream', async (request, reply) => {
    reply.hijack()
    for (let time = 0; time < 1_500; time++) await request.permit.check('read', 'feed')
    await settle()
    toldMeanwhile.resolve(told)
    reply.raw.end()
  })
  await app.inject('/stream')
  t.equal(await toldMeanwhile.promise, 1_500)
  await settle()
  t.equal(told, 1_500, 'and each is told once')
})
