// An RBAC environment, set up, asked, changed and torn down by Permit's own SDK.
import t from 'tap'
import { failureOf, sdkWithPdp } from './support.js'

t.test('roles in tenants decide, can be changed and removed', async t => {
  const { permit } = await sdkWithPdp(t)
  const { api } = permit

  const resource = await api.resources.create({
    key: 'document', name: 'Document', actions: { read: { name: 'Read' }, write: {}, delete: {} }, attributes: { confidential: { type: 'bool' } }
  })
  t.match(resource.id, UUID)
  t.match(resource.actions?.['read'], { name: 'Read', key: 'read', id: UUID })
  t.match(await api.resourceAttributes.get('document', 'confidential'), { type: 'bool', resource_id: resource.id, resource_key: 'document' })

  const viewer = await api.roles.create({ key: 'viewer', name: 'Viewer', permissions: ['document:read'] })
  await api.roles.create({ key: 'editor', name: 'Editor' })
  t.same((await api.roles.assignPermissions('editor', ['document:write'])).permissions, ['document:write'])
  await api.tenants.create({ key: 'acme', name: 'Acme', attributes: { plan: 'gold' } })

  const { user, created } = await api.users.sync({ key: 'ada', email: 'ada@acme.com', first_name: 'Ada', attributes: { age: 36 }, role_assignments: [{ role: 'viewer', tenant: 'acme' }] })
  t.equal(created, true)
  t.match(user, { key: 'ada', email: 'ada@acme.com', roles: [{ role: 'viewer', tenant: 'acme' }], associated_tenants: [{ tenant: 'acme', roles: ['viewer'], status: 'active' }] })

  const document = { type: 'document', tenant: 'acme' }
  t.equal(await permit.check('ada', 'read', document), true)
  t.equal(await permit.check('ada', 'write', document), false)
  t.equal(await permit.check('ada', 'read', 'document'), false, 'not in the tenant default')
  t.same(await permit.bulkCheck([
    { user: 'ada', action: 'read', resource: document },
    { user: 'ada', action: 'delete', resource: document },
    { user: 'eve', action: 'read', resource: document }
  ]), [true, false, false])

  // Syncing a user who exists changes what is known of the user, never the roles.
  const again = await api.users.sync({ key: 'ada', email: 'ada@example.com', role_assignments: [{ role: 'editor', tenant: 'acme' }] })
  t.equal(again.created, false)
  t.match(again.user, { id: user.id, email: 'ada@example.com', roles: [{ role: 'viewer', tenant: 'acme' }] })
  t.equal(await permit.check('ada', 'write', document), false)

  const assignment = await api.users.assignRole({ user: 'ada', role: 'editor', tenant: 'acme' })
  t.match(assignment, { user: 'ada', role: 'editor', tenant: 'acme', user_id: user.id, role_id: UUID, tenant_id: UUID })
  t.equal(await permit.check('ada', 'write', document), true)
  t.match(await permit.getUserPermissions('ada'), {
    '__tenant:acme': { tenant: { key: 'acme', attributes: { plan: 'gold' } }, permissions: ['document:read', 'document:write'], roles: ['viewer', 'editor'] }
  })
  t.same(await permit.getUserPermissions('ada', ['default']), {})

  await api.roles.removePermissions('editor', ['document:write'])
  t.equal(await permit.check('ada', 'write', document), false)
  await api.roles.update('viewer', { permissions: ['document:read', 'document:write'] })
  t.equal(await permit.check('ada', 'write', document), true)
  t.match(await api.roles.getById(viewer.id), { key: 'viewer', name: 'Viewer', permissions: ['document:read', 'document:write'] })

  await api.users.unassignRole({ user: 'ada', role: 'viewer', tenant: 'acme' })
  t.equal(await permit.check('ada', 'read', document), false)

  // A role that comes back does not bring back those who had it.
  t.equal(await permit.check('ada', 'delete', document), false)
  await api.roles.delete('editor')
  await api.roles.create({ key: 'editor', name: 'Editor', permissions: ['document:delete'] })
  t.equal(await permit.check('ada', 'delete', document), false)

  await api.resources.delete('document')
  t.same((await api.roles.get('editor')).permissions, [], 'permissions go with their resource')
  await api.tenants.delete('acme')
  await api.users.delete('ada')
  t.same((await api.users.list()).data, [])
  t.same((await api.tenants.list()).map(({ key }) => key), ['default'])
})

