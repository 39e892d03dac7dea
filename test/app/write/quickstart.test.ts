// The quickstart's story, written by the app itself: embedded, and by the local PDP over HTTP.
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import permit, { type Policy, type ResourceInput } from '../../../src/index.js'
import { createLocalPdp } from '../../../src/server/local-pdp.js'
import { fastifyFor } from '../../support/app.js'

const policy: Policy = {
  resources: {
    task: { actions: { create: {}, retrieve: {} } },
    folder: { actions: { read: {} }, roles: { editor: { permissions: ['read'] } } },
    document: {
      actions: { read: {} },
      relations: { parent: 'folder' },
      roles: { reader: { permissions: ['read'], granted_to: { users_with_role: [{ role: 'editor', on_resource: 'folder', linked_by_relation: 'parent' }] } } }
    }
  },
  roles: { admin: { permissions: ['task:create', 'task:retrieve'] }, viewer: { permissions: ['task:retrieve'] } }
}

async function embedded (t: Test): Promise<FastifyInstance> {
  const app = fastifyFor(t)
  await app.register(permit, { policy, cache: { ttl: 60_000 } })
  return app
}

async function overHttp (t: Test): Promise<FastifyInstance> {
  const pdp = createLocalPdp({ policy, token: 'secret' })
  t.teardown(() => pdp.close())
  const url = await pdp.listen({ port: 0, host: '127.0.0.1' })
  const app = fastifyFor(t)
  await app.register(permit, { pdp: url, token: 'secret', cache: { ttl: 60_000 } })
  return app
}

