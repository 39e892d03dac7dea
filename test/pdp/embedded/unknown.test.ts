// Users who were never synced and tenants that do not exist: decided as Permit's PDP does, said aloud, and shut out by option.
import { Writable } from 'node:stream'
import Fastify from 'fastify'
import t from 'tap'
import permit, { type PermitOptions, type Policy } from '../../../src/index.js'

const policy: Policy = {
  resources: { task: { actions: { read: {}, write: {} } } },
  roles: { viewer: { permissions: ['task:read'] } },
  user_sets: {
    engineers: { conditions: { 'user.department': { equals: 'engineering' } } },
    managers: { conditions: { allOf: [{ 'user.roles': { array_contains: 'manager' } }, { 'user.level': { 'greater-than': 2 } }] } },
    golden: { conditions: { 'tenant.plan': { equals: 'gold' } } },
    office: { conditions: { not: [{ 'context.hour': { 'less-than': 8 } }] } }
  },
  set_rules: ['engineers', 'managers', 'golden', 'office', 'viewer'].map(set => ({ user_set: set, permission: 'task:write', resource_set: 'task' })),
  users: { ada: {} },
  tenants: { acme: { attributes: { plan: 'gold' } } }
}

async function appWith (options: Partial<PermitOptions>) {
  const lines: string[] = []
  const stream = new Writable({ write (chunk, _encoding, done) { lines.push(String(chunk)); done() } })
  const app = Fastify({ logger: { level: 'warn', stream } })
  t.teardown(() => app.close())
  await app.register(permit, { policy, ...options } as PermitOptions)
  await app.ready()
  return { app, log: () => lines.join('') }
}

t.test('an unknown user or tenant is decided by the attributes in the check', async t => {
  const { app } = await appWith({})
  const engineer = { key: 'eve', attributes: { department: 'engineering' } }
  t.equal(await app.permit.check(engineer, 'write', 'task', { context: { hour: 3 } }), true)
  t.equal(await app.permit.check({ key: 'eve', attributes: { department: 'sales' } }, 'write', 'task', { context: { hour: 3 } }), false)
  t.equal(await app.permit.check({ key: 'ada', attributes: { department: 'engineering' } }, 'write', 'task', { tenant: 'nowhere', context: { hour: 3 } }), true)
  const { code } = await app.permit.explain({ key: 'eve', attributes: {} }, 'write', 'task', { context: { hour: 3 } })
  t.equal(code, 'user_not_synced', 'the code of a denial names what is not known')
})

t.test('the first log lines name the user sets that match unknown users, and no others', async t => {
  const { log } = await appWith({})
  t.match(log(), /user set 'engineers' also holds for users that were never synced/)
  t.match(log(), /user set 'office' also holds/)
  t.notMatch(log(), /managers|golden|viewer/)
})

t.test("unknown: 'deny' denies them, and logs nothing", async t => {
  const { app, log } = await appWith({ unknown: 'deny' })
  t.equal(log(), '')
  const engineer = { attributes: { department: 'engineering' } }
  t.equal(await app.permit.check({ key: 'eve', ...engineer }, 'write', 'task', { context: { hour: 9 } }), false)
  t.equal(await app.permit.check({ key: 'ada', ...engineer }, 'write', 'task', { tenant: 'nowhere', context: { hour: 9 } }), false)
  t.equal(await app.permit.check({ key: 'ada', ...engineer }, 'write', 'task'), true)
})

t.test('it is an option of the embedded PDP', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(async () => { await app.register(permit, { pdp: 'http://127.0.0.1:1', token: 't', unknown: 'deny' } as PermitOptions) }, { code: 'FST_PERMIT_OPTIONS', message: /"unknown".*"policy"/ })
})

t.test('array_subset, which the container decides differently, is logged', async t => {
  const { log } = await appWith({ policy: { ...policy, user_sets: { tagged: { conditions: { 'user.tags': { array_subset: ['a'] } } } }, set_rules: [{ user_set: 'tagged', permission: 'task:read', resource_set: 'task' }] } })
  t.match(log(), /'array_subset', and 'array_superset' of nothing, are true of a missing attribute in Permit's container, and false here/)
})
