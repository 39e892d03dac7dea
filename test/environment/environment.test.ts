// An environment in memory: what can be written, what cannot, what it touches, and what the ledger knows.
import t from 'tap'
import type { Policy } from '../../src/engine/policy/policy.js'
import type { AffectedUsers } from '../../src/contract/affected-users.js'
import { Environment, type FactWriter } from '../../src/environment/environment.js'

const policy: Policy = {
  resources: {
    task: { actions: { create: {}, retrieve: {} } },
    folder: { actions: { read: {} }, roles: { editor: { permissions: ['read'] } } },
    document: {
      actions: { read: {} },
      relations: { parent: 'folder' },
      roles: {
        reader: {
          permissions: ['read'],
          granted_to: { users_with_role: [{ role: 'editor', on_resource: 'folder', linked_by_relation: 'parent' }] }
        }
      }
    }
  },
  roles: { admin: { permissions: ['task:create', 'task:retrieve'] }, viewer: { permissions: ['task:retrieve'] } },
  tenants: { acme: { name: 'Acme' } },
  users: { ann: { email: 'ann@acme.com' } },
  role_assignments: [{ user: 'ann', role: 'viewer', tenant: 'acme' }]
}

const opened = async (of: Policy = policy) => {
  const environment = await Environment.open({ policy: of })
  const changes: AffectedUsers[] = []
  environment.onChange(change => changes.push(change))
  const allows = (user: string, permission: string, tenant = 'default', key?: string) => {
    const [type = '', action = ''] = permission.split(':')
    return environment.engine.decide({ user: { key: user }, action, resource: { type, tenant, key } }).allow
  }
  return { environment, changes, allows }
}

t.test('a new user gets the initial roles; an existing user keeps the old ones', async t => {
  const { environment, changes, allows } = await opened()
  const created = await environment.write(facts => facts.syncUser({ key: 'bob' }, [{ role: 'admin' }, { role: 'viewer', tenant: 'acme' }]))
  t.match(created, { status: 'created', fact: { key: 'bob', id: String, created_at: String, updated_at: String } })
  t.ok(allows('bob', 'task:create'))
  t.ok(allows('bob', 'task:retrieve', 'acme'))
  t.notOk(allows('bob', 'task:create', 'acme'))

  const synced = await environment.write(facts => facts.syncUser({ key: 'bob', email: 'bob@acme.com' }, [{ role: 'admin', tenant: 'acme' }, { role: 'no such role' }]))
  t.match(synced, { status: 'updated', fact: { id: created.fact.id, email: 'bob@acme.com' } })
  t.notOk(allows('bob', 'task:create', 'acme'))
  t.match(await environment.write(facts => facts.syncUser({ key: 'bob', email: 'bob@acme.com' })), { status: 'unchanged' })
  t.same(changes, [{ users: ['bob'] }, { users: ['bob'] }])
})

t.test('a new user whose initial roles do not exist is not created', async t => {
  const { environment, changes } = await opened()
  for (const roles of [[{ role: 'admin' }, { role: 'nobody' }], [{ role: 'admin', tenant: 'nowhere' }]]) {
    await t.rejects(environment.write(facts => facts.syncUser({ key: 'bob' }, roles)), { code: 'not_found' })
    t.equal(environment.get('user', 'bob'), undefined)
  }
  t.same(changes, [])
})

