// Properties that must hold for every policy, checked on random ones against the plain reference.

import t from 'tap'
import fc from 'fast-check'
import { Engine } from '../../src/engine/engine.js'
import type { Facts } from '../../src/engine/facts/facts.js'
import { Reference } from './reference.js'
import { ALL_QUERIES, assignment, instance, looseTuple, policy, query, toTuple, USERS } from './arbitraries.js'
import type { Policy } from '../../src/engine/policy/policy.js'
import { assertCounted } from '../support/counted.js'

const runs = Number(process.env['PROPERTY_RUNS'] ?? 300)

t.test('the engine decides like the reference', async t => {
  let allowed = 0
  let decided = 0
  const by = { rbac: 0, abac: 0, rebac: 0 }
  await assertCounted(fc.property(policy, fc.array(query, { minLength: 10, maxLength: 20 }), (policy, queries) => {
    const engine = new Engine(policy)
    const reference = new Reference(policy)
    for (const query of queries) {
      const verdict = engine.decide(query)
      const expected = reference.allow(query)
      if (verdict.allow !== expected) throw new Error(`${JSON.stringify(query)}: engine ${verdict.code}, reference ${expected}`)
      if (verdict.allow !== (verdict.code === 'allow')) throw new Error(`code ${verdict.code} with allow ${verdict.allow}`)
      const explained = engine.explain(query)
      if (explained.allow !== expected || explained.code !== verdict.code || explained.reason === '') throw new Error(`${JSON.stringify(query)}: decided ${verdict.code}, explained ${explained.code}`)
      for (const model of ['rbac', 'abac', 'rebac'] as const) {
        const part = explained.debug[model]
        const isUnknown = ['no_such_resource', 'no_such_action'].includes(verdict.code)
        if (part !== undefined && part.allow !== (isUnknown ? false : reference[model](query))) throw new Error(`${model} of ${JSON.stringify(query)}`)
        if (part?.allow === true) by[model]++
      }
      decided++
      if (expected) allowed++
    }
  }), { numRuns: runs }, () => {
    t.comment(`${decided} decisions, ${allowed} yes: ${JSON.stringify(by)}`)
    t.ok(allowed > decided / 50, 'enough of the answers are yes for the test to mean something')
    for (const model of ['rbac', 'abac', 'rebac'] as const) t.ok(by[model] > 0, `${model} said yes`)
  })
})

t.test('facts changed at random decide like facts loaded at once', async () => {
  const step = fc.oneof(
    assignment.map(fact => ({ do: 'assign' as const, fact })), assignment.map(fact => ({ do: 'unassign' as const, fact })),
    looseTuple.map(fact => ({ do: 'link' as const, fact })), looseTuple.map(fact => ({ do: 'unlink' as const, fact })),
    instance.map(fact => ({ do: 'setInstance' as const, fact })), instance.map(fact => ({ do: 'deleteInstance' as const, fact })),
    fc.constantFrom(...USERS).map(fact => ({ do: 'setUser' as const, fact })), fc.constantFrom(...USERS).map(fact => ({ do: 'deleteUser' as const, fact })),
    fc.constant({ do: 'setTenant' as const }), fc.constant({ do: 'deleteTenant' as const })
  )
  fc.assert(fc.property(policy, fc.array(step, { maxLength: 30 }), (policy, steps) => {
    const engine = new Engine(policy)
    for (const change of steps) {
      try {
        apply(engine.facts, change, policy)
      } catch (error) {
        // Refused, as it must be when user or tenant is not there.
        if (!(error instanceof Error) || error.name !== 'FactsError') throw error
      }
    }
    const fresh = new Engine(written(policy, engine.facts))
    const reference = new Reference(written(policy, engine.facts))
    for (const query of ALL_QUERIES) {
      const { allow, code } = engine.decide(query)
      const expected = fresh.decide(query)
      if (allow !== expected.allow || code !== expected.code || allow !== reference.allow(query)) throw new Error(`${JSON.stringify(query)}: ${code} after changes, ${expected.code} afresh`)
    }
    if (JSON.stringify(listed(engine.facts)) !== JSON.stringify(listed(fresh.facts))) throw new Error('the lists differ')
  }), { numRuns: Math.ceil(runs / 2) })
})

