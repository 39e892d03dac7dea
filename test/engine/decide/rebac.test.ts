// ReBAC stories: chains, exceptions, cycles and tenants, told one by one where the property test tells them all at once.

import t from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import type { Policy } from '../../../src/engine/policy/policy.js'

const derived = (role: string, on: string, by: string, when?: { no_direct_roles_on_object: boolean }) => ({ role, on_resource: on, linked_by_relation: by, ...(when === undefined ? {} : { when }) })

const policy: Policy = {
  resources: {
    org: { actions: { read: {} }, roles: { member: {} } },
    folder: {
      actions: { read: {} },
      relations: { parent: 'folder', org: { subject_resource: 'org' } },
      roles: {
        reader: { permissions: ['read'], granted_to: { users_with_role: [derived('reader', 'folder', 'parent'), derived('member', 'org', 'org')] } },
        commenter: {}
      }
    },
    document: {
      actions: { read: {}, write: {} },
      relations: { parent: 'folder' },
      roles: {
        reader: { permissions: ['read'], granted_to: { users_with_role: [derived('reader', 'folder', 'parent')] } },
        reviewer: { permissions: ['write'], granted_to: { users_with_role: [derived('reader', 'folder', 'parent', { no_direct_roles_on_object: true })] } },
        auditor: { permissions: ['write'], granted_to: { users_with_role: [derived('commenter', 'folder', 'parent')], when: { no_direct_roles_on_object: true } } },
        blocked: {}
      }
    }
  },
  tenants: { acme: {}, globex: {} },
  users: { ann: {}, ben: {}, cy: {} },
  role_assignments: [
    { user: 'ann', role: 'member', resource_instance: 'org:o', tenant: 'acme' },
    { user: 'ben', role: 'reader', resource_instance: 'folder:top', tenant: 'acme' },
    { user: 'cy', role: 'commenter', resource_instance: 'folder:low', tenant: 'acme' }
  ],
  relationship_tuples: [
    { subject: 'org:o', relation: 'org', object: 'folder:top', tenant: 'acme' },
    { subject: 'folder:top', relation: 'parent', object: 'folder:mid' },
    { subject: 'folder:mid', relation: 'parent', object: 'folder:low' },
    { subject: 'folder:low', relation: 'parent', object: 'document:d' }
  ]
}

const ask = (engine: Engine, user: string, action: string, key: string, tenant = 'acme') =>
  engine.decide({ user: { key: user }, action, resource: { type: key.split(':')[0]!, key: key.split(':')[1]!, tenant } })

t.test('roles are derived through chains of relations, within a type and across types', async t => {
  const engine = new Engine(policy)
  t.equal(ask(engine, 'ben', 'read', 'folder:low').allow, true)
  t.equal(ask(engine, 'ben', 'read', 'document:d').allow, true)
  t.equal(ask(engine, 'ann', 'read', 'document:d').allow, true)
  engine.facts.deleteRelationshipTuple({ subject: 'folder:top', relation: 'parent', object: 'folder:mid' })
  t.equal(ask(engine, 'ann', 'read', 'document:d').allow, false, 'a broken link breaks the chain')
  t.equal(ask(engine, 'ann', 'read', 'folder:top').allow, true)
})

t.test('roles are not derived against the direction of a relation', async t => {
  const engine = new Engine(policy)
  engine.facts.upsertUser({ key: 'dan' })
  engine.facts.assignRole({ user: 'dan', role: 'reader', resource_instance: 'document:d' })
  t.equal(ask(engine, 'dan', 'read', 'document:d').allow, true)
  t.equal(ask(engine, 'dan', 'read', 'folder:low').allow, false)
})

