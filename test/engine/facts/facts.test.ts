// Facts: what may be written, what goes when something goes, and that nothing is left behind.

import t from 'tap'
import { Facts } from '../../../src/engine/facts/facts.js'
import { parseInstance, type FactChange } from '../../../src/engine/facts/fact.js'

function filled (): Facts {
  const facts = new Facts()
  facts.upsertTenant({ key: 'acme', attributes: { plan: 'pro' } })
  facts.upsertUser({ key: 'john', email: 'john@acme.com', attributes: { level: 1 } })
  facts.upsertUser({ key: 'jane' })
  facts.assignRole({ user: 'john', role: 'admin', tenant: 'acme' })
  facts.assignRole({ user: 'john', role: 'viewer' })
  facts.assignRole({ user: 'jane', role: 'viewer', tenant: 'acme' })
  facts.upsertResourceInstance({ resource: 'document', key: 'spec', tenant: 'acme', attributes: { public: false } })
  facts.assignRole({ user: 'jane', role: 'editor', resource_instance: 'document:spec' })
  facts.addRelationshipTuple({ subject: 'folder:rnd', relation: 'parent', object: 'document:spec' })
  return facts
}

t.test('the tenant default always exists and cannot be deleted', async t => {
  const facts = new Facts()
  t.same(facts.getTenant('default'), { key: 'default' })
  t.throws(() => facts.deleteTenant('default'), { name: 'FactsError', code: 'conflict' })
  t.equal(facts.upsertTenant({ key: 'default', attributes: { a: 1 } }), false, 'its attributes can be set')
})

t.test('writes tell whether a fact is new, deletions whether it existed', async t => {
  const facts = new Facts()
  t.equal(facts.upsertUser({ key: 'a' }), true)
  t.equal(facts.upsertUser({ key: 'a', email: 'a@b.c' }), false)
  t.equal(facts.assignRole({ user: 'a', role: 'r' }), true)
  t.equal(facts.assignRole({ user: 'a', role: 'r', tenant: 'default' }), false)
  t.equal(facts.addRelationshipTuple({ subject: 'x:1', relation: 'p', object: 'y:1' }), true)
  t.equal(facts.addRelationshipTuple({ subject: 'x:1', relation: 'p', object: 'y:1', tenant: 'default' }), false)
  t.equal(facts.deleteRelationshipTuple({ subject: 'x:1', relation: 'p', object: 'y:1' }), true)
  t.equal(facts.deleteRelationshipTuple({ subject: 'x:1', relation: 'p', object: 'y:1' }), false)
  t.equal(facts.unassignRole({ user: 'a', role: 'r' }), true)
  t.equal(facts.unassignRole({ user: 'a', role: 'r' }), false)
  t.equal(facts.unassignRole({ user: 'nobody', role: 'r' }), false)
  t.equal(facts.deleteUser('a'), true)
  t.equal(facts.deleteUser('a'), false)
  t.equal(facts.deleteTenant('a'), false)
  t.equal(facts.deleteResourceInstance('y:1'), true)
  t.equal(facts.deleteResourceInstance('y:1'), false)
  t.equal(facts.deleteResourceInstance('y'), false)
})

t.test('syncing an existing user replaces the data and never changes the roles', async t => {
  const facts = filled()
  facts.upsertUser({ key: 'john', first_name: 'John' })
  t.same(facts.getUser('john'), { key: 'john', first_name: 'John' })
  t.equal([...facts.roleAssignments({ user: 'john' })].length, 2)
})

