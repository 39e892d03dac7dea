// Mistakes in a policy: all of them are found at once, each with its place and what to write instead.

import t from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import { PolicyError, formatPath, type PolicyProblem } from '../../../src/engine/policy/problems.js'
import type { Policy } from '../../../src/engine/policy/policy.js'

const valid: Policy = {
  resources: {
    task: { actions: { read: {}, delete: {} }, relations: { parent: 'folder' }, roles: { viewer: { permissions: ['read'] } } },
    folder: { actions: { read: {} }, roles: { owner: { permissions: ['read'] } } }
  },
  roles: { viewer: { permissions: ['task:read'] }, admin: { extends: ['viewer'] } },
  user_sets: { us: { conditions: { 'user.location': { equals: 'US' } } } },
  resource_sets: { open: { resource: 'task', conditions: { 'resource.open': { equals: true } } } },
  set_rules: [{ user_set: 'us', permission: 'task:read', resource_set: 'open' }],
  tenants: { acme: {} },
  users: { john: {} },
  role_assignments: [{ user: 'john', role: 'admin', tenant: 'acme' }],
  resource_instances: [{ resource: 'task', key: '1', tenant: 'acme' }],
  relationship_tuples: [{ subject: 'folder:f', relation: 'parent', object: 'task:1' }]
}

function problems (policy: unknown): readonly PolicyProblem[] {
  try {
    new Engine().load(policy as Policy)
    return []
  } catch (error) {
    if (error instanceof PolicyError) return error.problems
    throw error
  }
}

const derivation = (rule: object) => ({ resources: { ...valid.resources, task: { ...valid.resources!['task'], roles: { viewer: { granted_to: { users_with_role: [rule] } } } } } })
const task = (changes: object) => ({ resources: { ...valid.resources, task: { ...valid.resources!['task'], ...changes } } })

