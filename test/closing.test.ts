// Promise 8: after app.close() nothing is left. In a file of its own: what is open is counted for the whole process.
import { createServer, type AddressInfo, type Socket } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import permit from '../src/index.js'
import { guardedApp } from './support/app.js'
import { open, openAtLast } from './support/open.js'
import { appWithReplicas } from './support/replicas.js'

t.test('after closing, no socket and no timer is left', async t => {
  const before = open()
  const { app, pdp } = await guardedApp(t, { cache: { ttl: 60_000 } })
  app.get('/', { config: { permit: 'task:create' } }, async () => 'ok')
  await Promise.all(Array.from({ length: 50 }, (_, index) => app.permit.check('ann', `a${index}`, 'task')))
  await app.inject({ url: '/', headers: { 'x-user': 'ann' } })
  t.ok(open().length > before.length, 'there was something to close')
  await app.close()
  await pdp.close()
  t.same(await openAtLast(before), before)
})

t.test('closing leaves nothing of failing replicas, retries, hedges and probes', async t => {
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
  t.same(await openAtLast(before), before)
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
  t.same(await openAtLast(before), before)
})

t.test('closing under load leaves nothing, whatever happens to requests in flight', async t => {
  const before = open()
  let asked = 0
  const sockets = new Set<Socket>()
  // The PDP's own timers are not the plugin's: they go with the PDP.
  const late = new Set<NodeJS.Timeout>()
  const { app, pdp } = await guardedApp(t, { timeout: 400, connections: 4, cache: { ttl: 60_000 } }, {
    intercept: (_request, response) => {
      const { socket } = response
      // Seen from the other side: Node tells of no socket that is idle.
      if (socket !== null && !sockets.has(socket)) sockets.add(socket.once('close', () => sockets.delete(socket)))
      const way = asked++ % 5
      // Answers late, resets, stops in the middle, never says a word; and answers.
      if (way === 0) late.add(setTimeout(() => response.destroy(), 20))
      if (way === 1) response.socket?.resetAndDestroy()
      if (way === 2) response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{"allow":')
      return way < 4
    }
  })
  let ran = 0
  let refused = 0
  app.get('/:id', { config: { permit: { action: 'read', resource: 'task:{id}' } } }, async () => { ran++ })
  await app.ready()
  const outcomes: Promise<unknown>[] = []
  const load = () => {
    for (let one = 0; one < 20; one++) {
      const key = `task-${outcomes.length}`
      outcomes.push(
        app.permit.check('ann', 'read', { type: 'task', key: `check-${key}` }).catch((error: { code: string }) => { refused++; t.equal(error.code, 'FST_PERMIT_UNAVAILABLE') }),
        app.inject({ url: `/${key}`, headers: { 'x-user': 'eve' } }).catch(() => {}),
        app.permit.filter('ann', 'read', ['1', '2', '3'], item => ({ type: 'task', key: `${key}-${item}` })).catch(() => {}),
        app.permit.write(app.permit.api.assignRole('ann', 'admin', key)).catch((error: { code: string }) => { t.equal(error.code, 'FST_PERMIT_WRITE') }))
    }
  }
  for (let turn = 0; turn < 5; turn++) {
    load()
    await new Promise(resolve => setImmediate(resolve))
  }
  const start = performance.now()
  const closed = app.close()
  load()
  await closed
  t.ok(performance.now() - start < 3_000, 'it did not wait for long')
  await Promise.all(outcomes)
  t.equal(ran, 0)
  t.ok(refused > 0)
  for (let turn = 0; turn < 200 && sockets.size > 0; turn++) await new Promise(resolve => setImmediate(resolve))
  t.equal(sockets.size, 0)
  await pdp.close()
  for (const timer of late) clearTimeout(timer)
  t.same(await openAtLast(before), before)
})

t.test('checks do not pile up when connections to the PDP hang', async t => {
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
