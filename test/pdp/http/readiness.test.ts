// A PDP that is up, and empty: its no is no decision until its health says that it is ready.
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../../src/index.js'
import { fastifyFor, logSink, optionsFor, pdpFor } from '../../support/app.js'
import { startFakePdp, sendJson, type FakePdp, type FakePdpOptions } from '../../support/fake-pdp.js'
import { until } from '../../support/replicas.js'

/** A PDP that has its data, or not yet; without it, it says no to everybody. */
async function start (t: Test, { ready = true, ...fake }: FakePdpOptions & { ready?: boolean } = {}, options: Partial<PermitOptions> = {}) {
  const state = { ready, healths: 0 }
  const pdp = await pdpFor(t, { ...fakeOf(state), ...fake })
  const { app, log } = await appFor(t, pdp, options)
  return { app, log, pdp, state }
}

function fakeOf (state: { ready: boolean, healths: number }): FakePdpOptions {
  return {
    decide: ({ user }) => state.ready && user.key !== 'eve',
    intercept: ({ url }, response) => {
      if (url !== '/healthy') return false
      state.healths++
      sendJson(response, state.ready ? 200 : 503, {})
      return true
    }
  }
}

async function appFor (t: Test, pdp: FakePdp, options: Partial<PermitOptions>) {
  const log = logSink()
  const app = fastifyFor(t, { logger: log.logger })
  await app.register(permit, optionsFor(pdp, { readiness: undefined, ...options }))
  app.get('/tasks/:id', { config: { permit: { action: 'read', resource: 'task:{id}' } } }, async () => 'ok')
  await app.ready()
  const ask = async (user: string, id: string) => (await app.inject({ url: `/tasks/${id}`, headers: { 'x-user': user } })).statusCode
  return { app: Object.assign(app, { ask }), log }
}

t.test('an empty PDP is not believed, alone and in a batch, cached or not; a yes always counts; when it is ready, a no counts', async t => {
  const { app, state } = await start(t, { ready: false }, { cache: { ttl: 60_000 } })
  t.equal(await app.ask('ann', '1'), 503)
  t.same(await Promise.all(['1', '2', '3'].map(id => app.ask('ann', id))), [503, 503, 503])
  state.ready = true
  await new Promise(resolve => setTimeout(resolve, 110))
  t.same(await Promise.all(['1', '2', '3'].map(id => app.ask('ann', id))), [200, 200, 200])
  t.equal(await app.ask('eve', '1'), 403)
})

t.test('a yes of a PDP that is not ready counts beside the no of others, whoever is asked with whom', async t => {
  const { app, pdp } = await start(t, { ready: false, decide: ({ user }) => user.key === 'ann' }, { connections: 1 })
  // The first check goes by itself, and the others wait for the connection.
  const asked = ['eve', 'ann', 'bob', 'ann', 'eve']
  const statuses = await Promise.all(asked.map((user, index) => app.ask(user, String(index))))
  t.same(statuses, asked.map(user => user === 'ann' ? 200 : 503))
  t.ok(pdp.requests.some(({ url, body }) => url === '/allowed/bulk' && (body as { user: { key: string } }[]).length > 2), 'in a batch')
})

t.test('the log says at boot that a PDP is not ready', async t => {
  const { log, pdp } = await start(t, { ready: false })
  await until(() => log.lines.some(({ level }) => Number(level) >= 40))
  t.match(log.lines.filter(({ level }) => Number(level) >= 40), [{ level: 40, msg: /is not ready/, permit: { pdp: pdp.url, failure: 'unready', reason: /\/healthy has status 503/ } }])
})

t.test('while nothing happens to the connections, a denial is one request, and the health is not asked again', async t => {
  const { app, pdp, state } = await start(t)
  for (let index = 0; index < 5; index++) t.equal(await app.ask('eve', String(index)), 403)
  t.equal(pdp.questions.length, 5)
  t.equal(state.healths, 1, 'at boot')
})

t.test('many denials at a time ask the health a few times, and each question is asked twice at most', async t => {
  const { app, pdp, state } = await start(t, {}, { connections: 4, batch: 5 })
  const before = state.healths
  t.same(new Set(await Promise.all(Array.from({ length: 60 }, (_, index) => app.ask('eve', String(index))))), new Set([403]))
  t.ok(state.healths - before <= 4, `${state.healths - before} times`)
  t.ok(pdp.questions.length <= 120, `${pdp.questions.length} questions`)
})

