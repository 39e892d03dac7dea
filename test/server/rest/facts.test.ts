// The REST API of facts and schema, where the SDK does not go: addresses, headers, ids, and what survives.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { createLocalPdp } from '../../../src/server/index.js'
import { ask, pdpFor, POLICY, TOKEN } from '../support.js'

interface Scope { organization_id: string, project_id: string, environment_id: string }

t.test('facts are served at two addresses', async t => {
  const { get, send } = await pdpFor(t)
  const { project_id: project, environment_id: environment } = (await get('/v2/api-key/scope')).json as Scope
  t.equal((await send('POST', '/facts/tenants', { key: 'new', name: 'New' })).status, 200)
  const short = (await get('/facts/tenants/new')).json
  const long = (await get(`/v2/facts/${project}/${environment}/tenants/new`)).json
  t.same(short, long)
  t.match(short, { key: 'new', name: 'New', project_id: project, environment_id: environment })
  t.same((await get('/v2/facts/default/default/tenants/new')).json, long, 'keys serve as well as ids')
  t.match((await get('/v2/facts/default/production/tenants/new')), { status: 404, json: { error_code: 'NOT_FOUND', message: /production/ } })
  t.match((await get(`/v2/schema/other/${environment}/roles`)), { status: 404 })
})

t.test('waiting for the PDP to receive a fact takes no time', async t => {
  const { send, post } = await pdpFor(t)
  const { status } = await send('PUT', '/facts/users/eve', { key: 'eve', role_assignments: [{ role: 'viewer', tenant: 'acme' }] }, { 'x-wait-timeout': '10', 'x-timeout-policy': 'fail' })
  t.equal(status, 201)
  t.match((await post('/allowed', { user: { key: 'eve' }, action: 'read', resource: { type: 'task', tenant: 'acme' } })).json, { allow: true })
})

t.test('a user is synced at its own address', async t => {
  const { send, get } = await pdpFor(t)
  t.equal((await send('PUT', '/facts/users/eve', { email: 'eve@acme.com', first_name: null })).status, 201)
  t.equal((await send('PUT', '/facts/users/eve', { email: 'eve@example.com' })).status, 200)
  const { id } = (await get('/facts/users/eve')).json as { id: string }
  t.match((await send('PUT', `/facts/users/${id}`, { first_name: 'Eve' })), { status: 200, json: { key: 'eve', first_name: 'Eve', email: undefined } })
  t.match((await send('PUT', '/facts/users/eve', { key: 'ada' })), { status: 422, json: { message: /ada.*eve/ } })
})

t.test('ids and keys can both be used', async t => {
  const { send, get } = await pdpFor(t)
  const idOf = async (path: string) => ((await get(path)).json as { id: string }).id
  const user = await idOf('/facts/users/bob')
  const tenant = await idOf('/facts/tenants/acme')
  const role = await idOf('/v2/schema/default/default/roles/viewer')
  t.match((await send('POST', '/facts/role_assignments', { user, role, tenant })).json, { user: 'bob', role: 'viewer', tenant: 'acme', user_id: user, role_id: role, tenant_id: tenant })
  t.match((await get(`/facts/role_assignments?user=${user}&tenant=${tenant}&role=${role}`)).json, [{ user: 'bob' }])
  t.equal((await send('DELETE', `/facts/users/${user}/roles`, { role, tenant })).status, 204)
  t.equal((await send('DELETE', `/facts/tenants/${tenant}`)).status, 204)
  t.equal((await get('/facts/tenants/acme')).status, 404)
  t.equal((await get(`/v2/schema/default/default/roles/${user}`)).status, 404, 'an id of something else is none')
})

t.test("a user's roles are read, assigned and removed at the user's address", async t => {
  const { send, get } = await pdpFor(t)
  t.match((await send('POST', '/facts/users/bob/roles', { role: 'viewer', tenant: 'acme' })), { status: 200, json: { user: 'bob', role: 'viewer', tenant: 'acme' } })
  t.match((await get('/facts/users/bob/roles?tenant=acme')).json, [{ role: 'viewer' }])
  t.match((await get('/facts/users/bob/roles?include_total_count=true')).json, { total_count: 2 })
  t.equal((await send('DELETE', '/facts/users/bob/roles', { role: 'viewer', tenant: 'acme' })).status, 204)
  t.equal((await send('DELETE', '/facts/users/bob/roles', { role: 'viewer', tenant: 'acme' })).status, 404)
  t.equal((await get('/facts/users/nobody/roles')).status, 404)
})