t.test('the list questions agree with decisions', async () => {
  fc.assert(fc.property(policy, policy => {
    const engine = new Engine(policy)
    const yes = ALL_QUERIES.filter(query => engine.decide(query).allow)
    const yesKeys = new Set(yes.map(query => JSON.stringify(query)))
    for (const query of ALL_QUERIES) {
      const { users } = engine.authorizedUsers({ ...query, context: { ...query.context, enable_abac_authorized_users: true } })
      const isSynced = engine.facts.getUser(query.user.key) !== undefined
      if (Object.hasOwn(users, query.user.key) !== (isSynced && yesKeys.has(JSON.stringify(query)))) throw new Error(`authorizedUsers of ${JSON.stringify(query)}`)
      const tenants = engine.allTenants(query).map(({ tenant }) => tenant.key)
      const { tenant } = query.resource
      const isAsked = isSynced ? engine.userTenants(query.user).some(({ key }) => key === tenant) : engine.facts.getTenant(tenant) !== undefined
      if (tenants.includes(tenant) !== (isAsked && yesKeys.has(JSON.stringify(query)))) throw new Error(`allTenants of ${JSON.stringify(query)}`)
    }
    for (const user of USERS) {
      const byRoles = engine.userPermissions(user)
      const types = [...new Set(ALL_QUERIES.map(({ resource }) => resource.type))]
      const byConditions = engine.userPermissions(user, { resource_types: types, context: { enable_abac_user_permissions: true } })
      for (const query of ALL_QUERIES.filter(query => query.user.key === user)) {
        const { type, key, tenant } = query.resource
        const lists = (shown: typeof byRoles, id: string) => Object.hasOwn(shown, id) && shown[id]!.tenant?.key === tenant && shown[id]!.permissions.includes(`${type}:${query.action}`)
        const id = key === undefined ? `__tenant:${tenant}` : `${type}:${key}`
        const { rbac, abac, rebac } = engine.explain(query).debug
        const wrong = (what: string) => new Error(`${what} of ${JSON.stringify(query)}`)
        if (lists(byRoles, id) !== ((key === undefined ? rbac : rebac)?.allow === true)) throw wrong('userPermissions by roles')
        // What a condition says of a tenant without the user in it, and of an instance that does not exist, is nowhere to be listed.
        const isListed = key === undefined ? engine.userTenants(user).some(({ key }) => key === tenant) : engine.facts.getResourceInstance(id)?.tenant === tenant
        if (isListed && (abac?.allow === true || rebac?.allow === true) && !lists(byConditions, id)) throw wrong('userPermissions by conditions')
        if (lists(byConditions, id) && !yesKeys.has(JSON.stringify(query))) throw wrong('more in userPermissions by conditions')
      }
    }
  }), { numRuns: Math.ceil(runs / 6) })
})

t.test('loading one policy after another decides like loading only the last one', async () => {
  fc.assert(fc.property(fc.array(policy, { minLength: 2, maxLength: 3 }), policies => {
    const engine = new Engine()
    for (const policy of policies) engine.load(policy)
    const fresh = new Engine(policies.at(-1))
    for (const query of ALL_QUERIES) {
      if (engine.decide(query).code !== fresh.decide(query).code) throw new Error(JSON.stringify(query))
    }
    if (JSON.stringify(listed(engine.facts)) !== JSON.stringify(listed(fresh.facts))) throw new Error('the lists differ')
  }), { numRuns: Math.ceil(runs / 4) })
})

type Change = { do: 'assign' | 'unassign', fact: Parameters<Facts['assignRole']>[0] } |
  { do: 'link' | 'unlink', fact: Parameters<typeof toTuple>[1] } |
  { do: 'setInstance' | 'deleteInstance', fact: { resource: string, key: string, tenant: string } } |
  { do: 'setUser' | 'deleteUser', fact: string } | { do: 'setTenant' | 'deleteTenant' }

function apply (facts: Facts, change: Change, policy: Policy): void {
  switch (change.do) {
    case 'assign': facts.assignRole(change.fact); break
    case 'unassign': facts.unassignRole(change.fact); break
    case 'link': facts.addRelationshipTuple(toTuple(policy.resources ?? {}, change.fact)); break
    case 'unlink': facts.deleteRelationshipTuple(toTuple(policy.resources ?? {}, change.fact)); break
    case 'setInstance': facts.upsertResourceInstance(change.fact); break
    case 'deleteInstance': facts.deleteResourceInstance(`${change.fact.resource}:${change.fact.key}`); break
    case 'setUser': facts.upsertUser({ key: change.fact, attributes: { age: 1 } }); break
    case 'deleteUser': facts.deleteUser(change.fact); break
    case 'setTenant': facts.upsertTenant({ key: 't1', attributes: { age: 2 } }); break
    case 'deleteTenant': facts.deleteTenant('t1'); break
  }
}

/** The policy with the facts that there are now, as a document. */
function written (policy: Policy, facts: Facts): Policy {
  const keyed = <T extends { key: string }>(items: Iterable<T>) => Object.fromEntries(Array.from(items, ({ key, ...rest }) => [key, rest]))
  return {
    ...policy,
    users: keyed(facts.users()),
    tenants: keyed(facts.tenants()),
    role_assignments: [...facts.roleAssignments()],
    resource_instances: [...facts.resourceInstances()],
    relationship_tuples: [...facts.relationshipTuples()]
  } as Policy
}

function listed (facts: Facts): string[] {
  return [
    ...facts.users(), ...facts.tenants(), ...facts.roleAssignments(), ...facts.resourceInstances(), ...facts.relationshipTuples()
  ].map(fact => JSON.stringify(Object.entries(fact).sort())).sort()
}
