// `fastify-permit/browser`: the route tells the user who asks what they may do, in the contracts of permit-fe-sdk and of CASL.
import { createMongoAbility, subject } from '@casl/ability'
import { unpackRules } from '@casl/ability/extra'
import fc from 'fast-check'
import { createRequire } from 'node:module'
import type * as Sdk from 'permit-fe-sdk'
import t, { type Test } from 'tap'
import { permissionsRoute, type PackedRule, type PermissionsRouteOptions } from '../../src/browser/index.js'
import permit from '../../src/index.js'
import { byHeader, fastifyFor, pdpFor } from '../support/app.js'

// It is CommonJS, and keeps the state of one user for the whole process, as a page does.
const { Permit } = createRequire(import.meta.url)('permit-fe-sdk') as typeof Sdk

const policy = {
  resources: {
    task: { actions: { read: {}, create: {}, update: {} }, attributes: { level: { type: 'number' } }, roles: { owner: { permissions: ['update'] } } },
    note: { actions: { read: {} } }
  },
  roles: { reader: { permissions: ['task:read', 'note:read'] }, writer: { permissions: ['task:read', 'task:create'] } },
  tenants: { acme: {} },
  users: { ann: { attributes: { trusted: false } }, vic: {}, eve: {} },
  resource_instances: [{ resource: 'task', key: '7' }, { resource: 'task', key: 'a:b' }],
  role_assignments: [
    { user: 'ann', role: 'writer' }, { user: 'vic', role: 'reader' }, { user: 'vic', role: 'owner', resource_instance: 'task:7' },
    { user: 'vic', role: 'owner', resource_instance: 'task:a:b' }, { user: 'vic', role: 'writer', tenant: 'acme' }
  ],
  user_sets: { trusted: { conditions: { allOf: [{ 'user.trusted': { equals: true } }] } }, anybody: { conditions: { allOf: [] } } },
  resource_sets: { low: { resource: 'task', conditions: { allOf: [{ 'resource.level': { 'less-than': 3 } }] } } },
  set_rules: [{ user_set: 'anybody', permission: 'task:update', resource_set: 'low' }, { user_set: 'trusted', permission: 'task:create', resource_set: 'low' }]
}

async function appWith (t: Test, route: PermissionsRouteOptions = {}, options: object = { policy }) {
  const app = fastifyFor(t)
  await app.register(permit, { user: byHeader, strict: true, ...options } as never)
  await app.register(permissionsRoute, route)
  const get = async (url: string, user?: string, headers: Record<string, string> = {}) => app.inject({ url, headers: { ...headers, ...user === undefined ? {} : { 'x-user': user } } })
  const post = async (payload: unknown, user?: string, url = '/permissions') =>
    app.inject({ method: 'POST', url, payload: JSON.stringify(payload), headers: { 'content-type': 'application/json', ...user === undefined ? {} : { 'x-user': user } } })
  return { app, get, post }
}

t.test('the plain list has the permissions of the requesting user in one tenant', async t => {
  const { get } = await appWith(t, { tenant: request => (request.query as { tenant?: string }).tenant ?? 'default' })
  t.same((await get('/permissions', 'vic')).json(), { tenant: 'default', permissions: ['note:read', 'task:read'], resources: { 'task:7': ['task:update'], 'task:a:b': ['task:update'] } })
  t.same((await get('/permissions?tenant=acme', 'vic')).json(), { tenant: 'acme', permissions: ['task:create', 'task:read'], resources: {} })
  t.same((await get('/permissions?user=ann', 'eve')).json(), { tenant: 'default', permissions: [], resources: {} })
  t.equal((await get('/permissions')).statusCode, 401)
  t.equal((await get('/permissions?format=xml', 'vic')).statusCode, 400)
})

t.test('an answer has an ETag, which changes with the permissions, and is for one user only', async t => {
  const { app, get } = await appWith(t)
  const first = await get('/permissions', 'ann')
  const etag = first.headers.etag as string
  t.match(first.headers, { 'cache-control': 'private, no-cache', vary: /authorization, cookie/ })
  const again = await get('/permissions', 'ann', { 'if-none-match': `W/"x", ${etag}` })
  t.same([again.statusCode, again.body], [304, ''])
  t.equal((await get('/permissions', 'vic', { 'if-none-match': etag })).statusCode, 200)
  t.equal((await get('/permissions', undefined, { 'if-none-match': etag })).statusCode, 401)
  await app.permit.write(app.permit.api.unassignRole('ann', 'writer', 'default'))
  const revoked = await get('/permissions', 'ann', { 'if-none-match': etag })
  t.same([revoked.statusCode, revoked.json<{ permissions: string[] }>().permissions], [200, []])
})

