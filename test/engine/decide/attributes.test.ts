// Where the attributes of a condition come from, and which of them wins.

import t from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import { type EngineQuery } from '../../../src/engine/engine-query.js'
import type { Policy } from '../../../src/engine/policy/policy.js'

/** Whether the query meets the condition: asked through a policy whose one rule lets in whoever meets it. */
function meets (conditions: Record<string, unknown>, query: Partial<Omit<EngineQuery, 'resource'>> & { resource?: Partial<EngineQuery['resource']> } = {}): boolean {
  const policy: Policy = {
    resources: { doc: { actions: { read: {} } } },
    roles: { staff: {}, guest: {} },
    user_sets: { them: { conditions } },
    set_rules: [{ user_set: 'them', permission: 'doc:read', resource_set: 'doc' }],
    tenants: { acme: { attributes: { plan: 'pro' } }, globex: { attributes: { plan: 'free' } } },
    users: { john: { email: 'john@acme.com', attributes: { level: 1, address: { city: 'NY', zip: 1, geo: { lat: 1, lon: 2 } } } } },
    role_assignments: [{ user: 'john', role: 'staff', tenant: 'acme' }, { user: 'john', role: 'guest', tenant: 'default' }],
    resource_instances: [{ resource: 'doc', key: '1', tenant: 'acme', attributes: { secret: true, owner: 'john' } }]
  }
  return new Engine(policy).decide({ action: 'read', ...query, user: { key: 'john', ...query.user }, resource: { type: 'doc', tenant: 'acme', ...query.resource } }).allow
}

t.test('generated attributes are the key, the roles in the tenant, the tenants and the type', async t => {
  t.equal(meets({ 'user.key': { equals: 'john' } }), true)
  t.equal(meets({ 'user.roles': { equals: ['staff'] } }), true)
  t.equal(meets({ 'user.roles': { equals: ['guest'] } }, { resource: { tenant: 'default' } }), true)
  t.equal(meets({ 'user.roles': { equals: [] } }, { resource: { tenant: 'globex' } }), true)
  t.equal(meets({ 'user.tenants': { equals: ['acme', 'default'] } }), true)
  t.equal(meets({ 'resource.type': { equals: 'doc' } }), true)
})

t.test('stored attributes are those of the user and the instance, whatever the tenant of the query', async t => {
  t.equal(meets({ 'user.level': { equals: 1 } }), true)
  t.equal(meets({ 'user.email': { equals: 'john@acme.com' } }), true)
  t.equal(meets({ 'resource.secret': { equals: true } }, { resource: { key: '1' } }), true)
  t.equal(meets({ 'resource.secret': { equals: true } }), false)
  t.equal(meets({ not: { 'resource.secret': { equals: true } } }, { resource: { key: '1', tenant: 'default' } }), false, 'asking in another tenant does not hide what is secret')
  t.equal(meets({ 'resource.owner': { equals: { ref: 'user.key' } } }, { resource: { key: '1' } }), true)
})

t.test('the attributes of a tenant apply only to its members', async t => {
  t.equal(meets({ 'tenant.plan': { equals: 'pro' } }), true)
  t.equal(meets({ 'tenant.plan': { equals: 'free' } }, { resource: { tenant: 'globex' } }), false)
})

t.test('attributes in the query take precedence over stored ones, and these over generated ones', async t => {
  t.equal(meets({ 'user.level': { equals: 2 } }, { user: { key: 'john', attributes: { level: 2 } } }), true)
  t.equal(meets({ 'user.email': { equals: 'x@y.z' } }, { user: { key: 'john', email: 'x@y.z' } }), true)
  t.equal(meets({ 'resource.secret': { equals: false } }, { resource: { key: '1', attributes: { secret: false } } }), true)
  t.equal(meets({ 'resource.type': { equals: 'x' } }, { resource: { attributes: { type: 'x' } } }), true)
  t.equal(meets({ 'context.ip': { equals: '::1' } }, { context: { ip: '::1' } }), true)
})

t.test('objects under the same name are merged, other values are replaced', async t => {
  const user = { key: 'john', attributes: { address: { zip: 2, geo: { lon: 3 } } } }
  t.equal(meets({ 'user.address.city': { equals: 'NY' } }, { user }), true)
  t.equal(meets({ 'user.address.zip': { equals: 2 } }, { user }), true)
  t.equal(meets({ 'user.address.geo.lat': { equals: 1 } }, { user }), true)
  t.equal(meets({ 'user.address': { equals: { city: 'NY', zip: 2, geo: { lat: 1, lon: 3 } } } }, { user }), true)
  t.equal(meets({ 'user.address.city': { equals: 'NY' } }, { user: { key: 'john', attributes: { address: 'gone' } } }), false)
})

t.test('roles in a query do not make the user a member of a role\'s user set', async t => {
  const engine = new Engine({
    resources: { doc: { actions: { read: {} } } },
    roles: { admin: {} },
    // Permit's own names for the sets that stand for a role and a type.
    set_rules: [{ user_set: '__autogen_admin', permission: 'doc:read', resource_set: '__autogen_doc' }],
    users: { john: {} }
  })
  const query = { user: { key: 'john', attributes: { roles: ['admin'] } }, action: 'read', resource: { type: 'doc', tenant: 'default' } }
  t.equal(engine.decide(query).allow, false)
  engine.facts.assignRole({ user: 'john', role: 'admin' })
  t.equal(engine.decide(query).allow, true)
})
