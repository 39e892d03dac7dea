// The option `roles`: roles from a token count as assigned ones do, for the user, the tenant and the request that they are given for.
import express from 'express'
import Fastify, { type FastifyRequest } from 'fastify'
import fc from 'fast-check'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import { permit as expressPermit } from '../../src/express/index.js'
import { createQuery, questionsOf } from '../../src/decision/query.js'
import { Engine } from '../../src/engine/engine.js'
import { planNow } from '../../src/engine/plan/planner.js'
import type { Policy } from '../../src/engine/policy/policy.js'

const POLICY: Policy = {
  resources: {
    task: { actions: { read: {}, create: {}, delete: {} } },
    doc: { actions: { read: {} }, roles: { owner: { permissions: ['read'] } } }
  },
  roles: {
    viewer: { permissions: ['task:read'] },
    editor: { permissions: ['task:create'], extends: ['viewer'] },
    admin: { permissions: ['task:read', 'task:create', 'task:delete'] }
  },
  user_sets: {
    editors: { conditions: { 'user.roles': { array_contains: 'editor' } } },
    members: { conditions: { 'tenant.plan': { equals: 'pro' } } },
    seniors: { conditions: { 'user.level': { 'greater-than': 2 } } }
  },
  set_rules: [
    { user_set: 'editors', permission: 'doc:read', resource_set: 'doc' },
    { user_set: 'seniors', permission: 'task:delete', resource_set: 'task' },
    { user_set: 'viewer', permission: 'doc:read', resource_set: 'doc' }
  ],
  tenants: { acme: { attributes: { plan: 'pro' } }, beta: {} },
  users: { ann: {} },
  resource_instances: [{ resource: 'doc', key: '1', tenant: 'acme' }]
}

const listed = async <T>(results: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = []
  for await (const one of results) all.push(one)
  return all
}

type Options = Partial<PermitOptions>

async function appOf (t: Test, options: Options) {
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } })
  await app.register(permit, {
    policy: POLICY,
    user: (request: FastifyRequest) => request.headers['x-user']?.toString(),
    tenant: (request: FastifyRequest) => request.headers['x-tenant'],
    ...options
  } as never)
  t.teardown(() => app.close())
  for (const action of ['read', 'create', 'delete']) app.get(`/${action}`, { config: { permit: `task:${action}` } }, async () => 'yes')
  app.get('/doc', { config: { permit: 'doc:read' } }, async () => 'yes')
  app.get('/other', { config: { permit: { action: 'read', resource: 'task', tenant: () => 'beta' } } }, async () => 'yes')
  app.get('/faces', { config: { permit: false } }, async ({ permit }) => ({
    check: await permit.check('create', 'task'),
    explain: (await permit.explain('create', 'task')).code,
    bulk: await permit.bulkCheck([{ action: 'read', resource: 'task' }, { action: 'delete', resource: 'task' }]),
    filter: (await permit.filter('create', ['1'], key => ({ type: 'task', key }))).length,
    plan: (await permit.plan('create', 'task')).kind,
    permissions: Object.keys(await permit.permissions()),
    tenants: await listed(permit.tenants()),
    docs: (await listed(permit.searchResources('read', 'doc'))).length
  }))
  const get = async (url: string, headers: Record<string, string> = {}) =>
    (await app.inject({ url, headers: { 'x-user': 'zoe', 'x-tenant': 'acme', ...headers } }))
  return { app, get, lines }
}

const tokenRoles = (request: { headers: Record<string, unknown> }) => {
  const token = request.headers['x-roles']
  return typeof token === 'string' ? JSON.parse(token) : undefined
}

t.test('roles of a token count for a user whom nobody keeps, in the tenant of the request only, on every face', async t => {
  const { get } = await appOf(t, { roles: tokenRoles })
  const as = (roles: unknown, tenant = 'acme') => ({ 'x-roles': JSON.stringify(roles), 'x-tenant': tenant })
  t.equal((await get('/create')).statusCode, 403, 'no roles')
  t.equal((await get('/create', as(['editor']))).statusCode, 200)
  t.equal((await get('/read', as(['editor']))).statusCode, 200, 'roles extend others')
  t.equal((await get('/delete', as(['editor']))).statusCode, 403)
  t.equal((await get('/doc', as(['editor']))).statusCode, 200, 'a user set by roles')
  t.equal((await get('/doc', as(['viewer']))).statusCode, 200, 'a role as a user set')
  t.equal((await get('/other', as(['editor']))).statusCode, 403, 'the roles are for acme, and the route asks in beta')
  t.equal((await get('/other', as({ beta: ['viewer'] }))).statusCode, 200)
  t.equal((await get('/read', as({ beta: ['viewer'] }))).statusCode, 403)
  t.equal((await get('/read', as(['editor'], 'nowhere'))).statusCode, 403, 'a tenant that does not exist')
  t.same((await get('/faces', as(['editor']))).json(), {
    check: true, explain: 'allow', bulk: [true, false], filter: 1, plan: 'all', permissions: ['__tenant:acme'], tenants: ['acme'], docs: 1
  })
  t.match((await get('/faces', as([]))).json(), { check: false, bulk: [false, false], filter: 0, plan: 'none', permissions: [], tenants: [], docs: 0 })
})

