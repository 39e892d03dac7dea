// Every reason code, when it is given, and the sentence that goes with it.

import t from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import { type EngineQuery } from '../../../src/engine/engine-query.js'
import type { Policy } from '../../../src/engine/policy/policy.js'

const policy: Policy = {
  resources: {
    task: { actions: { read: {}, delete: {} } },
    folder: { actions: { read: {} }, roles: { owner: { permissions: ['read'] } } },
    document: {
      actions: { read: {}, write: {}, publish: {} },
      relations: { parent: 'folder' },
      roles: {
        viewer: { permissions: ['read'], granted_to: { users_with_role: [{ role: 'owner', on_resource: 'folder', linked_by_relation: 'parent' }] } },
        editor: { permissions: ['document:write'], extends: ['viewer'] }
      }
    },
    report: { actions: { read: {} } },
    invoice: { actions: { read: {} } }
  },
  roles: {
    viewer: { permissions: ['task:read'] },
    admin: { permissions: ['task:delete'], extends: ['viewer'] },
    guest: {}
  },
  user_sets: { americans: { conditions: { 'user.location': { equals: 'US' } } }, adults: { conditions: { 'user.age': { 'greater-than-equals': 18 } } } },
  resource_sets: {
    public_reports: { resource: 'report', conditions: { 'resource.public': { equals: true } } },
    open_invoices: { resource: 'invoice', conditions: { 'resource.paid': { equals: false } } },
    short_reports: { resource: 'report', conditions: { 'resource.pages': { 'less-than': 10 } } }
  },
  set_rules: [
    { user_set: 'americans', permission: 'report:read', resource_set: 'public_reports' },
    { user_set: 'adults', permission: 'report:read', resource_set: 'short_reports' },
    { user_set: 'americans', permission: 'invoice:read', resource_set: 'open_invoices' },
    { user_set: 'guest', permission: 'report:read', resource_set: 'report', is_role: true, is_resource: true }
  ],
  tenants: { acme: {}, globex: {} },
  users: { john: {}, jane: {}, bob: {}, nobody: {}, uma: { attributes: { location: 'US' } } },
  role_assignments: [
    { user: 'john', role: 'admin', tenant: 'acme' },
    { user: 'jane', role: 'viewer', tenant: 'acme' },
    { user: 'bob', role: 'guest', tenant: 'acme' },
    { user: 'jane', role: 'owner', resource_instance: 'folder:rnd', tenant: 'acme' },
    { user: 'bob', role: 'viewer', resource_instance: 'document:other', tenant: 'acme' },
    { user: 'bob', role: 'editor', resource_instance: 'document:spec', tenant: 'acme' }
  ],
  relationship_tuples: [{ subject: 'folder:rnd', relation: 'parent', object: 'document:spec', tenant: 'acme' }]
}

const engine = new Engine(policy)

function ask (user: string, action: string, resource: string, tenant = 'acme', more: Partial<EngineQuery['resource']> = {}): EngineQuery {
  const [type = '', key] = resource.split(':')
  return { user: { key: user }, action, resource: { type, tenant, ...(key === undefined ? {} : { key }), ...more } }
}

const cases: Array<[string, EngineQuery, string, RegExp]> = [
  ['a role in the tenant holds the permission', ask('john', 'delete', 'task'), 'allow', /user 'john' has role 'admin' in tenant 'acme'/],
  ['an inherited role holds the permission', ask('john', 'read', 'task:1'), 'allow', /user 'john' has role 'admin' in tenant 'acme'.* inherited from role 'viewer'/],
  ['the type is unknown', ask('john', 'read', 'tusk'), 'no_such_resource', /'tusk' is not defined \(did you mean 'task'\?\)/],
  ['the type is what every object has', ask('john', 'read', 'constructor'), 'no_such_resource', /'constructor' is not defined/],
  ['the action is unknown', ask('john', 'raed', 'task'), 'no_such_action', /'raed' is not defined on resource type 'task' \(did you mean 'read'\?\)/],
  ['the action is what every object has', ask('john', 'toString', 'task'), 'no_such_action', /'toString' is not defined/],
  ['the tenant is unknown', ask('john', 'read', 'task', 'acne'), 'no_such_tenant', /'acne' does not exist/],
  ['the tenant is what every object has', ask('john', 'read', 'task', '__proto__'), 'no_such_tenant', /'__proto__' does not exist/],
  ['the user is unknown', ask('jon', 'read', 'task'), 'user_not_synced', /user 'jon' is not known/],
  ['the user is what every object has', ask('constructor', 'read', 'task'), 'user_not_synced', /user 'constructor' is not known/],
  ['the user has no roles at all', ask('nobody', 'read', 'task'), 'no_user_roles', /no roles are assigned to user 'nobody'/],
  ['the user has roles in other tenants only', ask('john', 'read', 'task', 'globex'), 'no_role_in_tenant', /no role in tenant 'globex', only in 'acme'/],
  ['no role in the tenant holds the permission', ask('jane', 'delete', 'task'), 'no_permission', /none of the roles .* \('viewer'\) holds .*'task:delete'/],
  ['rules join the sets', { ...ask('uma', 'read', 'report', 'acme', { attributes: { public: true } }) }, 'allow', /user set 'americans'.*resource set 'public_reports'/],
  ['a role counts as a user set, a type as a resource set', ask('bob', 'read', 'report'), 'allow', /user set 'guest'.*resource set 'report'/],
  ['no user set matches', ask('nobody', 'read', 'report'), 'no_matching_rules', /none of the user sets .* \('americans', 'adults', 'guest'\)/],
  ['the sets that match are not joined', ask('uma', 'read', 'report', 'acme', { attributes: { public: false, pages: 3 } }), 'no_matching_rules', /is in 'americans' and .* in 'short_reports', .* but no rule/],
  ['no resource set matches', ask('uma', 'read', 'invoice', 'acme', { attributes: { paid: true } }), 'no_matching_rules', /none of the resource sets .* \('open_invoices'\)/],
  ['a role on the instance', ask('bob', 'write', 'document:spec'), 'allow', /role 'editor' on 'document:spec'/],
  ['a role on the instance that inherits', ask('bob', 'read', 'document:spec'), 'allow', /role 'editor' on 'document:spec'/],
  ['a derived role', ask('jane', 'read', 'document:spec'), 'allow', /role 'owner' on 'folder:rnd', from which a role on 'document:spec' is derived/],
  ['no role on the instance', ask('uma', 'read', 'document:spec'), 'no_graph_roles', /no role on 'document:spec'/],
  ['roles on other instances only', ask('nobody', 'read', 'document:spec'), 'no_graph_roles', /./],
  ['an instance that does not exist', ask('uma', 'read', 'document:none'), 'no_graph_roles', /'document:none' does not exist/],
  ['an instance of another tenant', ask('uma', 'read', 'document:spec', 'globex'), 'no_graph_roles', /not in tenant 'globex'/],
  ['no resource role asked about without a key', ask('uma', 'read', 'document'), 'no_user_roles', /./]
]

