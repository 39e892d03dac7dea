// Two instances of an app and a bus of their own: what one writes, invalidates or is told, the other follows.
import { EventEmitter } from 'node:events'
import t, { type Test } from 'tap'
import express from 'express'
import { permit as expressPermit } from '../../src/express/index.js'
import permit, { type CustomBus, type PermitOptions } from '../../src/index.js'
import { fastifyFor, optionsFor, pdpFor } from '../support/app.js'
import { sendJson, type FakePdp, type FakePdpOptions } from '../support/fake-pdp.js'

/** A bus in this process. It hands each message on in a turn of its own, as a network would. */
function localBus () {
  const emitter = new EventEmitter()
  const sent: string[] = []
  const bus: CustomBus = {
    publish (channel, message) {
      sent.push(message)
      setImmediate(() => emitter.emit(channel, message))
    },
    subscribe (channel, listener) {
      emitter.on(channel, listener)
      return () => emitter.off(channel, listener)
    }
  }
  return { bus, sent, emitter }
}

/** A PDP that takes writes of facts. */
async function writablePdp (t: Test, options: FakePdpOptions): Promise<FakePdp> {
  return pdpFor(t, {
    ...options,
    intercept (request, response) {
      if (!request.url.startsWith('/facts')) return false
      sendJson(response, 200, {})
      return true
    }
  })
}

const HOUR = 3_600_000
const SECRET = 'a secret of all instances'

async function instance (t: Test, pdp: FakePdp, bus: unknown, options: Partial<PermitOptions> = {}) {
  const app = fastifyFor(t)
  await app.register(permit, optionsFor(pdp, { cache: { ttl: HOUR }, bus: { client: bus as object, secret: SECRET }, ...options }))
  await app.ready()
  return app
}

/** What has happened on the bus until now has arrived everywhere. */
const arrived = () => new Promise(resolve => setImmediate(() => setImmediate(resolve)))

t.test('writes, invalidations and update reports of one instance drop the decisions of the other, and no others', async t => {
  const allowed = new Set(['ann', 'bob'])
  const pdp = await writablePdp(t, { decide: ({ user }) => allowed.has(user.key) })
  const { bus } = localBus()
  const [a, b] = [await instance(t, pdp, bus, { updates: { path: '/updates', secret: 'the-secret-of-the-updates' } }), await instance(t, pdp, bus)]
  const askedFor = () => pdp.questions.splice(0).map(({ user }) => user.key).sort()
  const checkBoth = async () => {
    for (const user of ['ann', 'bob']) await b.permit.check(user, 'read', 'task')
    return askedFor()
  }
  t.same(await checkBoth(), ['ann', 'bob'])
  t.same(await checkBoth(), [], 'both are cached for an hour')

  allowed.delete('ann')
  await a.permit.write(a.permit.api.unassignRole('ann', 'reader', 'default'))
  await arrived()
  t.same(await checkBoth(), ['ann'], 'only the user of the write was forgotten')
  t.equal(await b.permit.check('ann', 'read', 'task'), false)

  a.permit.invalidate('bob')
  await arrived()
  t.same(await checkBoth(), ['bob'])

  a.permit.invalidate()
  await arrived()
  t.same(await checkBoth(), ['ann', 'bob'])

  const reported = await a.inject({
    method: 'POST',
    url: '/updates',
    headers: { 'x-permit-updates-secret': 'the-secret-of-the-updates', 'content-type': 'application/json' },
    payload: { reports: [{ entry: { dst_path: '/users/bob' } }], policy_hash: null }
  })
  t.equal(reported.statusCode, 204)
  await arrived()
  t.same(await checkBoth(), ['bob'], 'a report to one instance is enough')
})