t.test('actions and attributes can be added and removed', async t => {
  const { permit } = await sdkWithPdp(t)
  const { api } = permit
  await api.resources.create({ key: 'task', name: 'Task', actions: {} })
  await api.roles.create({ key: 'admin', name: 'Admin' })
  await api.users.sync({ key: 'ada', role_assignments: [{ role: 'admin', tenant: 'default' }] })

  const action = await api.resourceActions.create('task', { key: 'close', name: 'Close' })
  t.match(action, { key: 'close', name: 'Close', permission_name: 'task:close', id: UUID, resource_id: UUID })
  await api.roles.assignPermissions('admin', ['task:close'])
  t.equal(await permit.check('ada', 'close', 'task'), true)
  t.match(await api.resourceActions.update('task', 'close', { name: 'Close it' }), { name: 'Close it', id: action.id })
  t.same((await api.resourceActions.list({ resourceKey: 'task' })).map(({ key }) => key), ['close'])
  t.match(await api.resourceActions.getById((await api.resources.get('task')).id, action.id), { key: 'close' })

  t.match(await api.resourceAttributes.create('task', { key: 'priority', type: 'number', description: '1 to 5' }), { key: 'priority', type: 'number' })
  t.match(await api.resourceAttributes.update('task', 'priority', { description: '1 to 9' }), { type: 'number', description: '1 to 9' })
  await api.resourceAttributes.delete('task', 'priority')
  t.same(await api.resourceAttributes.list({ resourceKey: 'task' }), [])

  await api.resourceActions.delete('task', 'close')
  t.equal(await permit.check('ada', 'close', 'task'), false)
  t.same((await api.roles.get('admin')).permissions, [])
})

t.test('a role inherits from another, until the inheritance is removed', async t => {
  const { permit, url } = await sdkWithPdp(t)
  await permit.api.resources.create({ key: 'task', name: 'Task', actions: { read: {} } })
  await permit.api.roles.create({ key: 'viewer', name: 'Viewer', permissions: ['task:read'] })
  await permit.api.roles.create({ key: 'admin', name: 'Admin' })
  await permit.api.users.sync({ key: 'ada', role_assignments: [{ role: 'admin', tenant: 'default' }] })
  t.equal(await permit.check('ada', 'read', 'task'), false)

  // The SDK has the call in its generated part only.
  const parents = `${url}/v2/schema/default/default/roles/admin/parents/viewer`
  const headers = { authorization: 'Bearer permit_key_of_the_tests' }
  t.match(await (await fetch(parents, { method: 'PUT', headers })).json(), { key: 'admin', extends: ['viewer'] })
  t.equal(await permit.check('ada', 'read', 'task'), true)
  t.equal((await fetch(`${url}/v2/schema/default/default/roles/viewer/parents/admin`, { method: 'PUT', headers })).status, 422, 'not in a circle')
  t.match(await (await fetch(parents, { method: 'DELETE', headers })).json(), { key: 'admin', extends: [] })
  t.equal(await permit.check('ada', 'read', 'task'), false)
})

t.test('lists have pages, with the total count on request', async t => {
  const { permit: { api } } = await sdkWithPdp(t)
  await api.resources.create({ key: 'task', name: 'Task', actions: { read: {} } })
  await api.roles.create({ key: 'viewer', name: 'Viewer' })
  await api.roles.create({ key: 'editor', name: 'Editor' })
  for (let index = 0; index < 5; index++) {
    await api.users.create({ key: `user${index}`, email: `${index}@acme.com`, role_assignments: [{ role: index < 3 ? 'viewer' : 'editor', tenant: 'default' }] })
  }

  const page = await api.users.list({ page: 2, perPage: 2 })
  t.match(page, { total_count: 5, page_count: 3 })
  t.same(page.data.map(({ key }) => key), ['user2', 'user3'])
  t.same((await api.users.list({ search: '4@ACME' })).data.map(({ key }) => key), ['user4'])
  t.equal((await api.users.list({ role: 'editor' })).total_count, 2)
  t.same((await api.roles.list({ perPage: 1, page: 2 })).map(({ key }) => key), ['editor'])
  t.match(await api.roles.list({ perPage: 1, includeTotalCount: true }), { total_count: 2, page_count: 2, data: [{ key: 'viewer' }] })
  t.match(await api.resources.list({ includeTotalCount: true }), { total_count: 1, data: [{ key: 'task' }] })
  t.match(await api.roleAssignments.list({ role: 'viewer', includeTotalCount: true, perPage: 2 }), { total_count: 3, page_count: 2, data: [{ user: 'user0' }, { user: 'user1' }] })
  t.match(await api.roleAssignments.list({ user: 'user4', detailed: true }), [{ user: { key: 'user4', email: '4@acme.com' }, role: { key: 'editor', name: 'Editor' }, tenant: { key: 'default' } }])
  t.same((await api.users.getAssignedRoles({ user: 'user0' })).map(({ role }) => role), ['viewer'])
  t.match(await api.tenants.listTenantUsers({ tenantKey: 'default', perPage: 3 }), { total_count: 5, data: [{ key: 'user0' }, { key: 'user1' }, { key: 'user2' }] })
  t.equal((await failureOf(api.users.list({ perPage: 101 }))).status, 422)
  t.equal((await failureOf(api.users.list({ page: 0 }))).status, 422)
})

