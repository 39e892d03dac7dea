// Searches over Permit's wire: what the container is asked, what it cannot tell, and answers that cannot be believed.
import t, { type Test } from 'tap'
import permit, { type Policy } from '../../../src/index.js'
import { createLocalPdp } from '../../../src/server/index.js'
import { byHeader, fastifyFor, optionsFor, pdpFor } from '../../support/app.js'
import { sendJson, type WireRequest } from '../../support/fake-pdp.js'

const policy: Policy = {
  resources: { task: { actions: { read: {}, edit: {} }, roles: { viewer: { permissions: ['read'] } } } },
  roles: { admin: { permissions: ['task:read'] } },
  user_sets: { adults: { conditions: { 'user.age': { 'greater-than': 17 } } } },
  resource_sets: { public: { resource: 'task', conditions: { 'resource.public': { equals: true } } } },
  set_rules: [{ user_set: 'adults', permission: 'task:read', resource_set: 'public' }],
  tenants: { t1: {} },
  users: { ann: { attributes: { age: 40 } }, bob: { attributes: { age: 9 } } },
  role_assignments: [{ user: 'ann', role: 'viewer', resource_instance: 'task:1' }, { user: 'ann', role: 'admin', tenant: 't1' }],
  resource_instances: [{ resource: 'task', key: '2', attributes: { public: true } }, { resource: 'task', key: '3', attributes: { public: false } }]
}

/** A PDP as Permit's container is: without the local PDP's own calls. */
async function containerFor (t: Test) {
  const pdp = createLocalPdp({ policy, token: 'secret' })
  const own: string[] = []
  pdp.addHook('onRequest', async (request, reply) => {
    if (!request.url.startsWith('/fastify-permit/')) return undefined
    own.push(request.url)
    return reply.code(404).send({ detail: 'Not Found' })
  })
  const url = await pdp.listen({ port: 0 })
  t.teardown(() => pdp.close())
  const app = fastifyFor(t)
  await app.register(permit, { pdp: url, token: 'secret', user: byHeader, cache: false })
  await app.ready()
  return { permit: app.permit, own }
}

t.test('what conditions open is an error, until the app says what they look at', async t => {
  const { permit, own } = await containerFor(t)
  const unknown = { code: 'FST_PERMIT_SEARCH', statusCode: 500, message: /\{ conditions: 'none' \}.*\{ conditions: 'stored' \}/ }
  await t.rejects(permit.searchResources('ann', 'read', 'task').toArray(), unknown)
  await t.rejects(permit.searchActions('ann', 'task:2').toArray(), unknown)
  await t.rejects(permit.searchUsers('read', 'task:2').toArray(), unknown)
  t.equal(own.length, 1, 'the container is asked for what only the local PDP has once a minute')
  const keys = async (conditions: 'none' | 'stored') => (await permit.searchResources('ann', 'read', 'task', { conditions }).toArray()).map(({ key }) => key)
  t.same(await keys('none'), ['1'])
  t.same(await keys('stored'), ['1', '2'])
  t.same(await permit.searchActions('ann', 'task:2', { conditions: 'none' }).toArray(), [])
  t.same(await permit.searchActions('ann', 'task:2', { conditions: 'stored' }).toArray(), ['read'])
  t.same(await permit.searchActions('ann', 'task:3', { conditions: 'stored' }).toArray(), [])
  t.same(await permit.searchActions('ann', { type: 'task', tenant: 't1' }, { conditions: 'stored' }).toArray(), ['read'])
  t.same(await permit.searchUsers('read', 'task:2', { conditions: 'none' }).toArray(), [])
  t.same(await permit.searchUsers('read', 'task:2', { conditions: 'stored' }).toArray(), ['ann'])
  await t.rejects(permit.searchUsers('read', { type: 'task', key: '2', attributes: { public: false } }, { conditions: 'stored' }).toArray(), { code: 'FST_PERMIT_SEARCH', message: /stored attributes/ })
  await t.rejects(permit.searchResources('ann', 'read', 'task', { tenant: 't1', conditions: 'stored' }).toArray(), { code: 'FST_PERMIT_SEARCH', message: /a role allows 'read' on every task in tenant 't1'/ })
  t.same(await permit.tenants('ann').toArray(), ['t1'], 'no option is needed')
  t.same(await permit.tenants('ann', { action: 'edit', resource: 'task' }).toArray(), [])
})

