// Searches on every face: names and options, bounds, abortion, errors; and what they do when the PDP has none.
import t, { type Test } from 'tap'
import permit, { type AppPermit, type Policy, type RequestPermit, type SearchResults } from '../../src/index.js'
import { createLocalPdp } from '../../src/server/index.js'
import { byHeader, fastifyFor, optionsFor, pdpFor } from '../support/app.js'
import { facesFor } from '../support/faces.js'

const MANY = 2_300

const policy: Policy = {
  resources: {
    folder: { actions: { open: {} } },
    task: { actions: { read: {}, edit: {}, share: {} }, roles: { editor: { permissions: ['read', 'edit'] } } }
  },
  roles: { admin: { permissions: ['task:read', 'task:share', 'folder:open'] }, guest: { permissions: [] } },
  user_sets: { everybody: { conditions: { 'context.day': { equals: 'open' } } } },
  set_rules: [{ user_set: 'everybody', permission: 'task:share', resource_set: 'task' }],
  tenants: { t1: {}, t2: {} },
  users: { ann: {}, bob: {}, cid: {} },
  role_assignments: [
    { user: 'ann', role: 'admin', tenant: 't1' },
    { user: 'bob', role: 'admin', tenant: 't1' },
    { user: 'ann', role: 'guest', tenant: 't2' },
    { user: 'ann', role: 'editor', tenant: 'default', resource_instance: 'task:7' },
    { user: 'ann', role: 'editor', tenant: 'default', resource_instance: 'task:a:b' }
  ],
  resource_instances: Array.from({ length: MANY }, (_, index) => ({ resource: 'task', key: `t1-${index}`, tenant: 't1' }))
}

/** The methods of `app.permit` without the user, and of `request.permit`. */
type Face = Pick<RequestPermit, 'searchResources' | 'searchActions' | 'searchUsers' | 'tenants'>

const ofApp = (permit: AppPermit): Face => ({
  searchResources: (...args) => permit.searchResources('ann', ...args),
  searchActions: (...args) => permit.searchActions('ann', ...args),
  searchUsers: (...args) => permit.searchUsers(...args),
  tenants: (...args) => permit.tenants('ann', ...args)
} as Face)

async function facesOf (t: Test): Promise<Record<string, Face>> {
  const { app, request, authz, expressRequest } = await facesFor(t, policy)

  const pdp = createLocalPdp({ policy, token: 'secret' })
  const url = await pdp.listen({ port: 0 })
  t.teardown(() => pdp.close())
  const remote = fastifyFor(t)
  await remote.register(permit, { pdp: url, token: 'secret', user: byHeader, timeout: 10_000 })
  await remote.ready()
  return {
    'app.permit': ofApp(app.permit),
    'request.permit': await request,
    "Express's permit": ofApp(authz.permit as unknown as AppPermit),
    'req.permit': await expressRequest,
    'over the local PDP': ofApp(remote.permit)
  }
}

t.test('every face has the searches, with tenant and context, page by page', async t => {
  for (const [name, face] of Object.entries(await facesOf(t))) {
    t.same(await face.searchResources('edit', 'task').toArray(), [{ type: 'task', key: '7', tenant: 'default' }, { type: 'task', key: 'a:b', tenant: 'default' }], name)
    t.equal((await face.searchResources('read', 'task', { tenant: 't1' }).toArray()).length, MANY, 'more than a page')
    t.same(await face.searchResources('read', 'task', { tenant: 't2' }).toArray(), [])
    t.same(await face.searchResources('read', 'unheard').toArray(), [])
    t.same(await face.searchActions('task:7').toArray(), ['read', 'edit'])
    t.same(await face.searchActions('task:7', { context: { day: 'open' } }).toArray(), ['read', 'edit', 'share'])
    t.same(await face.searchActions({ type: 'task', tenant: 't1' }).toArray(), ['read', 'share'])
    t.same(await face.searchUsers('read', 'task', { tenant: 't1' }).toArray(), ['ann', 'bob'])
    t.same(await face.searchUsers('read', 'task:7').toArray(), ['ann'])
    t.same(new Set(await face.searchUsers('share', 'task', { context: { day: 'open' } }).toArray()), new Set(['ann', 'bob', 'cid']))
    t.same(await face.tenants().toArray(), ['t1', 't2'])
    t.same(await face.tenants({ action: 'read', resource: 'task' }).toArray(), ['t1'])
    t.same(await face.tenants({ action: 'share', resource: 'task', context: { day: 'open' } }).toArray(), ['t1', 't2'])
  }
})