t.test('a PDP that restarts without its data denies nobody wrongly; without the option, it does', async t => {
  for (const readiness of [undefined, false] as const) {
    let pdp = await startFakePdp(fakeOf({ ready: true, healths: 0 }))
    t.teardown(() => pdp.close())
    const port = Number(new URL(pdp.url).port)
    const { app } = await appFor(t, pdp, { cache: { ttl: 1 }, ...(readiness === undefined ? {} : { readiness }) })
    const seen = new Map<number, number>()
    const clock = { running: true }
    const client = async (name: string) => {
      for (let index = 0; clock.running; index++) {
        const status = await app.ask('ann', `${name}-${index}`)
        seen.set(status, (seen.get(status) ?? 0) + 1)
        await new Promise(resolve => setTimeout(resolve, 1))
      }
    }
    const clients = Promise.all(Array.from({ length: 8 }, (_, index) => client(String(index))))
    const state = { ready: false, healths: 0 }
    for (let restarts = 0; restarts < 3; restarts++) {
      const before = seen.get(200) ?? 0
      await until(() => (seen.get(200) ?? 0) > before + 10)
      await pdp.close()
      state.ready = false
      pdp = await startFakePdp({ ...fakeOf(state), port })
      await until(() => pdp.questions.length > 10)
      state.ready = true
    }
    const before = seen.get(200) ?? 0
    await until(() => (seen.get(200) ?? 0) > before + 10)
    clock.running = false
    await clients
    if (readiness === undefined) {
      t.equal(seen.get(403), undefined, JSON.stringify([...seen]))
      t.ok(state.healths > 0 && state.healths < pdp.questions.length + 100, `${state.healths} times`)
    } else {
      t.ok((seen.get(403) ?? 0) > 0, JSON.stringify([...seen]))
      t.equal(state.healths, 0)
    }
  }
})

t.test('a PDP without such a path, or with another answer there, is believed', async t => {
  const answers: Array<[status: number, body: string, type: string]> = [
    [404, '{}', 'application/json'], [401, '{}', 'application/json'], [405, '', 'text/plain'], [200, 'ok', 'text/plain'], [200, '', 'text/plain'], [200, '{"status":"SERVING"}', 'application/json']
  ]
  for (const [status, body, type] of answers) {
    let asked = 0
    const { app } = await start(t, {
      intercept: ({ url }, response) => {
        if (url !== '/healthy') return false
        asked++
        response.writeHead(status, { 'content-type': type }).end(body)
        return true
      }
    })
    t.same(await Promise.all(['1', '2', '3'].map(id => app.ask('eve', id))), [403, 403, 403], `${status} ${body}`)
    t.ok(asked <= 4, `${asked} times`)
  }
})

t.test('a health that fails, hangs or says that nothing is served makes a no no decision, in time', async t => {
  const how: Array<NonNullable<FakePdpOptions['intercept']>> = [
    (_request, response) => { sendJson(response, 500, {}); return true },
    (_request, response) => { sendJson(response, 429, {}); return true },
    (_request, response) => { sendJson(response, 200, { status: 'NOT_SERVING' }); return true },
    (_request, response) => { response.destroy(); return true },
    () => new Promise(() => {})
  ]
  for (const [index, answer] of how.entries()) {
    const { app } = await start(t, { intercept: (request, response) => request.url === '/healthy' && answer(request, response) }, { timeout: 300 })
    const began = performance.now()
    t.same(await Promise.all(['1', '2'].map(id => app.ask('eve', id))), [503, 503], String(index))
    t.ok(performance.now() - began < 3_000)
    t.equal(await app.ask('ann', '1'), 200)
  }
})

t.test('a PDP that closes the connection after each answer is believed', async t => {
  const { app } = await start(t, { intercept: (_request, response) => { response.setHeader('connection', 'close'); return false } })
  t.same(await Promise.all(['1', '2', '3'].map(id => app.ask('eve', id))), [403, 403, 403])
  t.equal(await app.ask('ann', '1'), 200)
})

t.test('with replicas, one that is ready answers in place of one that is not', async t => {
  const empty = { ready: false, healths: 0 }
  const pdps = [await pdpFor(t, fakeOf(empty)), await pdpFor(t, fakeOf({ ready: true, healths: 0 }))]
  const { app } = await appFor(t, pdps[0]!, { pdp: pdps.map(({ url }) => url) })
  for (let index = 0; index < 10; index++) t.equal(await app.ask('ann', String(index)), 200)
  t.ok(empty.healths > 0)
  t.equal(await app.ask('eve', '1'), 403)
})

t.test('lists of an empty PDP count as little', async t => {
  const { app, state } = await start(t, { ready: false })
  await t.rejects(app.permit.permissions('ann'), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'unready' } })
  state.ready = true
  await new Promise(resolve => setTimeout(resolve, 110))
  t.match(await app.permit.permissions('ann'), { '__tenant:default': {} })
})

t.test('an app that is closed meanwhile leaves nothing behind', async t => {
  const { app } = await start(t, { intercept: ({ url }) => url === '/healthy' ? new Promise(() => {}) : false }, { timeout: 5_000 })
  const asked = app.permit.check('eve', 'read', 'task:1')
  const failed = t.rejects(asked, { code: 'FST_PERMIT_UNAVAILABLE' })
  await new Promise(resolve => setTimeout(resolve, 50))
  await app.close()
  await failed
})
