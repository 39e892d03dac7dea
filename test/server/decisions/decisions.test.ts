// Every question of the PDP's wire, as it goes over a socket.
import t from 'tap'
import { pdpFor } from '../support.js'

const read = { user: { key: 'ada' }, action: 'read', resource: { type: 'task', tenant: 'acme' } }

t.test('/allowed decides, with reasons', async t => {
  const { post } = await pdpFor(t)
  const { status, json } = await post('/allowed', read)
  t.equal(status, 200)
  t.match(json, { allow: true, result: true, debug: { rbac: { allow: true, code: 'allow', reason: /viewer/, allowing_roles: ['viewer'] } } })
  t.match((await post('/allowed', { ...read, action: 'write' })).json, { allow: false, result: false, debug: { rbac: { code: 'no_permission' } } })
  t.match((await post('/allowed', { ...read, user: { key: 'eve' } })).json, { allow: false, debug: { rbac: { code: 'user_not_synced' } } })
  t.match((await post('/allowed', { ...read, resource: { type: 'taks' } })).json, { allow: false, debug: { rbac: { code: 'no_such_resource', reason: /task/ } } })
  t.match((await post('/allowed', { user: { key: 'ada' }, action: 'approve', resource: { type: 'task' } })).json, { allow: true, debug: { abac: { allow: true } } })
  t.match((await post('/allowed', { user: { key: 'bob' }, action: 'write', resource: { type: 'task', key: '1' } })).json, { allow: true, debug: { rebac: { allow: true } } })
})

t.test('a missing tenant means default', async t => {
  const { post } = await pdpFor(t)
  t.match((await post('/allowed', { ...read, resource: { type: 'task' } })).json, { allow: false, debug: { rbac: { code: 'no_role_in_tenant' } } })
  t.match((await post('/allowed', { ...read, resource: { type: 'task', tenant: null } })).json, { allow: false })
})

t.test('null counts as missing, unknown properties are ignored, and names have two spellings', async t => {
  const { post } = await pdpFor(t, {
    policy: {
      resources: { task: { actions: { read: {} } } },
      user_sets: { adas: { conditions: { allOf: [{ 'user.first_name': { equals: 'Ada' } }, { 'context.hour': { equals: 9 } }] } } },
      set_rules: [{ user_set: 'adas', permission: 'task:read', resource_set: 'task' }],
      users: { ada: {} }
    }
  })
  const user = { key: 'ada', email: null, last_name: null }
  const resource = { type: 'task', key: null, tenant: null }
  const question = { user, action: 'read', resource, context: { hour: 9 }, sdk: 'node', more: true }
  t.match((await post('/allowed', question)).json, { allow: false })
  t.match((await post('/allowed', { ...question, user: { ...user, first_name: 'Ada' } })).json, { allow: true })
  t.match((await post('/allowed', { ...question, user: { ...user, firstName: 'Ada' } })).json, { allow: true })
  t.match((await post('/allowed', { ...question, user: { ...user, firstName: 'Ada' }, context: undefined })).json, { allow: false })
  for (const nulled of [{ context: null }, { user: { ...user, attributes: null } }, { resource: { ...resource, attributes: null } }, { resource: { ...resource, context: null } }]) {
    t.equal((await post('/allowed', { ...question, ...nulled })).status, 422, `as in the container, an object is not null: ${JSON.stringify(nulled)}`)
  }
  t.match((await post('/allowed', { ...question, user: { ...user, firstName: 'Ada' }, context: undefined, resource: { ...resource, context: { hour: 9 } } })).json, { allow: true }, 'old SDKs put the context there')
})

t.test('/allowed/bulk answers in order', async t => {
  const { post } = await pdpFor(t)
  const { status, json } = await post('/allowed/bulk', [read, { ...read, action: 'write' }, { ...read, user: { key: 'eve' } }, read])
  t.equal(status, 200)
  t.match(json, { allow: [{ allow: true }, { allow: false, debug: { rbac: { code: 'no_permission' } } }, { allow: false }, { allow: true }] })
  t.same((await post('/allowed/bulk', [])).json, { allow: [] })
  t.equal((await post('/allowed/bulk', { queries: [read] })).status, 422)
  t.equal((await post('/allowed/bulk', [read, {}])).status, 422, 'one that makes no question makes none of all')
  t.equal((await post('/allowed/bulk', Array.from({ length: 10_001 }, () => read))).status, 422)
})

t.test('/allowed/all-tenants finds the tenants', async t => {
  const { post } = await pdpFor(t)
  const question = { user: { key: 'ada' }, action: 'read', resource: { type: 'task' } }
  t.match((await post('/allowed/all-tenants', question)).json, {
    allowed_tenants: [{ allow: true, result: false, tenant: { key: 'acme', attributes: { plan: 'gold' } } }]
  })
  t.same((await post('/allowed/all-tenants', { ...question, user: { key: 'eve' } })).json, { allowed_tenants: [] })
})

t.test('/allowed_url denies a URL that no mapping rule matches', async t => {
  const { post } = await pdpFor(t)
  const { status, json } = await post('/allowed_url', { user: { key: 'ada' }, http_method: 'GET', url: 'https://acme.com/tasks', tenant: 'acme' })
  t.equal(status, 200)
  t.match(json, { allow: false, result: false, query: { http_method: 'GET' }, debug: { reason: /mapping rule not found/, mapping_rules: [] } })
})