t.test('a tenant that is none has the same answer with roles as without, and no role counts anywhere', async t => {
  for (const tenant of ['', 'x'.repeat(5_000), 'a\tb']) {
    const answers = await Promise.all([undefined, ['editor'], ['admin']].map(async roles => {
      const { get } = await appOf(t, { roles: tokenRoles })
      const headers: Record<string, string> = { 'x-tenant': tenant, ...(roles === undefined ? {} : { 'x-roles': JSON.stringify(roles) }) }
      return Promise.all(['/create', '/other', '/faces'].map(async url => (await get(url, headers)).statusCode))
    }))
    t.same(answers[1], answers[0], JSON.stringify(tenant.slice(0, 10)))
    t.same(answers[2], answers[0])
    t.notOk(answers.flat().slice(0, 2).includes(200))
  }
})

t.test('without a user there are no roles, and the app that gives none asks nobody', async t => {
  let asked = 0
  const { get } = await appOf(t, { roles: () => { asked++; return ['admin'] }, user: () => undefined })
  t.equal((await get('/read')).statusCode, 401)
  t.equal(asked, 0)
})

t.test('what is not a list of roles is a mistake of the app, and no way in; what throws is no decision', async t => {
  const answers: Array<[unknown, number]> = [
    ['admin', 500], [1, 500], [true, 500], [new Set(['admin']), 500], [new Map([['acme', ['admin']]]), 500], [() => ['admin'], 500],
    [{ acme: 'admin' }, 500], [{ acme: { admin: true } }, 500], [['admin', 1], 500], [['admin', undefined], 500], [[['admin']], 500], [['admin', ''], 500],
    [Array(1), 500], [{ '': ['admin'] }, 500], [[{ role: 'admin', tenant: 'acme' }], 500], [Array.from({ length: 1_001 }, (_, n) => `r${n}`), 503],
    [['ADMIN'], 403], [[' admin'], 403], [['task:read'], 403], [['owner'], 403], [['doc#owner'], 403], [['__proto__', 'constructor', 'toString'], 403],
    [JSON.parse('{ "__proto__": ["admin"] }'), 403], [JSON.parse('{ "constructor": ["admin"] }'), 403], [{ beta: ['admin'] }, 403],
    [undefined, 403], [null, 403], [[], 403], [{}, 403], [{ acme: [] }, 403], [Promise.resolve([]), 403],
    [['admin'], 200], [Object.freeze(['admin', 'nobody']), 200], [{ acme: ['admin'] }, 200], [Promise.resolve(['admin']), 200],
    [Promise.resolve('admin'), 500], [JSON.parse('{ "__proto__": ["viewer"], "acme": ["admin"] }'), 200]
  ]
  for (const [answer, status] of answers) {
    const { get } = await appOf(t, { roles: () => answer as never })
    const { statusCode, body } = await get('/delete')
    t.equal(statusCode, status, `${String(JSON.stringify(answer))}: ${body}`)
  }
  const failing = [() => { throw new Error('no token') }, async () => { throw new Error('no token') }]
  for (const roles of failing) {
    const { get } = await appOf(t, { roles: roles as never })
    const { statusCode, headers, body } = await get('/delete')
    t.equal(statusCode, 503)
    t.ok(headers['retry-after'])
    t.notMatch(body, 'no token')
  }
  const { get } = await appOf(t, { roles: () => { throw Object.assign(new Error('expired'), { statusCode: 401 }) } })
  t.equal((await get('/delete')).statusCode, 401, 'the status of the plugin of tokens')
})