t.test('a decision in flight at the other instance when a write resolves is not cached there', async t => {
  let release = (_allow: boolean): void => {}
  let hold = true
  const pdp = await writablePdp(t, { decide: () => hold ? new Promise<boolean>(resolve => { release = resolve }) : false })
  const { bus } = localBus()
  const [a, b] = [await instance(t, pdp, bus), await instance(t, pdp, bus)]
  const early = b.permit.check('ann', 'read', 'task')
  while (pdp.questions.length === 0) await arrived()
  await a.permit.write(a.permit.api.unassignRole('ann', 'reader', 'default'))
  await arrived()
  hold = false
  const late = b.permit.check('ann', 'read', 'task')
  t.equal(await late, false, 'a check from after the write does not join one from before')
  release(true)
  t.equal(await early, true)
  t.equal(await b.permit.check('ann', 'read', 'task'), false, 'and the early answer is not kept')
})

t.test('messages do not reveal users, and are signed', async t => {
  const pdp = await writablePdp(t, { decide: () => true })
  const { bus, sent } = localBus()
  const a = await instance(t, pdp, bus)
  for (let user = 0; user < 50; user++) a.permit.invalidate(`person-${user}@example.com`)
  await a.permit.write(a.permit.api.unassignRole('person-1@example.com', 'reader', 'default'))
  t.ok(sent.length > 1)
  for (const message of sent) {
    t.notMatch(message, /person|example|reader|default|secret/)
    t.ok(message.length < 4_000)
  }
})

t.test('health and stats include the bus; an unreachable bus does not make the app unhealthy, and is logged once', async t => {
  const pdp = await writablePdp(t, { decide: () => true })
  const { bus } = localBus()
  const [a, b] = [await instance(t, pdp, bus), await instance(t, pdp, bus)]
  await arrived()
  t.match(await a.permit.health(), { ok: true, bus: { ok: true, name: 'custom', instances: 2, silent: 0 } })
  t.match(a.permit.stats().bus, { up: true, instances: 2, gaps: 0, rejected: 0, outages: 0 })
  await b.close()
  await arrived()
  t.match(await a.permit.health(), { bus: { ok: true, instances: 1, silent: 0 } }, 'an instance that closes says so')

  const lines: string[] = []
  const lonely = fastifyFor(t, { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } })
  await lonely.register(permit, optionsFor(pdp, { cache: { ttl: HOUR }, bus: { client: { publish () { throw new Error('redis://user:password@host') }, subscribe () {} }, secret: SECRET } }))
  await lonely.ready()
  t.match(await lonely.permit.health(), { ok: true, bus: { ok: false, name: 'custom' } })
  t.equal(await lonely.permit.check('ann', 'read', 'task'), true)
  t.equal(lines.filter(line => line.includes('the bus is unreachable')).length, 1)
  t.notMatch(lines.join(), 'password')
})

t.test('an app without the option has no bus in its stats', async t => {
  const pdp = await pdpFor(t)
  const app = fastifyFor(t)
  await app.register(permit, optionsFor(pdp, { cache: {} }))
  t.notOk('bus' in app.permit.stats())
  t.notOk('bus' in await app.permit.health())
})

t.test('Express instances and Fastify instances share a bus, plans included', async t => {
  const { bus } = localBus()
  const policy = {
    resources: { task: { actions: { read: {} } } }, roles: { reader: { permissions: ['task:read'] } }, users: { ann: {} }, role_assignments: [{ user: 'ann', role: 'reader' }]
  }
  const options = { policy, cache: { ttl: HOUR }, bus: { client: bus, secret: SECRET } }
  const app = fastifyFor(t)
  await app.register(permit, options)
  const authz = expressPermit(options)
  t.teardown(() => authz.close())
  express().use(authz)
  authz.permit.invalidate('ann')
  await authz.ready()
  const before = authz.permit.stats().cache?.invalidations ?? 0
  await authz.permit.plan('ann', 'read', 'task')
  await authz.permit.plan('ann', 'read', 'task')
  t.match(authz.permit.stats().plans, { asked: 2, shared: 1 })
  await app.permit.write(app.permit.api.unassignRole('ann', 'reader', 'default'))
  await arrived()
  t.ok((authz.permit.stats().cache?.invalidations ?? 0) > before)
  await authz.permit.plan('ann', 'read', 'task')
  t.match(authz.permit.stats().plans, { asked: 3, shared: 1 }, 'the plan was made anew')
})

