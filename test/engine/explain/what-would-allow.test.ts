// What would make it a yes: each answer is applied to the facts, allows the question there, and has nothing in it that is not needed.
import fc from 'fast-check'
import t from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import type { EngineQuery } from '../../../src/engine/engine-query.js'
import { stepsOfWhatWouldAllow, wordsOf, type Change } from '../../../src/engine/explain/what-would-allow.js'
import type { Policy } from '../../../src/engine/policy/policy.js'
import { runSync } from '../../../src/kit/time-slices.js'
import { policy as anyPolicy, query as anyQuery } from '../arbitraries.js'

const POLICY: Policy = {
  resources: {
    folder: { actions: { read: {} }, roles: { owner: { permissions: ['read'] } } },
    doc: {
      actions: { read: {}, write: {}, drop: {} },
      relations: { parent: 'folder' },
      roles: { editor: { permissions: ['write'], granted_to: { users_with_role: [{ role: 'owner', on_resource: 'folder', linked_by_relation: 'parent' }] } } }
    }
  },
  roles: { reader: { permissions: ['doc:read'] }, guest: {} },
  user_sets: {
    staff: { conditions: { allOf: [{ 'user.department': { equals: 'sales' } }, { 'user.level': { 'greater-than': 2 } }, { not: [{ 'user.suspended': { equals: true } }] }] } },
    own: { conditions: { 'user.team': { equals: { ref: 'resource.team' } } } }
  },
  resource_sets: { open: { resource: 'doc', conditions: { anyOf: [{ 'resource.labels': { array_contains: 'open' } }, { 'context.hour': { between: [9, 17] } }] } } },
  set_rules: [{ user_set: 'staff', permission: 'doc:drop', resource_set: 'open' }, { user_set: 'own', permission: 'doc:drop', resource_set: 'doc' }],
  users: { ann: { attributes: { department: 'sales', level: 1, suspended: true, team: 'secret-1' } }, bob: {} },
  role_assignments: [{ user: 'bob', role: 'guest' }],
  resource_instances: [{ resource: 'doc', key: '1', attributes: { team: 'secret-2', labels: ['x'] } }],
  relationship_tuples: [{ subject: 'folder:f', relation: 'parent', object: 'doc:1' }]
}

function ask (policy: Policy, query: EngineQuery, unknown: 'permit' | 'deny' = 'permit') {
  const engine = new Engine(policy, { unknown })
  return runSync(stepsOfWhatWouldAllow({ policy, facts: engine.facts, unknown }, query))
}

function words (query: EngineQuery): string[] {
  return (ask(POLICY, query) ?? []).map(remedy => remedy.map(change => wordsOf(change, query)).join(' and '))
}

const about = (user: string, action: string, key?: string, tenant = 'default'): EngineQuery => ({ user: { key: user }, action, resource: { type: 'doc', tenant, ...(key === undefined ? {} : { key }) } })

t.test('a role, an assignment on an instance or on what it is derived from, a permission and an attribute are found, the fewest first', t => {
  t.same(words(about('bob', 'read')), ["assign role 'reader' to 'bob' in tenant 'default'", "give role 'guest' the permission 'doc:read'"])
  t.same(words(about('bob', 'write', '1')), ["assign role 'editor' to 'bob' on 'doc:1'", "assign role 'owner' to 'bob' on 'folder:f'", "give role 'guest' the permission 'doc:write'"])
  t.same(words(about('ann', 'drop', '1')), [
    'set user.team to what resource.team is',
    'set user.level to 3 and set user.suspended to false and add "open" to resource.labels',
    'set user.level to 3 and set user.suspended to false and set context.hour to 9'
  ])
  t.same(words(about('eve', 'read', undefined, 'acme')), ["create tenant 'acme' and create user 'eve' and assign role 'reader' to 'eve' in tenant 'acme'"])
  t.same(words(about('bob', 'write', 'new')), ["assign role 'editor' to 'bob' on 'doc:new'", "give role 'guest' the permission 'doc:write'"], 'an assignment makes the instance')
  t.notMatch(JSON.stringify(words(about('ann', 'drop', '1'))), /secret/, 'no value of an attribute')
  t.end()
})

