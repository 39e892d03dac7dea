// Writes over HTTP to PDPs that are slow, lie, or say no: nothing is done twice, and nothing is believed that was not said.
import t, { type Test } from 'tap'
import type { PermitOptions } from '../../../src/index.js'
import { deferred, guardedApp } from '../../support/app.js'
import { sendJson, type FakePdpOptions, type WireRequest } from '../../support/fake-pdp.js'

type Reply = [status: number, body?: unknown]

/** An app whose PDP answers writes as told; `writes` are those that arrived. */
async function writingApp (t: Test, reply: (request: WireRequest) => Reply | Promise<Reply> | undefined, options: Partial<PermitOptions> = {}, fake: FakePdpOptions = {}) {
  const writes: WireRequest[] = []
  const { app, pdp } = await guardedApp(t, options, {
    ...fake,
    async intercept (request, response) {
      if (!request.url.startsWith('/facts/')) return false
      writes.push(request)
      const answer = await reply(request)
      if (answer === undefined) response.destroy()
      else if (answer[1] === undefined) response.writeHead(answer[0]).end()
      else sendJson(response, ...answer as [number, unknown])
      return true
    }
  })
  return { app, pdp, writes, api: app.permit.api }
}

const refusal = (status: number, message: string): Reply => [status, { title: 'No', message, error_code: 'NO' }]
const requestOf = ({ method, url, body }: WireRequest) => [method, url, body]

t.test('each mutation is the request that Permit documents, and waits until the PDP has received it', async t => {
  const { app, api, writes, pdp } = await writingApp(t, ({ method }) => method === 'DELETE' ? [204] : [201, {}], { factsTimeout: 2_500 })
  await app.permit.write(
    api.syncUser({ key: 'john@smith.com', firstName: 'John', last_name: 'Smith', attributes: { age: 3 }, roles: [{ role: 'admin' }, { role: 'viewer', tenant: 't/2' }] }),
    api.createTenant({ key: 't/2' }),
    api.assignRole('john@smith.com', 'viewer', 't/2'),
    api.unassignRole({ user: 'john@smith.com', role: 'viewer' }),
    api.assignResourceRole('john@smith.com', 'reader', 'document:a:b'),
    api.createResourceInstance({ resource: 'document', key: 'a/b' }),
    api.createRelationshipTuple({ subject: 'folder:a', relation: 'parent', object: 'document:b', tenant: 't/2' }),
    api.deleteRelationshipTuple({ subject: 'folder:a', relation: 'parent', object: 'document:b' }),
    api.deleteResourceInstance('document:a/b'),
    api.deleteTenant('t/2'),
    api.deleteUser('john@smith.com')
  )
  t.same(writes.map(requestOf), [
    ['PUT', '/facts/users/john%40smith.com', { key: 'john@smith.com', first_name: 'John', last_name: 'Smith', attributes: { age: 3 } }],
    ['POST', '/facts/role_assignments', { user: 'john@smith.com', role: 'admin', tenant: 'default' }],
    ['POST', '/facts/role_assignments', { user: 'john@smith.com', role: 'viewer', tenant: 't/2' }],
    ['POST', '/facts/tenants', { key: 't/2', name: 't/2' }],
    ['POST', '/facts/role_assignments', { user: 'john@smith.com', role: 'viewer', tenant: 't/2' }],
    ['DELETE', '/facts/role_assignments', { user: 'john@smith.com', role: 'viewer', tenant: 'default' }],
    ['POST', '/facts/role_assignments', { user: 'john@smith.com', role: 'reader', resource_instance: 'document:a:b' }],
    ['POST', '/facts/resource_instances', { resource: 'document', key: 'a/b', tenant: 'default' }],
    ['POST', '/facts/relationship_tuples', { subject: 'folder:a', relation: 'parent', object: 'document:b', tenant: 't/2' }],
    ['DELETE', '/facts/relationship_tuples', { subject: 'folder:a', relation: 'parent', object: 'document:b' }],
    ['DELETE', '/facts/resource_instances/document%3Aa%2Fb', undefined],
    ['DELETE', '/facts/tenants/t%2F2', undefined],
    ['DELETE', '/facts/users/john%40smith.com', undefined]
  ])
  for (const { headers } of writes) {
    t.match(headers, { authorization: `Bearer ${pdp.token}`, 'x-wait-timeout': '2.5', 'x-timeout-policy': 'fail' })
  }
})

t.test('an existing user gets no initial roles', async t => {
  const { api, writes } = await writingApp(t, () => [200, {}])
  t.same(await api.syncUser({ key: 'ann', roles: [{ role: 'admin' }] }), { status: 'updated' })
  t.equal(writes.length, 1)
})

