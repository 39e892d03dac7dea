// The route for a PDP's reports: who holds the secret makes the app forget, and nobody else does.
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { deferred, fastifyFor, guardedApp, logSink, optionsFor, pdpFor } from '../support/app.js'
import permit from '../../src/index.js'
import { sendFirst } from '../support/sends-first.js'
import type { WireQuestion } from '../support/fake-pdp.js'

const SECRET = 'a-secret-of-the-updates'
const updates = { path: '/permit/updates', secret: SECRET }
const cache = { ttl: 3_600_000 }
const report = (...paths: string[]) => ({ update_id: 'u', reports: paths.map(path => ({ entry: { dst_path: path } })), user_data: {} })

async function cachedApp (t: Test, decide: (question: WireQuestion) => boolean | Promise<boolean> = () => true) {
  const { app, pdp } = await guardedApp(t, { cache, updates }, { decide })
  app.get('/tasks', { config: { permit: 'task:list' } }, async () => 'ok')
  return {
    app,
    pdp,
    ask: async (user: string) => (await app.inject({ url: '/tasks', headers: { 'x-user': user } })).statusCode,
    push: (payload: unknown, secret: string | undefined = SECRET, type = 'application/json') => app.inject({
      method: 'POST',
      url: '/permit/updates',
      headers: { 'content-type': type, ...(secret === undefined ? {} : { 'x-permit-updates-secret': secret }) },
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload)
    })
  }
}

t.test('a report drops the decisions of the users that it names, and of no others', async t => {
  const { pdp, ask, push } = await cachedApp(t)
  for (const user of ['ann', 'bob', 'ann', 'bob']) t.equal(await ask(user), 200)
  t.equal(pdp.questions.length, 2)
  pdp.options.decide = () => false
  t.equal((await push(report('/role_assignments/user:ann'))).statusCode, 204)
  t.equal(await ask('ann'), 403)
  t.equal(await ask('bob'), 200, 'remembered')
  t.equal((await push(report('/tenants/default'))).statusCode, 204)
  t.equal(await ask('bob'), 403)
})

t.test('an invalid report with the secret drops everything', async t => {
  for (const [payload, type] of [['not JSON', 'application/json'], ['{}', 'text/plain'], [report('/users/x/y'), 'application/octet-stream'], ['', 'application/json']] as const) {
    const { pdp, ask, push } = await cachedApp(t)
    await ask('ann')
    pdp.options.decide = () => false
    t.equal((await push(payload, SECRET, type)).statusCode, 204)
    t.equal(await ask('ann'), 403, String(payload))
  }
})

t.test('without the secret nothing is dropped, and the answer is 401', async t => {
  const { app, pdp, ask, push } = await cachedApp(t)
  await ask('ann')
  for (const secret of [undefined, '', 'wrong', SECRET.slice(0, -1), `${SECRET}x`, SECRET.toUpperCase()]) {
    const { statusCode, body } = secret === undefined
      ? await app.inject({ method: 'POST', url: '/permit/updates', payload: report('/') })
      : await push(report('/'), secret)
    t.equal(statusCode, 401, JSON.stringify(secret))
    t.notMatch(body, SECRET)
  }
  t.equal((await app.inject({ method: 'POST', url: '/permit/updates', headers: { authorization: `Bearer ${SECRET}` }, payload: report('/') })).statusCode, 401)
  await ask('ann')
  t.equal(pdp.questions.length, 1)
  t.equal((await app.inject({ method: 'GET', url: '/permit/updates', headers: { 'x-permit-updates-secret': SECRET } })).statusCode, 404)
})

t.test('a report that arrives while a decision is in flight takes precedence', async t => {
  const held = deferred<boolean>()
  const asked = deferred<void>()
  const { pdp, ask, push } = await cachedApp(t, () => { asked.resolve(); return held.promise })
  const first = ask('ann')
  await asked.promise
  t.equal((await push(report('/role_assignments/user:ann'))).statusCode, 204)
  pdp.options.decide = () => false
  t.equal(await ask('ann'), 403, 'whoever asks after the update does not join a question from before it')
  held.resolve(true)
  t.equal(await first, 200, 'who asked before it gets the answer from before it')
  t.equal(await ask('ann'), 403, 'which is not remembered')
})