t.test('many instances are written at once', async t => {
  const { send, get } = await pdpFor(t)
  const operations = [{ resource: 'task', key: '1', attributes: { state: 'done' } }, { resource: 'task', key: '2', tenant: 'acme' }]
  t.equal((await send('PUT', '/facts/bulk/resource_instances', { operations })).status, 200)
  t.match((await get('/facts/resource_instances?resource=task')).json, [{ key: '1', attributes: { state: 'done' } }, { key: '2', tenant: 'acme' }])
  t.match((await get('/facts/resource_instances?tenant=acme&include_total_count=true')).json, { total_count: 1, data: [{ key: '2' }] })
  t.match((await send('PUT', '/facts/resource_instances/task:1', { attributes: { state: 'open' } })).json, { attributes: { state: 'open' } })
  t.equal((await send('DELETE', '/facts/bulk/resource_instances', { idents: ['task:1', 'task:9'] })).status, 404)
  t.equal((await get('/facts/resource_instances/task:1')).status, 200, 'all or none')
  t.equal((await send('DELETE', '/facts/bulk/resource_instances', { idents: ['task:1', 'task:2'] })).status, 200)
  t.same((await get('/facts/resource_instances')).json, [])
})

t.test('many tenants are written at once', async t => {
  const { send, get } = await pdpFor(t)
  t.equal((await send('POST', '/facts/bulk/tenants', { operations: [{ key: 'a', name: 'A' }, { key: 'acme', name: 'Acme' }] })).status, 409)
  t.equal((await get('/facts/tenants/a')).status, 404)
  t.equal((await send('POST', '/facts/bulk/tenants', { operations: [{ key: 'a', name: 'A' }, { key: 'b', name: 'B' }] })).status, 200)
  t.match((await get('/facts/tenants?search=A&include_total_count=true')).json, { total_count: 3 })
  t.equal((await send('DELETE', '/facts/bulk/tenants', { idents: ['a', 'b'] })).status, 200)
})

t.test('unknown properties are refused, not ignored', async t => {
  const { send } = await pdpFor(t)
  t.match(await send('POST', '/facts/users', { key: 'x', atributes: {} }), { status: 422, json: { error_code: 'VALIDATION_ERROR', detail: [{ msg: /additional/ }] } })
  t.equal((await send('POST', '/facts/tenants', { key: 'x' })).status, 422)
  t.equal((await send('POST', '/facts/users', { key: '' })).status, 422)
  t.equal((await send('POST', '/facts/users', undefined)).status, 422)
  t.equal((await send('GET', '/facts/users?page=zero')).status, 422)
  t.equal((await send('GET', '/facts/users?include_total_count=maybe')).status, 422)
  t.equal((await send('POST', '/facts/relationship_tuples', { subject: 'folder', relation: 'parent', object: 'task:1' })).status, 422)
  t.match(await send('GET', '/facts/nothing'), { status: 404, json: { error_code: 'NOT_FOUND' } })
  t.match(await send('GET', '/nothing'), { status: 404, json: { detail: 'Not Found' } })
  t.match(await send('POST', '/v2/schema/default/default/condition_sets', { key: 'x', name: 'X', parent_id: 'other' }), { status: 501 })
  t.match(await send('POST', '/v2/schema/default/default/roles', { key: 'x', name: 'X', granted_to: { users_with_role: [] } }), { status: 422 })
})

t.test('a resource is changed and replaced, and its removed parts are removed everywhere', async t => {
  const { send, get, post } = await pdpFor(t)
  const resource = '/v2/schema/default/default/resources/task'
  const may = async (user: string, action: string, key?: string) =>
    ((await post('/allowed', { user: { key: user }, action, resource: { type: 'task', tenant: key === undefined ? 'acme' : 'default', key } })).json as { allow: boolean }).allow
  t.same([await may('ada', 'read'), await may('ada', 'approve'), await may('bob', 'write', '1')], [true, true, true])

  t.match((await send('PATCH', resource, { name: 'Job', description: 'To be done' })).json, { name: 'Job', description: 'To be done', actions: { read: {}, write: {}, approve: {} } })
  t.equal(await may('ada', 'read'), true)
  t.match((await send('PATCH', resource, { actions: { read: {}, write: {} } })).json, { name: 'Job' })
  t.equal(await may('ada', 'approve'), false)
  t.same((await get('/facts/set_rules')).json, [], 'the rule went with its action')

  t.match((await send('PUT', resource, { name: 'Task', actions: { read: {} } })).json, { name: 'Task', description: undefined, roles: {} })
  t.same([await may('ada', 'read'), await may('bob', 'write', '1')], [true, false])
  t.same((await get('/facts/role_assignments?user=bob')).json, [], 'the role on the instance went, and with it who had it')
  t.equal((await send('PATCH', resource, { roles: { owner: { permissions: ['fly'] } } })).status, 422)
  t.match((await get(resource)).json, { roles: {} }, 'and nothing of it was applied')
})