t.test('/user-permissions lists what a user may do, and where', async t => {
  const { post } = await pdpFor(t)
  t.match((await post('/user-permissions', { user: { key: 'ada' } })).json, {
    '__tenant:acme': { tenant: { key: 'acme', attributes: { plan: 'gold' } }, permissions: ['task:read'], roles: ['viewer'] }
  })
  t.same(Object.keys((await post('/user-permissions', { user: { key: 'ada' }, tenants: ['acme'], resources: null, resource_types: null, context: null })).json as object), ['__tenant:acme'])
  t.match((await post('/user-permissions', { user: { key: 'bob' }, resource_types: ['task'] })).json, { 'task:1': { resource: { key: '1', type: 'task' }, permissions: ['task:write'], roles: ['owner'] } })
  t.same((await post('/user-permissions', { user: { key: 'eve' } })).json, {})
  t.same((await post('/user-permissions', { user: { key: 'bob' }, resources: ['not an instance'] })).json, {})
})

t.test('/user-tenants lists the tenants of a user', async t => {
  const { post } = await pdpFor(t)
  t.same((await post('/user-tenants', { user: { key: 'ada' } })).json, [{ key: 'acme', attributes: { plan: 'gold' } }])
  t.same((await post('/user-tenants', { user: { key: 'eve' } })).json, [])
})

t.test('/authorized_users lists the allowed users, with their roles', async t => {
  const { post } = await pdpFor(t)
  t.same((await post('/authorized_users', { action: 'read', resource: { type: 'task', tenant: 'acme' } })).json, {
    resource: 'task:*', tenant: 'acme', users: { ada: [{ user: 'ada', tenant: 'acme', resource: '__tenant:acme', role: 'viewer' }] }
  })
  t.match((await post('/authorized_users', { action: 'write', resource: { type: 'task', key: '1' } })).json, { resource: 'task:1', users: { bob: [{ role: 'owner', resource: 'task:1' }] } })
})

t.test("OPA's route is served on its own port, if requested", async t => {
  const { app, post } = await pdpFor(t, { opa: { port: 0 } })
  t.equal((await post('/v1/data/permit/root', { input: read })).status, 404, 'not on the port of the PDP')

  const opa = `${app.pdp.opaUrl}/v1/data/permit/root`
  const question = { method: 'POST', body: JSON.stringify({ input: read }), headers: { 'content-type': 'application/json', authorization: 'Bearer secret-token-of-the-tests' } }
  t.match(await (await fetch(opa, question)).json(), { result: { allow: true } })
  t.equal((await fetch(opa, { ...question, headers: { 'content-type': 'application/json' } })).status, 401)
  t.equal((await fetch(`${app.pdp.opaUrl}/allowed`, question)).status, 404, 'and nothing else')
  await app.close()
  await t.rejects(fetch(opa, question), 'it goes with the PDP')
})

t.test('an invalid request is 422 with the place, and is never decided', async t => {
  const { post } = await pdpFor(t)
  const garbage: Array<[unknown, RegExp]> = [
    ['', /body/], ['{', /not JSON/], ['null', /body/], ['[]', /body/], ['"x"', /body/], ['{"a":1}{"b":2}', /not JSON/],
    [{}, /body\.user/],
    [{ ...read, user: 'ada' }, /body\.user/],
    [{ ...read, user: {} }, /body\.user\.key.*required/],
    [{ ...read, user: { key: 7 } }, /body\.user\.key/],
    [{ ...read, user: { key: 'ada', attributes: [] } }, /body\.user\.attributes/],
    [{ ...read, action: ['read'] }, /body\.action/],
    [{ ...read, resource: 'task' }, /body\.resource/],
    [{ ...read, resource: { type: 'task', tenant: 7 } }, /body\.resource\.tenant/],
    [{ ...read, context: 'noon' }, /body\.context/],
    [`{"user":{"key":"ada","attributes":${'{"a":'.repeat(70)}1${'}'.repeat(70)}},"action":"read","resource":{"type":"task"}}`, /deeper/],
    [`${'['.repeat(100_000)}`, /deeper/]
  ]
  for (const [body, words] of garbage) {
    const { status, json, text } = await post('/allowed', body)
    t.equal(status, 422, text)
    t.match(JSON.stringify((json as { detail: unknown }).detail).replaceAll('","', '.'), words)
    t.notMatch(json, { allow: Boolean })
  }
})

t.test('an attribute can have the name of a property of Object.prototype', async t => {
  const { post } = await pdpFor(t)
  const body = '{"user":{"key":"ada","attributes":{"__proto__":{"age":99},"constructor":{"prototype":{}}}},"action":"read","resource":{"type":"task","tenant":"acme"}}'
  t.match((await post('/allowed', body)).json, { allow: true })
  t.equal(({} as Record<string, unknown>)['age'], undefined)
})

t.test('health needs no token', async t => {
  const { get } = await pdpFor(t)
  for (const path of ['/healthy', '/health', '/ready']) {
    const { status, json } = await get(path, { authorization: undefined })
    t.equal(status, 200)
    t.same(json, { status: 'ok' })
  }
})