t.test('a body that is too large is refused before all of it has arrived', async t => {
  const { app, pdp, ask } = await cachedApp(t)
  await ask('ann')
  await app.listen({ port: 0, host: '127.0.0.1' })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(`POST /permit/updates HTTP/1.1\r\nhost: x\r\nx-permit-updates-secret: ${SECRET}\r\ncontent-type: application/json\r\ncontent-length: 100000000\r\n\r\n`)
  const [answer] = await once(socket, 'data') as [Buffer]
  t.match(answer.toString(), /^HTTP\/1.1 413 /)
  await ask('ann')
  t.equal(pdp.questions.length, 1)
})

t.test('a client that sends everything before it reads gets the refusal', async t => {
  const { app } = await cachedApp(t)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  for (const [chunked, framing] of [[false, `content-length: ${8 * 1024 * 1024}`], [true, 'transfer-encoding: chunked']] as const) {
    const head = `POST /permit/updates HTTP/1.1\r\nhost: x\r\nx-permit-updates-secret: ${SECRET}\r\ncontent-type: application/json\r\n${framing}\r\n`
    t.match(await sendFirst(url, head, { size: 8 * 1024 * 1024, chunked, then: 'GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n' }), /^HTTP\/1\.1 413 /)
  }
})

t.test('the app\'s own parsers and authentication do not affect the route', async t => {
  const pdp = await pdpFor(t, { decide: () => true })
  const app = fastifyFor(t)
  app.removeAllContentTypeParsers()
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers.authorization !== undefined) return reply.code(401).send('not a token of ours')
  })
  await app.register(permit, optionsFor(pdp, { cache, updates }))
  const { statusCode } = await app.inject({ method: 'POST', url: '/permit/updates', headers: { 'x-permit-updates-secret': SECRET, 'content-type': 'application/json' }, payload: '{}' })
  t.equal(statusCode, 204)
  t.equal(app.permit.stats().cache?.invalidations, 1)
})

t.test('the secret can come from the environment, and without one the app does not start', async t => {
  const pdp = await pdpFor(t)
  t.teardown(() => { delete process.env.PERMIT_UPDATES_SECRET })
  await t.rejects(async () => fastifyFor(t).register(permit, optionsFor(pdp, { updates: '/permit/updates' })), { code: 'FST_PERMIT_OPTIONS', message: /PERMIT_UPDATES_SECRET/ })
  process.env.PERMIT_UPDATES_SECRET = 'short'
  await t.rejects(async () => fastifyFor(t).register(permit, optionsFor(pdp, { updates: '/permit/updates' })), { code: 'FST_PERMIT_OPTIONS', message: /at least 16/ })
  process.env.PERMIT_UPDATES_SECRET = SECRET
  const app = fastifyFor(t)
  await app.register(permit, optionsFor(pdp, { updates: '/permit/updates' }))
  t.equal((await app.inject({ method: 'POST', url: '/permit/updates', headers: { 'x-permit-updates-secret': SECRET } })).statusCode, 204)
  for (const wrong of [true, '', 'permit', '/a/:b', '/a?b', { path: '/a', secret: 'short' }, { secret: SECRET }, { path: '/a', secret: SECRET, more: 1 }]) {
    await t.rejects(async () => fastifyFor(t).register(permit, optionsFor(pdp, { updates: wrong as never })), { code: 'FST_PERMIT_OPTIONS', message: /updates/ }, JSON.stringify(wrong))
  }
  await t.rejects(async () => fastifyFor(t).register(permit, optionsFor(pdp, { token: SECRET, updates })), { code: 'FST_PERMIT_OPTIONS', message: /token/ })
  await t.rejects(async () => fastifyFor(t).register(permit, { policy: {}, updates }), { code: 'FST_PERMIT_OPTIONS', message: /"updates".*"policy"/ })
})

t.test('neither the secret nor the named users are logged', async t => {
  const sink = logSink()
  const pdp = await pdpFor(t, { decide: () => true })
  const app = fastifyFor(t, { logger: sink.logger })
  await app.register(permit, optionsFor(pdp, { cache, updates }))
  await app.inject({ method: 'POST', url: '/permit/updates', headers: { 'x-permit-updates-secret': SECRET }, payload: report('/users/ann') })
  await app.inject({ method: 'POST', url: '/permit/updates', headers: { 'x-permit-updates-secret': 'wrong wrong wrong' }, payload: report('/users/ann') })
  t.match(sink.text(), 'the PDP reported a change')
  t.notMatch(sink.text(), SECRET)
  t.notMatch(sink.text(), 'wrong wrong')
})