for (const [how, appFor] of Object.entries({ embedded, overHttp })) {
  t.test(`${how}: the quickstart, word for word`, async t => {
    const app = await appFor(t)
    const { api } = app.permit
    const may = (action: string, resource: ResourceInput) => app.permit.check('john@smith.com', action, resource)
    t.equal(await may('retrieve', 'task'), false, 'nobody has heard of john, and that is remembered')

    await app.permit.write(api.syncUser({
      key: 'john@smith.com',
      firstName: 'John',
      lastName: 'Smith',
      email: 'john@smith.com',
      roles: [{ role: 'admin', tenant: 'default' }]
    }))
    t.equal(await may('retrieve', 'task'), true)
    t.equal(await may('create', { type: 'task', tenant: 'tenant2' }), false)

    const results = await app.permit.write(
      api.createTenant({ key: 'tenant2', name: 'Second Tenant' }),
      api.assignRole('john@smith.com', 'viewer', 'tenant2')
    )
    t.same(results, [{ status: 'created' }, { status: 'created' }])
    t.equal(await may('retrieve', 'task'), true)
    t.equal(await may('create', { type: 'task', tenant: 'tenant2' }), false)
    t.equal(await may('retrieve', { type: 'task', tenant: 'tenant2' }), true)
  })

  t.test(`${how}: a repeated write changes nothing`, async t => {
    const app = await appFor(t)
    const { api } = app.permit
    const seed = [
      api.syncUser({ key: 'ann', roles: [{ role: 'viewer' }] }),
      api.createTenant({ key: 'acme' }),
      api.assignRole('ann', 'admin', 'acme'),
      api.createResourceInstance({ resource: 'document', key: 'spec', tenant: 'acme', attributes: { pages: 3 } }),
      api.createRelationshipTuple({ subject: 'folder:rnd', relation: 'parent', object: 'document:spec', tenant: 'acme' }),
      api.assignResourceRole('ann', 'editor', 'folder:rnd')
    ]
    const created = { status: 'created' }
    t.same(await app.permit.write(...seed), [created, created, created, created, created, created])
    t.equal(await app.permit.check('ann', 'read', { type: 'document', key: 'spec', tenant: 'acme' }), true)
    const [user, tenant, role, instance, tuple, resourceRole] = await app.permit.write(...seed)
    t.match(user, { status: /^(updated|unchanged)$/ })
    t.same([tenant, instance], [{ status: 'unchanged' }, { status: 'unchanged' }])
    // Over HTTP it may not be told whether these are new.
    const status = how === 'embedded' ? 'unchanged' : /^(created|unchanged)$/
    t.match([role, tuple, resourceRole], [{ status }, { status }, { status }])
  })

  t.test(`${how}: after a deletion, the next check is denied`, async t => {
    const app = await appFor(t)
    const { api } = app.permit
    const may = (resource: ResourceInput, action = 'read') => app.permit.check('ann', action, resource)
    const spec = { type: 'document', key: 'spec', tenant: 'acme' }
    const write = async () => app.permit.write(
      api.createTenant({ key: 'acme' }),
      api.syncUser({ key: 'ann', roles: [{ role: 'viewer', tenant: 'acme' }] }),
      api.createResourceInstance({ resource: 'folder', key: 'rnd', tenant: 'acme' }),
      api.createRelationshipTuple({ subject: 'folder:rnd', relation: 'parent', object: 'document:spec' }),
      api.assignRole({ user: 'ann', role: 'editor', resourceInstance: 'folder:rnd' })
    )
    for (const [what, remove] of [
      ['the role on an instance', () => api.unassignResourceRole('ann', 'editor', { resource: 'folder', key: 'rnd' })],
      ['the tuple', () => api.deleteRelationshipTuple({ subject: 'folder:rnd', relation: 'parent', object: 'document:spec' })],
      ['the instance', () => api.deleteResourceInstance('folder:rnd')],
      ['the tenant', () => api.deleteTenant('acme')],
      ['the user', () => api.deleteUser('ann')]
    ] as const) {
      await write()
      t.equal(await may(spec), true, `before ${what} goes`)
      t.same(await remove(), { status: 'deleted' })
      t.equal(await may(spec), false, `after ${what} went`)
      t.same(await remove(), { status: 'unchanged' })
    }
    await write()
    t.equal(await may({ type: 'task', tenant: 'acme' }, 'retrieve'), true)
    t.same(await api.unassignRole('ann', 'viewer', 'acme'), { status: 'deleted' })
    t.equal(await may({ type: 'task', tenant: 'acme' }, 'retrieve'), false)
  })

  t.test(`${how}: initial roles are only for new users`, async t => {
    const app = await appFor(t)
    const { api } = app.permit
    await api.syncUser({ key: 'ann', roles: [{ role: 'viewer' }] })
    await api.syncUser({ key: 'ann', last_name: 'Lee', roles: [{ role: 'admin' }, { role: 'no such role' }] })
    t.equal(await app.permit.check('ann', 'retrieve', 'task'), true)
    t.equal(await app.permit.check('ann', 'create', 'task'), false)
  })

  t.test(`${how}: a write stops at the first failure, and reports what was applied`, async t => {
    const app = await appFor(t)
    const { api } = app.permit
    const error = await app.permit.write(
      api.syncUser({ key: 'ann' }), api.createTenant({ key: 'acme' }), api.assignRole('ann', 'no such role', 'acme'), api.deleteUser('ann')
    ).catch((error: unknown) => error)
    t.match(error, { code: 'FST_PERMIT_WRITE', index: 2, applied: [{ status: 'created' }, { status: 'created' }], cause: { message: /no such role/ } })
    t.same(Object.keys(error as object).filter(key => !['name', 'code', 'statusCode', 'message'].includes(key)), [])
    t.notMatch((error as Error).message, /ann|no such role/)
    await t.rejects(api.assignRole('ann', 'admin', 'nowhere'), { code: 'FST_PERMIT_WRITE', index: 0, applied: [], cause: { message: /nowhere/ } })
    await t.rejects(api.createResourceInstance({ resource: 'file', key: 'x' }), { code: 'FST_PERMIT_WRITE', cause: { message: /file/ } })
    await t.rejects(api.deleteTenant('default'), { code: 'FST_PERMIT_WRITE' })
    t.same(await api.syncUser({ key: 'ann', email: 'a@b.c' }), { status: 'updated' }, 'the last one was not tried')
  })

  t.test(`${how}: an instance in another tenant is an error`, async t => {
    const app = await appFor(t)
    const { api } = app.permit
    await app.permit.write(api.createTenant({ key: 'acme' }), api.createResourceInstance({ resource: 'document', key: 'spec' }))
    await t.rejects(api.createResourceInstance({ resource: 'document', key: 'spec', tenant: 'acme' }), { code: 'FST_PERMIT_WRITE', cause: { message: /tenant/ } })
  })

  t.test(`${how}: any key can be used`, async t => {
    const app = await appFor(t)
    const { api } = app.permit
    for (const key of ['a/b', 'a b', 'ä', '%2F', 'a?b#c', 'constructor', '__proto__', 'a:b:c', '"', '😀'.repeat(40)]) {
      t.same(await api.syncUser({ key, roles: [{ role: 'viewer' }] }), { status: 'created' }, key)
      t.equal(await app.permit.check(key, 'retrieve', 'task'), true, key)
      t.same(await api.deleteUser(key), { status: 'deleted' }, key)
      t.same(await api.createResourceInstance({ resource: 'document', key }), { status: 'created' }, key)
      t.same(await api.createResourceInstance({ resource: 'document', key }), { status: 'unchanged' }, key)
      t.same(await api.deleteResourceInstance({ resource: 'document', key }), { status: 'deleted' }, key)
    }
  })
}
