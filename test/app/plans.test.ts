// `plan` on every face, embedded and over the local PDP: options, tenants, several actions, errors, and what is kept how long.
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import permit, { type AppPermit, type Plan, type Policy } from '../../src/index.js'
import { createLocalPdp } from '../../src/server/index.js'
import { byHeader, fastifyFor, logSink, optionsFor, pdpFor } from '../support/app.js'
import { facesFor } from '../support/faces.js'
import { sendJson } from '../support/fake-pdp.js'

/** `ann` owns tasks by a condition, has a role on one, and may do everything in `t1`. */
const policy: Policy = {
  resources: {
    folder: { actions: { read: {} }, roles: { viewer: { permissions: ['read'] } } },
    task: {
      actions: { read: {}, edit: {}, share: {} },
      relations: { parent: 'folder' },
      roles: {
        viewer: { permissions: ['read'], granted_to: { users_with_role: [{ role: 'viewer', on_resource: 'folder', linked_by_relation: 'parent' }] } },
        editor: { permissions: ['read', 'edit'] }
      }
    }
  },
  roles: { admin: { permissions: ['task:read', 'task:edit'] } },
  user_sets: { anybody: { conditions: { 'user.key': { 'not-equals': '' } } } },
  resource_sets: {
    own: { resource: 'task', conditions: { 'resource.owner': { equals: { ref: 'user.key' } } } },
    public: { resource: 'task', conditions: { allOf: [{ 'resource.public': { equals: true } }, { 'context.day': { equals: 'open' } }] } }
  },
  set_rules: [
    { user_set: 'anybody', permission: 'task:edit', resource_set: 'own' },
    { user_set: 'anybody', permission: 'task:read', resource_set: 'public' }
  ],
  tenants: { t1: {}, t2: {} },
  users: { ann: {}, bob: {} },
  role_assignments: [
    { user: 'ann', role: 'admin', tenant: 't1' },
    { user: 'ann', role: 'editor', tenant: 'default', resource_instance: 'task:7' },
    { user: 'ann', role: 'viewer', tenant: 'default', resource_instance: 'folder:f1' }
  ],
  resource_instances: [{ resource: 'task', key: '8', tenant: 'default' }, { resource: 'task', key: '9', tenant: 'default' }],
  relationship_tuples: [{ subject: 'folder:f1', relation: 'parent', object: 'task:8', tenant: 'default' }]
}

const inDefault = { operator: 'eq', field: 'tenant', value: 'default' }
const keys = (...value: string[]) => value.length === 1 ? { operator: 'eq', field: 'key', value: value[0] } : { operator: 'in', field: 'key', value }
const owned = { operator: 'eq', field: 'attributes.owner', value: 'ann' }

interface Face { plan (action: unknown, type: string, options?: object): Promise<Plan> }
const ofApp = (permit: AppPermit): Face => ({ plan: (...args) => permit.plan('ann', ...args as [string, string]) })

async function facesOf (t: Test): Promise<Record<string, Face>> {
  const { app, request, authz, expressRequest } = await facesFor(t, policy)

  const pdp = createLocalPdp({ policy, token: 'secret' })
  const url = await pdp.listen({ port: 0 })
  t.teardown(() => pdp.close())
  const remote = fastifyFor(t)
  await remote.register(permit, { pdp: url, token: 'secret', user: byHeader })
  await remote.ready()
  return {
    'app.permit': ofApp(app.permit),
    'request.permit': await request as unknown as Face,
    "Express's permit": ofApp(authz.permit as unknown as AppPermit),
    'req.permit': await expressRequest as unknown as Face,
    'over the local PDP': ofApp(remote.permit)
  }
}

t.test('plans are the same in every API, embedded and with the local PDP', async t => {
  for (const [name, face] of Object.entries(await facesOf(t))) {
    t.same(await face.plan('read', 'task', { tenant: 't1' }), { kind: 'all', type: 'task', tenant: 't1' }, `${name}: a role in the tenant`)
    t.same(await face.plan('read', 'task', { tenant: 't2' }), { kind: 'none', type: 'task', tenant: 't2' }, 'nothing in another tenant')
    t.same(await face.plan('share', 'task'), { kind: 'none', type: 'task', tenant: 'default' })
    t.same(await face.plan('read', 'unheard'), { kind: 'none', type: 'unheard', tenant: 'default' })
    t.match(await face.plan('read', 'task'), { kind: 'some', condition: { operator: 'and', value: [inDefault, keys('7', '8')] } }, 'roles on instances, assigned and derived')
    t.match(await face.plan('read', 'task', { context: { day: 'open' } }), {
      condition: { operator: 'and', value: [inDefault, { operator: 'or', value: [{ operator: 'eq', field: 'attributes.public', value: true }, keys('7', '8')] }] },
      sources: { 'attributes.public': ["set_rules[1]: user set 'anybody' on resource set 'public'"] }
    }, 'a condition beside them')
    const edit = { operator: 'or', value: [owned, keys('7')] }
    t.match((await face.plan('edit', 'task') as { condition: { value: unknown[] } }).condition.value[0], inDefault)
    t.same(new Set((await face.plan('edit', 'task') as { condition: { value: Array<{ value: unknown[] }> } }).condition.value[1]!.value), new Set(edit.value))
  }
})

