// Several PDPs: one that fails, hangs or lies is made up for by the others, and nobody sees it.
import type { ServerResponse } from 'node:http'
import t from 'tap'
import type { PdpError } from '../../../src/contract/errors.js'
import { httpTransport } from '../../../src/pdp/http/transport.js'
import { sendJson, startFakePdp, type FakePdpOptions } from '../../support/fake-pdp.js'
import { appWithReplicas, portOf, until } from '../../support/replicas.js'
import { deferred, logSink, pdpFor } from '../../support/app.js'

const ann = { 'x-user': 'ann' }
const never = () => new Promise<boolean>(() => {})
const allAtOnce = (count: number, check: (index: number) => Promise<unknown>) => Promise.all(Array.from({ length: count }, (_, index) => check(index)))

t.test('checks are balanced: round robin while all are idle, to the least busy otherwise', async t => {
  const { app, pdps } = await appWithReplicas(t, [{}, {}, {}], { timeout: 60_000 })
  for (let index = 0; index < 30; index++) await app.permit.check('ann', `a${index}`, 'task')
  t.same(pdps.map(pdp => pdp.questions.length), [10, 10, 10])

  const held = deferred<boolean>()
  for (const pdp of pdps) pdp.options.decide = ({ action }) => action === 'held' ? held.promise : true
  const answer = app.permit.check('ann', 'held', 'task')
  await until(() => pdps.some(pdp => pdp.questions.at(-1)?.action === 'held'))
  const before = pdps.map(pdp => pdp.questions.length)
  for (let index = 0; index < 30; index++) await app.permit.check('ann', `b${index}`, 'task')
  t.same(pdps.map((pdp, index) => pdp.questions.length - before[index]!).sort((a, b) => a - b), [0, 15, 15], 'the one that is busy got no more')
  held.resolve(true)
  t.equal(await answer, true)
})

t.test('each replica has its own connections, and the limit in flight spans the usable replicas', async t => {
  const { app } = await appWithReplicas(t, [{ decide: never }, { decide: never }], { connections: 2, batch: 1, queue: 3, timeout: 400, breaker: false })
  const answers = Array.from({ length: 8 }, (_, index) => app.permit.check('ann', `a${index}`, 'task').catch((error: { cause: { failure: string } }) => error.cause.failure))
  await until(() => app.permit.stats().pdp?.inFlight === 4)
  t.match(app.permit.stats(), { batches: { waiting: 3 } })
  t.same((await Promise.all(answers)).sort(), ['overload', ...Array(7).fill('timeout')])
})

const FAILURES: Record<string, (response: ServerResponse) => void> = {
  'breaks the connection': response => { response.destroy() },
  'answers 500': response => { response.writeHead(500).end() },
  'answers 503': response => { response.writeHead(503).end() },
  'is overloaded': response => { response.writeHead(429, { 'retry-after': '60' }).end() },
  'refuses the token': response => { response.writeHead(403).end() },
  redirects: response => { response.writeHead(302, { location: '/elsewhere' }).end() },
  'cannot be believed': response => sendJson(response, 200, { allow: 'true' }),
  'is cut off': response => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
    response.write('{"allow":true}')
    setImmediate(() => response.destroy())
  }
}

for (const [name, answer] of Object.entries(FAILURES)) {
  t.test(`a replica that ${name}: the other one decides`, async t => {
    const { app, pdps } = await appWithReplicas(t, [
      { intercept: (_request, response) => { answer(response); return true } },
      { decide: ({ user }) => user.key === 'ann' }
    ], { retries: 0 })
    app.get('/tasks', { config: { permit: 'task:list' } }, async () => 'ok')
    for (let round = 0; round < 6; round++) {
      t.equal((await app.inject({ url: '/tasks', headers: ann })).statusCode, 200)
      t.equal((await app.inject({ url: '/tasks', headers: { 'x-user': 'eve' } })).statusCode, 403)
      t.same(await app.permit.bulkCheck('ann', ['1', '2', '3'].map(key => ({ action: `read${round}`, resource: `task:${key}` }))), [true, true, true])
    }
    t.ok(pdps[0]!.requests.length > 0, 'it was asked')
    t.match(app.permit.stats(), { checks: { failed: 0 }, pdp: { failures: 0 } })
  })
}

