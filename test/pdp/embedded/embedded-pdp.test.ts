// The embedded PDP behind the guard: the same statuses, from a policy in this process.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import permit, { type Policy, type ResourceInput } from '../../../src/index.js'
import { byHeader, fastifyFor } from '../../support/app.js'

const policy: Policy = {
  resources: { task: { actions: { create: {}, retrieve: {} } } },
  roles: { admin: { permissions: ['task:create', 'task:retrieve'] }, viewer: { permissions: ['task:retrieve'] } },
  tenants: { tenant2: {} },
  users: { 'john@smith.com': {} },
  role_assignments: [
    { user: 'john@smith.com', role: 'admin', tenant: 'default' },
    { user: 'john@smith.com', role: 'viewer', tenant: 'tenant2' }
  ]
}

t.test('the quickstart: an admin in one tenant, a viewer in another', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy, user: byHeader, tenant: request => request.headers['x-tenant'] as string })
  app.get('/', { config: { permit: 'task:retrieve' } }, async () => 'ok')
  app.post('/', { config: { permit: 'task:create' } }, async () => 'ok')
  const john = { 'x-user': 'john@smith.com' }
  const status = async (method: 'GET' | 'POST', headers: Record<string, string>) => (await app.inject({ method, url: '/', headers })).statusCode

  t.equal(await status('GET', john), 200)
  t.equal(await status('POST', john), 200)
  t.equal(await status('GET', { ...john, 'x-tenant': 'tenant2' }), 200)
  t.equal(await status('POST', { ...john, 'x-tenant': 'tenant2' }), 403)
  t.equal(await status('GET', { ...john, 'x-tenant': 'elsewhere' }), 403)
  t.equal(await status('GET', { 'x-user': 'unknown' }), 403)
  t.equal(await status('GET', {}), 401)
})

t.test('explain has the reason, with Permit\'s code', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy })
  t.match(await app.permit.explain('john@smith.com', 'create', 'task'), { allow: true, code: 'allow', reason: String, source: 'embedded', debug: { rbac: { allow: true } } })
  for (const [code, question] of Object.entries({
    user_not_synced: ['nobody', 'create', 'task'],
    no_such_tenant: ['john@smith.com', 'create', { type: 'task', tenant: 'x' }],
    no_such_resource: ['john@smith.com', 'create', 'constructor'],
    no_such_action: ['john@smith.com', '__proto__', 'task'],
    no_permission: ['john@smith.com', 'create', { type: 'task', tenant: 'tenant2' }]
  } satisfies Record<string, [string, string, ResourceInput]>) as [string, [string, string, ResourceInput]][]) {
    const explained = await app.permit.explain(...question)
    t.match(explained, { allow: false, code, source: 'embedded' })
    t.ok(explained.reason)
  }
})

t.test('permissions lists what a user may do', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy })
  const permissions = await app.permit.permissions('john@smith.com')
  t.match(permissions['__tenant:tenant2'], { tenant: { key: 'tenant2' }, permissions: ['task:retrieve'], roles: ['viewer'] })
  t.same(permissions['__tenant:default']?.permissions.toSorted(), ['task:create', 'task:retrieve'])
})

t.test('it can be cached, and is called each time by default', async t => {
  for (const [cache, source] of [[undefined, 'embedded'], [{ ttl: 60_000 }, 'cache']] as const) {
    const app = fastifyFor(t)
    await app.register(permit, { policy, cache })
    await app.permit.check('john@smith.com', 'create', 'task')
    t.match(await app.permit.explain('john@smith.com', 'create', 'task'), { source })
  }
})

t.test('a policy file is read; an invalid one stops the app and names the line', async t => {
  const dir = t.testdir({
    'good.yaml': 'resources:\n  task:\n    actions: { create: {} }\nroles:\n  admin:\n    permissions: [task:create]\nusers:\n  ann: {}\nrole_assignments:\n  - { user: ann, role: admin, tenant: default }\n',
    'wrong.yaml': 'resources:\n  task:\n    actions: { create: {} }\nroles:\n  admin:\n    permissions: [task:craete]\n'
  })
  const good = fastifyFor(t)
  await good.register(permit, { policy: join(dir, 'good.yaml') })
  t.equal(await good.permit.check('ann', 'create', 'task'), true)

  const wrong = fastifyFor(t)
  wrong.register(permit, { policy: join(dir, 'wrong.yaml') })
  await t.rejects(async () => wrong.ready(), { code: 'FST_PERMIT_POLICY', message: /wrong\.yaml:6:\d+.*craete/s })

  const missing = fastifyFor(t)
  missing.register(permit, { policy: join(dir, 'missing.yaml') })
  await t.rejects(async () => missing.ready(), { code: 'FST_PERMIT_POLICY', message: /missing\.yaml/ })

  await writeFile(join(dir, 'json.json'), JSON.stringify(policy))
  const json = fastifyFor(t)
  await json.register(permit, { policy: join(dir, 'json.json') })
  t.equal(await json.permit.check('john@smith.com', 'create', 'task'), true)
})

t.test('an invalid inline policy stops the app', async t => {
  const app = fastifyFor(t)
  app.register(permit, { policy: { roles: { admin: { permissions: ['task:create'] } } } as Policy })
  await t.rejects(async () => app.ready(), { code: 'FST_PERMIT_POLICY', message: /task/ })
})

t.test('routes are guarded while the policy file is being read', async t => {
  const app = fastifyFor(t)
  const dir = t.testdir({ 'policy.json': JSON.stringify(policy) })
  app.register(permit, { policy: join(dir, 'policy.json'), user: byHeader })
  // Declared at some moment between the start and the end of the load.
  let declared = 0
  const declare = () => {
    try {
      app.get(`/r${declared}`, { config: { permit: 'task:retrieve' } }, async () => 'ok')
      declared++
      setImmediate(declare)
    } catch {}
  }
  declare()
  await app.ready()
  t.ok(declared > 0)
  for (let index = 0; index < declared; index++) t.equal((await app.inject(`/r${index}`)).statusCode, 401)
})
