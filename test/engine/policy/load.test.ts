// Loading a policy: all or nothing, and what happens to facts when the document changes.

import t from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import type { Policy } from '../../../src/engine/policy/policy.js'

const base: Policy = {
  resources: { task: { actions: { read: {} }, roles: { owner: { permissions: ['read'] } }, relations: { parent: 'task' } } },
  roles: { viewer: { permissions: ['task:read'] } },
  tenants: { acme: {} },
  users: { john: {}, jane: {} },
  role_assignments: [{ user: 'john', role: 'viewer', tenant: 'acme' }, { user: 'jane', role: 'owner', resource_instance: 'task:1', tenant: 'acme' }],
  resource_instances: [{ resource: 'task', key: '1', tenant: 'acme', attributes: { a: 1 } }]
}
const reads = (engine: Engine, user: string, tenant = 'acme', key?: string) => engine.decide({ user: { key: user }, action: 'read', resource: { type: 'task', tenant, ...(key === undefined ? {} : { key }) } }).allow

t.test('an invalid policy changes nothing', async t => {
  const engine = new Engine(base)
  const { revision } = engine
  t.throws(() => engine.load({ ...base, users: {}, roles: { viewer: { permissions: ['task:nothing'] } } }), { name: 'PolicyError' })
  t.equal(engine.revision, revision)
  t.equal(reads(engine, 'john'), true)
  t.throws(() => new Engine({ nonsense: true } as unknown as Policy), { name: 'PolicyError' })
})

t.test('a valid policy takes effect at once, and every change increases the revision', async t => {
  const engine = new Engine(base)
  let { revision } = engine
  const grew = (what: string) => {
    t.ok(engine.revision > revision, what)
    revision = engine.revision
  }
  engine.load({ ...base, roles: { viewer: {} } })
  grew('schema')
  t.equal(reads(engine, 'john'), false)
  engine.facts.assignRole({ user: 'jane', role: 'viewer', tenant: 'acme' })
  grew('fact')
  engine.facts.deleteUser('jane')
  grew('deletion')
})

t.test('facts that the document no longer lists are removed, new ones are added, and facts written at run time stay', async t => {
  const engine = new Engine(base)
  engine.facts.upsertUser({ key: 'tina' })
  engine.facts.assignRole({ user: 'tina', role: 'viewer', tenant: 'acme' })
  engine.load({ ...base, users: { jane: {}, kim: {} }, role_assignments: [{ user: 'kim', role: 'viewer', tenant: 'acme' }] })
  t.same([...engine.facts.users()].map(({ key }) => key).sort(), ['jane', 'kim', 'tina'])
  t.equal(reads(engine, 'john'), false)
  t.equal(reads(engine, 'kim'), true)
  t.equal(reads(engine, 'tina'), true)
  t.equal(reads(engine, 'jane', 'acme', '1'), false)
})

t.test('a role removed at run time does not come back when another line of the document is edited', async t => {
  const engine = new Engine(base)
  engine.facts.unassignRole({ user: 'john', role: 'viewer', tenant: 'acme' })
  engine.facts.upsertUser({ key: 'jane', email: 'jane@acme.com' })
  engine.facts.upsertResourceInstance({ resource: 'task', key: '1', attributes: { a: 2 } })
  engine.load({ ...base, roles: { ...base.roles, other: {} } })
  t.equal(reads(engine, 'john'), false)
  t.equal(engine.facts.getUser('jane')?.email, 'jane@acme.com')
  t.same(engine.facts.getResourceInstance('task:1')?.attributes, { a: 2 })
  engine.load({ ...base, users: { ...base.users, jane: { email: 'j@acme.com' } } })
  t.equal(engine.facts.getUser('jane')?.email, 'j@acme.com', 'what the document changes is written')
})