t.test('when assigning the roles of a new user fails half-way, the error lists what was applied', async t => {
  const { app, api } = await writingApp(t, ({ body }) => (body as { role?: string }).role === 'two' ? refusal(404, 'no role two') : [201, {}])
  const roles = ['one', 'two', 'three'].map(role => ({ role, tenant: 'default' }))
  await t.rejects(app.permit.write(api.createTenant({ key: 'a' }), api.syncUser({ key: 'ann', roles })), {
    code: 'FST_PERMIT_WRITE',
    index: 1,
    applied: [{ status: 'created' }],
    partly: { status: 'created', roles: roles.slice(0, 1), missing: roles.slice(1) },
    cause: { failure: 'status', status: 404, message: /no role two/ }
  })
})

t.test('a write that may have been applied is never repeated', async t => {
  for (const [what, reply, cause] of [
    ['the connection breaks', () => undefined, { failure: 'network' }],
    ['the PDP does not have it in time', () => [424, { detail: 'timeout' }] as Reply, { failure: 'timeout', status: 424, message: /was made/ }],
    ['the PDP fails', () => [502, { detail: 'bad gateway' }] as Reply, { failure: 'status', status: 502 }],
    ['the answer is no JSON', () => [200] as Reply, { failure: 'answer' }],
    ['it is sent elsewhere', () => [307, { }] as Reply, { failure: 'status', status: 307 }]
  ] as const) {
    const { app, api, writes } = await writingApp(t, reply)
    await t.rejects(app.permit.write(api.deleteUser('ann'), api.deleteUser('bob')), { code: 'FST_PERMIT_WRITE', index: 0, applied: [], cause }, what)
    t.equal(writes.length, 1, what)
  }
})

t.test('creating what exists and deleting what is gone succeed; an unknown path does not', async t => {
  const { api, writes } = await writingApp(t, ({ method }) => method === 'POST' ? refusal(409, 'exists') : refusal(404, 'gone'))
  t.same(await api.createTenant({ key: 'a' }), { status: 'unchanged' })
  t.same(await api.assignRole('ann', 'admin'), { status: 'unchanged' })
  t.same(await api.deleteUser('ann'), { status: 'unchanged' })
  t.same(await api.unassignRole('ann', 'admin'), { status: 'unchanged' })
  t.equal(writes.length, 4)

  const old = await writingApp(t, () => [404, { detail: 'Not Found' }])
  await t.rejects(old.api.deleteUser('ann'), { code: 'FST_PERMIT_WRITE', cause: { status: 404 } })
  await t.rejects(old.api.syncUser({ key: 'ann' }), { code: 'FST_PERMIT_WRITE', cause: { status: 404 } })
})

t.test('keys that would change the path of a request are refused', async t => {
  const { api, writes } = await writingApp(t, () => [204])
  for (const key of ['.', '..']) await t.rejects(api.deleteUser(key), { code: 'FST_PERMIT_WRITE', cause: { message: /cannot be used as a key/ } })
  t.same(writes, [])
})

t.test('a refused token is reported as such, and never quoted', async t => {
  const { app } = await guardedApp(t, { token: 'wrong-token' })
  const error = await app.permit.api.deleteUser('ann').catch((error: unknown) => error) as Error
  t.match(error, { cause: { failure: 'token', status: 403 } })
  t.notMatch(`${error.stack} ${JSON.stringify(error)} ${(error.cause as Error).stack}`, /wrong-token/)
})

t.test('a slow write does not delay checks', async t => {
  const released = deferred<Reply>()
  const { app, api } = await writingApp(t, () => released.promise, { connections: 1, queue: 0 })
  const writes = Promise.all(Array.from({ length: 20 }, (_, n) => api.deleteUser(`u${n}`)))
  t.equal(await app.permit.check('ann', 'retrieve', 'task'), true)
  released.resolve([204])
  await writes
})

t.test('a decision from before a write is not cached, whether cached or in flight, however the write ends', async t => {
  for (const status of [204, 502]) {
    let allowed = true
    const held = deferred<void>()
    let asked = () => {}
    const question = new Promise<void>(resolve => { asked = resolve })
    const { app, api } = await writingApp(t, () => {
      allowed = false
      return status === 204 ? [204] : [502, {}]
    }, { cache: { ttl: 60_000 } }, {
      async decide ({ action }) {
        const answer = allowed
        if (action === 'slow') {
          asked()
          if (answer) await held.promise
        }
        return answer
      }
    })
    t.equal(await app.permit.check('ann', 'retrieve', 'task'), true)
    t.equal(await app.permit.check('bob', 'retrieve', 'task'), true)
    const inFlight = app.permit.check('ann', 'slow', 'task')
    await question
    await api.deleteUser('ann').catch(() => {})
    t.equal(await app.permit.check('ann', 'retrieve', 'task'), false)
    t.equal(await app.permit.check('ann', 'slow', 'task'), false, 'it does not join the flight from before')
    held.resolve()
    t.equal(await inFlight, true)
    t.equal(await app.permit.check('ann', 'slow', 'task'), false, 'nor is that one remembered')
    t.equal(await app.permit.check('bob', 'retrieve', 'task'), true, 'of others nothing is forgotten')
  }
})