for (const [when, query, code, reason] of cases) {
  t.test(`${code}: ${when}`, async t => {
    const verdict = engine.decide(query)
    t.equal(verdict.code, code)
    t.equal(verdict.allow, code === 'allow')
    t.ok(verdict.reason.length > 10, 'a sentence')
    const explained = engine.explain(query)
    t.equal(explained.code, code)
    t.equal(explained.allow, verdict.allow)
    t.match(explained.reason, reason)
  })
}

t.test('no_permission: none of the roles on the instance has the permission, and no role in the tenant was considered', async t => {
  engine.facts.upsertUser({ key: 'temp' })
  engine.facts.assignRole({ user: 'temp', role: 'viewer', resource_instance: 'document:spec' })
  const explained = engine.explain(ask('temp', 'write', 'document:spec'))
  t.equal(explained.code, 'no_permission')
  t.match(explained.reason, /none of the roles .* on 'document:spec' holds the permission 'document:write'/)
  t.equal(engine.decide(ask('temp', 'write', 'document:spec')).code, 'no_permission')
})

t.test('a denial after roles in the tenant were considered has the code of RBAC', async t => {
  t.equal(engine.decide(ask('john', 'write', 'document:spec')).code, 'no_permission')
  t.equal(engine.decide(ask('jane', 'read', 'report')).code, 'no_permission')
})

t.test('the explanation has a part for each model that was evaluated', async t => {
  t.same(Object.keys(engine.explain(ask('john', 'read', 'task')).debug), ['rbac'])
  t.same(Object.keys(engine.explain(ask('uma', 'read', 'report')).debug), ['rbac', 'abac'])
  t.same(Object.keys(engine.explain(ask('jane', 'read', 'document:spec')).debug), ['rbac', 'rebac'])
  t.same(Object.keys(engine.explain(ask('jane', 'read', 'document')).debug), ['rbac', 'abac'], 'where there are sets, ABAC says that no rule is about it')
  t.match(engine.explain(ask('john', 'read', 'task')).debug, { rbac: { allow: true, code: 'allow', allowing_roles: ['admin'] } })
  t.match(engine.explain(ask('jane', 'read', 'document:spec')).debug, {
    rbac: { allow: false, code: 'no_permission' },
    rebac: { allow: true, code: 'allow', allowing_roles: [{ role: 'owner', resource_instance: 'folder:rnd' }] }
  })
  t.match(engine.explain(ask('bob', 'read', 'report')).debug.abac, {
    allow: true, allowing_rules: [{ user_set: 'guest', resource_set: 'report' }], matching_usersets: ['guest'], matching_resourcesets: ['report']
  })
})

t.test('no reason names another user', async t => {
  for (const [, query] of cases) {
    const { reason } = engine.explain({ ...query, user: { key: 'joh' } })
    t.notMatch(reason, /'(john|jane|bob|uma)'/)
  }
})

t.test('decisions allocate nothing: the same answer is the same object', async t => {
  t.equal(engine.decide(ask('john', 'read', 'task')), engine.decide(ask('john', 'read', 'task:2')))
  t.equal(engine.decide(ask('jane', 'delete', 'task')), engine.decide(ask('bob', 'delete', 'task')))
  t.throws(() => { (engine.decide(ask('jane', 'delete', 'task')) as { allow: boolean }).allow = true }, TypeError)
})

t.test('an engine without a policy denies', async t => {
  t.equal(new Engine().decide(ask('john', 'read', 'task')).code, 'no_such_resource')
})

t.test('a malformed query is denied', async t => {
  for (const resource of [{}, { type: 'task' }, { type: null, tenant: 'acme' }, { type: 'task', tenant: ['acme'] }, { type: ['task'], tenant: 'acme' }]) {
    t.equal(engine.decide({ user: { key: 'john' }, action: 'read', resource } as unknown as EngineQuery).allow, false, JSON.stringify(resource))
  }
  t.equal(engine.decide({ user: {}, action: 'read', resource: { type: 'task', tenant: 'acme' } } as unknown as EngineQuery).allow, false)
})