t.test('CASL unpacks the rules, and answers as the checks do', async t => {
  const { app, get } = await appWith(t, { keyField: 'key' })
  for (const user of ['ann', 'vic', 'eve']) {
    const ability = createMongoAbility(unpackRules((await get('/permissions?format=casl', user)).json<PackedRule[]>() as never) as never)
    for (const action of ['read', 'create', 'update']) {
      t.equal(ability.can(action, subject('task', { key: 'none' }) as never), await app.permit.check(user, action, 'task:none'), `${user} ${action} task`)
      for (const key of ['7', 'a:b']) t.equal(ability.can(action, subject('task', { key }) as never), await app.permit.check(user, action, { type: 'task', key }), `${user} ${action} task:${key}`)
    }
  }
})

t.test('permit-fe-sdk asks one by one and in bulk, by GET and by POST', async t => {
  const { app } = await appWith(t)
  const backendUrl = `${await app.listen({ port: 0, host: '127.0.0.1' })}/permissions`
  for (const how of ['bulk', 'GET', 'POST'] as const) {
    const sdk = Permit({ loggedInUser: 'whoever', backendUrl, customRequestHeaders: { 'x-user': 'vic' }, defaultAnswerIfNotExist: false } as never)
    sdk.reset()
    const asked = [{ action: 'read', resource: 'task' }, { action: 'create', resource: 'task' }, { action: 'update', resource: 'task:7' }, { action: 'update', resource: 'task:8' }]
    if (how === 'bulk') await sdk.loadLocalStateBulk(asked as never)
    else await sdk.loadLocalState(asked as never, how as never)
    t.same(asked.map(({ action, resource }) => sdk.check(action as never, resource as never, {} as never)), [true, false, true, false], how)
  }
})

t.test('attributes of the resource count, those of the user and another user do not', async t => {
  const { post } = await appWith(t)
  t.same((await post({ action: 'update', resource: 'task', resourceAttributes: { level: 1 } }, 'eve')).json(), { permitted: true })
  t.same((await post({ action: 'update', resource: 'task', resourceAttributes: { level: 5 } }, 'eve')).json(), { permitted: false })
  t.same((await post({ action: 'create', resource: 'task', resourceAttributes: { level: 1 }, userAttributes: { trusted: true }, user: 'ann' }, 'eve')).json(), { permitted: false })
  t.same((await post({ resourcesAndActions: [{ action: 'update', resource: { type: 'task', key: '7' } }, { action: 'read', resource: 'note' }] }, 'vic')).json(), { permittedList: [true, true] })
  t.same((await post({ resourcesAndActions: [] }, 'vic')).json(), { permittedList: [] })
})

t.test('an invalid question gets 400, too many 413, no login 401, and an outage 503', async t => {
  const { app, get, post } = await appWith(t, { limits: { checks: 2, entries: 1 } })
  for (const body of [null, 1, [], {}, { action: 'read' }, { action: 1, resource: 'task' }, { action: 'read', resource: '' }, { action: 'read', resource: 'task', resourceAttributes: 'x' }, { resourcesAndActions: {} }, { resourcesAndActions: [null] }]) {
    t.equal((await post(body, 'vic')).statusCode, 400, JSON.stringify(body))
  }
  t.equal((await get('/permissions?action=read', 'vic')).statusCode, 400)
  t.equal((await get('/permissions?action=read&action=x&resource=task', 'vic')).statusCode, 400)
  t.equal((await post({ resourcesAndActions: Array.from({ length: 3 }, () => ({ action: 'read', resource: 'task' })) }, 'vic')).statusCode, 413)
  t.equal((await get('/permissions', 'vic')).statusCode, 413)
  t.equal((await post({ action: 'read', resource: 'task' })).statusCode, 401)
  t.equal((await app.inject({ method: 'POST', url: '/permissions', payload: `{"action":"${'x'.repeat(300_000)}"}`, headers: { 'content-type': 'application/json', 'x-user': 'vic' } })).statusCode, 413)
  const pdp = await pdpFor(t)
  const other = await appWith(t, {}, { pdp: pdp.url, token: pdp.token, cache: false, retries: 0 })
  await pdp.close()
  t.match(await other.post({ action: 'read', resource: 'task' }, 'vic'), { statusCode: 503, headers: { 'retry-after': '1' } })
})

