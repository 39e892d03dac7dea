// A ReBAC environment, set up, asked, changed and torn down by Permit's own SDK.
import t from 'tap'
import { failureOf, sdkWithPdp } from './support.js'

t.test('roles on instances decide, are derived by relations, and can be changed and removed', async t => {
  const { permit } = await sdkWithPdp(t)
  const { api } = permit

  await api.resources.create({ key: 'account', name: 'Account', actions: { manage: {} }, roles: { owner: { permissions: ['manage'] } } })
  await api.resources.create({ key: 'folder', name: 'Folder', actions: { list: {} } })
  await api.resources.create({ key: 'document', name: 'Document', actions: { read: {}, write: {} }, relations: { parent: 'folder' } })
  const relation = await api.resourceRelations.create('folder', { key: 'account', name: 'Account', subject_resource: 'account' })
  t.match(relation, { key: 'account', subject_resource: 'account', object_resource: 'folder', subject_resource_id: String, object_resource_id: String })
  t.same((await api.resourceRelations.list({ resourceKey: 'document' })).map(({ key, subject_resource: subject }) => [key, subject]), [['parent', 'folder']])

  await api.resourceRoles.create('folder', { key: 'editor', name: 'Editor', permissions: ['list'] })
  const editor = await api.resourceRoles.create('document', { key: 'editor', name: 'Editor', permissions: ['read'] })
  t.match(editor, { key: 'editor', resource: 'document', permissions: ['read'] })
  t.same((await api.resourceRoles.assignPermissions('document', 'editor', ['document:write'])).permissions, ['read', 'document:write'])
  const derivation = await api.resourceRoles.createRoleDerivation('document', 'editor', { role: 'editor', on_resource: 'folder', linked_by_relation: 'parent' })
  t.match(derivation, { role: 'editor', on_resource: 'folder', linked_by_relation: 'parent', role_id: String, resource_id: String, relation_id: String })
  await api.resourceRoles.createRoleDerivation('folder', 'editor', { role: 'owner', on_resource: 'account', linked_by_relation: 'account' })

  await api.tenants.create({ key: 'acme', name: 'Acme' })
  await api.users.sync({ key: 'ada' })
  await api.users.sync({ key: 'bob' })
  const spec = await api.resourceInstances.create({ resource: 'document', key: 'spec', tenant: 'acme' })
  t.match(spec, { key: 'spec', resource: 'document', tenant: 'acme', resource_id: String, tenant_id: String })
  const tuple = await api.relationshipTuples.create({ subject: 'folder:rnd', relation: 'parent', object: 'document:spec', tenant: 'acme' })
  t.match(tuple, { subject: 'folder:rnd', relation: 'parent', object: 'document:spec', object_id: spec.id, subject_id: String, relation_id: String, tenant_id: spec.tenant_id })
  await api.relationshipTuples.create({ subject: 'account:acme', relation: 'account', object: 'folder:rnd', tenant: 'acme' })

  const document = { type: 'document', key: 'spec', tenant: 'acme' }
  t.equal(await permit.check('ada', 'write', document), false)
  const assignment = await api.roleAssignments.assign({ user: 'ada', role: 'owner', resource_instance: 'account:acme', tenant: 'acme' })
  t.match(assignment, { user: 'ada', role: 'owner', resource_instance: 'account:acme', resource_instance_id: String, tenant: 'acme' })
  t.equal(await permit.check('ada', 'write', document), true, 'by account, folder and document')
  t.equal(await permit.check('ada', 'write', { ...document, key: 'other' }), false)
  t.equal(await permit.check('ada', 'write', { ...document, tenant: 'default' }), false)
  t.match(await permit.getUserPermissions('ada', ['acme'], ['document:spec']), {
    'document:spec': { resource: { type: 'document', key: 'spec' }, permissions: ['document:read', 'document:write'], roles: ['editor'] }
  })

  // A role of one's own on the document can switch the derivation off.
  t.match(await api.resourceRoles.updateRoleDerivationConditions('document', 'editor', { no_direct_roles_on_object: true }), { no_direct_roles_on_object: true })
  await api.resourceRoles.create('document', { key: 'reader', name: 'Reader', permissions: ['read'] })
  t.equal(await permit.check('ada', 'write', document), true)
  await api.roleAssignments.assign({ user: 'ada', role: 'reader', resource_instance: 'document:spec', tenant: 'acme' })
  t.equal(await permit.check('ada', 'write', document), false)
  await api.roleAssignments.unassign({ user: 'ada', role: 'reader', resource_instance: 'document:spec', tenant: 'acme' })
  t.equal(await permit.check('ada', 'write', document), true)

  await api.resourceRoles.removePermissions('document', 'editor', ['write'])
  t.equal(await permit.check('ada', 'write', document), false)
  t.equal(await permit.check('ada', 'read', document), true)

  await api.relationshipTuples.delete({ subject: 'folder:rnd', relation: 'parent', object: 'document:spec' })
  t.equal(await permit.check('ada', 'read', document), false)
  t.match(await failureOf(api.relationshipTuples.delete({ subject: 'folder:rnd', relation: 'parent', object: 'document:spec' })), { status: 404 })

  await api.relationshipTuples.create({ subject: 'folder:rnd', relation: 'parent', object: 'document:spec', tenant: 'acme' })
  await api.resourceRoles.deleteRoleDerivation('document', 'editor', { role: 'editor', on_resource: 'folder', linked_by_relation: 'parent' })
  t.equal(await permit.check('ada', 'read', document), false)

  await api.resourceInstances.delete('document:spec')
  t.same((await api.relationshipTuples.list({})).map(({ object }) => object), ['folder:rnd'], 'tuples go with their instances')
  t.match(await failureOf(api.resourceInstances.get('document:spec')), { status: 404 })
  await api.resources.delete('account')
  t.same(await api.relationshipTuples.list({}), [], 'and with the relation, as it with the resource of its subjects')
  t.same(await api.roleAssignments.list({}), [])
  t.same((await api.resourceInstances.list()).map(({ resource, key }) => `${resource}:${key}`), ['folder:rnd'])
})

