// Roles that end in an environment: who is told, what a data folder keeps, and what an app and the REST API see.
import t from 'tap'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import permit from '../../src/index.js'
import { createLocalPdp } from '../../src/server/index.js'
import { Environment } from '../../src/environment/environment.js'
import type { Policy } from '../../src/engine/policy/policy.js'

const policy: Policy = {
  resources: { task: { actions: { read: {} } } },
  roles: { viewer: { permissions: ['task:read'] } },
  users: { ann: {}, ben: {} }
}
const END = '2027-01-31T18:00:00Z'
const SOON = Date.parse(END)
const ask = { user: { key: 'ann' }, action: 'read', resource: { type: 'task', tenant: 'default' } }

t.test('a role in a data folder ends on time, also when nobody runs at its time, and its record goes with the next write', async t => {
  const data = await mkdtemp(join(tmpdir(), 'fastify-permit-ends-'))
  t.teardown(() => rm(data, { recursive: true, force: true }))
  let now = SOON - 1_000
  const open = () => Environment.open({ policy, data, now: () => now })
  const first = await open()
  const told: unknown[] = []
  await first.write(facts => facts.assignRole({ user: 'ann', role: 'viewer', expires_at: END }))
  await first.write(facts => facts.assignRole({ user: 'ben', role: 'viewer', expires_at: '2027-01-31T19:00:00+00:00' }))
  first.onChange(change => told.push(change))
  t.equal(first.engine.decide(ask).allow, true)
  await first.close()

  const second = await open()
  t.equal(second.engine.decide(ask).allow, true, 'the end is in the folder')
  second.onChange(change => told.push(change))
  now = SOON
  t.equal(second.engine.decide(ask).allow, false)
  t.same(told, [{ users: ['ann'] }], 'what is cached of the user is forgotten, and of nobody else')
  await second.write(facts => facts.createUser({ key: 'eve' }))
  await second.close()

  // With an earlier clock, a record that was left would count again.
  now = SOON - 1_000
  const third = await open()
  t.equal(third.engine.decide(ask).allow, false, 'the record is gone')
  t.equal(third.engine.decide({ ...ask, user: { key: 'ben' } }).allow, true)
  await third.close()
  now = SOON + 3_600_000
  const fourth = await open()
  t.equal(fourth.engine.decide({ ...ask, user: { key: 'ben' } }).allow, false, 'it ended while nothing ran')
  await fourth.close()
})

t.test('a change of the end that cannot be kept is undone as a whole', async t => {
  let now = SOON - 1_000
  const environment = await Environment.open({ policy, now: () => now })
  t.teardown(() => environment.close())
  await environment.write(facts => facts.assignRole({ user: 'ann', role: 'viewer', expires_at: END }))
  await t.rejects(environment.write(facts => {
    facts.assignRole({ user: 'ann', role: 'viewer' })
    throw new Error('no')
  }), /no/)
  t.equal(environment.engine.decide(ask).allow, true)
  now = SOON
  t.equal(environment.engine.decide(ask).allow, false, 'the end before the write counts')
})

t.test('a role that could not be removed from the disk still ends at its time, for what is cached, too', async t => {
  const data = await mkdtemp(join(tmpdir(), 'fastify-permit-ends-'))
  t.teardown(() => rm(data, { recursive: true, force: true }))
  let now = SOON - 500
  const environment = await Environment.open({ policy, data, now: () => now })
  t.teardown(() => environment.close())
  await environment.write(facts => facts.assignRole({ user: 'ann', role: 'viewer', expires_at: END }))
  await rm(join(data, 'facts.mdb'))
  await t.rejects(environment.write(facts => facts.unassignRole({ user: 'ann', role: 'viewer' })), { name: 'StorageError' })
  t.equal(environment.engine.decide(ask).allow, true, 'nothing has changed')
  const told = new Promise(resolve => { environment.onChange(resolve) })
  now = SOON
  // Nobody asks meanwhile: what is cached is not asked about. The environment alone keeps no process alive.
  const alive = setInterval(() => {}, 60_000)
  t.same(await told, { users: ['ann'] })
  clearInterval(alive)
})

t.test('a cached decision and a cached plan end with the role', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, { policy, cache: { ttl: 60_000 }, user: () => 'ann' })
  await app.permit.api.assignRole({ user: 'ann', role: 'viewer', tenant: 'default', expiresAt: new Date(Date.now() + 400).toISOString() })
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  t.equal((await app.permit.plan('ann', 'read', 'task')).kind, 'all')
  const { cache } = app.permit.stats()
  t.equal(cache?.hits, 1, 'it was cached')
  const end = Date.now() + 10_000
  // Timers of the same time run in the order of their making: what ends has ended when a later one runs.
  while (await app.permit.check('ann', 'read', 'task') && Date.now() < end) await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(await app.permit.check('ann', 'read', 'task'), false, 'long before its time in the cache is over')
  t.equal((await app.permit.plan('ann', 'read', 'task')).kind, 'none')
})

t.test('through a PDP over the network an end is refused before anything is sent', async t => {
  const pdp = createLocalPdp({ token: 'secret', policy })
  t.teardown(() => pdp.close())
  const url = await pdp.listen({ port: 0 })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permit, { pdp: url, token: 'secret', user: () => 'ann' })
  await t.rejects(app.permit.api.assignRole({ user: 'ann', role: 'viewer', tenant: 'default', expiresAt: END }), /Permit has no role assignments with an end/)
  t.equal(await app.permit.check('ann', 'read', 'task'), false)
  t.throws(() => app.permit.api.assignRole({ user: 'ann', role: 'viewer', expiresAt: 'tomorrow' }), /a time with a zone/)
})

t.test('the REST API of the local PDP takes an end, shows it, and refuses what is none', async t => {
  const pdp = createLocalPdp({ token: 'secret', policy })
  t.teardown(() => pdp.close())
  const url = await pdp.listen({ port: 0 })
  const headers = { authorization: 'Bearer secret', 'content-type': 'application/json' }
  const call = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(url + path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    return { status: response.status, body: await response.json() as never }
  }
  const later = new Date(Date.now() + 3_600_000).toISOString()
  t.match(await call('POST', '/facts/role_assignments', { user: 'ann', role: 'viewer', tenant: 'default', expires_at: later }), { status: 200, body: { expires_at: later } })
  t.match(await call('GET', '/facts/role_assignments?user=ann'), { body: [{ user: 'ann', expires_at: later }] })
  t.match(await call('POST', '/allowed', ask), { body: { allow: true } })
  t.match(await call('POST', '/facts/role_assignments', { user: 'ben', role: 'viewer', tenant: 'default', expires_at: '2027-02-30T00:00:00Z' }), { status: 422 })
  t.match(await call('POST', '/facts/role_assignments', { user: 'ann', role: 'viewer', tenant: 'default', expires_at: '2020-01-01T00:00:00Z' }), { status: 200 })
  t.match(await call('POST', '/allowed', ask), { body: { allow: false } })
  t.same((await call('GET', '/facts/role_assignments?user=ann')).body, [])
})