t.test('a created object must not exist, and a changed or deleted object must exist', async t => {
  const { environment } = await opened()
  for (const [code, change] of [
    ['conflict', facts => facts.createUser({ key: 'ann' })],
    ['not_found', facts => facts.updateUser('bob', { email: 'b@c.d' })],
    ['not_found', facts => facts.deleteUser('bob')],
    ['conflict', facts => facts.createTenant({ key: 'acme' })],
    ['conflict', facts => facts.createTenant({ key: 'default' })],
    ['not_found', facts => facts.updateTenant('nowhere', {})],
    ['not_found', facts => facts.deleteTenant('nowhere')],
    ['conflict', facts => facts.deleteTenant('default')],
    ['not_found', facts => facts.createResourceInstance({ resource: 'file', key: 'x' })],
    ['not_found', facts => facts.createResourceInstance({ resource: 'document', key: 'x', tenant: 'nowhere' })],
    ['invalid', facts => facts.createResourceInstance({ resource: 'document', key: '' })],
    ['not_found', facts => facts.updateResourceInstance('document:x', {})],
    ['not_found', facts => facts.deleteResourceInstance('document:x')],
    ['not_found', facts => facts.assignRole({ user: 'bob', role: 'admin' })],
    ['not_found', facts => facts.assignRole({ user: 'ann', role: 'owner' })],
    ['not_found', facts => facts.assignRole({ user: 'ann', role: 'constructor' })],
    ['not_found', facts => facts.assignRole({ user: 'ann', role: 'admin', tenant: 'nowhere' })],
    ['not_found', facts => facts.assignRole({ user: 'ann', role: 'admin', resource_instance: 'document:x' })],
    ['not_found', facts => facts.assignRole({ user: 'ann', role: 'reader', resource_instance: 'file:x' })],
    ['invalid', facts => facts.assignRole({ user: 'ann', role: 'reader', resource_instance: 'document' })],
    ['not_found', facts => facts.unassignRole({ user: 'ann', role: 'admin', tenant: 'acme' })],
    ['not_found', facts => facts.unassignRole({ user: 'ann', role: 'viewer' })],
    ['not_found', facts => facts.createRelationshipTuple({ subject: 'folder:a', relation: 'child', object: 'document:x' })],
    ['invalid', facts => facts.createRelationshipTuple({ subject: 'task:a', relation: 'parent', object: 'document:x' })],
    ['not_found', facts => facts.createRelationshipTuple({ subject: 'file:a', relation: 'parent', object: 'document:x' })],
    ['not_found', facts => facts.deleteRelationshipTuple({ subject: 'folder:a', relation: 'parent', object: 'document:x' })]
  ] satisfies Array<[string, (facts: FactWriter) => unknown]>) {
    await t.rejects(environment.write<unknown>(change), { name: 'FactsError', code }, String(change))
  }
})

t.test('roles on instances and tuples count, and are deleted together with their objects', async t => {
  const { environment, changes, allows } = await opened()
  await environment.write(facts => facts.createTenant({ key: 'globex' }))
  const { fact } = await environment.write(facts => facts.createResourceInstance({ resource: 'document', key: 'spec', tenant: 'acme', attributes: { pages: 3 } }))
  t.match(fact, { resource: 'document', key: 'spec', tenant: 'acme', attributes: { pages: 3 } })
  t.match(await environment.write(facts => facts.createRelationshipTuple({ subject: 'folder:rnd', relation: 'parent', object: fact.id })), { status: 'created', fact: { object: 'document:spec', tenant: 'acme' } })
  changes.length = 0
  t.match(await environment.write(facts => facts.assignRole({ user: 'ann', role: 'editor', resource_instance: 'folder:rnd' })), { status: 'created', fact: { tenant: 'acme' } })
  t.same(changes, [{ users: ['ann'] }])
  t.ok(allows('ann', 'document:read', 'acme', 'spec'))
  t.match(await environment.write(facts => facts.assignRole({ user: 'ann', role: 'editor', resource_instance: 'folder:rnd' })), { status: 'unchanged' })
  t.match(await environment.write(facts => facts.updateResourceInstance('document:spec', { attributes: { pages: 4 } })), { status: 'updated', fact: { attributes: { pages: 4 } } })
  t.match(await environment.write(facts => facts.deleteResourceInstance('folder:rnd')), { status: 'deleted' })
  t.notOk(allows('ann', 'document:read', 'acme', 'spec'))
  t.same([...environment.engine.facts.roleAssignments({ user: 'ann' })], [{ user: 'ann', role: 'viewer', tenant: 'acme' }])
})

t.test('keys and ids can both be used', async t => {
  const { environment } = await opened()
  const idOf = (kind: Parameters<typeof environment.metadata>[0], key: string) => environment.metadata(kind, key)?.id as string
  const bob = await environment.write(facts => facts.createUser({ key: 'bob' }))
  t.equal(environment.get('user', bob.fact.id)?.key, 'bob')
  t.equal(environment.get('tenant', idOf('tenant', 'default'))?.key, 'default')
  const assigned = await environment.write(facts => facts.assignRole({ user: bob.fact.id, role: idOf('role', 'admin'), tenant: idOf('tenant', 'acme') }))
  t.match(assigned.fact, { user: 'bob', role: 'admin', tenant: 'acme' })
  const held = await environment.write(facts => facts.assignRole({ user: 'bob', role: idOf('resource_role', 'folder:editor'), resource_instance: 'folder:rnd' }))
  t.match(held.fact, { role: 'editor', resource_instance: 'folder:rnd' })
  t.equal(environment.resolve('action', idOf('action', 'task:create')), 'task:create')
  t.equal(environment.resolve('user', idOf('tenant', 'acme')), undefined)
  await environment.write(facts => facts.unassignRole({ user: bob.fact.id, role: idOf('role', 'admin'), tenant: 'acme' }))
  await environment.write(facts => facts.deleteUser(bob.fact.id))
  t.equal(environment.get('user', bob.fact.id), undefined)
})