const cases: Array<[string, object, string, RegExp, RegExp]> = [
  ['an unknown action in a permission', { roles: { ...valid.roles, viewer: { permissions: ['task:raed'] } } }, 'roles.viewer.permissions[0]', /'task' has no action 'raed'/, /did you mean 'read'\?/],
  ['an unknown type in a permission', { roles: { ...valid.roles, viewer: { permissions: ['tsak:read'] } } }, 'roles.viewer.permissions[0]', /resource type 'tsak' is not defined/, /did you mean 'task'\?/],
  ['a permission without a colon', { roles: { ...valid.roles, viewer: { permissions: ['read'] } } }, 'roles.viewer.permissions[0]', /not a permission/, /<resource type>:<action>/],
  ['an action that every object has', { roles: { ...valid.roles, viewer: { permissions: ['task:constructor'] } } }, 'roles.viewer.permissions[0]', /no action 'constructor'/, /known here: 'read', 'delete'/],
  ['an undefined parent', { roles: { ...valid.roles, admin: { extends: ['viewr'] } } }, 'roles.admin.extends[0]', /role 'viewr' is not defined/, /did you mean 'viewer'\?/],
  ['a cycle of parents', { roles: { viewer: { extends: ['admin'] }, admin: { extends: ['editor'] }, editor: { extends: ['viewer'] } } }, 'roles.viewer.extends', /viewer → admin → editor → viewer/, /remove one of these/],
  ['a role that is its own parent', { roles: { viewer: {}, admin: { extends: ['admin'] } } }, 'roles.admin.extends', /admin → admin/, /remove one of these/],
  ['a cycle of a type\'s roles', task({ roles: { viewer: { extends: ['editor'] }, editor: { extends: ['viewer'] } } }), 'resources.task.roles.viewer.extends', /viewer → editor → viewer/, /remove one of these/],
  ['an unknown action of a resource role', task({ roles: { viewer: { permissions: ['reed'] } } }), 'resources.task.roles.viewer.permissions[0]', /no action 'reed'/, /did you mean 'read'/],
  ['another type\'s action of a resource role', task({ roles: { viewer: { permissions: ['folder:read'] } } }), 'resources.task.roles.viewer.permissions[0]', /cannot hold a permission on 'folder'/, /write an action of 'task'/],
  ['an undefined parent of a resource role', task({ roles: { viewer: { extends: ['owner'] } } }), 'resources.task.roles.viewer.extends[0]', /role 'owner' is not defined/, /./],
  ['a relation to a type that does not exist', task({ relations: { parent: 'foldr' } }), 'resources.task.relations.parent', /resource type 'foldr' is not defined/, /did you mean 'folder'\?/],
  ['a relation, written long, to a type that does not exist', task({ relations: { parent: { subject_resource: 'foldr' } } }), 'resources.task.relations.parent.subject_resource', /'foldr'/, /did you mean 'folder'\?/],
  ['a derivation from an undefined role', derivation({ role: 'ownr', on_resource: 'folder', linked_by_relation: 'parent' }), 'resources.task.roles.viewer.granted_to.users_with_role[0].role', /'folder' has no role 'ownr'/, /did you mean 'owner'/],
  ['a derivation along an undefined relation', derivation({ role: 'owner', on_resource: 'folder', linked_by_relation: 'parrent' }), 'resources.task.roles.viewer.granted_to.users_with_role[0].linked_by_relation', /'task' has no relation 'parrent'/, /did you mean 'parent'/],
  ['a derivation from an undefined type', derivation({ role: 'owner', on_resource: 'foldr', linked_by_relation: 'parent' }), 'resources.task.roles.viewer.granted_to.users_with_role[0].on_resource', /'foldr' is not defined/, /did you mean 'folder'/],
  ['a derivation from a type that the relation does not link', derivation({ role: 'viewer', on_resource: 'task', linked_by_relation: 'parent' }), 'resources.task.roles.viewer.granted_to.users_with_role[0].on_resource', /links a 'folder', not a 'task'/, /write 'folder'/],
  ['an unknown operator', { user_sets: { us: { conditions: { 'user.location': { eqauls: 'US' } } } } }, 'user_sets.us.conditions["user.location"].eqauls', /unknown operator 'eqauls'/, /did you mean 'equals'/],
  ['a set without a condition', { user_sets: { us: { conditions: {} } } }, 'user_sets.us.conditions', /empty/, /matches everything/],
  ['a resource set of an undefined type', { resource_sets: { open: { resource: 'tusk', conditions: { allOf: [] } } } }, 'resource_sets.open.resource', /'tusk' is not defined/, /did you mean 'task'/],
  ['a rule with an undefined user set', { set_rules: [{ user_set: 'uss', permission: 'task:read', resource_set: 'open' }] }, 'set_rules[0].user_set', /user set 'uss' is not defined/, /did you mean 'us'/],
  ['a rule with an undefined role', { set_rules: [{ user_set: 'us', is_role: true, permission: 'task:read', resource_set: 'open' }] }, 'set_rules[0].user_set', /role 'us' is not defined/, /known here: 'viewer', 'admin'/],
  ['a rule with a user set that is said not to be a role', { set_rules: [{ user_set: 'admin', is_role: false, permission: 'task:read', resource_set: 'open' }] }, 'set_rules[0].user_set', /'admin' is not defined/, /known here: 'us'/],
  ['a rule with an undefined resource set', { set_rules: [{ user_set: 'us', permission: 'task:read', resource_set: 'opne' }] }, 'set_rules[0].resource_set', /'opne' is not defined/, /did you mean 'open'/],
  ['a rule with a resource set that is said to be a type', { set_rules: [{ user_set: 'us', permission: 'task:read', resource_set: 'open', is_resource: true }] }, 'set_rules[0].resource_set', /resource type 'open' is not defined/, /./],
  ['a rule with a set of another type', { set_rules: [{ user_set: 'us', permission: 'folder:read', resource_set: 'open' }] }, 'set_rules[0].resource_set', /'open' is for resource type 'task', but the permission is for 'folder'/, /write one of 'folder'/],
  ['a rule with an unknown permission', { set_rules: [{ user_set: 'us', permission: 'task:wirte', resource_set: 'open' }] }, 'set_rules[0].permission', /no action 'wirte'/, /./],
  ['a rule that is there twice', { set_rules: [...valid.set_rules!, ...valid.set_rules!] }, 'set_rules[1]', /twice/, /remove/],
  ['an assignment of an undefined role', { role_assignments: [{ user: 'john', role: 'amdin', tenant: 'acme' }] }, 'role_assignments[0].role', /role 'amdin' is not defined/, /did you mean 'admin'/],
  ['an assignment in an undefined tenant', { role_assignments: [{ user: 'john', role: 'admin', tenant: 'acne' }] }, 'role_assignments[0].tenant', /tenant 'acne' is not defined/, /did you mean 'acme'/],
  ['an assignment to an undefined user', { role_assignments: [{ user: 'jon', role: 'admin', tenant: 'acme' }] }, 'role_assignments[0].user', /user 'jon' is not defined/, /did you mean 'john'/],
  ['an assignment that is there twice', { role_assignments: [{ user: 'john', role: 'admin' }, { user: 'john', role: 'admin', tenant: 'default' }] }, 'role_assignments[1]', /twice/, /remove/],
  ['an assignment on a malformed instance', { role_assignments: [{ user: 'john', role: 'viewer', resource_instance: 'task' }] }, 'role_assignments[0].resource_instance', /'task' is not a resource instance/, /<resource type>:<key>/],
  ['an assignment on an instance of an undefined type', { role_assignments: [{ user: 'john', role: 'viewer', resource_instance: 'tusk:1' }] }, 'role_assignments[0].resource_instance', /'tusk' is not defined/, /did you mean 'task'/],
  ['a tenant\'s role assigned on an instance', { role_assignments: [{ user: 'john', role: 'admin', resource_instance: 'task:1' }] }, 'role_assignments[0].role', /role 'admin' is not defined/, /known here: 'viewer'/],
  ['an assignment on an instance of another tenant', { role_assignments: [{ user: 'john', role: 'viewer', resource_instance: 'task:1', tenant: 'default' }] }, 'role_assignments[0].tenant', /'task:1' is in tenant 'acme', not in 'default'/, /write 'acme'/],
  ['an instance of an undefined type', { resource_instances: [{ resource: 'tusk', key: '1' }] }, 'resource_instances[0].resource', /'tusk' is not defined/, /did you mean 'task'/],
  ['an instance in an undefined tenant', { resource_instances: [{ resource: 'task', key: '2', tenant: 'acne' }] }, 'resource_instances[0].tenant', /'acne' is not defined/, /did you mean 'acme'/],
  ['an instance that is there twice', { resource_instances: [{ resource: 'task', key: '1' }, { resource: 'task', key: '1', attributes: {} }], relationship_tuples: [] }, 'resource_instances[1]', /'task:1' appears twice/, /remove/],
  ['a malformed subject', { relationship_tuples: [{ subject: 'folder', relation: 'parent', object: 'task:1' }] }, 'relationship_tuples[0].subject', /not a resource instance/, /./],
  ['a malformed object', { relationship_tuples: [{ subject: 'folder:f', relation: 'parent', object: ':1' }] }, 'relationship_tuples[0].object', /not a resource instance/, /./],
  ['a tuple with an undefined relation', { relationship_tuples: [{ subject: 'folder:f', relation: 'parnt', object: 'task:1' }] }, 'relationship_tuples[0].relation', /'task' has no relation 'parnt'/, /did you mean 'parent'/],
  ['a tuple with a subject of the wrong type', { relationship_tuples: [{ subject: 'task:2', relation: 'parent', object: 'task:1' }] }, 'relationship_tuples[0].subject', /links a 'folder', not a 'task'/, /write 'folder:<key>'/],
  ['a tuple across tenants', { relationship_tuples: [{ subject: 'folder:f', relation: 'parent', object: 'task:1', tenant: 'default' }] }, 'relationship_tuples[0].tenant', /'task:1' is in tenant 'acme', not in 'default'/, /./],
  ['an unknown property', { role: {} }, 'role', /unknown property 'role'/, /did you mean 'roles'\?/],
  ['an unknown property inside', task({ action: {} }), 'resources.task.action', /unknown property 'action'/, /did you mean 'actions'\?/],
  ['a property that every object has', JSON.parse('{"__proto__": {}}'), '__proto__', /unknown property '__proto__'/, /./],
  ['a missing property', { resource_sets: { open: { conditions: { allOf: [] } } } }, 'resource_sets.open', /'resource' is missing/, /add 'resource': The resource type/],
  ['a number where a text belongs', { users: { 42: {}, john: {} }, role_assignments: [{ user: 42, role: 'admin' }] }, 'role_assignments[0].user', /a number is not allowed/, /write text in quotes: '42'/],
  ['a list where an object belongs', { roles: ['admin'], set_rules: [], role_assignments: [] }, 'roles', /a list is not allowed/, /write an object/],
  ['nothing where a list belongs', { set_rules: null }, 'set_rules', /nothing is not allowed/, /write a list/],
  ['a key with a colon', { roles: { ...valid.roles, 'a:b': {} } }, 'roles["a:b"]', /'a:b' cannot be a key/, /such as 'a-b'/],
  ['an attribute of an unknown type', task({ attributes: { due: { type: 'date' } } }), 'resources.task.attributes.due.type', /'date' is not one of the values/, /./],
  ['an empty text', { roles: { ...valid.roles, viewer: { permissions: [''] } } }, 'roles.viewer.permissions[0]', /empty/, /./]
]

