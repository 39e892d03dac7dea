// Real PDPs behind AuthZEN, each asked the same; and what the preset says of OpenFGA.
import t from 'tap'
import permit from '../../src/index.js'
import { binary as cerbosBinary, startCerbos } from '../cerbos/server.js'
import { byHeader, fastifyFor, logSink } from '../support/app.js'
import { localPdp, sdkFor, TOKEN as LOCAL_TOKEN } from '../sdk/support.js'
import { openfgaWithDocuments, TOKEN } from './openfga-server.js'
import { ask } from './questions.js'

const CERBOS_POLICY = JSON.stringify({
  apiVersion: 'api.cerbos.dev/v1',
  resourcePolicy: {
    resource: 'document',
    version: 'default',
    rules: [
      { actions: ['create', 'read'], effect: 'EFFECT_ALLOW', roles: ['*'], condition: { match: { expr: 'P.id == "ada@example.com" && R.attr.tenant == "acme"' } } },
      { actions: ['read'], effect: 'EFFECT_ALLOW', roles: ['*'], condition: { match: { expr: 'P.id == "bob@example.com" && R.attr.tenant == "acme"' } } }
    ]
  }
})

t.test('OpenFGA', async t => {
  const server = await openfgaWithDocuments(t)
  const { url, store, model } = server
  t.test('as every peer', t => ask(t, {
    name: 'OpenFGA',
    url,
    options: pdp => ({ pdp, token: TOKEN, authzen: { preset: 'openfga', store, model } }),
    user: key => key,
    refusesUnknownActions: true
  }))

  t.test('a wrong token, store, model and path, and a server without AuthZEN, are errors at boot, and health says so', async t => {
    const without = await openfgaWithDocuments(t, { authzen: false })
    const elsewhere = '01HVMMBCMGZNT3SED4Z17ECXCA'
    for (const [what, options, message] of [
      ['token', { token: 'wrong', authzen: { preset: 'openfga', store } }, /rejects the token.*Set the option "token"/],
      ['store', { token: TOKEN, authzen: { preset: 'openfga', store: elsewhere } }, /cannot answer "document:create".*No authorization models found/],
      ['path', { pdp: `${url}/v2/stores/${store}`, token: TOKEN, authzen: { preset: 'openfga' } }, /does not respond like a PDP\. Check the option "pdp"/],
      ['flag', { pdp: without.url, token: TOKEN, authzen: { preset: 'openfga', store: without.store } }, /cannot answer "document:create".*experimental/i],
      ['model', { token: TOKEN, authzen: { preset: 'openfga', store, model: elsewhere } }, /cannot answer "document:create"/],
      ['action', { token: TOKEN, authzen: { preset: 'openfga', store, probe: { action: 'vanish', resource: 'document' } } }, /cannot answer "document:vanish".*document#vanish/]
    ] as const) {
      const log = logSink()
      const app = fastifyFor(t, { logger: log.logger })
      await app.register(permit, { pdp: url, user: byHeader, timeout: 10_000, ...options })
      app.post('/documents', { config: { permit: 'document:create' } }, async () => 'created')
      await app.ready()
      t.match(log.lines.filter(({ level }) => (level as number) >= 40), [{ level: what === 'path' ? 40 : 50, msg: message }], what)
      t.match(await app.permit.health(), { ok: false }, what)
    }
  })

  t.test('searches and plans find what checks allow, in this tenant', async t => {
    await server.call(`/stores/${store}/write`, {
      writes: { tuple_keys: [['acme', 'acme/a%3Ab'], ['other', 'other/8']].map(([tenant, id]) => ({ user: `tenant:${tenant}`, relation: 'tenant', object: `document:${id}` })) }
    })
    const app = fastifyFor(t)
    await app.register(permit, { pdp: url, token: TOKEN, timeout: 10_000, cache: false, authzen: { preset: 'openfga', store } })
    const keys = (await app.permit.searchResources('bob@example.com', 'read', 'document', { tenant: 'acme' }).toArray()).map(({ key }) => key)
    t.same(keys.sort(), ['7', 'a:b'])
    t.same(await app.permit.searchResources('bob@example.com', 'read', 'document', { tenant: 'other' }).toArray(), [])
    t.same((await app.permit.searchUsers('read', { type: 'document', key: 'a:b', tenant: 'acme' }).toArray()).sort(), ['ada@example.com', 'bob@example.com'])
    t.same(await app.permit.searchActions('bob@example.com', { type: 'document', key: '7', tenant: 'acme' }).toArray(), ['read'])
    const resources = ['document:7', 'document:a:b', 'document:8', 'document:none']
    const documents = (tenant: string, permissions: string[], ...keys: string[]) =>
      Object.fromEntries(keys.map(key => [`document:${key}`, { tenant: { key: tenant }, resource: { type: 'document', key }, permissions }]))
    t.same(await app.permit.permissions('bob@example.com', { tenants: ['acme'], resources }), documents('acme', ['document:read'], '7', 'a:b'))
    t.same(await app.permit.permissions('ada@example.com', { tenants: ['acme'], resources }), documents('acme', ['document:create', 'document:read'], '7', 'a:b'))
    t.same(await app.permit.permissions('bob@example.com', { tenants: ['other'], resources }), {})
    t.match(await app.permit.plan('bob@example.com', 'read', 'document', { tenant: 'acme' }), { kind: 'some', tenant: 'acme' })
    t.match(await app.permit.plan('bob@example.com', 'read', 'document', { tenant: 'other' }), { kind: 'none' })
  })

  t.test('with tenants by a relation, a resource has its own id, and checks, searches and plans are those of its tenant', async t => {
    await server.call(`/stores/${store}/write`, {
      writes: {
        tuple_keys: [
          ...[['acme', 'r1'], ['other', 'r2'], ['other', 'r3']].map(([tenant, id]) => ({ user: `tenant:${tenant}`, relation: 'tenant', object: `document:${id}` })),
          { user: 'user:eve', relation: 'viewer', object: 'tenant:acme' }, { user: 'user:eve', relation: 'editor', object: 'tenant:other' }
        ]
      }
    })
    const app = fastifyFor(t)
    await app.register(permit, {
      pdp: url, token: TOKEN, timeout: 10_000, cache: false, user: byHeader, tenant: request => request.headers['x-tenant'], authzen: { preset: 'openfga', store, tenants: { relation: 'tenant' } }
    })
    app.get('/documents/:id', { config: { permit: { action: 'read', resource: 'document:{id}' } } }, async () => 'ok')
    const statuses = async (tenant: string) => Promise.all(['r1', 'r2', 'r3', 'none'].map(async id => (await app.inject({ url: `/documents/${id}`, headers: { 'x-user': 'eve', 'x-tenant': tenant } })).statusCode))
    // Eve may read all three; the tenant of the request says which of them now.
    t.same(await statuses('acme'), [200, 403, 403, 403])
    t.same(await statuses('other'), [403, 200, 200, 403])
    t.same(await statuses('third'), [403, 403, 403, 403])
    t.match(await app.permit.explain('eve', 'read', { type: 'document', key: 'r1', tenant: 'other' }), { allow: false, code: 'other_tenant' })
    const found = async (tenant: string) => (await app.permit.searchResources('eve', 'read', 'document', { tenant }).toArray()).map(({ key }) => key).filter(key => !key.includes('/')).sort()
    t.same([await found('acme'), await found('other'), await found('third')], [['r1'], ['r2', 'r3'], []])
    t.match(await app.permit.plan('eve', 'create', 'document', { tenant: 'other' }), { kind: 'some', condition: { value: [{ value: 'other' }, { value: ['r2', 'r3'] }] } })
    t.same(await app.permit.plan('eve', 'create', 'document', { tenant: 'acme' }), { kind: 'none', type: 'document', tenant: 'acme' })
    const users = (tenant: string) => app.permit.searchUsers('read', { type: 'document', key: 'r1', tenant }).toArray()
    t.same([(await users('acme')).includes('eve'), await users('other')], [true, []])
    t.same(await app.permit.searchActions('eve', { type: 'document', key: 'r2', tenant: 'acme' }).toArray(), [])
    const rights = async (tenant: string) => Object.keys(await app.permit.permissions('eve', { tenants: [tenant], resources: ['document:r1', 'document:r2', 'document:r3'] })).sort()
    t.same([await rights('acme'), await rights('other'), await rights('third')], [['document:r1'], ['document:r2', 'document:r3'], []])
  })

  t.test('what a role gives on a whole type is inherited by resources without tuples, if that is asked for', async t => {
    const app = fastifyFor(t)
    await app.register(permit, { pdp: url, token: TOKEN, timeout: 10_000, cache: false, authzen: { preset: 'openfga', store, inheritFromType: true } })
    const checks = [['acme', 'new'], ['other', 'new']].map(([tenant, key]) => ({ action: 'read', resource: { type: 'document', key, tenant } }))
    t.same(await app.permit.bulkCheck('bob@example.com', checks as never), [true, false])
    t.same(await app.permit.plan('bob@example.com', 'read', 'document', { tenant: 'acme' }), { kind: 'all', type: 'document', tenant: 'acme' })
  })

  t.test('a server that has crashed is 503', async t => {
    const app = fastifyFor(t)
    await app.register(permit, { pdp: url, token: TOKEN, cache: false, authzen: { preset: 'openfga', store }, tenant: () => 'acme' })
    t.equal(await app.permit.check('ada@example.com', 'read', { type: 'document', key: '7', tenant: 'acme' }), true)
    await server.kill()
    await t.rejects(app.permit.check('ada@example.com', 'read', { type: 'document', key: '7', tenant: 'acme' }), { code: 'FST_PERMIT_UNAVAILABLE' })
  })
})

t.test('what is granted directly on a whole type is in checks, plans and searches for users and actions, and not in searches for resources', async t => {
  const server = await openfgaWithDocuments(t)
  const { url, store } = server
  const { authorization_model_id: direct } = await server.call(`/stores/${store}/authorization-models`, {
    schema_version: '1.1',
    type_definitions: [
      { type: 'user' },
      { type: 'note', relations: { read: { this: {} } }, metadata: { relations: { read: { directly_related_user_types: [{ type: 'user' }] } } } }
    ]
  })
  await server.call(`/stores/${store}/write`, {
    authorization_model_id: direct,
    writes: { tuple_keys: [['dan', '*'], ['dan', '1'], ['eve', '2']].map(([user, key]) => ({ user: `user:${user}`, relation: 'read', object: `note:acme/${key}` })) }
  })
  const app = fastifyFor(t)
  await app.register(permit, { pdp: url, token: TOKEN, timeout: 10_000, cache: false, authzen: { preset: 'openfga', store, model: direct as string, inheritFromType: true } })
  const note = (key: string) => ({ type: 'note', key, tenant: 'acme' })
  t.same(await app.permit.bulkCheck('dan', ['1', '2', '3'].map(key => ({ action: 'read', resource: note(key) })) as never), [true, true, true])
  t.same(await app.permit.plan('dan', 'read', 'note', { tenant: 'acme' }), { kind: 'all', type: 'note', tenant: 'acme' })
  t.same((await app.permit.searchUsers('read', note('2')).toArray()).sort(), ['dan', 'eve'])
  t.same(await app.permit.searchActions('dan', note('2')).toArray(), ['read'])
  t.same(await app.permit.permissions('dan', { tenants: ['acme'], resources: ['note:2'] }), { 'note:2': { tenant: { key: 'acme' }, resource: { type: 'note', key: '2' }, permissions: ['note:read'] } })
  t.same((await app.permit.searchResources('dan', 'read', 'note', { tenant: 'acme' }).toArray()).map(({ key }) => key), ['1'])
})

// The same for Permit's own way: the local PDP, asked by its own protocol, by AuthZEN, and by the official SDK.
t.test('the local PDP and the official SDK', async t => {
  const policy = {
    resources: { document: { actions: { create: {}, read: {} } } },
    roles: { editor: { permissions: ['document:create', 'document:read'] }, viewer: { permissions: ['document:read'] } },
    tenants: { acme: {}, other: {} },
    users: { 'ada@example.com': {}, 'bob@example.com': {} },
    role_assignments: [{ user: 'ada@example.com', role: 'editor', tenant: 'acme' }, { user: 'bob@example.com', role: 'viewer', tenant: 'acme' }]
  }
  const { url } = await localPdp(t, { policy })
  for (const [name, options] of [['by its own protocol', {}], ['by AuthZEN', { authzen: 'permit' }]] as const) {
    t.test(name, t => ask(t, { name, url, options: pdp => ({ pdp, token: LOCAL_TOKEN, ...options }), user: key => key, refusesUnknownActions: false }))
  }

  t.test('the SDK gets the answers of the plugin, one by one and in a burst', async t => {
    const sdk = sdkFor(url)
    const app = fastifyFor(t)
    await app.register(permit, { pdp: url, token: LOCAL_TOKEN, cache: false, timeout: 10_000 })
    const questions = ['ada', 'bob', 'eve'].flatMap(name => ['acme', 'other', 'none'].flatMap(tenant => ['create', 'read', 'vanish'].flatMap(action =>
      [undefined, '7', 'a:b', 'é💥'].map(key => ({ user: `${name}@example.com`, action, resource: { type: 'document', tenant, ...(key === undefined ? {} : { key }) } })))))
    const bySdk = ({ user, action, resource }: typeof questions[number]) => sdk.check(user, action, resource)
    const byPlugin = ({ user, action, resource }: typeof questions[number]) => app.permit.check(user, action, resource)
    const expected = questions.map(({ user, action, resource: { tenant } }) => tenant === 'acme' && ((user.startsWith('ada') && action !== 'vanish') || (user.startsWith('bob') && action === 'read')))
    t.same(await Promise.all(questions.map(bySdk)), expected)
    t.same(await Promise.all(questions.map(byPlugin)), expected)
    for (const [index, question] of questions.entries()) {
      if (await bySdk(question) !== expected[index] || await byPlugin(question) !== expected[index]) t.fail(JSON.stringify(question))
    }
  })
})

if (cerbosBinary !== undefined) {
  t.test('Cerbos', async t => {
    const { url } = await startCerbos(t, { policies: [CERBOS_POLICY] })
    await ask(t, { name: 'Cerbos', url, options: pdp => ({ pdp, authzen: 'cerbos' }), user: key => key, refusesUnknownActions: false })
  })
}