t.test('a limit ends a search, nothing is asked before it is iterated, and a loop may end early', async t => {
  for (const face of Object.values(await facesOf(t))) {
    t.equal((await face.searchResources('read', 'task', { tenant: 't1', limit: 3 }).toArray()).length, 3)
    t.equal((await face.searchResources('read', 'task', { tenant: 't1', limit: 1_500 }).toArray()).length, 1_500)
    const search = face.searchResources('read', 'task', { tenant: 't1' })
    for (const length of [1, 1_200]) {
      let count = 0
      for await (const { type } of search) if (type === 'task' && ++count === length) break
      t.equal(count, length, 'the same search can be iterated again')
    }
  }
  const pdp = await pdpFor(t)
  const app = fastifyFor(t)
  await app.register(permit, optionsFor(pdp))
  await app.ready()
  app.permit.searchResources('ann', 'read', 'task')
  t.equal(pdp.requests.filter(({ url }) => url.includes('search')).length, 0)
})

t.test('more than 10,000 results without a limit are an error, and not a part of the list', async t => {
  const app = fastifyFor(t)
  const users = Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`u${index}`, {}]))
  await app.register(permit, { policy: { resources: { task: { actions: { read: {} } } }, user_sets: { all: { conditions: { allOf: [] } } }, set_rules: [{ user_set: 'all', permission: 'task:read', resource_set: 'task' }], users }, timeout: 10_000 })
  await app.ready()
  await t.rejects(app.permit.searchUsers('read', 'task').toArray(), { code: 'FST_PERMIT_SEARCH', statusCode: 500, message: /more than 10000 users\. Set a limit/ })
  t.equal((await app.permit.searchUsers('read', 'task', { limit: 10_001 }).toArray()).length, 10_001)
})

t.test('unknown options and invalid values are refused', async t => {
  const asked: Array<[what: string, ask: (face: Face) => SearchResults<unknown>, message: RegExp]> = [
    ['an unknown word', face => face.searchResources('read', 'task', { tenent: 't1' } as object), /"tenent" is not known.*did you mean "tenant"/],
    ['a limit that is none', face => face.searchResources('read', 'task', { limit: 0 }), /"limit" is 0; expected a whole number from 1/],
    ['a limit of text', face => face.searchActions('task', { limit: '5' as never }), /"limit" is "5"/],
    ['a limit that is too large', face => face.searchUsers('read', 'task', { limit: 1e9 }), /"limit"/],
    ['a signal that is none', face => face.searchUsers('read', 'task', { signal: {} as never }), /expected an AbortSignal/],
    ['conditions', face => face.searchUsers('read', 'task', { conditions: 'some' as never }), /"none" or "stored"/],
    ['a type with a key', face => face.searchResources('read', 'task:7'), /a search finds resources of a type/],
    ['no type', face => face.searchResources('read', ''), /resource type/],
    ['no action', face => face.searchResources('', 'task'), /the action/],
    ['no action for users', face => face.searchUsers(undefined as never, 'task'), /the action/],
    ['no resource', face => face.searchActions(undefined as never), /resource/],
    ['an empty tenant', face => face.searchResources('read', 'task', { tenant: '' }), /tenant/],
    ['a context that is none', face => face.searchActions('task', { context: 'noon' as never }), /context/],
    ['options that are none', face => face.searchActions('task', null as never), /must be an object/],
    ['tenants with a tenant', face => face.tenants({ tenant: 't1' } as object), /"tenant" is not known/],
    ['tenants with an action only', face => face.tenants({ action: 'read' }), /only one of "action" and "resource"/],
    ['tenants of a resource with a tenant', face => face.tenants({ action: 'read', resource: { type: 'task', tenant: 't1' } }), /finds the tenants/]
  ]
  for (const [name, face] of Object.entries(await facesOf(t))) {
    for (const [what, ask, message] of asked) await t.rejects(ask(face).toArray(), { code: 'FST_PERMIT_QUERY', message }, `${name}: ${what}`)
  }
})

