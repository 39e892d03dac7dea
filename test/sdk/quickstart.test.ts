// Permit's quickstart by Permit's own SDK, with a local PDP where the cloud and the container would be.
import Fastify from 'fastify'
import t from 'tap'
import { seed } from '../../example-app/seed.js'
import permitPlugin from '../../src/index.js'
import { sdkFor, sdkWithPdp, TOKEN } from './support.js'

t.test('the quickstart runs unchanged', async t => {
  const { permit } = await sdkWithPdp(t)

  // What the quickstart clicks together in the policy editor.
  await permit.api.createResource({ key: 'task', name: 'Task', actions: { create: {}, retrieve: {}, update: {}, delete: {} } })
  await permit.api.createRole({ key: 'admin', name: 'Admin', permissions: ['task:create', 'task:retrieve', 'task:update', 'task:delete'] })
  await permit.api.createRole({ key: 'viewer', name: 'Viewer', permissions: ['task:retrieve'] })

  await permit.api.syncUser({ key: 'john@smith.com', email: 'john@smith.com', first_name: 'John', last_name: 'Smith' })
  await permit.api.assignRole({ user: 'john@smith.com', role: 'admin', tenant: 'default' })
  await permit.api.createTenant({ key: 'tenant2', name: 'Second Tenant' })
  await permit.api.assignRole({ user: 'john@smith.com', role: 'viewer', tenant: 'tenant2' })

  t.equal(await permit.check('john@smith.com', 'retrieve', 'task'), true)
  t.equal(await permit.check('john@smith.com', 'create', 'task'), true)
  t.equal(await permit.check('john@smith.com', 'create', { type: 'task', tenant: 'tenant2' }), false)
  t.equal(await permit.check('john@smith.com', 'retrieve', { type: 'task', tenant: 'tenant2' }), true)
  t.equal(await permit.check('somebody@else.com', 'retrieve', 'task'), false)
})

t.test('the SDK sees what the example app has written', async t => {
  const { permit, url } = await sdkWithPdp(t, { policy: 'example-app/permit.yaml' })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(permitPlugin, { pdp: url, token: TOKEN })
  await seed(app)
  t.equal(await permit.check('john@smith.com', 'retrieve', 'task'), true)
  t.equal(await permit.check('john@smith.com', 'create', { type: 'task', tenant: 'tenant2' }), false)
})

t.test('it works when the SDK writes facts through the PDP, and waits for them', async t => {
  const { url } = await sdkWithPdp(t, { policy: { resources: { task: { actions: { create: {} } } }, roles: { admin: { permissions: ['task:create'] } } } })
  const permit = sdkFor(url, { proxyFactsViaPdp: true, factsSyncTimeout: 10, factsSyncTimeoutPolicy: 'fail' })
  const { created } = await permit.api.users.waitForSync(10, 'fail').sync({ key: 'john@smith.com', role_assignments: [{ role: 'admin', tenant: 'default' }] })
  t.equal(created, true)
  t.equal(await permit.check('john@smith.com', 'create', 'task'), true)
})