t.test("Permit's own switches in a context do not change what a search is", async t => {
  const asked: WireRequest[] = []
  const pdp = await pdpFor(t, {
    intercept (request, response) {
      if (request.url.startsWith('/fastify-permit/')) return false
      if (request.url.startsWith('/allowed/bulk')) return false
      asked.push(request)
      const answers: Record<string, unknown> = { '/user-permissions': {}, '/authorized_users': { users: {} }, '/user-tenants': [], '/allowed/all-tenants': { allowed_tenants: [] } }
      sendJson(response, 200, answers[request.url])
      return true
    }
  })
  const app = fastifyFor(t)
  await app.register(permit, optionsFor(pdp))
  await app.ready()
  const context = { hour: 9, optimized: true, enable_abac_user_permissions: true, enable_abac_authorized_users: true }
  await app.permit.searchResources('ann', 'read', 'task', { context, conditions: 'none' }).toArray()
  await app.permit.searchActions('ann', 'task:1', { context, conditions: 'none' }).toArray()
  await app.permit.searchUsers('read', 'task:1', { context, conditions: 'none' }).toArray()
  await app.permit.tenants('ann', { action: 'read', resource: 'task', context }).toArray()
  await app.permit.tenants('ann', { context }).toArray()
  t.equal(asked.length, 5)
  for (const { body } of asked) t.same((body as { context: unknown }).context, { hour: 9 })
})

t.test('an answer that cannot be believed is none: 503', async t => {
  let answer: unknown
  let path = ''
  const pdp = await pdpFor(t, {
    intercept (request, response) {
      if (request.url !== path) return false
      sendJson(response, 200, answer)
      return true
    }
  })
  const app = fastifyFor(t)
  await app.register(permit, optionsFor(pdp, { breaker: false } as object))
  await app.ready()
  const local: unknown[] = [null, [], {}, { results: ['1'] }, { results: [1], page: { next_token: '' } }, { results: [''], page: { next_token: '' } }, { results: ['1'], page: { next_token: 7 } }, { results: ['1'], page: { next_token: '', count: 9 } }, { results: {}, page: {} }]
  const cases: Array<[path: string, wrong: unknown[], ask: () => Promise<unknown>]> = [
    ['/fastify-permit/search', local, () => app.permit.searchUsers('read', 'task').toArray()],
    ['/user-tenants', [null, {}, ['t1'], [{ key: 7 }], [{}]], () => app.permit.tenants('ann').toArray()],
    ['/allowed/all-tenants', [null, [], {}, { allowed_tenants: {} }, { allowed_tenants: [{ allow: 1, tenant: { key: 't1' } }] }, { allowed_tenants: [{ allow: true }] }], () => app.permit.tenants('ann', { action: 'read', resource: 'task' }).toArray()]
  ]
  for (const [where, wrong, ask] of cases) {
    path = where
    for (answer of wrong) await t.rejects(ask(), { code: 'FST_PERMIT_UNAVAILABLE', statusCode: 503 }, `${where}: ${JSON.stringify(answer)}`)
  }
  answer = { allowed_tenants: [{ allow: true, tenant: { key: 't1' } }, { allow: false, tenant: { key: 't2' } }] }
  t.same(await app.permit.tenants('ann', { action: 'read', resource: 'task' }).toArray(), ['t1'], 'only what is allowed')
  path = '/fastify-permit/search'
  answer = { results: ['1'], page: { next_token: 'again' } }
  await t.rejects(app.permit.searchUsers('read', 'task').toArray(), { code: 'FST_PERMIT_SEARCH', message: /repeats a page/ })
})

t.test('a user or a list of unusual names is read as it is', async t => {
  const app = fastifyFor(t)
  const pdp = createLocalPdp({ policy: { ...policy, users: { __proto__x: {}, constructor: {}, 'a:b': {}, 'ä 1': {} }, role_assignments: ['__proto__x', 'constructor', 'a:b', 'ä 1'].map(user => ({ user, role: 'admin', tenant: 't1' })) }, token: 'secret' })
  t.teardown(() => pdp.close())
  await app.register(permit, { pdp: await pdp.listen({ port: 0 }), token: 'secret' })
  await app.ready()
  t.same(new Set(await app.permit.searchUsers('read', 'task', { tenant: 't1', limit: 9 }).toArray()), new Set(['__proto__x', 'constructor', 'a:b', 'ä 1']))
})
