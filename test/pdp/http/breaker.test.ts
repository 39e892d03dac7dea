// The circuit breaker: a dead PDP costs microseconds, a PDP that is back is asked within a second, and no question opens it.
import { createServer, type AddressInfo, type Socket } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { PdpError } from '../../../src/contract/errors.js'
import permit from '../../../src/index.js'
import { Breaker } from '../../../src/pdp/http/breaker.js'
import { firstSuccess } from '../../../src/pdp/http/breaker-probe.js'
import { fastifyFor, guardedApp, logSink, optionsFor } from '../../support/app.js'
import { startFakePdp } from '../../support/fake-pdp.js'
import { portOf, until } from '../../support/replicas.js'

const failure = (error: { cause?: { failure?: string } }) => error.cause?.failure
const turns = async () => { for (let turn = 0; turn < 20; turn++) await Promise.resolve() }

t.test('consecutive failures open it only when the probe fails, too; a successful probe closes it', async t => {
  let well = true
  let probes = 0
  const changes: string[] = []
  const breaker = new Breaker({ failures: 3, halfOpenAfter: 10 }, async () => {
    probes++
    if (!well) throw new PdpError('network', 'gone')
  }, reason => changes.push(reason?.failure ?? 'closed'))
  t.teardown(() => breaker.close())

  for (let count = 0; count < 2; count++) breaker.failure(breaker.era)
  breaker.success(breaker.era)
  for (let count = 0; count < 2; count++) breaker.failure(breaker.era)
  await turns()
  t.equal(probes, 0, 'a success between them starts the count anew')
  breaker.failure(breaker.era)
  await turns()
  t.same([probes, breaker.state], [1, 'closed'], 'a probe that succeeds clears the PDP')

  well = false
  for (let count = 0; count < 3; count++) breaker.failure(breaker.era)
  await turns()
  t.same([probes, breaker.state, breaker.usable], [2, 'open', false])
  await until(() => probes >= 5)
  well = true
  await until(() => breaker.usable)
  t.equal(breaker.state, 'closed')
  t.same(changes, ['network', 'closed'], 'each change is told once')
})

t.test('during a probe it is half-open and not usable, and there is one probe at a time', async t => {
  const probes: { fail: (error: Error) => void, succeed: () => void }[] = []
  const breaker = new Breaker({ failures: 1, halfOpenAfter: 10 }, () => new Promise<void>((resolve, reject) => probes.push({ fail: reject, succeed: resolve })), () => {})
  t.teardown(() => breaker.close())
  for (let count = 0; count < 10; count++) breaker.failure(breaker.era)
  t.equal(probes.length, 1)
  t.equal(breaker.usable, true, 'it takes a failed probe to open it')
  probes[0]!.fail(new PdpError('timeout', 'test'))
  await until(() => probes.length === 2)
  t.same([breaker.state, breaker.usable], ['half-open', false])
  probes[1]!.succeed()
  await until(() => breaker.usable)
})

t.test('a check that succeeds during the probe keeps it closed although the probe fails, unless enough checks fail after it', async t => {
  for (const [after, state] of [[0, 'closed'], [1, 'closed'], [2, 'open']] as const) {
    let fail = (_error: Error): void => {}
    const breaker = new Breaker({ failures: 2, halfOpenAfter: 60_000 }, () => new Promise<void>((_resolve, reject) => { fail = reject }), () => {})
    t.teardown(() => breaker.close())
    for (let count = 0; count < 2; count++) breaker.failure(breaker.era)
    breaker.success(breaker.era)
    for (let count = 0; count < after; count++) breaker.failure(breaker.era)
    fail(new PdpError('status', 'an answer from before'))
    await turns()
    t.equal(breaker.state, state, `${after} failures after the success`)
  }
})

t.test('results of checks sent before it opened do not count after it has closed', async t => {
  let well = false
  const breaker = new Breaker({ failures: 2, halfOpenAfter: 10 }, async () => { if (!well) throw new PdpError('network', 'gone') }, () => {})
  t.teardown(() => breaker.close())
  const old = breaker.era
  for (let count = 0; count < 2; count++) breaker.failure(old)
  await until(() => !breaker.usable)
  well = true
  await until(() => breaker.usable)
  well = false
  for (let count = 0; count < 10; count++) breaker.failure(old)
  await turns()
  t.equal(breaker.usable, true)
})

t.test('closing it stops its timer: no more probes and no more events', async t => {
  const probed: number[] = []
  let changes = 0
  const breaker = new Breaker({ failures: 1, halfOpenAfter: 10 }, async () => {
    probed.push(performance.now())
    throw new PdpError('network', 'gone')
  }, () => { changes++ })
  breaker.failure(breaker.era)
  await until(() => !breaker.usable)
  breaker.close()
  const before = [probed.length, changes]
  await new Promise(resolve => setTimeout(resolve, 40))
  t.same([probed.length, changes], before)
})