t.test('an update changes the given fields, null removes a value, and the rest stays', async t => {
  const { environment } = await opened()
  await environment.write(facts => facts.updateUser('ann', { first_name: 'Ann', attributes: { a: 1, deep: { b: null } } }))
  t.match(environment.get('user', 'ann'), { email: 'ann@acme.com', first_name: 'Ann', attributes: { a: 1, deep: { b: null } } })
  await environment.write(facts => facts.updateUser('ann', { email: null }))
  t.notHas(environment.get('user', 'ann'), { email: String })
  t.match(environment.get('user', 'ann'), { first_name: 'Ann', attributes: { a: 1 } })
})

t.test('a write with many changes is atomic: when the last fails, none is applied', async t => {
  const { environment, changes, allows } = await opened()
  const before = environment.get('tenant', 'acme')
  await t.rejects(environment.write(facts => {
    facts.createUser({ key: 'bob' }, [{ role: 'admin' }])
    facts.updateTenant('acme', { name: 'Another' })
    facts.createRelationshipTuple({ subject: 'folder:rnd', relation: 'parent', object: 'document:spec', tenant: 'acme' })
    facts.deleteTenant('acme')
    facts.deleteUser('ann')
    facts.deleteUser('carl')
  }), { code: 'not_found' })
  t.same(environment.get('tenant', 'acme'), before)
  t.equal(environment.get('user', 'bob'), undefined)
  t.equal(environment.get('resource_instance', 'folder:rnd'), undefined)
  t.ok(allows('ann', 'task:retrieve', 'acme'))
  t.same([...environment.engine.facts.roleAssignments()], [{ user: 'ann', role: 'viewer', tenant: 'acme' }])
  t.ok(changes.every(change => 'all' in change))
})

t.test('a write is synchronous: a writer cannot be kept, and a promise is refused', async t => {
  const { environment } = await opened()
  let kept: { createUser (user: { key: string }): unknown } | undefined
  await environment.write(facts => { kept = facts })
  t.throws(() => kept?.createUser({ key: 'bob' }), /synchronous/)
  await t.rejects(environment.write(async facts => facts.createUser({ key: 'bob' })), /synchronous/)
  t.equal(environment.get('user', 'bob'), undefined)
})

t.test('the schema changes as a whole or not at all, together with what depends on it', async t => {
  const { environment, changes, allows } = await opened()
  const resource = environment.metadata('resource', 'task')
  const viewer = environment.metadata('role', 'viewer')
  await environment.updateSchema(draft => { draft.roles['viewer'] = { permissions: ['task:create'] } })
  t.same(changes, [{ all: true }])
  t.ok(allows('ann', 'task:create', 'acme'))
  t.same(environment.metadata('resource', 'task'), resource)
  t.equal(environment.metadata('role', 'viewer')?.id, viewer?.id)

  await t.rejects(environment.updateSchema(draft => { draft.roles['viewer'] = { permissions: ['task:destroy'] } }), { name: 'PolicyError' })
  t.same(environment.schema.roles['viewer'], { permissions: ['task:create'] })
  t.ok(allows('ann', 'task:create', 'acme'))

  await environment.updateSchema(draft => { delete draft.roles['viewer'] })
  await environment.updateSchema(draft => { draft.roles['viewer'] = { permissions: ['task:create'] } })
  t.notOk(allows('ann', 'task:create', 'acme'), 'a role that comes back under its old name comes back without its people')
  t.not(environment.metadata('role', 'viewer')?.id, viewer?.id)
})

t.test('deleting a resource type deletes its instances, a relation its tuples, a resource role its assignments', async t => {
  const { environment } = await opened()
  await environment.write(facts => {
    facts.createRelationshipTuple({ subject: 'folder:rnd', relation: 'parent', object: 'document:spec' })
    facts.assignRole({ user: 'ann', role: 'reader', resource_instance: 'document:spec' })
    facts.assignRole({ user: 'ann', role: 'editor', resource_instance: 'folder:rnd' })
  })
  await environment.updateSchema(draft => {
    delete draft.resources['document']?.relations
    delete draft.resources['document']?.roles
  })
  t.same([...environment.engine.facts.relationshipTuples()], [])
  t.same([...environment.engine.facts.roleAssignments({ resource_instance: 'document:spec' })], [])
  t.equal([...environment.engine.facts.roleAssignments({ resource_instance: 'folder:rnd' })].length, 1)
  await environment.updateSchema(draft => { delete draft.resources['folder'] })
  t.same([...environment.engine.facts.resourceInstances()].map(({ resource }) => resource), ['document'])
})

t.test('a closed environment refuses writes', async t => {
  const { environment } = await opened()
  await environment.close()
  await t.rejects(environment.write(facts => facts.createUser({ key: 'bob' })), /closed/)
})