t.test('what a new fact of the document needs is created, whatever was deleted at run time', async t => {
  const engine = new Engine(base)
  engine.facts.deleteTenant('acme')
  engine.facts.deleteUser('john')
  engine.load({
    ...base,
    roles: { ...base.roles, admin: { permissions: ['task:read'] } },
    role_assignments: [...base.role_assignments!, { user: 'john', role: 'admin', tenant: 'acme' }, { user: 'jane', role: 'owner', resource_instance: 'task:2', tenant: 'acme' }],
    relationship_tuples: [{ subject: 'task:1', relation: 'parent', object: 'task:2' }]
  })
  t.equal(reads(engine, 'john'), true)
  t.equal(reads(engine, 'jane', 'acme', '2'), true)
  t.same(engine.facts.getResourceInstance('task:1')?.attributes, { a: 1 })
})

t.test('when the document and run-time facts put an instance into different tenants, the document takes precedence', async t => {
  const engine = new Engine(base)
  engine.facts.upsertResourceInstance({ resource: 'task', key: '9', tenant: 'acme', attributes: { b: 1 } })
  engine.facts.assignRole({ user: 'john', role: 'owner', resource_instance: 'task:9' })
  engine.load({ ...base, resource_instances: [{ resource: 'task', key: '1' }, { resource: 'task', key: '9' }], role_assignments: [{ user: 'jane', role: 'owner', resource_instance: 'task:9' }] })
  t.equal(engine.facts.getResourceInstance('task:9')?.tenant, 'default')
  t.equal(engine.facts.getResourceInstance('task:1')?.tenant, 'default')
  t.equal(reads(engine, 'john', 'default', '9'), false)
  t.equal(reads(engine, 'jane', 'default', '9'), true)
})

t.test('an instance that the document only mentions keeps its run-time attributes', async t => {
  const engine = new Engine({ ...base, resource_instances: [], role_assignments: [{ user: 'jane', role: 'owner', resource_instance: 'task:1', tenant: 'acme' }] })
  engine.facts.upsertResourceInstance({ resource: 'task', key: '1', attributes: { mine: 1 } })
  engine.load({ ...base, resource_instances: [], role_assignments: [{ user: 'john', role: 'owner', resource_instance: 'task:1', tenant: 'acme' }] })
  t.same(engine.facts.getResourceInstance('task:1')?.attributes, { mine: 1 })
  engine.load({ ...base, resource_instances: [], role_assignments: [] })
  t.same(engine.facts.getResourceInstance('task:1')?.attributes, { mine: 1 }, 'it does not go with its last mention')
})

t.test('a run-time instance keeps its attributes when the document starts to mention it', async t => {
  const engine = new Engine({ ...base, resource_instances: [], role_assignments: [] })
  engine.facts.upsertResourceInstance({ resource: 'task', key: '1', tenant: 'acme', attributes: { mine: 1 } })
  engine.load({ ...base, resource_instances: [] })
  t.same(engine.facts.getResourceInstance('task:1')?.attributes, { mine: 1 })
  engine.load(base)
  t.same(engine.facts.getResourceInstance('task:1')?.attributes, { a: 1 }, 'and loses them when the document lists it')
  engine.load({ ...base, resource_instances: [] })
  t.same(engine.facts.getResourceInstance('task:1')?.attributes, undefined, 'which go when it no longer does')
})

t.test('with facts: false only the schema is loaded', async t => {
  const engine = new Engine(base)
  engine.load({ ...base, users: {}, role_assignments: [], resource_instances: [] }, { facts: false })
  t.equal(reads(engine, 'john'), true)
  engine.load({ ...base, users: {}, role_assignments: [], resource_instances: [] })
  t.equal(reads(engine, 'john'), false)
})

t.test('later changes of the document by the caller do not matter', async t => {
  const policy = structuredClone(base)
  const engine = new Engine(policy)
  policy.roles!['viewer']!.permissions = []
  policy.role_assignments!.length = 0
  t.equal(reads(engine, 'john'), true)
})

t.test('deleting the default tenant from the document removes only its attributes', async t => {
  const engine = new Engine({ ...base, tenants: { acme: {}, default: { attributes: { a: 1 } } } })
  engine.load(base)
  t.same(engine.facts.getTenant('default'), { key: 'default' })
})