t.test('a plan can be for several actions', async t => {
  for (const face of Object.values(await facesOf(t))) {
    const both = await face.plan({ allOf: ['read', 'edit'] }, 'task') as { condition: unknown }
    const rows = [{ key: '7' }, { key: '8' }, { key: '9', owner: 'ann' }, { key: '8', owner: 'ann' }]
    t.same(rows.map(row => holds(both.condition, row)), [true, false, false, true])
    const either = await face.plan({ anyOf: ['read', 'edit'] }, 'task') as { condition: unknown }
    t.same(rows.map(row => holds(either.condition, row)), [true, true, true, true])
    t.equal(JSON.stringify(either.condition).match(/tenant/g)!.length, 1, 'the tenant is said once')
    t.same(await face.plan({ allOf: ['read', 'share'] }, 'task'), { kind: 'none', type: 'task', tenant: 'default' })
    t.match(await face.plan({ anyOf: ['read', 'share'] }, 'task'), { condition: { value: [inDefault, keys('7', '8')] } })
    t.match(await face.plan({ anyOf: ['read', 'share'] }, 'task', { tenant: 't1' }), { kind: 'all' })
    t.match(await face.plan({ allOf: ['read', 'edit'] }, 'task', { tenant: 't1' }), { kind: 'all' })
  }
})

function holds (condition: any, row: { key: string, owner?: string }): boolean { // eslint-disable-line @typescript-eslint/no-explicit-any
  switch (condition.operator) {
    case 'and': return condition.value.every((part: unknown) => holds(part, row))
    case 'or': return condition.value.some((part: unknown) => holds(part, row))
    case 'eq': return condition.field === 'tenant' || condition.value === (condition.field === 'key' ? row.key : row.owner)
    case 'in': return condition.value.includes(row.key)
    default: throw new Error(condition.operator)
  }
}

t.test('a relation that is a column becomes a condition on the column instead of a list of rows', async t => {
  for (const face of Object.values(await facesOf(t))) {
    t.match(await face.plan('read', 'task', { relations: ['parent'] }), {
      condition: { value: [inDefault, { operator: 'or', value: [keys('7'), { operator: 'eq', field: 'relations.parent', value: 'f1' }] }] }
    })
    await t.rejects(face.plan('read', 'task', { relations: ['parnt'] }), { code: 'FST_PERMIT_PLAN', statusCode: 500, message: /no relation 'parnt'.*did you mean 'parent'/ })
  }
})

t.test('unknown options and invalid values are refused', async t => {
  const wrong: Array<[action: unknown, type: unknown, options: unknown, message: RegExp]> = [
    ['read', 'task', { tenent: 't1' }, /"tenent" is not known.*did you mean "tenant"/],
    ['read', 'task', { relation: ['parent'] }, /did you mean "relations"/],
    ['read', 'task', { relations: 'parent' }, /must be an array/],
    ['read', 'task', { relations: [''] }, /non-empty strings/],
    ['read', 'task', { conditions: 'some' }, /"none" or "stored"/],
    ['read', 'task', { tenant: '' }, /tenant/],
    ['read', 'task', { context: 'noon' }, /context/],
    ['read', 'task', null, /must be an object/],
    ['read', 'task:7', {}, /all rows of a type/],
    ['read', '', {}, /resource type/],
    ['read', { type: 'task' }, {}, /resource type/],
    ['', 'task', {}, /the action/],
    [['read'], 'task', {}, /the action/],
    [{ anyOf: [] }, 'task', {}, /anyOf is empty/],
    [{ anyof: ['read'] }, 'task', {}, /did you mean "anyOf"/],
    [{ anyOf: ['read'], allOf: ['read'] }, 'task', {}, /one of them/],
    [{ allOf: ['read', 7] }, 'task', {}, /non-empty strings/],
    [undefined, 'task', {}, /the action/]
  ]
  for (const [name, face] of Object.entries(await facesOf(t))) {
    for (const [action, type, options, message] of wrong) {
      await t.rejects(face.plan(action, type as string, options as object), { code: 'FST_PERMIT_QUERY', message }, `${name}: ${JSON.stringify([action, type, options])}`)
    }
  }
})