t.test('no_direct_roles_on_object disables one rule for users with any role on the object', async t => {
  const engine = new Engine(policy)
  t.equal(ask(engine, 'ben', 'write', 'document:d').allow, true)
  engine.facts.assignRole({ user: 'ben', role: 'blocked', resource_instance: 'document:d' })
  t.equal(ask(engine, 'ben', 'write', 'document:d').allow, false)
  t.equal(ask(engine, 'ben', 'read', 'document:d').allow, true, 'the rule without it goes on')
  t.equal(ask(engine, 'ann', 'write', 'document:d').allow, true, 'others have no role on the object')
})

t.test('no_direct_roles_on_object on the block disables all its rules', async t => {
  const engine = new Engine(policy)
  t.equal(ask(engine, 'cy', 'write', 'document:d').allow, true)
  engine.facts.assignRole({ user: 'cy', role: 'blocked', resource_instance: 'document:d' })
  t.equal(ask(engine, 'cy', 'write', 'document:d').allow, false)
})

t.test('cycles of relations end, for allow and for deny', async t => {
  const engine = new Engine(policy)
  engine.facts.addRelationshipTuple({ subject: 'folder:low', relation: 'parent', object: 'folder:top' })
  engine.facts.addRelationshipTuple({ subject: 'folder:low', relation: 'parent', object: 'folder:low' })
  t.equal(ask(engine, 'ben', 'read', 'document:d').allow, true)
  t.equal(ask(engine, 'cy', 'read', 'document:d').allow, false)
  t.same(Object.keys(engine.userPermissions('ben')).sort(), ['document:d', 'folder:low', 'folder:mid', 'folder:top'])
})

t.test('a chain of ten thousand folders is walked without recursion; a chain of a hundred thousand exceeds the budget', async t => {
  const engine = new Engine(policy)
  for (let level = 0; level < 100_000; level++) engine.facts.addRelationshipTuple({ subject: `folder:${level}`, relation: 'parent', object: `folder:${level + 1}` })
  engine.facts.assignRole({ user: 'cy', role: 'reader', resource_instance: 'folder:0' })
  t.equal(ask(engine, 'cy', 'read', 'folder:10000', 'default').allow, true)
  t.equal(ask(engine, 'ben', 'read', 'folder:10000', 'default').allow, false)
  t.throws(() => ask(engine, 'cy', 'read', 'folder:100000', 'default'), { name: 'WorkLimitError', place: ['resources', 'folder', 'roles', String] })
})

t.test('roles on an instance apply only in its own tenant', async t => {
  const engine = new Engine(policy)
  t.equal(ask(engine, 'ben', 'read', 'folder:top').allow, true)
  t.equal(ask(engine, 'ben', 'read', 'folder:top', 'globex').allow, false)
  t.equal(ask(engine, 'ben', 'read', 'folder:top', 'default').allow, false)
})

t.test('facts that the schema does not know grant nothing', async t => {
  const engine = new Engine(policy)
  engine.facts.upsertUser({ key: 'eve' })
  engine.facts.assignRole({ user: 'eve', role: 'superadmin', resource_instance: 'document:d' })
  engine.facts.assignRole({ user: 'eve', role: 'superadmin', tenant: 'acme' })
  engine.facts.assignRole({ user: 'eve', role: 'reader', resource_instance: 'org:o' })
  // An org is no folder's parent: what the schema says of folders must not be taken from it.
  engine.facts.addRelationshipTuple({ subject: 'org:o', relation: 'parent', object: 'document:d' })
  t.equal(ask(engine, 'eve', 'read', 'document:d').allow, false)
  t.same(engine.authorizedUsers({ action: 'read', resource: { type: 'document', key: 'd', tenant: 'acme' } }).users['eve'], undefined)
})