t.test('whatever the order of results, it opens only after enough consecutive failures and a failed probe', async t => {
  await fc.assert(fc.asyncProperty(fc.array(fc.constantFrom('success', 'failure', 'ill', 'well'), { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), async (steps, failures) => {
    let well = true
    let ill = 0
    const breaker = new Breaker({ failures, halfOpenAfter: 60_000 }, async () => { if (!well) { ill++; throw new PdpError('network', 'gone') } }, () => {})
    let row = 0
    let open = false
    for (const step of steps) {
      if (step === 'ill' || step === 'well') well = step === 'well'
      else breaker[step](breaker.era)
      if (step === 'success') row = 0
      if (step === 'failure' && !open && ++row >= failures) {
        if (well) row = 0
        else open = true
      }
      await turns()
      if (breaker.usable === open) throw new Error(`usable ${breaker.usable} after ${row} failures in a row`)
      if (open && ill !== 1) throw new Error(`${ill} failed probes`)
    }
    breaker.close()
  }), { numRuns: 200 })
  t.pass('200 histories')
})

async function appWithDeadPdp (t: Parameters<typeof fastifyFor>[0], options = {}) {
  const sink = logSink()
  const { app, pdp } = await guardedApp(t, options, {}, { logger: sink.logger })
  app.get('/tasks', { config: { permit: 'task:list' } }, async () => 'ok')
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  await pdp.close()
  for (let count = 0; app.permit.stats().pdp?.replicas[0]?.state === 'closed'; count++) {
    await t.rejects(app.permit.check('ann', `a${count}`, 'task'), { code: 'FST_PERMIT_UNAVAILABLE' })
  }
  return { app, pdp, ...sink }
}

t.test('an unreachable PDP costs microseconds: a check fails at once, with 503 and Retry-After', async t => {
  const { app, pdp } = await appWithDeadPdp(t)
  const { statusCode, headers } = await app.inject({ url: '/tasks', headers: { 'x-user': 'ann' } })
  t.equal(statusCode, 503)
  t.equal(headers['retry-after'], '1')
  const { requests, failures, replicas: [{ requests: before }] } = app.permit.stats().pdp as unknown as { requests: number, failures: number, replicas: [{ requests: number }] }
  const count = 1_000
  const start = performance.now()
  for (let index = 0; index < count; index++) {
    const outcome = await app.permit.check('ann', `b${index}`, 'task').catch(failure)
    if (outcome !== 'circuit') t.fail(String(outcome))
  }
  const each = (performance.now() - start) / count * 1000
  t.comment(`${each.toFixed(1)} µs for a check while the breaker is open`)
  t.ok(each < 2_000, `${each} µs, on however busy a machine, and not the timeout of a second`)
  t.equal(app.permit.stats().pdp?.replicas[0]?.requests, before, 'nothing was sent')
  t.match(app.permit.stats(), { pdp: { requests, failures } }, 'and nothing is counted as sent')
  t.match(await app.permit.health(), { ok: false, pdp: pdp.url, reason: /circuit breaker is open/, replicas: [{ url: pdp.url, state: /open/ }] })
})

t.test('a PDP that recovers is used within a second, without traffic; the log has one line for each change', async t => {
  const { app, pdp, lines } = await appWithDeadPdp(t)
  const about = (pattern: RegExp) => lines.filter(line => pattern.test(String(line.msg)))
  for (let index = 0; index < 100; index++) await t.rejects(app.permit.check('ann', `b${index}`, 'task'))
  const back = await startFakePdp({ port: portOf(pdp), decide: () => true })
  t.teardown(() => back.close())
  const start = performance.now()
  await until(() => app.permit.stats().pdp?.replicas[0]?.state === 'closed')
  t.ok(performance.now() - start < 1_000, `${performance.now() - start} ms`)
  t.equal(back.requests.length, 0, 'nobody had asked anything')
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  t.match(about(/gets no checks until it recovers/), [{ level: 50, permit: { pdp: pdp.url, failure: 'network' } }])
  t.match(about(/has recovered and gets checks again/), [{ level: 30, permit: { pdp: pdp.url } }])
  t.equal(about(/gets no checks until it recovers/).length + about(/has recovered and gets checks again/).length, 2)
})

t.test('a PDP that recovers from hanging is used within a second, although a probe was lost in it', async t => {
  let hangs = false
  const { app } = await guardedApp(t, { timeout: 1_000, breaker: { failures: 2 } }, { intercept: () => hangs ? new Promise(() => {}) : false, decide: () => true })
  hangs = true
  const late = ['a', 'b', 'c'].map(async (action, turns) => {
    // Each in a turn of its own, and so in a request of its own.
    for (let turn = 0; turn < turns; turn++) await new Promise(resolve => setImmediate(resolve))
    await t.rejects(app.permit.check('ann', action, 'task'), { cause: { failure: 'timeout' } })
  })
  await Promise.all(late)
  await until(() => app.permit.stats().pdp?.replicas[0]?.state === 'half-open')
  hangs = false
  const start = performance.now()
  await until(() => app.permit.stats().pdp?.replicas[0]?.state === 'closed')
  t.ok(performance.now() - start < 1_000, `${performance.now() - start} ms`)
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
})

t.test('probes continue while none ends; the first success counts, and only if all fail does the failure count', async t => {
  const sent: { timeout: number, end: (error?: PdpError) => void }[] = []
  const probe = (timeout: number) => new Promise<PdpError | undefined>(resolve => sent.push({ timeout, end: resolve }))
  const lost = new PdpError('timeout', 'lost')
  const first = firstSuccess(probe, 1_000, 10)
  await until(() => sent.length === 3)
  t.ok(sent[2]!.timeout <= 981 && sent[0]!.timeout <= 1_000, 'all end together')
  sent[0]!.end(lost)
  sent[2]!.end()
  await first

  sent.length = 0
  const second = firstSuccess(probe, 1_000, 10)
  await until(() => sent.length === 2)
  sent[1]!.end(lost)
  sent[0]!.end(lost)
  await t.rejects(second, { message: 'lost' })
  t.equal(sent.length, 2)
})

t.test('a PDP that accepts and never answers opens it, and waiting checks fail at once instead of at the deadline', async t => {
  const sockets = new Set<Socket>()
  const silent = createServer(socket => { sockets.add(socket.on('error', () => {})) })
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const app = fastifyFor(t)
  await app.register(permit, { pdp: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`, token: 'x', timeout: 1_000, connections: 8, batch: 1 })
  const first = await Promise.all(Array.from({ length: 8 }, (_, index) => app.permit.check('ann', `a${index}`, 'task').catch(failure)))
  t.same(first, Array(8).fill('timeout'))
  // Some travel, others wait for a connection, while the probe is on its way.
  const states = new Set<string | undefined>()
  for (let round = 0; app.permit.stats().pdp?.replicas[0]?.state === 'closed'; round++) {
    for (const outcome of await Promise.all(Array.from({ length: 16 }, (_, index) => app.permit.check('ann', `b${round}-${index}`, 'task').catch(failure)))) states.add(outcome as string)
  }
  const start = performance.now()
  t.same(await Promise.all(Array.from({ length: 100 }, (_, index) => app.permit.check('ann', `c${index}`, 'task').catch(failure))), Array(100).fill('circuit'))
  t.ok(performance.now() - start < 950, `${performance.now() - start} ms`)
})

t.test('one check that makes the PDP fail does not affect others, however often it is repeated', async t => {
  const { app } = await guardedApp(t, {}, {
    decide: ({ action }) => {
      if (action === 'poison') throw new Error('the PDP chokes')
      return true
    }
  })
  for (let round = 0; round < 9; round++) {
    for (let count = 0; count < 5; count++) await t.rejects(app.permit.check('ann', 'poison', 'task'), { cause: { failure: 'network' } })
    const actions = ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
    actions.splice(round, 0, 'poison')
    const answers = await Promise.allSettled(actions.map(action => app.permit.check('ann', action, 'task')))
    t.same(answers.map(({ status }) => status), actions.map(action => action === 'poison' ? 'rejected' : 'fulfilled'), `in place ${round}`)
  }
  t.equal(app.permit.stats().pdp?.replicas[0]?.state, 'closed')
})

t.test('a refused token and an invalid check do not count: they do not even cause a probe', async t => {
  for (const status of [400, 401, 403, 404, 422, 429]) {
    let probes = 0
    const { app } = await guardedApp(t, { breaker: { failures: 1 }, retries: 0 }, {
      intercept: ({ body }, response) => {
        if (Array.isArray(body)) probes++
        response.writeHead(status).end()
        return true
      }
    })
    // At boot.
    await until(() => probes === 1)
    for (let count = 0; count < 5; count++) await t.rejects(app.permit.check('ann', `a${count}`, 'task'), { cause: { status } })
    await app.close()
    t.equal(probes, 1)
    t.equal(app.permit.stats().pdp?.replicas[0]?.state, 'closed')
  }
})

t.test('when it is off, a failing PDP gets every check', async t => {
  const { app, pdp } = await guardedApp(t, { breaker: false, retries: 0 }, { intercept: (_request, response) => { response.writeHead(500).end(); return true } })
  for (let count = 0; count < 30; count++) await t.rejects(app.permit.check('ann', `a${count}`, 'task'), { cause: { failure: 'status' } })
  t.equal(pdp.requests.length, 30)
})

t.test('closing an app while the breaker is open leaves no timer and no socket', async t => {
  const open = () => process.getActiveResourcesInfo().filter(name => /TCP|Timeout/.test(name)).sort()
  await new Promise(resolve => setTimeout(resolve, 20))
  const before = open()
  const gone = await startFakePdp()
  await gone.close()
  const app = fastifyFor(t)
  await app.register(permit, optionsFor(gone))
  for (let count = 0; app.permit.stats().pdp?.replicas[0]?.state === 'closed'; count++) await t.rejects(app.permit.check('ann', `a${count}`, 'task'))
  await app.close()
  for (let turn = 0; turn < 100 && open().length > before.length; turn++) await new Promise(resolve => setImmediate(resolve))
  t.ok(open().length <= before.length, open().join())
})