t.test('a refusal of the check itself is final: no other replica is asked', async t => {
  const { app, pdps } = await appWithReplicas(t, [422, 422].map(status => ({ intercept: (_request: unknown, response: ServerResponse) => { response.writeHead(status).end(); return true } })))
  await t.rejects(app.permit.check('ann', 'read', 'task'), { cause: { failure: 'status', status: 422 } })
  t.equal(pdps[0]!.requests.length + pdps[1]!.requests.length, 1)
})

t.test('all usable replicas are tried before giving up, each once', async t => {
  const gone = (_request: unknown, response: ServerResponse) => { response.destroy(); return true }
  const { app, pdps } = await appWithReplicas(t, [{ intercept: gone }, { intercept: gone }, { intercept: gone }, {}], { retries: 0, breaker: false })
  for (let index = 0; index < 8; index++) t.equal(await app.permit.check('ann', 'read', 'task'), true)
  pdps[3]!.options.intercept = gone
  for (const pdp of pdps) pdp.requests.length = 0
  await t.rejects(app.permit.check('ann', 'read', 'task'), { cause: { failure: 'network' } })
  t.same(pdps.map(pdp => pdp.requests.length), [1, 1, 1, 1])
})

t.test('a replica that hangs costs half the deadline, once: the other one is asked, too, and then the breaker opens', async t => {
  const { lines, logger } = logSink()
  const { app, pdps } = await appWithReplicas(t, [{ intercept: never }, {}], { timeout: 1_600, breaker: { failures: 3, halfOpenAfter: 10_000 } }, { logger })
  const start = performance.now()
  t.same(await allAtOnce(40, index => app.permit.check('ann', `a${index}`, 'task')), Array(40).fill(true))
  t.ok(performance.now() - start < 1_550, `${performance.now() - start} ms`)
  for (let round = 0; app.permit.stats().pdp?.replicas[0]?.state === 'closed'; round++) await allAtOnce(4, index => app.permit.check('ann', `b${round}-${index}`, 'task'))
  const again = performance.now()
  t.same(await allAtOnce(40, index => app.permit.check('ann', `c${index}`, 'task')), Array(40).fill(true))
  t.ok(performance.now() - again < 750, 'nobody waits for it any more')
  t.match(app.permit.stats(), { checks: { failed: 0 }, pdp: { failures: 0, replicas: [{ url: pdps[0]!.url, state: 'open' }, { state: 'closed', failures: 0 }] } })
  t.match(await app.permit.health(), { ok: true, replicas: [{ url: pdps[0]!.url, state: 'open' }, { url: pdps[1]!.url, state: 'closed' }] })
  t.equal(lines.filter(line => /gets no checks until it recovers/.test(String(line.msg))).length, 1, 'one line in the log')
})

t.test('when most replicas hang, each is tried in turn until one answers, within the deadline', async t => {
  const { app, pdps } = await appWithReplicas(t, [{ intercept: never }, { intercept: never }, {}], { timeout: 1_600, retries: 0, breaker: false })
  for (let index = 0; index < 3; index++) t.equal(await app.permit.check('ann', `a${index}`, 'task'), true)
  t.ok(pdps.slice(0, 2).every(pdp => pdp.requests.length > 0))
  t.match(app.permit.stats().pdp, { failures: 0 })
})

/** Fails every question at once, and is well when it is looked at: its breaker stays closed. */
const failsFast: FakePdpOptions = {
  intercept: ({ body }, response) => {
    const probe = Array.isArray(body) && body.length === 0
    if (!probe) response.writeHead(500).end()
    return !probe
  }
}

t.test('a replica that fails fast does not attract the checks', async t => {
  const { app, pdps } = await appWithReplicas(t, [failsFast, {}], { retries: 0 })
  const start = performance.now()
  for (let index = 0; index < 200; index++) t.equal(await app.permit.check('ann', `a${index}`, 'task'), true)
  const least = Math.ceil((performance.now() - start) / 250) + 1
  t.ok(pdps[0]!.requests.length <= least, `${pdps[0]!.requests.length} of 200 were asked there first`)
  t.equal(app.permit.stats().pdp?.replicas[0]?.state, 'closed')
})