t.test('nothing is said of a yes, and of a type or an action that the policy does not have', t => {
  const engine = new Engine(POLICY)
  engine.facts.assignRole({ user: 'bob', role: 'reader' })
  t.same(runSync(stepsOfWhatWouldAllow({ policy: POLICY, facts: engine.facts }, about('bob', 'read'))), [])
  t.same(ask(POLICY, about('bob', 'fly')), [])
  t.same(ask(POLICY, { ...about('bob', 'read'), resource: { type: 'plane', tenant: 'default' } }), [])
  t.end()
})

t.test('a question that depends on very many facts is not answered', t => {
  const engine = new Engine(POLICY)
  for (let i = 0; i < 2_100; i++) engine.facts.addRelationshipTuple({ subject: `folder:${i}`, relation: 'parent', object: 'doc:1' })
  t.equal(runSync(stepsOfWhatWouldAllow({ policy: POLICY, facts: engine.facts }, about('bob', 'write', '1'))), undefined)
  t.end()
})

/** Makes the changes for real, by what they say, in an engine with all facts. */
function decideWith (policy: Policy, changes: readonly Change[], query: EngineQuery, unknown: 'permit' | 'deny'): boolean {
  const given = structuredClone(policy) as { roles?: Record<string, { permissions?: string[] }>, resources?: Record<string, { roles?: Record<string, { permissions?: string[] }> }> }
  const { type, key = '', tenant } = query.resource
  for (const change of changes) {
    if (change.kind !== 'grant') continue
    const roles = change.type === undefined ? given.roles : given.resources?.[change.type]?.roles
    const role = (roles as Record<string, { permissions?: string[] } | null>)[change.role] ?? {}
    Object.defineProperty(roles, change.role, { value: { ...role, permissions: [...role.permissions ?? [], `${type}:${query.action}`] }, enumerable: true, configurable: true, writable: true })
  }
  const engine = new Engine(given as Policy, { unknown })
  for (const change of changes) {
    if (change.kind === 'create_user') engine.facts.upsertUser({ key: query.user.key })
    if (change.kind === 'create_tenant') engine.facts.upsertTenant({ key: tenant })
    if (change.kind === 'create_instance') engine.facts.upsertResourceInstance({ resource: type, key, tenant })
    if (change.kind === 'assign') engine.facts.assignRole({ user: query.user.key, role: change.role, tenant, resource_instance: change.on })
  }
  return engine.decide(query).allow
}

t.test('in any policy with any facts, what is said allows the question when it is done, and without any part of it the answer stays no', t => {
  let said = 0
  const property = (policy: Policy, query: EngineQuery, unknown: 'permit' | 'deny') => {
    const remedies = ask(policy, query, unknown)
    const allowed = new Engine(policy, { unknown }).decide(query).allow
    if (allowed && remedies?.length !== 0) throw new Error('something is said of a yes')
    for (const remedy of remedies ?? []) {
      // The test of attributes is above: where one is stored depends on the query.
      if (remedy.some(({ kind }) => kind === 'attribute')) continue
      said++
      if (!decideWith(policy, remedy, query, unknown)) throw new Error(`not enough: ${JSON.stringify(remedy)}`)
      for (const left of remedy) {
        const others = remedy.filter(change => change !== left)
        let still = false
        try { still = decideWith(policy, others, query, unknown) } catch { /* It cannot be done alone. */ }
        if (still) throw new Error(`needless: ${JSON.stringify(left)} of ${JSON.stringify(remedy)}`)
      }
    }
  }
  fc.assert(fc.property(anyPolicy, anyQuery, fc.constantFrom('permit', 'deny'), property), {
    numRuns: 60, examples: [[POLICY, about('bob', 'read'), 'permit'], [POLICY, about('eve', 'write', 'new', 'acme'), 'deny']]
  })
  t.ok(said > 2, `${said} answers, of which the examples have three at least`)
  t.end()
})
