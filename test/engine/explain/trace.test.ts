// A trace says what was decided, part by part; possible permissions say what could be decided, whatever is asked.

import t from 'tap'
import fc from 'fast-check'
import { Engine } from '../../../src/engine/engine.js'
import { type EngineQuery } from '../../../src/engine/engine-query.js'
import type { ConditionTrace, RoleTrace } from '../../../src/engine/explain/trace.js'
import type { Policy } from '../../../src/engine/policy/policy.js'
import { ALL_QUERIES, policy, query, TENANTS, USERS } from '../arbitraries.js'
import { assertCounted } from '../../support/counted.js'

const runs = Number(process.env['PROPERTY_RUNS'] ?? 200)

/** Whether a condition is met, from its smallest parts upwards. */
function fold (trace: ConditionTrace): boolean {
  if (!('conditions' in trace)) return trace.matched
  const parts = trace.conditions.map(fold)
  if (trace.operator === 'allOf') return parts.every(Boolean)
  return trace.operator === 'anyOf' ? parts.some(Boolean) : !parts.some(Boolean)
}

t.test('every part of a trace agrees with the decision', async t => {
  const seen = { rbac: 0, abac: 0, rebac: 0, conditions: 0 }
  await assertCounted(fc.property(policy, fc.array(query, { minLength: 10, maxLength: 20 }), (policy, queries) => {
    const engine = new Engine(policy)
    for (const query of queries) {
      const verdict = engine.decide(query)
      const { debug } = engine.explain(query)
      const { models, ...said } = engine.trace(query)
      const wrong = (what: string) => new Error(`${what} of ${JSON.stringify(query)}`)
      if (said.allow !== verdict.allow || said.code !== verdict.code) throw wrong('the verdict')
      if ((models === undefined) !== ['no_such_resource', 'no_such_action'].includes(verdict.code)) throw wrong('whether models were asked')
      if (models === undefined) continue
      for (const model of ['rbac', 'abac', 'rebac'] as const) {
        if ((models[model]?.allow ?? false) !== (debug[model]?.allow ?? false)) throw wrong(model)
        if (models[model]?.allow === true) seen[model]++
      }
      const { rbac, abac, rebac } = models
      if (rbac.roles.some(({ role, holds }) => holds !== rbac.holders.includes(role))) throw wrong('the roles')
      if (abac !== undefined && abac.rules.some(({ allow }) => allow) !== abac.allow) throw wrong('the rules')
      for (const set of abac?.rules.flatMap(rule => [rule.user_set, rule.resource_set]) ?? []) {
        if (set.condition === undefined) continue
        seen.conditions++
        if (set.condition.matched !== set.matched || fold(set.condition) !== set.matched) throw wrong(`the set ${set.key}`)
      }
      if (rebac?.instance === 'looked_at' && rebac.roles?.some(({ has, holds }) => has && holds) !== rebac.allow) throw wrong('the resource roles')
    }
  }), { numRuns: runs }, () => {
    t.ok(Object.values(seen).every(count => count > 0), JSON.stringify(seen))
  })
})

t.test('a resource role of the user is there with the path that leads to it', async () => {
  fc.assert(fc.property(policy, policy => {
    const engine = new Engine(policy)
    for (const query of ALL_QUERIES) {
      for (const role of engine.trace(query).models?.rebac?.roles ?? []) {
        if (role.has !== comes(role)) throw new Error(`${role.role} of ${JSON.stringify(query)}`)
      }
    }
  }), { numRuns: Math.ceil(runs / 4) })

  /** Steps that are shown elsewhere are believed; the roots are not. */
  function comes ({ assigned, derivations, has }: RoleTrace): boolean {
    return assigned || (derivations === undefined ? has : derivations.some(({ subjects }) => subjects.some(comes)))
  }
})

t.test('what a user may always do is always allowed, and what a user may never do is never allowed', async t => {
  const seen = { always: 0, depends: 0, never: 0 }
  const instances = { always: 0, depends: 0, never: 0 }
  await assertCounted(fc.property(policy, fc.array(query, { minLength: 20, maxLength: 40 }), (policy, queries) => {
    const engine = new Engine(policy)
    const possiblePermissions = new Map<string, string>()
    for (const user of USERS) {
      for (const tenant of TENANTS) {
        for (const { permission, may, because } of engine.possiblePermissions(user, tenant)) {
          possiblePermissions.set(JSON.stringify([user, tenant, permission]), may)
          seen[may]++
          if ((may === 'never') !== (because.length === 0)) throw new Error('without a reason')
        }
      }
    }
    const onInstances = new Map<string, string>()
    for (const user of USERS) {
      for (const { resource: type, key } of engine.facts.resourceInstances()) {
        for (const { permission, may } of engine.possiblePermissionsOn(user, { type, key })) onInstances.set(JSON.stringify([user, `${type}:${key}`, permission]), may)
      }
    }
    // About users as they are stored, hence without what a query says of them.
    const asked: EngineQuery[] = [...ALL_QUERIES, ...queries.map(query => ({ ...query, user: { key: query.user.key } }))]
    for (const query of asked) {
      // Of those who are not known there is nothing that is stored.
      if (engine.facts.getUser(query.user.key) === undefined || engine.facts.getTenant(query.resource.tenant) === undefined) continue
      const may = possiblePermissions.get(JSON.stringify([query.user.key, query.resource.tenant, `${query.resource.type}:${query.action}`])) ?? 'never'
      const { allow } = engine.decide(query)
      if ((may === 'always' && !allow) || (may === 'never' && allow)) throw new Error(`${may}, but ${allow}: ${JSON.stringify(query)}`)
      const { type, key, tenant, attributes } = query.resource
      if (attributes !== undefined || engine.facts.getResourceInstance(`${type}:${key}`)?.tenant !== tenant) continue
      const on = onInstances.get(JSON.stringify([query.user.key, `${type}:${key}`, `${type}:${query.action}`])) ?? 'never'
      instances[on as keyof typeof instances]++
      if ((on === 'always' && !allow) || (on === 'never' && allow)) throw new Error(`${on} on the instance, but ${allow}: ${JSON.stringify(query)}`)
    }
  }), { numRuns: runs }, () => {
    t.ok([seen, instances].every(counts => Object.values(counts).every(count => count > 0)), JSON.stringify({ seen, instances }))
  })
})