t.test('any message on the bus can at most drop decisions, and only at a bounded rate', async t => {
  const pdp = await writablePdp(t, { decide: () => true })
  const { bus, sent, emitter } = localBus()
  const a = await instance(t, pdp, bus)
  await a.permit.check('ann', 'read', 'task')
  const [real = ''] = sent
  const hostile: unknown[] = [
    '', 'x', real.slice(1), real.slice(0, -1), `${real} `, real.toUpperCase(), 'a'.repeat(1_000_000), null, undefined, 7, {}, [], Buffer.from(real), Symbol('x'),
    { toString () { throw new Error('hostile') } }, `${'A'.repeat(22)}{"v":1,"i":"0000000000000000","n":1,"c":1,"s":[],"f":"all"}`, `${'A'.repeat(22)}{"__proto__":{"x":1}}`
  ]
  const forgotten = a.permit.stats().bus?.forgetAll ?? 0
  for (let index = 0; index < 20_000; index++) t.doesNotThrow(() => emitter.emit('fastify-permit', hostile[index % hostile.length])) || t.bailout()
  const stats = a.permit.stats().bus
  t.equal(stats?.rejected, 20_000)
  t.ok((stats?.forgetAll ?? 0) - forgotten <= 20, `everything was forgotten ${(stats?.forgetAll ?? 0) - forgotten} times`)
  t.equal(await a.permit.check('ann', 'read', 'task'), true)
  for (let repeat = 0; repeat < 100; repeat++) emitter.emit('fastify-permit', real)
  t.equal(await a.permit.check('ann', 'read', 'task'), true, 'a real message that is played again does nothing')
})

t.test('the options are checked: each mistake is named, and no password is quoted', async t => {
  const cases: ReadonlyArray<readonly [Record<string, unknown>, RegExp]> = [
    [{ bus: 'mysql://user:password@host' }, /option "bus" cannot be used; expected a URL that begins with redis:/],
    [{ bus: 7 }, /option "bus" is 7; expected a URL/],
    [{ bus: {} }, /option "bus" has neither "url" nor "client"/],
    [{ bus: { url: 'cluster', client: localBus().bus } }, /option "bus" has both "url" and "client"/],
    [{ bus: { url: 'http://password' } }, /option "bus.url" cannot be used/],
    [{ bus: { client: { publish () {} } } }, /option "bus.client" cannot be used/],
    [{ bus: { url: 'cluster', degradedTtl: 10 } }, /option "bus.degradedTtl" is 10; expected milliseconds, an integer from 500/],
    [{ bus: { url: 'cluster', degradedTTL: 1_000 } }, /option "bus.degradedTTL" is not known.*did you mean "degradedTtl"/],
    [{ bus: { url: 'cluster', channel: 'a"b' } }, /option "bus.channel" is a string that cannot be used; expected at most 63/],
    [{ bus: { url: 'cluster', secret: 'short' } }, /option "bus.secret" is a string that cannot be used; expected a string of at least 16/],
    [{ bus: 'cluster', cache: false }, /option "bus" is given without a cache/],
    [{ bus: localBus().bus, token: () => 'changing' }, /option "bus" requires a secret that all instances share/]
  ]
  for (const [options, message] of cases) {
    const app = fastifyFor(t)
    const given = { pdp: 'http://127.0.0.1:1', token: 'token-of-the-pdp', cache: {}, ...options } as PermitOptions
    await t.rejects(async () => { await app.register(permit, given) }, { code: 'FST_PERMIT_OPTIONS', message })
    await app.register(permit, given).then(() => {}, error => t.notMatch(error.message, 'password'))
  }
})