t.test('a signal ends a search between its pages and while a page is on its way', async t => {
  for (const face of Object.values(await facesOf(t))) {
    const controller = new AbortController()
    const reason = new Error('the client has gone')
    let count = 0
    await t.rejects(async () => {
      for await (const { type } of face.searchResources('read', 'task', { tenant: 't1', signal: controller.signal })) if (type === 'task' && ++count === 5) controller.abort(reason)
    }, reason)
    t.equal(count, 5)
    await t.rejects(face.tenants({ signal: AbortSignal.abort(reason) }).toArray(), reason)
  }
  const pdp = await pdpFor(t, { intercept: ({ url }) => url.includes('search') ? new Promise<boolean>(() => {}) : false })
  const app = fastifyFor(t)
  await app.register(permit, optionsFor(pdp, { timeout: 60_000, connections: 1 }))
  await app.ready()
  const controller = new AbortController()
  const search = app.permit.searchUsers('read', 'task', { signal: controller.signal }).toArray()
  while (pdp.requests.length === 0) await new Promise(setImmediate)
  controller.abort(new Error('enough'))
  await t.rejects(search, { message: 'enough' })
  t.equal(await app.permit.check('ann', 'read', 'task'), false, 'its only connection is free again')
})

t.test('the pages of a search come from one of several replicas', async t => {
  const urls: string[] = []
  for (let replica = 0; replica < 3; replica++) {
    const pdp = createLocalPdp({ policy, token: 'secret' })
    urls.push(await pdp.listen({ port: 0 }))
    t.teardown(() => pdp.close())
  }
  for (const protocol of ['permit', 'authzen'] as const) {
    const app = fastifyFor(t)
    await app.register(permit, { pdp: urls, token: 'secret', timeout: 10_000, cache: false, ...(protocol === 'authzen' ? { protocol, authzen: { tenants: 'properties' as const } } : {}) })
    await app.ready()
    const searches = await Promise.all(Array.from({ length: 3 }, () => app.permit.searchResources('ann', 'read', 'task', { tenant: 't1' }).toArray()))
    t.same(searches.map(({ length }) => length), [MANY, MANY, MANY], protocol)
    const { replicas } = app.permit.stats().pdp!
    t.ok(replicas.every(({ requests }) => requests > 0), 'different searches are at different replicas')
  }
})

t.test('no search without a user (401), without a PDP (503), or after the app has closed', async t => {
  const app = fastifyFor(t)
  const pdp = await pdpFor(t)
  await app.register(permit, optionsFor(pdp, { timeout: 500 }))
  app.get('/', async request => request.permit.searchUsers('read', 'task').toArray())
  t.equal((await app.inject('/')).statusCode, 401)
  await pdp.close()
  const response = await app.inject({ url: '/', headers: { 'x-user': 'ann' } })
  t.equal(response.statusCode, 503)
  t.equal(response.headers['retry-after'], '1')
  const embedded = fastifyFor(t)
  await embedded.register(permit, { policy })
  await embedded.ready()
  await embedded.close()
  await t.rejects(embedded.permit.searchUsers('read', 'task').toArray(), { code: 'FST_PERMIT_UNAVAILABLE' })
})

t.test('a malformed value of a search on a request is 400', async t => {
  const app = fastifyFor(t)
  await app.register(permit, { policy, user: byHeader })
  app.get('/', async request => request.permit.searchActions((request.query as { resource: string }).resource).toArray())
  app.get('/some', async request => request.permit.searchUsers('read', 'task:7', { limit: Number((request.query as { limit: string }).limit) }).toArray())
  app.get('/wrong', async request => request.permit.searchUsers('read', 'task:7', { limits: 7 } as object).toArray())
  t.equal((await app.inject({ url: '/some?limit=many', headers: { 'x-user': 'ann' } })).statusCode, 400)
  t.equal((await app.inject({ url: '/wrong', headers: { 'x-user': 'ann' } })).statusCode, 500, 'a name of an option is the app\'s')
  t.equal((await app.inject({ url: '/', headers: { 'x-user': 'ann' } })).statusCode, 400)
  t.same((await app.inject({ url: '/?resource=task:7', headers: { 'x-user': 'ann' } })).json(), ['read', 'edit'])
})