t.test('invalid options stop the app', async t => {
  for (const [options, message] of [[{ path: 'x' }, /"path"/], [{ path: '/:id' }, /"path"/], [{ limits: { checks: 0 } }, /limits\.checks/], [{ pth: '/x' }, /pth.*did you mean.*path/]] as const) {
    await t.rejects(appWith(t, options as never), { message })
  }
  const app = fastifyFor(t)
  await t.rejects(async () => app.register(permissionsRoute, {}), /before fastify-permit/)
})

t.test('property: an answer is what the check of the same user says, whatever else the request claims', async t => {
  const { app, get, post } = await appWith(t)
  const word = fc.constantFrom('task', 'note', 'task:7', 'task:8', 'task:a:b', 'none', 'read', '__proto__', 'task:__proto__')
  let yes = 0
  await fc.assert(fc.asyncProperty(fc.constantFrom('ann', 'vic', 'eve'), fc.constantFrom('read', 'create', 'update', 'constructor'), word, fc.constantFrom('ann', 'vic', 'root'), async (user, action, resource, claimed) => {
    const expected = await app.permit.check(user, action, resource)
    const asked = { action, resource, user: claimed, tenant: 'acme', userAttributes: { roles: ['writer'], key: claimed } }
    const answers = [
      (await get(`/permissions?user=${claimed}&action=${action}&resource=${encodeURIComponent(resource)}`, user)).json<{ permitted: boolean }>().permitted,
      (await post(asked, user, `/permissions?user=${claimed}`)).json<{ permitted: boolean }>().permitted,
      (await post({ resourcesAndActions: [asked] }, user)).json<{ permittedList: boolean[] }>().permittedList[0]
    ]
    if (answers.some(answer => answer !== expected)) throw new Error(`${user} ${action} ${resource}: ${expected}, and answers ${answers.join()}`)
    if (expected) yes++
  }), { numRuns: 60, examples: [['vic', 'update', 'task:7', 'ann']] })
  t.ok(yes > 0)
})

t.test('no rule for CASL allows more than a check, whatever words a policy has', async t => {
  const types = ['task', 'all', 'manage', 'All']
  const actions = ['read', 'manage', 'all', 'delete']
  const permissions = types.flatMap(type => actions.map(action => `${type}:${action}` as const))
  let words = 0
  const world = fc.tuple(fc.subarray(permissions), fc.subarray(actions), fc.constantFrom(...types))
  const property = fc.asyncProperty(world, async ([granted, onInstance, type]) => {
    const app = fastifyFor(t)
    const ofType = (of: string) => ({ actions: Object.fromEntries(actions.map(action => [action, {}])), ...of === type ? { roles: { owner: { permissions: [...onInstance] } } } : {} })
    const policy = {
      resources: Object.fromEntries(types.map(of => [of, ofType(of)])),
      roles: { r: { permissions: [...granted] } },
      users: { ann: {} },
      resource_instances: [{ resource: type, key: '7' }],
      role_assignments: [{ user: 'ann', role: 'r' }, { user: 'ann', role: 'owner', resource_instance: `${type}:7` }]
    }
    await app.register(permit, { policy, user: byHeader } as never)
    await app.register(permissionsRoute)
    const rules = (await app.inject({ url: '/permissions?format=casl', headers: { 'x-user': 'ann' } })).json<PackedRule[]>()
    const ability = createMongoAbility(unpackRules(rules as never) as never)
    for (const of of types) {
      for (const action of actions) {
        for (const key of [undefined, '7', '8']) {
          const can = ability.can(action, (key === undefined ? of : subject(of, { id: key })) as never)
          // Without a key, CASL asks whether there is any object on which the user may act.
          const may = await app.permit.check('ann', action as never, (key === undefined ? of : `${of}:${key}`) as never) ||
            (key === undefined && await app.permit.check('ann', action as never, `${of}:7` as never))
          if (can && !may) throw new Error(`CASL allows ${action} on ${of}:${key}, the policy does not: ${JSON.stringify(policy)}`)
          if (action !== 'manage' && of !== 'all' && can !== may) throw new Error(`CASL lacks ${action} on ${of}:${key}: ${JSON.stringify(policy)}`)
          if (may && (action === 'manage' || of === 'all')) words++
        }
      }
    }
    await app.close()
  })
  await fc.assert(property, { numRuns: 15, examples: [[[['task:manage', 'all:read'], ['manage'], 'task']]] })
  t.ok(words > 0)
})