for (const [what, changes, path, message, hint] of cases) {
  t.test(`${what} is reported`, async t => {
    const policy: Record<string, unknown> = { ...valid }
    for (const [key, value] of Object.entries(changes)) Object.defineProperty(policy, key, { value, enumerable: true, configurable: true, writable: true })
    const found = problems(policy)
    t.equal(found.length, 1, JSON.stringify(found))
    t.equal(formatPath(found[0]?.path ?? []), path)
    t.match(found[0]?.message, message)
    t.match(found[0]?.hint, hint)
  })
}

t.test('the policy without the mistakes is valid', async t => {
  t.same(problems(valid), [])
})

t.test('all problems are reported at once, both of structure and of meaning', async t => {
  const found = problems({
    ...valid,
    rolez: 1,
    roles: { viewer: { permissions: ['task:raed', 3] }, admin: { extends: 'viewer' } },
    user_sets: { us: { conditions: { 'user.a': { eq: 1 }, 'user.b': { ne: 1 } } } },
    role_assignments: [{ user: 'john' }, 'john', { user: 'john', role: 'nobody' }]
  })
  t.same(found.map(({ path }) => formatPath(path)).sort(), [
    'role_assignments[0]', 'role_assignments[1]', 'role_assignments[2].role', 'roles.admin.extends', 'roles.viewer.permissions[0]', 'roles.viewer.permissions[1]', 'rolez',
    'user_sets.us.conditions["user.a"].eq', 'user_sets.us.conditions["user.b"].ne'
  ])
})