t.test('failed checks without a free connection to another replica do not pile up', async t => {
  const [fails, hangs] = [await pdpFor(t, failsFast), await pdpFor(t, { decide: never })]
  const transport = await httpTransport({
    url: [fails, hangs].map(pdp => new URL(pdp.url)), token: fails.token, connections: 1, maxQueue: 5, maxResponseSize: 1_000, connectTimeout: 1_000
  })
  const outcomes: string[] = []
  const send = () => transport.send({
    method: 'POST', path: '/allowed', body: '{"resource":{}}', deadline: performance.now() + 20_000, read: () => true
  }).catch((error: PdpError) => { outcomes.push(error.failure) })
  const first = send()
  await until(() => hangs.requests.length === 1)
  const asked = fails.requests.length
  const others: Promise<unknown>[] = []
  for (let index = 1; index <= 30; index++) {
    others.push(send())
    await until(() => fails.requests.length === asked + index && transport.stats().inFlight === 1)
  }
  t.same(outcomes, Array(25).fill('status'), 'five wait for the other one, and no more')
  await transport.close(performance.now())
  await Promise.all([first, ...others])
})

t.test('a slow answer is used although another replica was asked, too', async t => {
  const slow = (allow: boolean) => ({ decide: () => new Promise<boolean>(resolve => setTimeout(resolve, 300, allow)) })
  const { app } = await appWithReplicas(t, [slow(true), slow(true)], { timeout: 500 })
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  t.match(app.permit.stats().pdp, { requests: 1, failures: 0 })
})

t.test('killing a replica under load is not noticed, and neither is its return', async t => {
  const { app, pdps } = await appWithReplicas(t, [{}, {}, {}], { connections: 8, timeout: 2_000, retries: 0 })
  app.get('/tasks/:id', { config: { permit: { action: 'retrieve', resource: 'task:{id}' } } }, async () => 'ok')
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const statuses = new Map<number, number>()
  let count = 0
  const load = { on: true }
  const client = async () => {
    while (load.on) {
      const { status } = await fetch(`${url}/tasks/${count++}`, { headers: ann })
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  const clients = Array.from({ length: 16 }, client)
  const reach = (target: number) => until(() => count >= target)
  await reach(300)
  await pdps[1]!.close()
  await until(() => app.permit.stats().pdp?.replicas[1]?.state === 'open')
  await reach(count + 500)
  const back = await startFakePdp({ port: portOf(pdps[1]!), decide: () => true })
  t.teardown(() => back.close())
  await until(() => app.permit.stats().pdp?.replicas[1]?.state === 'closed')
  await until(() => back.questions.length > 20)
  await pdps[0]!.close()
  await pdps[2]!.close()
  await reach(count + 500)
  load.on = false
  await Promise.all(clients)
  t.same([...statuses.keys()], [200], `${count} requests, all of them 200`)
  t.match(app.permit.stats(), { checks: { failed: 0, denied: 0 } })
})

t.test('writes go to the first replica, to the next when it is unreachable, and never again when they may have arrived', async t => {
  const facts = (_request: { url: string }, response: ServerResponse) => { if (_request.url.startsWith('/facts')) sendJson(response, 201, {}); return _request.url.startsWith('/facts') }
  const { app, pdps } = await appWithReplicas(t, [{ intercept: facts }, { intercept: facts }])
  const { api } = app.permit
  const writes = () => pdps.map(pdp => pdp.requests.filter(({ url }) => url.startsWith('/facts')).length)
  for (let index = 0; index < 4; index++) await app.permit.write(api.createTenant({ key: `t${index}` }))
  t.same(writes(), [4, 0])

  pdps[0]!.options.intercept = (_request, response) => { response.destroy(); return true }
  await t.rejects(app.permit.write(api.createTenant({ key: 'x' })), { cause: { failure: 'network' } })
  pdps[0]!.options.intercept = (_request, response) => { response.writeHead(503).end(); return true }
  await t.rejects(app.permit.write(api.createTenant({ key: 'x' })), { cause: { failure: 'status' } })
  t.same(writes(), [6, 0])
})

t.test('a write goes to the next replica when the first is unreachable', async t => {
  const { app, pdps } = await appWithReplicas(t, [{}, { intercept: (_request, response) => { sendJson(response, 201, {}); return true } }])
  const { api } = app.permit
  await pdps[0]!.close()
  for (const key of ['a', 'b']) await app.permit.write(api.createTenant({ key }))
  t.equal(pdps[1]!.requests.length, 2)
})
