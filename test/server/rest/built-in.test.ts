// Permit's built-in resources, action groups, and lists with the objects that they name.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { pdpFor } from '../support.js'

const schema = '/v2/schema/default/default'
const facts = '/v2/facts/default/default'

t.test('users and tenants have attribute declarations, which survive a restart', async t => {
  const data = await mkdtemp(join(tmpdir(), 'permit-'))
  t.teardown(() => rm(data, { recursive: true, force: true }))
  const { post, get, send, app } = await pdpFor(t, { data })
  t.match((await get(`${schema}/resources/__user`)).json, { key: '__user', attributes: { email: { type: 'string' }, roles: { type: 'array' } }, actions: {} })
  const age = (await post(`${schema}/resources/__user/attributes`, { key: 'age', type: 'number', description: 'In years.' })).json as { id: string }
  t.match(age, { key: 'age', type: 'number', built_in: false, resource_key: '__user', description: 'In years.' })
  t.match((await post(`${schema}/resources/__tenant/attributes`, { key: 'plan', type: 'string' })).json, { key: 'plan', resource_key: '__tenant' })
  // Permit's other path for the same.
  t.match((await get(`${schema}/users/attributes/${age.id}`)).json, age)
  t.match((await send('PATCH', `${schema}/users/attributes/age`, { type: 'string' })).json, { type: 'string' })
  t.match((await get(`${schema}/users/attributes?per_page=100`)).json as object[], [{ key: 'key', built_in: true }, {}, {}, {}, {}, { key: 'age', built_in: false }])
  t.same(app.server.listening, true)
  await app.close()

  const again = await pdpFor(t, { data })
  t.match((await again.get(`${schema}/resources/__user/attributes/age`)).json, { ...age, type: 'string', updated_at: String })
  t.match((await again.get(`${schema}/resources/__tenant`)).json, { attributes: { plan: { type: 'string' } } })
  t.equal((await again.send('DELETE', `${schema}/resources/__user/attributes/age`)).status, 204)
  t.equal((await again.get(`${schema}/resources/__user/attributes/age`)).status, 404)
})

t.test('nothing else of a built-in resource can be changed, and built-in resources are listed only on request', async t => {
  const { post, get, send } = await pdpFor(t)
  const keysOf = async (query: string) => ((await get(`${schema}/resources${query}`)).json as Array<{ key: string }>).map(({ key }) => key)
  t.same(await keysOf(''), ['task'])
  t.same(await keysOf('?include_built_in=true'), ['__user', '__tenant', 'task'])
  t.equal((await post(`${schema}/resources/__user/attributes`, { key: 'email', type: 'string' })).status, 409)
  for (const [method, path, body] of [
    ['DELETE', '/resources/__user', undefined], ['PUT', '/resources/__user', { name: 'x', actions: {} }], ['PATCH', '/resources/__tenant', { name: 'x' }],
    ['POST', '/resources/__user/actions', { key: 'fly', name: 'Fly' }], ['POST', '/resources/__user/roles', { key: 'r', name: 'R' }],
    ['DELETE', '/resources/__user/attributes/email', undefined], ['PATCH', '/resources/__user/attributes/roles', { type: 'string' }],
    ['POST', '/resources', { key: '__user', name: 'x', actions: {} }], ['POST', '/resources/task/relations', { key: 'of', name: 'of', subject_resource: '__user' }],
    ['POST', '/condition_sets', { key: 's', name: 's', type: 'resourceset', resource_id: '__user' }]
  ] as const) {
    t.equal((await send(method, schema + path, body)).status, 422, `${method} ${path}`)
  }
  t.same((await get(`${schema}/resources/__user/actions`)).json, [])
  t.equal((await post(`${facts}/resource_instances`, { resource: '__user', key: '1' })).status, 404)
})