t.test('any document that is refused is refused with a message', async t => {
  for (const junk of [null, undefined, 1, 'text', [], [[]], true, { resources: [] }, { resources: { a: null } }, { resources: { a: [] } }, { resources: { a: { actions: null } } }, { resources: { a: { actions: 1, roles: 1, relations: [] } } },
    { roles: { a: 1 } }, { set_rules: {} }, { set_rules: [null] }, { users: [1] }, { role_assignments: { a: 1 } }, { role_assignments: [[]] }, { resource_instances: [{ resource: {}, key: [] }] },
    { relationship_tuples: [{ subject: 1, relation: 1, object: 1 }] }, { tenants: { a: 1 } }, { user_sets: { a: { conditions: [] } } }, { resources: { a: { actions: {}, roles: { r: { granted_to: { users_with_role: [null, 1, {}] } } } } } }]) {
    const found = problems(junk)
    t.ok(found.length > 0, JSON.stringify(junk))
    for (const { message, hint } of found) t.ok(message !== '' && hint !== '', `${message} ${hint}`)
  }
})

t.test('the message has a line for each problem, up to fifty', async t => {
  const error = new PolicyError([{ path: ['roles', 'a'], message: 'it is wrong', hint: 'write it right', file: 'permit.yaml', line: 3, column: 5 }])
  t.equal(error.message, 'The policy has a problem:\n  permit.yaml:3:5  roles.a  it is wrong — write it right')
  t.equal(new PolicyError(Array.from({ length: 70 }, () => ({ path: [], message: 'm', hint: 'h' }))).message.split('\n').at(-1), '  … and 20 more')
})

t.test('a chain of a hundred thousand roles is checked for cycles without recursion', async t => {
  const roles = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`r${index}`, index === 0 ? {} : { extends: [`r${index - 1}`] }]))
  t.same(problems({ roles: { ...roles, r0: { extends: ['r99999'] } } }).length, 1)
})

t.test('roles whose inheritance would fill the memory are refused', async t => {
  const roles = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`r${index}`, { permissions: ['task:read'], extends: index === 0 ? [] : [`r${index - 1}`] }]))
  t.match(problems({ ...valid, role_assignments: [], roles }), [{ message: /more than 1000000 permissions/ }])
  const task = { actions: { read: {} }, roles: Object.fromEntries(Object.entries(roles).map(([key, role]) => [key, { ...role, permissions: ['read'] }])) }
  t.match(problems({ resources: { task } }), [{ message: /more than 1000000 permissions/ }])
})

t.test('a condition with many alternatives for one attribute is valid', async t => {
  const many = Array.from({ length: 5_000 }, (_, index) => ({ equals: index }))
  t.doesNotThrow(() => new Engine({
    resources: { task: { actions: { read: {} } } },
    user_sets: { s: { conditions: { 'user.a': { anyOf: many } } }, deep: { conditions: Array.from({ length: 30 }).reduce<object>(inner => ({ anyOf: [inner] }), { 'user.a': { anyOf: many } }) as Record<string, unknown> } }
  }))
})

t.test('with very many mistakes, only the first are reported, without a search for suggestions', async t => {
  const start = process.cpuUsage()
  const roles = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`role${index}`, { permissions: [`tusk:raed${index}`], extends: ['rule1'] }]))
  try {
    t.fail(String(new Engine({ resources: { task: { actions: { read: {} } } }, roles })))
  } catch (error) {
    t.equal((error as PolicyError).problems.length, 200)
    t.ok((error as PolicyError).message.length < 60_000)
  }
  t.ok(process.cpuUsage(start).user < 2_000_000)
})
