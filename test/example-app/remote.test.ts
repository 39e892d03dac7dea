// The example app with its PDP over the network: told who there is by the same writes, decided alike, with no change of code.
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { buildApp } from '../../example-app/app.js'
import { createLocalPdp } from '../../src/server/index.js'

const SECRET = 'a-token-for-this-test'

t.test('the quickstart with a local PDP, to which the app writes its users', async t => {
  const pdp = createLocalPdp({ policy: fileURLToPath(new URL('../../example-app/permit.yaml', import.meta.url)), token: SECRET })
  t.teardown(() => pdp.close())
  const before = { ...process.env }
  process.env.PERMIT_PDP_URL = await pdp.listen({ port: 0 })
  process.env.PERMIT_API_KEY = SECRET
  t.teardown(() => { process.env = before })

  for (const time of ['the first time', 'again, when everything is there already']) {
    const app = await buildApp()
    const admin = await app.inject('/')
    t.equal(admin.statusCode, 200, time)
    t.equal(admin.body, '{"result":"John Smith is PERMITTED to retrieve task!"}')
    const viewer = await app.inject('/tenant2')
    t.equal(viewer.statusCode, 403)
    t.equal(viewer.body, '{"result":"John Smith is NOT PERMITTED to create task (tenant 2)!"}')
    t.equal((await app.inject('/tenants/default/tasks')).statusCode, 401)
    const { token } = (await app.inject({ method: 'POST', url: '/login', payload: { email: 'tess@example.com', password: 'tess' } })).json()
    const page = await app.inject({ url: '/tenants/tenant2/tasks', headers: { authorization: `Bearer ${token}` } })
    t.match(page.json(), { tasks: [{ id: '3', tenant: 'tenant2' }], total: 1 })
    t.equal((await app.permit.explain('john@smith.com', 'retrieve', 'task')).source, 'cache')
    await app.close()
  }
})
