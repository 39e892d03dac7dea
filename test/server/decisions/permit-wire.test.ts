// The rows of the wire on which real clients of Permit's PDP would have broken, each as a kind.
import t from 'tap'
import { pdpFor } from '../support.js'

const read = { user: { key: 'ada' }, action: 'read', resource: { type: 'task', tenant: 'acme' } }

t.test('an empty text is valid: it matches nothing, and is decided', async t => {
  const { post } = await pdpFor(t)
  t.match((await post('/allowed', { ...read, resource: { ...read.resource, key: '' } })).json, { allow: true }, "an empty key is no key: Permit's CLI sends it")
  for (const empty of [{ action: '' }, { user: { key: '' } }, { resource: { ...read.resource, tenant: '' } }, { resource: { ...read.resource, type: '' } }, { resource: { ...read.resource, tenant: null } }]) {
    t.match(await post('/allowed', { ...read, ...empty }), { status: 200, json: { allow: false } }, JSON.stringify(empty))
    t.equal((await post('/allowed/bulk', [{ ...read, ...empty }])).status, 200)
    t.equal((await post('/allowed/all-tenants', { ...read, ...empty })).status, 200)
  }
})

t.test('without a tenant no role in a tenant counts, but a role on an instance does', async t => {
  const { post } = await pdpFor(t)
  t.match((await post('/allowed', { ...read, resource: { type: 'task' } })).json, { allow: false })
  t.match((await post('/allowed', { user: { key: 'bob' }, action: 'write', resource: { type: 'task', key: '1' } })).json, { allow: true })
  t.match((await post('/authorized_users', { action: 'read', resource: { type: 'task' } })).json, { tenant: 'default', users: {} })
  t.same(((await post('/authorized_users', { action: 'write', resource: { type: 'task', key: '1' } })).json as { users: object }).users, { bob: [{ user: 'bob', tenant: '', resource: 'task:1', role: 'owner' }] })
})

t.test('another method on an existing path is 405, with the allowed methods', async t => {
  const { send, get } = await pdpFor(t)
  for (const [method, path, allow] of [['GET', '/allowed', 'POST'], ['PUT', '/user-tenants', 'POST'], ['PATCH', '/facts/users/ada/roles', 'GET, HEAD, POST, DELETE'], ['OPTIONS', '/allowed', 'POST'], ['POST', '/version', 'GET, HEAD'], ['DELETE', '/access/v1/evaluation', 'POST']] as const) {
    const { status, headers } = await send(method, path)
    t.same([status, headers.get('allow')], [405, allow], `${method} ${path}`)
  }
  t.same((await get('/allowed/')).status, 404)
  t.equal((await get('/ALLOWED')).status, 404)
  t.equal((await send('GET', '/allowed', undefined, { authorization: undefined })).status, 401)
})

t.test('JSON is accepted under any of its content types, and without one', async t => {
  const { post } = await pdpFor(t)
  for (const type of ['application/json', 'Application/JSON; charset=utf-8', 'application/vnd.api+json', 'application/problem+json;x=y']) {
    t.equal((await post('/allowed', read, { 'content-type': type })).status, 200, type)
  }
  t.equal((await post('/allowed', Buffer.from(JSON.stringify(read)), { 'content-type': undefined })).status, 200)
  t.equal((await post('/allowed', `\uFEFF${JSON.stringify(read)}`)).status, 200, 'a byte order mark is no part of it')
  for (const type of ['text/plain', 'text/json', 'application/jsonx', 'application/x-json', 'application/xml', 'multipart/form-data']) {
    t.equal((await post('/allowed', JSON.stringify(read), { 'content-type': type })).status, 422, type)
    t.equal((await post('/access/v1/evaluation', JSON.stringify({}), { 'content-type': type })).status, 400, type)
  }
})

t.test('a path that cannot be decoded is 404, in the format of the API, and only with the token', async t => {
  const { get } = await pdpFor(t)
  t.match(await get('/%zz'), { status: 404, json: { detail: 'Not Found' } })
  t.match(await get('/facts/users/%'), { status: 404, json: { error_code: 'NOT_FOUND' } })
  t.equal((await get('/%zz', { authorization: undefined })).status, 401)
})

t.test('the information routes of the container are served', async t => {
  const { get } = await pdpFor(t)
  t.same((await get('/version')).json, { api_version: 4 })
  t.same((await get('/healthcheck')).json, { status: 'ok' })
  t.same((await get('/')).json, { status: 'ok' })
})