t.test('with a folder, written data survives a restart', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'local-pdp-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const options = { token: TOKEN, policy: POLICY, data: join(folder, 'facts') }

  const first = createLocalPdp(options)
  const before = await first.listen({ port: 0 })
  const written = (await ask(before, 'PUT', '/facts/users/eve', { role_assignments: [{ role: 'viewer', tenant: 'acme' }] })).json as object
  await ask(before, 'POST', '/v2/schema/default/default/roles', { key: 'writer', name: 'Writer', permissions: ['task:write'] })
  await ask(before, 'POST', '/facts/role_assignments', { user: 'eve', role: 'writer', tenant: 'acme' })
  await first.close()

  const second = createLocalPdp(options)
  t.teardown(() => second.close())
  const after = await second.listen({ port: 0 })
  t.match((await ask(after, 'GET', '/facts/users/eve')).json, { key: 'eve', id: (written as { id: string }).id, roles: [{ role: 'viewer' }, { role: 'writer' }] })
  const resource = { type: 'task', tenant: 'acme' }
  t.match((await ask(after, 'POST', '/allowed/bulk', [{ user: { key: 'eve' }, action: 'read', resource }, { user: { key: 'eve' }, action: 'write', resource }])).json, { allow: [{ allow: true }, { allow: true }] })
})

t.test('a write is answered with what it wrote, also when others remove that at once, or it has ended before', async t => {
  const data = await mkdtemp(join(tmpdir(), 'permit-facts-'))
  t.teardown(() => rm(data, { recursive: true }))
  const policy = { ...POLICY, resources: { task: { ...POLICY.resources?.['task'] as object, actions: { read: {}, write: {} }, relations: { parent: 'task' } } }, set_rules: [] }
  const { send } = await pdpFor(t, { data, policy })
  const end = '2020-01-01T00:00:00Z'
  const link = { subject: 'task:1', relation: 'parent', object: 'task:2' }
  const writes: ReadonlyArray<readonly [method: string, path: string, body?: object]> = [
    ['POST', '/users', { key: 'u' }], ['PUT', '/users/u', { key: 'u' }], ['PATCH', '/users/u', { email: 'u@acme.com' }], ['DELETE', '/users/u'],
    ['POST', '/users/u/roles', { role: 'viewer', tenant: 'acme' }],
    ['POST', '/tenants', { key: 't' }], ['PATCH', '/tenants/t', { name: 'T' }], ['DELETE', '/tenants/t'],
    ['POST', '/resource_instances', { resource: 'task', key: '2', tenant: 'acme' }], ['PATCH', '/resource_instances/task:2', { attributes: { a: 1 } }],
    ['DELETE', '/resource_instances/task:2'],
    ['POST', '/relationship_tuples', { ...link, tenant: 'acme' }], ['DELETE', '/relationship_tuples', link],
    ['POST', '/role_assignments', { user: 'ada', role: 'viewer', tenant: 'acme' }], ['DELETE', '/role_assignments', { user: 'ada', role: 'viewer', tenant: 'acme' }],
    ['POST', '/role_assignments', { user: 'ada', role: 'viewer', tenant: 'acme', expires_at: end }],
    ['POST', '/role_assignments', { user: 'ada', role: 'owner', resource_instance: 'task:1', expires_at: end }]
  ]
  const answers = await Promise.all(writes.slice(-4, -1).map(async ([method, path, body]) => send(method, `/facts${path}`, body)))
  t.match(answers.map(({ status }) => status), [200, 204, 200])
  t.match(answers[2]?.json, { user: 'ada', role: 'viewer', expires_at: end })
  const property = fc.asyncProperty(fc.array(fc.constantFrom(...writes), { minLength: 2, maxLength: 8 }), async chosen => {
    const answers = await Promise.all(chosen.map(async ([method, path, body]) => send(method, `/facts${path}`, body)))
    const wrong = answers.findIndex(({ status }) => status >= 500)
    if (wrong !== -1) throw new Error(`${JSON.stringify(chosen[wrong])} was answered with ${answers[wrong]?.status}`)
  })
  const examples = [[writes.slice(11, 13)], [writes.slice(13, 15)], [writes.slice(16)]] as Array<[typeof writes[number][]]>
  await t.resolves(fc.assert(property, { numRuns: 60, examples }))
})