t.test('a member "roles" of the app\'s user gives nothing, nor does one that a client sends', async t => {
  const roles = { roles: [['acme', ['admin']]], role: 'admin' }
  const { app, get } = await appOf(t, { user: () => ({ key: 'zoe', attributes: { roles: ['editor'] }, ...roles } as never), roles: () => [] })
  t.equal((await get('/delete')).statusCode, 403)
  t.equal((await get('/delete?roles=admin', { roles: '["admin"]', 'x-roles': '["admin"]' })).statusCode, 403)
  await app.ready()
  t.notOk(await app.permit.check({ key: 'zoe', ...roles } as never, 'delete', 'task', { tenant: 'acme' }))
  t.notOk(await app.permit.check('zoe', 'delete', 'task', { tenant: 'acme' }), 'the option is about requests')
})

t.test('attributes that the app gives count in user sets for a user who was never synced', async t => {
  const { get, app } = await appOf(t, { user: (request: FastifyRequest) => ({ key: 'zoe', attributes: { level: Number(request.headers['x-level']) } }) })
  t.equal((await get('/delete', { 'x-level': '3' })).statusCode, 200)
  t.equal((await get('/delete', { 'x-level': '2' })).statusCode, 403)
  await app.ready()
  t.ok(await app.permit.check({ key: 'new', attributes: { roles: ['editor'] } }, 'read', 'doc', { tenant: 'acme' }), 'roles as an attribute, as in Permit')
  t.notOk(await app.permit.check({ key: 'new', attributes: { roles: ['editor'] } }, 'create', 'task', { tenant: 'acme' }), 'but not as roles')
})

t.test('a role that the policy does not have is warned about once, with the nearest one, and for few of them', async t => {
  let role = 'edtor'
  const { get, lines } = await appOf(t, { roles: () => [role] })
  for (let n = 0; n < 3; n++) t.equal((await get('/create')).statusCode, 403)
  const warned = () => lines.filter(line => line.includes('the option \\"roles\\"'))
  t.equal(warned().length, 1)
  t.match(warned()[0], "the role 'edtor', which the policy does not have; did you mean 'editor'?")
  for (let n = 0; n < 50; n++) {
    role = `r${n}\n`
    await get('/create')
  }
  t.equal(warned().length, 20)
})

t.test('over a PDP that takes no roles, the app does not start', async t => {
  const roles = () => ['admin']
  for (const [options, message] of [
    [{ pdp: 'http://127.0.0.1:9', token: 'x', roles }, 'option "roles" is given with "pdp"; expected it with "policy" only'],
    [{ policy: POLICY, shadow: { pdp: 'http://127.0.0.1:9', token: 'x' }, roles }, 'option "roles" is given with "shadow.pdp"'],
    [{ policy: POLICY, roles: ['admin'] }, 'option "roles"']
  ] as const) {
    await t.rejects(async () => { await Fastify().register(permit, options as never) }, { code: 'FST_PERMIT_OPTIONS', message })
    t.throws(() => expressPermit(options as never), { message })
  }
})