t.test('a plan is cached until it expires, and dropped by a write and by invalidate', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy, user: byHeader, cache: { ttl: 60_000 } })
  await app.ready()
  const first = await app.permit.plan('ann', 'read', 'task')
  t.equal(await app.permit.plan('ann', 'read', 'task'), first, 'kept')
  t.not(await app.permit.plan('ann', 'read', 'task', { context: { day: 'open' } }), first, 'another question has another plan')
  app.permit.invalidate('bob')
  t.equal(await app.permit.plan('ann', 'read', 'task'), first, 'what is forgotten of another user does not matter')
  app.permit.invalidate('ann')
  t.not(await app.permit.plan('ann', 'read', 'task'), first)
  await app.permit.write(app.permit.api.assignRole({ user: 'ann', role: 'viewer', resourceInstance: 'task:9' }))
  t.match(await app.permit.plan('ann', 'read', 'task'), { condition: { value: [inDefault, { value: ['7', '9', '8'] }] } }, 'the write is in it')
  t.match(app.permit.stats().plans, { asked: 6, shared: 2, failed: 0 })
  t.throws(() => { (first as { kind: string }).kind = 'all' }, 'a plan that is kept cannot be changed')
})

t.test('a changed policy file drops plans', async t => {
  const dir = t.testdir({ 'permit.json': JSON.stringify(policy) })
  const file = join(dir, 'permit.json')
  const log = logSink('info')
  const app = fastifyFor(t, { logger: log.logger })
  await app.register(permit, { policy: file, user: byHeader, cache: { ttl: 3_600_000 } })
  await app.ready()
  t.match(await app.permit.plan('ann', 'read', 'task', { tenant: 't1' }), { kind: 'all' })
  await writeFile(join(dir, 'swap'), JSON.stringify({ ...policy, roles: { admin: { permissions: ['task:edit'] } } }))
  await rename(join(dir, 'swap'), file)
  while (!log.text().includes('is in use')) await new Promise(setImmediate)
  t.match(await app.permit.plan('ann', 'read', 'task', { tenant: 't1' }), { kind: 'none' })
  t.match(await app.permit.plan('ann', 'edit', 'task', { tenant: 't1' }), { kind: 'all' })
})

t.test('a report of the PDP and invalidate drop plans of the users that they name, those on their way included', async t => {
  let version = 0
  const held: Array<() => void> = []
  let holds = false
  const pdp = await pdpFor(t, {
    async intercept (request, response) {
      if (request.url !== '/fastify-permit/plan') return false
      const answer = { kind: 'some', type: 'task', tenant: 'default', condition: { operator: 'and', value: [inDefault, keys(`v${++version}`)] } }
      if (holds) await new Promise<void>(resolve => { held.push(resolve) })
      sendJson(response, 200, answer)
      return true
    }
  })
  const app = fastifyFor(t)
  await app.register(permit, optionsFor(pdp, { cache: { ttl: 3_600_000 }, updates: { path: '/updates', secret: 'a-secret-of-the-updates' } }))
  await app.ready()
  const versionOf = async (user: string) => JSON.stringify(await app.permit.plan(user, 'read', 'task')).match(/"v(\d+)"/)![1]
  const report = (path: string) => app.inject({
    method: 'POST',
    url: '/updates',
    headers: { 'x-permit-updates-secret': 'a-secret-of-the-updates' },
    payload: { update_id: 'u', reports: [{ entry: { dst_path: path } }], user_data: {} }
  })
  const ways: Array<[what: string, forget: () => unknown, forgets: boolean]> = [
    ['nothing', () => {}, false],
    ['a report about ann', () => report('/users/ann'), true],
    ["a report about ann's roles", () => report('/role_assignments/user:ann'), true],
    ['a report about bob', () => report('/users/bob'), false],
    ['a report about a tenant', () => report('/tenants/t1'), true],
    ['invalidate(ann)', () => app.permit.invalidate('ann'), true],
    ['invalidate(bob)', () => app.permit.invalidate('bob'), false],
    ['invalidate()', () => app.permit.invalidate(), true]
  ]
  for (const [what, forget, forgets] of ways) {
    const before = await versionOf('ann')
    await forget()
    t.equal(await versionOf('ann') !== before, forgets, what)

    app.permit.invalidate('ann')
    holds = true
    const onItsWay = versionOf('ann')
    while (held.length === 0) await new Promise(setImmediate)
    await forget()
    holds = false
    const after = versionOf('ann')
    // Without a change, the second question waits for the answer to the first.
    if (forgets) await after
    held.splice(0).forEach(release => release())
    t.equal(await after !== await onItsWay, forgets, `${what}, while a plan is on its way`)
    t.equal(await versionOf('ann'), await after, 'the older answer is not kept')
  }
})

t.test('without a user a plan is 401, and without a PDP 503', async t => {
  const app = fastifyFor(t)
  const pdp = await pdpFor(t, { decide: () => true })
  await app.register(permit, optionsFor(pdp, { timeout: 200 }))
  app.get('/', async request => request.permit.plan('read', 'task'))
  t.equal((await app.inject('/')).statusCode, 401)
  await pdp.close()
  const response = await app.inject({ url: '/', headers: { 'x-user': 'ann' } })
  t.equal(response.statusCode, 503)
  t.equal(response.headers['retry-after'], '1')
})