t.test('many users and assignments are written at once, all or none', async t => {
  const { permit } = await sdkWithPdp(t)
  const { api } = permit
  await api.resources.create({ key: 'task', name: 'Task', actions: { read: {} } })
  await api.roles.create({ key: 'viewer', name: 'Viewer', permissions: ['task:read'] })

  await api.users.bulkUserCreate([{ key: 'ada' }, { key: 'bob' }])
  t.equal((await failureOf(api.users.bulkUserCreate([{ key: 'eve' }, { key: 'bob' }]))).status, 409)
  await api.users.bulkUserReplace([{ key: 'ada' }, { key: 'bob', email: 'bob@acme.com' }])
  t.same((await api.users.list()).data.map(({ key }) => key), ['ada', 'bob'])
  const assignments = ['ada', 'bob'].map(user => ({ user, role: 'viewer', tenant: 'default' }))
  t.match(await api.roleAssignments.bulkAssign(assignments), { assignments_created: 2 })
  t.same(await permit.bulkCheck([{ user: 'ada', action: 'read', resource: 'task' }, { user: 'bob', action: 'read', resource: 'task' }]), [true, true])
  t.match(await api.roleAssignments.bulkAssign(assignments), { assignments_created: 0 })

  const { status } = await failureOf(api.roleAssignments.bulkUnassign([...assignments, { user: 'nobody', role: 'viewer', tenant: 'default' }]))
  t.equal(status, 404)
  t.equal(await permit.check('ada', 'read', 'task'), true, 'nothing was taken')
  t.match(await api.roleAssignments.bulkUnassign(assignments), { assignments_removed: 2 })
  t.equal(await permit.check('ada', 'read', 'task'), false)

  await api.roleAssignments.bulkAssign(assignments)
  await api.tenants.deleteTenantUser('default', 'ada')
  t.equal(await permit.check('ada', 'read', 'task'), false)
  await api.users.bulkUserDelete(['ada', 'bob'])
  t.equal((await api.users.list()).total_count, 0)
})

t.test('missing, existing and invalid objects get the errors of the cloud', async t => {
  const { permit: { api } } = await sdkWithPdp(t)
  await api.resources.create({ key: 'task', name: 'Task', actions: { read: {} } })
  await api.roles.create({ key: 'viewer', name: 'Viewer', permissions: ['task:read'] })
  await api.users.create({ key: 'ada' })

  t.match(await failureOf(api.users.get('nobody')), { status: 404, body: { error_code: 'NOT_FOUND', title: String, message: "user 'nobody' does not exist" } })
  t.match(await failureOf(api.users.create({ key: 'ada' })), { status: 409, body: { error_code: 'DUPLICATE_ENTITY', message: /ada/ } })
  t.match(await failureOf(api.tenants.create({ key: 'default', name: 'Default' })), { status: 409 })
  t.match(await failureOf(api.tenants.delete('default')), { status: 409 })
  t.match(await failureOf(api.resources.create({ key: 'task', name: 'Task', actions: {} })), { status: 409 })
  t.match(await failureOf(api.roles.create({ key: 'viewer', name: 'Viewer' })), { status: 409 })
  t.match(await failureOf(api.roles.create({ key: 'editor', name: 'Editor', permissions: ['task:raed'] })), { status: 422, body: { message: /task:raed|raed.*read/ } })
  t.match(await failureOf(api.roles.create({ key: 'not a key', name: 'Bad' })), { status: 422 })
  t.match(await failureOf(api.roles.create({ key: '__proto__', name: 'Bad' })), { status: 422 })
  t.match(await failureOf(api.roles.get('nothing')), { status: 404 })
  t.match(await failureOf(api.roles.get('constructor')), { status: 404 })
  t.match(await failureOf(api.users.assignRole({ user: 'ada', role: 'nothing', tenant: 'default' })), { status: 404 })
  t.match(await failureOf(api.users.assignRole({ user: 'ada', role: 'viewer', tenant: 'nowhere' })), { status: 404 })
  t.match(await failureOf(api.users.unassignRole({ user: 'ada', role: 'viewer', tenant: 'default' })), { status: 404 })
  t.match(await failureOf(api.users.update('ada', { email: 1 } as never)), { status: 422, body: { message: /body\.email/ } })
  t.match(await failureOf(api.users.sync({ key: 'bob', role_assignments: [{ role: 'nothing', tenant: 'default' }] })), { status: 404 })
  t.match(await failureOf(api.users.get('bob')), { status: 404 }, 'a user without the roles that were asked for is not left behind')
})

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