t.test('Express: the same', async t => {
  const app = express()
  app.use(expressPermit({ policy: POLICY, user: request => request.get('x-user'), roles: tokenRoles as never, tenant: () => 'acme' }))
  const { guard } = await import('../../src/express/index.js')
  app.get('/create', guard('task:create'), (_, response) => { response.send('yes') })
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const get = async (roles: unknown) => (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/create`, {
    headers: { 'x-user': 'zoe', 'x-roles': JSON.stringify(roles), connection: 'close' }
  })).status
  t.same([await get(['editor']), await get(['viewer']), await get([]), await get(['editor'])], [200, 403, 403, 200])
})

const rolesArbitrary: fc.Arbitrary<string[]> = fc.uniqueArray(fc.constantFrom('viewer', 'editor', 'admin', 'nobody', '__proto__'), { maxLength: 3 })
const byTenant = fc.dictionary(fc.constantFrom('acme', 'beta', 'default', 'nowhere'), rolesArbitrary, { maxKeys: 3 })

t.test('a cached decision for some roles never answers for others', async t => {
  const { get } = await appOf(t, { roles: tokenRoles, cache: { ttl: 3_600_000, max: 10_000 } })
  const grants: Record<string, string[]> = { '/read': ['viewer', 'editor', 'admin'], '/create': ['editor', 'admin'], '/delete': ['admin'] }
  const question: fc.Arbitrary<{ user: string, url: string, roles: string[] | Record<string, string[]>, tenant: string }> = fc.record({
    user: fc.constantFrom('zoe', 'ann', 'zo&1;', 'zoe&1;4:acme1;5:admin'),
    url: fc.constantFrom('/read', '/create', '/delete'),
    roles: fc.oneof(rolesArbitrary, byTenant),
    tenant: fc.constantFrom('acme', 'beta')
  })
  let allowed = 0
  const as = (roles: string[]) => ({ user: 'zoe', url: '/create', roles, tenant: 'acme' })
  await fc.assert(fc.asyncProperty(fc.array(question, { minLength: 2, maxLength: 12 }), async questions => {
    for (const { user, url, roles, tenant } of questions) {
      const own = Array.isArray(roles) ? roles : Object.hasOwn(roles, tenant) ? roles[tenant]! : []
      const expected = own.some(role => grants[url]!.includes(role)) ? 200 : 403
      const { statusCode } = await get(url, { 'x-user': user, 'x-tenant': tenant, 'x-roles': JSON.stringify(roles) })
      if (statusCode !== expected) throw new Error(`${statusCode} for ${JSON.stringify({ user, url, roles, tenant })}`)
      if (statusCode === 200) allowed++
    }
  }), { numRuns: 60, examples: [[[as(['viewer']), as(['editor']), as(['viewer'])]]] })
  t.ok(allowed > 0)
})

t.test('equal keys are equal users, roles included, whatever is in their names', t => {
  const text = fc.oneof(fc.constantFrom('a', '1:a', '&1;', '-', '@', '1', ';', '2;1:a1:b'), fc.string({ minLength: 1, maxLength: 3 }))
  const given = fc.uniqueArray(fc.tuple(text, fc.uniqueArray(text, { minLength: 1, maxLength: 3 })), { maxLength: 3, selector: ([tenant]) => tenant })
  const user = fc.record({ key: text, email: fc.option(text, { nil: undefined }), roles: fc.option(given, { nil: undefined }) })
  const keyOf = (who: object, action: string) => questionsOf(who as never)(action, 'task').key
  fc.assert(fc.property(user, user, text, text, (a, b, actionA, actionB) => {
    const same = JSON.stringify([a.key, a.email ?? null, a.roles ?? null, actionA]) === JSON.stringify([b.key, b.email ?? null, b.roles ?? null, actionB])
    if ((keyOf(a, actionA) === keyOf(b, actionB)) !== same) throw new Error(JSON.stringify([a, b]))
  }), { numRuns: 2_000 })
  t.not(keyOf({ key: 'a', roles: [['acme', ['admin']]] }, 'read'), createQuery('a', 'read', 'task').key)
  t.end()
})

t.test('given roles decide, plan and list as the same roles that are assigned', t => {
  const actions = ['task:read', 'task:create', 'task:delete', 'doc:read']
  fc.assert(fc.property(byTenant, fc.constantFrom('permit', 'deny'), (given, unknown) => {
    const known = Object.entries(given).flatMap(([tenant, roles]) => tenant === 'nowhere'
      ? []
      : roles.filter(role => Object.hasOwn(POLICY.roles!, role)).map(role => ({ user: 'ann', role, tenant })))
    const assigned = new Engine({ ...POLICY, role_assignments: known }, { unknown: unknown as 'permit' })
    const engine = new Engine(POLICY, { unknown: unknown as 'permit' })
    const roles = Object.entries(given)
    const sides = [[assigned, { key: 'ann' }], [engine, { key: 'ann', roles }]] as const
    const said = sides.map(([engine, user]) => JSON.stringify([
      actions.flatMap(permission => ['acme', 'beta', 'nowhere', ''].map(tenant => {
        const [type = '', action = ''] = permission.split(':')
        const query = { user, action, resource: { type, tenant, key: '1' } }
        return [engine.decide(query), engine.explain(query).reason, engine.trace(query).code]
      })),
      planNow(engine.planning({ user, action: 'create', type: 'task', tenant: 'acme' })).plan,
      Object.entries(engine.userPermissions(user)).sort(), engine.userTenants(user).map(({ key }) => key).sort(),
      engine.allTenants({ user, action: 'read', resource: { type: 'doc' } }).map(({ tenant }) => tenant.key).sort()
    ]))
    if (said[0] !== said[1]) throw new Error(`${said[0]}\n${said[1]}`)
    if (engine.decide({ user: { key: 'ann' }, action: 'read', resource: { type: 'task', tenant: 'acme' } }).allow) throw new Error('the facts have changed')
  }), { numRuns: 200, examples: [[{ acme: ['admin'], nowhere: ['admin'] }, 'deny']] })
  t.end()
})
