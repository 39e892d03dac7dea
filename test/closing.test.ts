// Promise 8: after app.close() nothing is left. In a file of its own: what is open is counted for the whole process.
import { createServer, type AddressInfo, type Socket } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import permit from '../src/index.js'
import { guardedApp } from './support/app.js'
import { appWithReplicas } from './support/replicas.js'

const open = () => process.getActiveResourcesInfo().filter(name => /TCP|TLS|Timeout|FSEvent/.test(name)).sort()

t.test('after closing, no socket and no timer is left', async t => {
  const before = open()
  const { app, pdp } = await guardedApp(t, { cache: { ttl: 60_000 } })
  app.get('/', { config: { permit: 'task:create' } }, async () => 'ok')
  await Promise.all(Array.from({ length: 50 }, (_, index) => app.permit.check('ann', `a${index}`, 'task')))
  await app.inject({ url: '/', headers: { 'x-user': 'ann' } })
  t.ok(open().length > before.length, 'there was something to close')
  await app.close()
  await pdp.close()
  // The sockets' own close events come a few turns of the loop later.
  for (let turn = 0; turn < 100 && open().length > before.length; turn++) await new Promise(resolve => setImmediate(resolve))
  t.same(open(), before)
})

t.test('closing leaves nothing of replicas that die and hang, of retries, hedges and probes', async t => {
  const before = open()
  const { app, pdps } = await appWithReplicas(t, [{}, {}], {
    timeout: 200, retries: 3, hedge: { percentile: 50, min: 1 }, breaker: { failures: 1, halfOpenAfter: 20 }, cache: { ttl: 1, staleIfError: 60_000 }
  })
  const ask = (count: number) => Promise.allSettled(Array.from({ length: count }, (_, index) => app.permit.check('ann', `a${index}`, 'task')))
  await ask(50)
  await pdps[0]!.close()
  pdps[1]!.options.intercept = () => new Promise(() => {})
  await ask(50)
  const last = ask(50)
  await app.close()
  await last
  await pdps[1]!.close()
  for (let turn = 0; turn < 100 && open().length > before.length; turn++) await new Promise(resolve => setImmediate(resolve))
  t.same(open(), before)
})

t.test('closing leaves no socket that is still connecting', async t => {
  const before = open()
  // Accepts, and never says a word of the TLS handshake.
  const accepted = new Set<Socket>()
  const silent = createServer(socket => { accepted.add(socket.on('error', () => {})) })
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  const app = Fastify()
  await app.register(permit, { pdp: `https://127.0.0.1:${(silent.address() as AddressInfo).port}`, token: 'x', timeout: 100, connections: 2 })
  await Promise.all(['a', 'b', 'c'].map(action => t.rejects(app.permit.check('ann', action, 'task'), { code: 'FST_PERMIT_UNAVAILABLE' })))
  await app.close()
  for (const socket of accepted) socket.destroy()
  await new Promise(resolve => silent.close(resolve))
  for (let turn = 0; turn < 100 && open().length > before.length; turn++) await new Promise(resolve => setImmediate(resolve))
  t.same(open(), before)
})

t.test('a PDP whose connects hang does not pile up what was asked', async t => {
  const silent = createServer(socket => { socket.on('error', () => {}) })
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { silent.close() })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, { pdp: `https://127.0.0.1:${(silent.address() as AddressInfo).port}`, token: 'x', timeout: 60, connections: 2, queue: 10 })
  let overloaded = 0
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.allSettled(Array.from({ length: 50 }, (_, index) => app.permit.check('ann', `a${round}-${index}`, 'task')))
    t.ok(answers.every(answer => answer.status === 'rejected'))
    overloaded += answers.filter(answer => (answer as PromiseRejectedResult).reason.cause.failure === 'overload').length
    const { batches, pdp } = app.permit.stats()
    t.ok((batches?.waiting ?? 0) <= 12 && (pdp?.inFlight ?? 0) <= 2, `${batches?.waiting} wait, ${pdp?.inFlight} are on their way`)
  }
  t.ok(overloaded > 0)
})