t.test('inheritance passes on permissions, but not roles for derivations or rules', async t => {
  const engine = new Engine({
    resources: {
      folder: { actions: { read: {} }, roles: { reader: { permissions: ['read'] }, owner: { extends: ['reader'] } } },
      document: { actions: { read: {} }, relations: { parent: 'folder' }, roles: { reader: { permissions: ['read'], granted_to: { users_with_role: [derived('reader', 'folder', 'parent')] } } } },
      report: { actions: { read: {} } }
    },
    roles: { staff: {}, boss: { extends: ['staff'] } },
    set_rules: [{ user_set: 'staff', permission: 'report:read', resource_set: 'report' }],
    users: { ann: {} },
    role_assignments: [{ user: 'ann', role: 'owner', resource_instance: 'folder:f' }, { user: 'ann', role: 'boss' }],
    relationship_tuples: [{ subject: 'folder:f', relation: 'parent', object: 'document:d' }]
  })
  t.equal(ask(engine, 'ann', 'read', 'folder:f', 'default').allow, true)
  t.equal(ask(engine, 'ann', 'read', 'document:d', 'default').allow, false)
  t.equal(ask(engine, 'ann', 'read', 'report:1', 'default').allow, false)
})

t.test('the list questions have the formats of the PDP', async t => {
  const engine = new Engine({ ...policy, roles: { admin: { permissions: ['document:read'] } }, tenants: { acme: { attributes: { plan: 'pro' } }, globex: {} } })
  engine.facts.assignRole({ user: 'cy', role: 'admin', tenant: 'globex' })
  t.same(engine.userTenants('cy'), [{ key: 'globex', attributes: {} }])
  t.same(engine.userTenants('nobody'), [])
  t.same({ ...engine.userPermissions('cy') }, {
    '__tenant:globex': { tenant: { key: 'globex' }, permissions: ['document:read'], roles: ['admin'] },
    'folder:low': { tenant: { key: 'acme', attributes: { plan: 'pro' } }, resource: { key: 'low', type: 'folder', attributes: {} }, permissions: [], roles: ['commenter'] },
    'document:d': { tenant: { key: 'acme', attributes: { plan: 'pro' } }, resource: { key: 'd', type: 'document', attributes: {} }, permissions: ['document:write'], roles: ['auditor'] }
  })
  t.same(Object.keys(engine.userPermissions('cy', { tenants: ['acme'] })), ['folder:low', 'document:d'])
  t.same(Object.keys(engine.userPermissions('cy', { resource_types: ['document'] })), ['document:d'])
  t.same(Object.keys(engine.userPermissions('cy', { resource_types: ['__tenant'] })), ['__tenant:globex'])
  t.same(Object.keys(engine.userPermissions('cy', { resources: ['document:d', 'document:none'] })), ['document:d'])
  t.same(Object.keys(engine.userPermissions('cy', { resources: ['d'] })), ['document:d'], 'a key is enough')
  t.same(Object.keys(engine.userPermissions('cy', { tenants: ['globex'], resources: ['document:d'] })), ['__tenant:globex'], 'tenants narrow instances, too')
  t.same(Object.keys(engine.userPermissions('cy', { resources: ['__tenant:globex'] })), ['__tenant:globex', 'folder:low', 'document:d'], 'a tenant among the resources narrows none')
  t.same(Object.keys(engine.userPermissions('nobody')), [])

  const { users, ...about } = engine.authorizedUsers({ action: 'read', resource: { type: 'document', key: 'd', tenant: 'acme' } })
  t.same(about, { resource: 'document:d', tenant: 'acme' })
  t.same({ ...users }, {
    ben: [{ user: 'ben', tenant: 'acme', resource: 'folder:top', role: 'reader' }],
    ann: [{ user: 'ann', tenant: 'acme', resource: 'org:o', role: 'member' }]
  })
  const anywhere = engine.authorizedUsers({ action: 'read', resource: { type: 'document', tenant: 'globex' } })
  t.same({ ...anywhere, users: { ...anywhere.users } }, { resource: 'document:*', tenant: 'globex', users: { cy: [{ user: 'cy', tenant: 'globex', resource: '__tenant:globex', role: 'admin' }] } })
  t.same(engine.allTenants({ user: { key: 'cy' }, action: 'read', resource: { type: 'document' } }), [{ tenant: { key: 'globex', attributes: {} }, allow: true }])
})