t.test('it names values, references and the paths of roles', async t => {
  const document: Policy = {
    resources: {
      folder: { actions: { open: {} }, roles: { editor: { permissions: ['open'] } }, relations: { parent: 'folder' } },
      document: {
        actions: { read: {}, edit: {} },
        relations: { parent: 'folder' },
        roles: {
          reader: { permissions: ['read'] },
          editor: {
            permissions: ['edit'],
            granted_to: { users_with_role: [{ role: 'editor', on_resource: 'folder', linked_by_relation: 'parent' }], when: { no_direct_roles_on_object: true } }
          }
        }
      }
    },
    user_sets: { peers: { conditions: { allOf: [{ 'user.team': { equals: { ref: 'resource.team' } } }, { not: [{ 'user.level': { 'less-than': 3 } }] }] } } },
    set_rules: [{ user_set: 'peers', permission: 'document:read', resource_set: 'document' }],
    users: { ann: { attributes: { team: 'red', level: 2 } }, ben: {} },
    role_assignments: [
      { user: 'ann', role: 'editor', resource_instance: 'folder:plans' },
      { user: 'ben', role: 'editor', resource_instance: 'folder:plans' },
      { user: 'ben', role: 'reader', resource_instance: 'document:spec' }
    ],
    relationship_tuples: [{ subject: 'folder:plans', relation: 'parent', object: 'document:spec' }]
  }
  const engine = new Engine(document)
  const ask = (user: string, action: string) => engine.trace({ user: { key: user }, action, resource: { type: 'document', key: 'spec', tenant: 'default', attributes: { team: 'blue' } } }).models
  // What the caller does to the document afterwards changes nothing.
  Object.assign(document.user_sets!['peers']!, { conditions: { allOf: [] } })

  t.same(ask('ann', 'read')?.abac?.rules[0]?.user_set, {
    key: 'peers',
    kind: 'condition',
    matched: false,
    condition: {
      matched: false,
      operator: 'allOf',
      conditions: [
        { matched: false, attribute: 'user.team', operator: 'equals', value: 'red', ref: 'resource.team', operand: 'blue' },
        { matched: false, operator: 'not', conditions: [{ matched: true, attribute: 'user.level', operator: 'less-than', value: 2, operand: 3 }] }
      ]
    }
  })
  t.match(ask('ann', 'edit')?.rebac, {
    allow: true,
    roles: [{ role: 'editor', has: true, assigned: false, holds: true, derivations: [{ relation: 'parent', on_resource: 'folder', subjects: [{ role: 'editor', resource_instance: 'folder:plans', assigned: true }] }] }, { role: 'reader', has: false }]
  })
  t.match(ask('ben', 'edit')?.rebac, { allow: false, roles: [{ role: 'reader', has: true, holds: false }, { role: 'editor', has: false, derivations: [{ switched_off: true, subjects: [] }] }] })
})

t.test('a trace with too many steps is cut, and keeps the steps that lead to a role', async t => {
  const count = 2_000
  const engine = new Engine({
    resources: { folder: { actions: { open: {} }, relations: { parent: 'folder' }, roles: { owner: { permissions: ['open'], granted_to: { users_with_role: [{ role: 'owner', on_resource: 'folder', linked_by_relation: 'parent' }] } } } } },
    users: { ann: {} },
    role_assignments: [{ user: 'ann', role: 'owner', resource_instance: `folder:${count}` }],
    relationship_tuples: Array.from({ length: count }, (_, index) => ({ subject: `folder:${index + 1}`, relation: 'parent', object: 'folder:0' }))
  })
  const rebac = engine.trace({ user: { key: 'ann' }, action: 'open', resource: { type: 'folder', key: '0', tenant: 'default' } }).models?.rebac
  t.equal(rebac?.allow, true)
  t.equal(rebac?.roles?.[0]?.derivations?.[0]?.subjects[0]?.resource_instance, `folder:${count}`)
  t.ok((rebac?.omitted ?? 0) > 1_500 && (rebac?.roles?.[0]?.derivations?.[0]?.subjects.length ?? Infinity) <= 200)
})