t.test('facts that refer to missing objects are refused, and nothing changes', async t => {
  const facts = filled()
  const { revision } = facts
  const refused: Array<[() => unknown, string]> = [
    [() => facts.assignRole({ user: 'nobody', role: 'r' }), 'not_found'],
    [() => facts.assignRole({ user: 'nobody', role: 'r', resource_instance: 'document:new' }), 'not_found'],
    [() => facts.assignRole({ user: 'john', role: 'r', tenant: 'acne' }), 'not_found'],
    [() => facts.assignRole({ user: 'john', role: 'r', tenant: 'acne', resource_instance: 'document:new' }), 'not_found'],
    [() => facts.assignRole({ user: 'john', role: 'r', tenant: 'default', resource_instance: 'document:spec' }), 'conflict'],
    [() => facts.assignRole({ user: 'john', role: 'r', resource_instance: 'document' }), 'invalid'],
    [() => facts.assignRole({ user: 'john', role: '' }), 'invalid'],
    [() => facts.upsertUser({ key: '' }), 'invalid'],
    [() => facts.upsertUser({ key: 1 as unknown as string }), 'invalid'],
    [() => facts.upsertTenant({ key: '' }), 'invalid'],
    [() => facts.upsertResourceInstance({ resource: 'document', key: 'spec', tenant: 'default' }), 'conflict'],
    [() => facts.upsertResourceInstance({ resource: 'document', key: 'new', tenant: 'acne' }), 'not_found'],
    [() => facts.upsertResourceInstance({ resource: 'a:b', key: 'new' }), 'invalid'],
    [() => facts.upsertResourceInstance({ resource: 'document', key: '' }), 'invalid'],
    [() => facts.addRelationshipTuple({ subject: 'folder:new', relation: 'parent', object: 'document:new', tenant: 'acne' }), 'not_found'],
    [() => facts.addRelationshipTuple({ subject: 'folder:new', relation: 'parent', object: 'document:spec', tenant: 'default' }), 'conflict'],
    [() => facts.addRelationshipTuple({ subject: 'folder:new', relation: 'parent', object: 'document' }), 'invalid'],
    [() => facts.addRelationshipTuple({ subject: ':x', relation: 'parent', object: 'document:spec' }), 'invalid'],
    [() => facts.addRelationshipTuple({ subject: 'folder:new', relation: '', object: 'document:spec' }), 'invalid']
  ]
  for (const [write, code] of refused) t.throws(write, { name: 'FactsError', code }, write.toString())
  t.equal(facts.revision, revision)
  t.equal(facts.getResourceInstance('document:new'), undefined)
  t.equal(facts.getResourceInstance('folder:new'), undefined)
})

t.test('an instance that an assignment or a tuple names is created', async t => {
  const facts = filled()
  t.same(facts.getResourceInstance('folder:rnd'), { resource: 'folder', key: 'rnd', tenant: 'acme' }, 'in the tenant of the other end')
  facts.assignRole({ user: 'john', role: 'owner', resource_instance: 'folder:new:1', tenant: 'acme' })
  t.same(facts.getResourceInstance('folder:new:1'), { resource: 'folder', key: 'new:1', tenant: 'acme' }, 'the key may contain colons')
})

t.test('deleting an object deletes its dependents, which do not come back with it', async t => {
  const facts = filled()
  facts.deleteUser('john')
  for (const filter of [{}, { tenant: 'acme' }, { role: 'viewer' }, { role: 'admin' }, { tenant: 'default' }]) {
    t.notOk([...facts.roleAssignments(filter)].some(({ user }) => user === 'john'), `no list has them: ${JSON.stringify(filter)}`)
  }
  t.equal([...facts.roleAssignments()].length, 2)
  facts.upsertUser({ key: 'john' })
  t.same([...facts.roleAssignments({ user: 'john' })], [])

  facts.deleteResourceInstance('document:spec')
  t.same([...facts.relationshipTuples()], [])
  t.same([...facts.roleAssignments({ resource_instance: 'document:spec' })], [])
  facts.upsertResourceInstance({ resource: 'document', key: 'spec', tenant: 'acme' })
  t.same([...facts.roleAssignments({ user: 'jane' })].length, 1)

  facts.deleteTenant('acme')
  t.same([...facts.roleAssignments()], [])
  t.same([...facts.resourceInstances()], [])
  facts.upsertTenant({ key: 'acme' })
  t.same([...facts.roleAssignments({ tenant: 'acme' })], [])
})

t.test('every change is reported, including cascades, and the reports rebuild the facts', async t => {
  const facts = new Facts()
  const copy = new Facts()
  const changes: FactChange[] = []
  const end = facts.subscribe(change => {
    changes.push(change)
    replay(copy, change)
  })
  facts.upsertTenant({ key: 'acme' })
  facts.upsertUser({ key: 'john' })
  facts.assignRole({ user: 'john', role: 'owner', resource_instance: 'document:spec', tenant: 'acme' })
  facts.addRelationshipTuple({ subject: 'document:spec', relation: 'next', object: 'document:spec' })
  t.equal(facts.revision, changes.length)
  facts.deleteTenant('acme')
  t.same(changes.slice(-4).map(({ op, kind }) => `${op} ${kind}`), ['delete role_assignment', 'delete relationship_tuple', 'delete resource_instance', 'delete tenant'])
  t.same([...copy.users(), ...copy.tenants(), ...copy.roleAssignments(), ...copy.resourceInstances()], [...facts.users(), ...facts.tenants(), ...facts.roleAssignments(), ...facts.resourceInstances()])
  end()
  facts.deleteUser('john')
  t.same([...copy.users()], [{ key: 'john' }], 'nothing is reported after the end')
})