t.test('an action group names existing actions, and a deleted action is removed from it', async t => {
  const { post, get, send } = await pdpFor(t)
  const group = (await post(`${schema}/resources/task/action_groups`, { key: 'editing', name: 'Editing', actions: ['write', 'approve'] })).json as { id: string }
  t.match(group, { key: 'editing', name: 'Editing', actions: ['write', 'approve'], resource_id: String, id: String })
  t.match((await get(`${schema}/resources/task`)).json, { action_groups: { editing: ['write', 'approve'] } })
  t.equal((await post(`${schema}/resources/task/action_groups`, { key: 'x', name: 'X', actions: ['fly'] })).status, 422)
  t.equal((await send('DELETE', `${schema}/resources/task/actions/approve`)).status, 204)
  t.match((await get(`${schema}/resources/task/action_groups/${group.id}`)).json, { actions: ['write'] })
  t.equal((await send('PUT', `${schema}/resources/task`, { name: 'Task', actions: { read: {}, write: {} } })).status, 200)
  t.match((await get(`${schema}/resources/task/action_groups`)).json as object[], [{ key: 'editing', actions: ['write'] }])
  t.equal((await send('DELETE', `${schema}/resources/task/action_groups/editing`)).status, 204)
  t.same((await get(`${schema}/resources/task`)).json as object, { ...(await get(`${schema}/resources/task`)).json as object, action_groups: {} })
})

t.test('detailed lists contain the objects that they name, in pages', async t => {
  const { get } = await pdpFor(t, {
    policy: {
      resources: {
        folder: { actions: { open: {} } },
        doc: { actions: { read: {} }, relations: { parent: { subject_resource: 'folder', name: 'Parent' } }, roles: { owner: { permissions: ['read'] } } }
      },
      roles: { viewer: { name: 'Viewer', permissions: ['doc:read'] } },
      tenants: { acme: { name: 'Acme', attributes: { plan: 'gold' } } },
      users: { ada: { email: 'ada@acme.com' } },
      resource_instances: [{ resource: 'folder', key: 'f', tenant: 'acme' }, { resource: 'doc', key: 'd', tenant: 'acme', attributes: { secret: true } }],
      relationship_tuples: [{ subject: 'folder:f', relation: 'parent', object: 'doc:d', tenant: 'acme' }],
      role_assignments: [{ user: 'ada', role: 'viewer', tenant: 'acme' }, { user: 'ada', role: 'owner', resource_instance: 'doc:d' }]
    }
  })
  for (const prefix of [facts, '/facts']) {
    t.match((await get(`${prefix}/resource_instances/detailed`)).json, {
      total_count: 2,
      page_count: 1,
      data: [{ key: 'f', relationships: [{ subject: 'folder:f', relation: 'parent', object: 'doc:d' }] }, { key: 'd', attributes: { secret: true }, relationships: [] }]
    })
    t.match((await get(`${prefix}/resource_instances/detailed?per_page=1&page=2`)).json, { total_count: 2, page_count: 2, data: [{ key: 'd' }] })
    t.match((await get(`${prefix}/relationship_tuples/detailed?object_type=doc`)).json, {
      total_count: 1,
      data: [{
        subject: 'folder:f',
        relation: 'parent',
        subject_details: { key: 'f', resource: 'folder', tenant: 'acme', attributes: {} },
        relation_details: { key: 'parent', name: 'Parent' },
        object_details: { key: 'd', resource: 'doc', attributes: { secret: true } },
        tenant_details: { key: 'acme', name: 'Acme', attributes: { plan: 'gold' } }
      }]
    })
    t.match((await get(`${prefix}/role_assignments/detailed?user=ada&resource=doc`)).json, {
      total_count: 1, data: [{ user: { key: 'ada', email: 'ada@acme.com' }, role: { key: 'owner' }, resource_instance: { key: 'd' } }]
    })
    t.match((await get(`${prefix}/role_assignments/detailed`)).json, { total_count: 2, data: [{ role: { name: 'Viewer', permissions: ['doc:read'] } }, {}] })
  }
  t.match((await get(`${facts}/users?include_resource_instance_roles=true`)).json, {
    data: [{ associated_tenants: [{ tenant: 'acme', roles: ['viewer'], resource_instance_roles: [{ resource: 'doc', resource_instance: 'd', role: 'owner' }] }] }]
  })
  t.notOk(JSON.stringify((await get(`${facts}/users`)).json).includes('resource_instance_roles'))
})