t.test('gateways can check without code', async t => {
  const { post, get } = await pdpFor(t)
  const nginx = (headers: Record<string, string>) => post('/nginx_allowed', undefined, headers)
  t.match(await nginx({ 'permit-user-key': 'ada', 'permit-tenant-id': 'acme', 'permit-action': 'read', 'permit-resource-type': 'task' }), { status: 200, json: { allow: true, result: true } })
  t.match(await nginx({ 'permit-user-key': 'ada', 'permit-tenant-id': 'acme', 'permit-action': 'write', 'permit-resource-type': 'task' }), { status: 200, json: { allow: false } })
  t.equal((await nginx({ 'permit-user-key': 'ada' })).status, 422)
  const kong = (username: string | null, method: string, path: string) => post('/kong', {
    input: { request: { http: { host: 'a', port: 80, tls: {}, method, scheme: 'http', path, querystring: {}, headers: {} } }, client_ip: '127.0.0.1', service: null, route: null, consumer: username === null ? null : { id: '11111111-1111-4111-8111-111111111111', username } }
  })
  t.same((await kong('ada', 'APPROVE', '/v1/task/7')).json, { result: true }, 'a condition, in the tenant default')
  t.same((await kong('ada', 'APPROVE', '/')).json, { result: false })
  t.same((await kong(null, 'APPROVE', '/task')).json, { result: false })
  t.equal((await post('/kong', { input: {} })).status, 422)
  t.same((await get('/local/role_assignments?user=ada')).json, [{ user: 'ada', role: 'viewer', tenant: 'acme', resource_instance: null }])
  t.same((await get('/local/role_assignments?resource=task')).json, [{ user: 'bob', role: 'owner', tenant: 'default', resource_instance: 'task:1' }])
  t.equal((await get('/local/role_assignments?per_page=101')).status, 422)
})

t.test('all-tenants uses only roles with `optimized`, unless it is false', async t => {
  const { post } = await pdpFor(t)
  const tenants = async (context?: object) => ((await post('/allowed/all-tenants', { ...read, action: 'approve', context })).json as { allowed_tenants: unknown[] }).allowed_tenants
  t.match(await tenants(), [{ allow: true, result: false, debug: { abac: { allow: true } }, tenant: { key: 'acme' } }])
  t.equal((await tenants({ optimized: false })).length, 1)
  for (const optimized of [true, 0, '', null, 'no']) t.same(await tenants({ optimized }), [], JSON.stringify(optimized))
})

t.test('answers have reasons, or none with the option', async t => {
  const { post } = await pdpFor(t, { debug: false })
  const evaluation = { subject: { type: 'user', id: 'ada' }, action: { name: 'read' }, resource: { type: 'task', id: '1', properties: { tenant: 'acme' } } }
  t.same((await post('/allowed', read)).json, { allow: true, result: true })
  t.same((await post('/access/v1/evaluation', evaluation)).json, { decision: true })
  t.same((await post('/access/v1/evaluations', { ...evaluation, evaluations: [{}, { context: null }] })).json, { evaluations: [{ decision: true }, { decision: true }] })
})

t.test("'unknown': 'deny' denies users who were never synced, and tenants that do not exist", async t => {
  const stranger = { user: { key: 'eve', attributes: { age: 40 } }, action: 'approve', resource: { type: 'task', tenant: 'acme' } }
  const nowhere = { user: { key: 'ada' }, action: 'approve', resource: { type: 'task', tenant: 'nowhere' } }
  const open = await pdpFor(t)
  const shut = await pdpFor(t, { unknown: 'deny' })
  for (const question of [stranger, nowhere]) {
    t.match((await open.post('/allowed', question)).json, { allow: true, debug: { abac: { allow: true } } })
    t.match((await shut.post('/allowed', question)).json, { allow: false })
  }
  t.match((await shut.post('/allowed', { ...stranger, user: { ...stranger.user, key: 'ada' } })).json, { allow: true })
  t.same((await shut.post('/allowed/all-tenants', stranger)).json, { allowed_tenants: [] })
})

t.test('the headers of a write with its waiting time must contain numbers', async t => {
  const { post } = await pdpFor(t)
  const write = (headers: Record<string, string>) => post('/facts/tenants', { key: `t${Math.random()}`, name: 'x' }, headers)
  for (const timeout of ['soon', '1s', '0x10', '1,5', '--1']) t.equal((await write({ 'x-wait-timeout': timeout })).status, 400, timeout)
  for (const policy of ['never', '', 'fail,ignore']) t.equal((await write({ 'x-timeout-policy': policy })).status, 400, policy)
  for (const headers of <Array<Record<string, string>>>[{ 'x-wait-timeout': '1.5' }, { 'x-wait-timeout': '-1' }, { 'x-wait-timeout': '' }, { 'x-wait-timeout': '1e2', 'x-timeout-policy': 'FAIL' }]) {
    t.match(await write(headers), { status: 200, json: { attributes: null } }, `${JSON.stringify(headers)}: a tenant without attributes has none`)
  }
  t.equal((await post('/allowed', read, { 'x-wait-timeout': 'soon' })).status, 200, 'and a question does not care')
})