t.test('lists can be filtered by each part', async t => {
  const facts = filled()
  const count = (items: Iterable<unknown>) => [...items].length
  t.equal(count(facts.roleAssignments()), 4)
  t.equal(count(facts.roleAssignments({ user: 'jane' })), 2)
  t.equal(count(facts.roleAssignments({ role: 'viewer' })), 2)
  t.equal(count(facts.roleAssignments({ tenant: 'acme' })), 3)
  t.equal(count(facts.roleAssignments({ tenant: 'acme', user: 'jane', role: 'viewer' })), 1)
  t.equal(count(facts.roleAssignments({ resource_instance: 'document:spec' })), 1)
  t.equal(count(facts.roleAssignments({ resource_instance: 'document:spec', role: 'viewer' })), 0)
  t.equal(count(facts.roleAssignments({ user: 'nobody' })), 0)
  t.equal(count(facts.roleAssignments({ tenant: 'nowhere' })), 0)
  t.equal(count(facts.resourceInstances()), 2)
  t.equal(count(facts.resourceInstances({ resource: 'folder' })), 1)
  t.equal(count(facts.resourceInstances({ tenant: 'acme', resource: 'folder' })), 1)
  t.equal(count(facts.resourceInstances({ tenant: 'default' })), 0)
  t.equal(count(facts.relationshipTuples({ subject: 'folder:rnd' })), 1)
  t.equal(count(facts.relationshipTuples({ object: 'document:spec', relation: 'parent', tenant: 'acme' })), 1)
  t.equal(count(facts.relationshipTuples({ object: 'document:spec', relation: 'other' })), 0)
  t.equal(count(facts.relationshipTuples({ tenant: 'acme' })), 1)
  t.equal(count(facts.relationshipTuples({ tenant: 'default' })), 0)
  t.equal(facts.userCount, 2)
  t.equal(facts.tenantCount, 2)
})

t.test('later changes of a fact by the caller do not matter', async t => {
  const facts = new Facts()
  const attributes = { nested: { level: 1 } }
  facts.upsertUser({ key: 'john', attributes })
  attributes.nested.level = 2
  t.same(facts.getUser('john'), { key: 'john', attributes: { nested: { level: 1 } } })
})

t.test('names of properties of Object.prototype are ordinary keys', async t => {
  const facts = new Facts()
  for (const key of ['__proto__', 'constructor', 'toString']) {
    t.equal(facts.getUser(key), undefined)
    t.equal(facts.getTenant(key), undefined)
    t.equal(facts.getResourceInstance(`${key}:${key}`), undefined)
    facts.upsertUser({ key })
    facts.upsertTenant({ key })
    facts.assignRole({ user: key, role: key, tenant: key })
    facts.assignRole({ user: key, role: key, tenant: key, resource_instance: `${key}:${key}` })
    t.equal([...facts.roleAssignments({ user: key })].length, 2)
  }
})

t.test('an instance is split at the first colon', async t => {
  const facts = new Facts()
  facts.upsertResourceInstance({ resource: 'ab', key: 'abc' })
  t.equal(facts.getResourceInstance('abc'), undefined, 'without a colon it is none')
  t.equal(facts.deleteResourceInstance('abc'), false)
  t.same(parseInstance('a:b:c'), { resource: 'a', key: 'b:c' })
  for (const bad of ['', 'a', ':', 'a:', ':b', undefined as unknown as string]) t.throws(() => parseInstance(bad), { code: 'invalid' })
})

function replay (facts: Facts, change: FactChange): void {
  const set = change.op === 'set'
  switch (change.kind) {
    case 'user': set ? facts.upsertUser(change.fact) : facts.deleteUser(change.fact.key); break
    case 'tenant': set ? facts.upsertTenant(change.fact) : facts.deleteTenant(change.fact.key); break
    case 'resource_instance': set ? facts.upsertResourceInstance(change.fact) : facts.deleteResourceInstance(`${change.fact.resource}:${change.fact.key}`); break
    case 'role_assignment': set ? facts.assignRole(change.fact) : facts.unassignRole(change.fact); break
    case 'relationship_tuple': set ? facts.addRelationshipTuple(change.fact) : facts.deleteRelationshipTuple(change.fact); break
  }
}