t.test('many tuples are written and deleted at once, all or none', async t => {
  const { permit: { api } } = await sdkWithPdp(t)
  await api.resources.create({ key: 'folder', name: 'Folder', actions: {} })
  await api.resources.create({ key: 'document', name: 'Document', actions: {}, relations: { parent: 'folder' } })
  const tuples = ['a', 'b', 'c'].map(key => ({ subject: 'folder:top', relation: 'parent', object: `document:${key}`, tenant: 'default' }))

  const refused = await failureOf(api.relationshipTuples.bulkRelationshipTuples([...tuples, { subject: 'document:a', relation: 'parent', object: 'document:b', tenant: 'default' }]))
  t.equal(refused.status, 422, 'a document is nobody\'s parent')
  t.same(await api.relationshipTuples.list({}), [])

  await api.relationshipTuples.bulkRelationshipTuples(tuples)
  t.equal((await api.relationshipTuples.list({ subject: 'folder:top' })).length, 3)
  t.equal((await api.relationshipTuples.list({ object: 'document:b' })).length, 1)
  await api.relationshipTuples.bulkUnRelationshipTuples(tuples.slice(0, 2).map(({ subject, relation, object }) => ({ subject, relation, object })))
  t.same((await api.relationshipTuples.list({})).map(({ object }) => object), ['document:c'])
})

t.test('keys with colons, slashes and letters of all alphabets can be used', async t => {
  const { permit } = await sdkWithPdp(t)
  const { api } = permit
  await api.resources.create({ key: 'file', name: 'File', actions: { read: {} }, roles: { reader: { permissions: ['read'] } } })
  for (const key of ['a:b', 'dir/name.txt', 'ключ', '100% & more?', 'x'.repeat(500)]) {
    await api.users.sync({ key })
    await api.resourceInstances.create({ resource: 'file', key, tenant: 'default' })
    await api.roleAssignments.assign({ user: key, role: 'reader', resource_instance: `file:${key}` })
    t.equal(await permit.check(key, 'read', { type: 'file', key }), true, key.slice(0, 20))
    t.equal((await api.users.get(key)).key, key)
    t.equal((await api.resourceInstances.get(`file:${key}`)).key, key)
    await api.resourceInstances.delete(`file:${key}`)
    await api.users.delete(key)
  }
  t.same((await api.users.list()).data, [])
})
