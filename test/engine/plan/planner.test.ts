// What plans look like: simplified, exact or refused, and never a way into the facts.
import t from 'tap'
import { Engine, WorkLimitError } from '../../../src/engine/engine.js'
import { NoPlanError, type PlanQuery } from '../../../src/engine/plan/plan-query.js'
import { planNow } from '../../../src/engine/plan/planner.js'
import type { Policy } from '../../../src/engine/policy/policy.js'

/** A policy with one set of docs, which everybody may read. */
function reading (conditions: object, more: Partial<Policy> = {}): Policy {
  return {
    resources: { doc: { actions: { read: {} } } },
    user_sets: { all: { conditions: { allOf: [] } } },
    resource_sets: { set: { resource: 'doc', conditions } },
    set_rules: [{ user_set: 'all', permission: 'doc:read', resource_set: 'set' }],
    users: { ann: { attributes: { teams: ['a', 'b'], groups: [{ id: 1, on: true }, { id: 2, on: true }, { id: 3, on: false }], city: 'Bern' } } },
    role_assignments: [],
    ...more
  } as Policy
}

const plan = (engine: Engine, query: Partial<PlanQuery> = {}) => planNow(engine.planning({ user: { key: 'ann' }, action: 'read', type: 'doc', tenant: 'default', ...query })).plan

/** The condition beside the tenant, in short. */
function short (conditions: object, query: Partial<PlanQuery> = {}): unknown {
  const made = plan(new Engine(reading(conditions)), query)
  if (made.kind !== 'some') return made.kind
  const { operator, value } = made.condition as { operator: string, value: Array<{ field?: string }> }
  t.equal(operator, 'and')
  t.match(value[0], { operator: 'eq', field: 'tenant', value: 'default' })
  return value.length === 2 ? brief(value[1]) : ['and', ...value.slice(1).map(brief)]
}

function brief (condition: any): unknown { // eslint-disable-line @typescript-eslint/no-explicit-any
  if (condition.field === undefined) return [condition.operator, ...condition.value.map(brief)]
  return `${condition.field.replace('attributes.', '')} ${condition.operator} ${condition.operator.endsWith('_match') ? JSON.stringify(brief(condition.value)) : JSON.stringify(condition.value)}`
}

t.test('parts that depend only on the user, the tenant and the context are evaluated', async t => {
  t.equal(short({ 'user.city': { equals: 'Bern' } }), 'all')
  t.equal(short({ 'user.city': { equals: 'Chur' } }), 'none')
  t.equal(short({ allOf: [{ 'context.hour': { 'less-than': 20 } }, { 'resource.a': { equals: 1 } }] }), 'none', 'nothing is known of the hour')
  t.equal(short({ allOf: [{ 'context.hour': { 'less-than': 20 } }, { 'resource.a': { equals: 1 } }] }, { context: { hour: 9 } }), 'a eq 1')
  t.equal(short({ 'resource.team': { in: { ref: 'user.teams' } } }), 'team in ["a","b"]')
  t.equal(short({ 'resource.owner': { equals: { ref: 'user.nothing' } } }), 'none', 'a reference that leads nowhere')
  t.equal(short({ not: [{ 'resource.owner': { equals: { ref: 'user.nothing' } } }] }), 'all')
  t.equal(short({ 'user.nothing': { 'not-equals': { ref: 'resource.owner' } } }), 'none', 'and from the other side')
  t.equal(short({ 'resource.a': { equals: 1 } }, { action: 'unheard' }), 'none')
})

t.test('IP ranges are compared before the database is asked, and never by it', async t => {
  t.equal(short({ 'context.ip': { ip_in: '10.0.0.0/8' } }, { context: { ip: '10.0.0.1' } }), 'all')
  t.equal(short({ 'context.ip': { ip_in: '10.0.0.0/8' } }, { context: { ip: '11.0.0.1' } }), 'none')
  for (const condition of [
    { 'resource.ip': { ip_in: '10.0.0.0/8' } }, { 'user.city': { ip_in: { ref: 'resource.ranges' } } },
    { 'resource.ips': { any_match: { match: { ip: { ip_in: '::/0' } } } } }, { 'resource.ip': { ip_in: { ref: 'resource.ranges' } } }
  ]) t.throws(() => short(condition), { name: 'NoPlanError', message: /'ip_in' compares/ })
})

t.test('a reference to the row on the right side reverses the comparison', async t => {
  t.equal(short({ 'user.city': { equals: { ref: 'resource.city' } } }), 'city eq "Bern"')
  t.equal(short({ 'context.level': { 'greater-than': { ref: 'resource.level' } } }, { context: { level: 3 } }), 'level lt 3')
  t.equal(short({ 'context.level': { between: { ref: 'resource.levels' } } }, { context: { level: 3 } }), 'levels spans 3')
  t.equal(short({ 'user.city': { in: { ref: 'resource.cities' } } }), 'cities array_contains "Bern"')
  t.equal(short({ 'user.teams': { array_contains: { ref: 'resource.team' } } }), 'team in ["a","b"]')
  t.equal(short({ 'user.teams': { array_subset: { ref: 'resource.teams' } } }), 'teams array_superset ["a","b"]')
  t.equal(short({ 'user.city': { contains: { ref: 'resource.part' } } }), 'part contained "Bern"')
  t.equal(short({ 'resource.a': { 'less-than': { ref: 'resource.b' } } }), 'a lt_field "attributes.b"')
  t.equal(short({ 'user.groups': { any_match: { match: { on: { equals: true }, id: { equals: { ref: 'resource.group' } } } } } }), 'group in [1,2]', "the user's own list is gone through")
})

t.test('conditions are simplified: no branch that cannot hold, no duplicates', async t => {
  const is = (value: unknown) => ({ 'resource.a': { equals: value } })
  t.equal(short({ anyOf: [is(1), is(2), is(1)] }), 'a in [1,2]')
  t.equal(short({ allOf: [is(1), is(1)] }), 'a eq 1')
  t.equal(short({ allOf: [is(1), is(2)] }), 'none')
  t.equal(short({ allOf: [{ 'resource.a': { in: [1, 2, 3] } }, { 'resource.a': { 'greater-than': 1 } }, { 'resource.a': { 'not-equals': 3 } }] }), 'a eq 2')
  t.equal(short({ anyOf: [is(1), { allOf: [is(1), { 'resource.b': { equals: 1 } }] }] }), 'a eq 1')
  t.equal(short({ not: [{ not: [is(1)] }] }), 'a eq 1')
  t.equal(short({ not: [is(1)] }), 'a ne 1')
  t.equal(short({ 'resource.a': { between: [3, 1] } }), 'none')
  t.equal(short({ 'resource.a': { in: [] } }), 'none')
  t.equal(short({ anyOf: [is(1), { allOf: [] }] }), 'all')
  t.equal(short({ 'resource.a': { any_match: { match: { b: { anyOf: [] } } } } }), 'none')
  t.equal(short({ 'resource.a': { all_match: { match: { b: { anyOf: [] } } } } }), 'a all_match ["or"]', 'an empty list meets anything')
  t.equal(short({ 'resource.a': { in: [{ b: 1 }, '{"b":1}', 1, '1'] } }), 'a in [{"b":1},"{\\"b\\":1}",1,"1"]', 'what looks alike is not the same')
  t.same(short({ allOf: [{ 'resource.a': { equals: [{ b: 1 }] } }, { 'resource.a': { any_match: { match: { b: { equals: { ref: 'resource.c' } } } } } }] }), [
    'and', 'a any_match "item.b eq_field \\"attributes.c\\""', 'a eq [{"b":1}]'
  ], 'what another field decides stays')
  t.same(short({ 'resource.a': { any_match: { match: { b: { not: [{ equals: 1 }] } } } } }), 'a any_match ["not","item.b eq 1"]', 'a member may be missing: not is not the same as ne')
})

t.test('a condition on a whole object is refused where an instance has an object stored, and only there', async t => {
  const whole = { 'resource.address': { equals: { city: 'Bern', zip: '3000' } } }
  const engine = new Engine(reading(whole, { resource_instances: [{ resource: 'doc', key: '1', attributes: { address: { zip: '3000' } } }] }))
  t.throws(() => plan(engine), NoPlanError)
  t.throws(() => plan(engine), { message: /set 'set'.*'resource\.address'.*do not store 'address'/ })
  // The check unites what the row gives with what is stored: that is why.
  t.equal(engine.decide({ user: { key: 'ann' }, action: 'read', resource: { type: 'doc', key: '1', tenant: 'default', attributes: { address: { city: 'Bern' } } } }).allow, true)
  engine.facts.upsertResourceInstance({ resource: 'doc', key: '1', attributes: { address: 'Bern' } })
  t.equal(plan(engine).kind, 'some', 'a text does not unite')
  engine.facts.upsertResourceInstance({ resource: 'doc', key: '2', attributes: { address: {} } })
  t.throws(() => plan(engine), NoPlanError)
  engine.facts.deleteResourceInstance('doc:2')
  t.equal(plan(engine).kind, 'some')
  const stored = { resource_instances: [{ resource: 'doc', key: '1', attributes: { address: { city: 'Chur' } } }] }
  for (const condition of [{ in: [{ city: 'Bern' }] }, { 'not-equals': { city: 'Bern' } }, { object_match: { match: { city: { equals: 'Bern' } } } }, { equals: { ref: 'resource.other' } }]) {
    t.throws(() => plan(new Engine(reading({ 'resource.address': condition }, stored))), NoPlanError, JSON.stringify(condition))
  }
  for (const condition of [{ equals: 'Bern' }, { in: ['Bern'] }, { any_match: { match: { city: { equals: 'Bern' } } } }, { array_contains: { city: 'Bern' } }]) {
    t.equal(plan(new Engine(reading({ 'resource.address': condition }, stored))).kind, 'some', JSON.stringify(condition))
  }
  t.equal(plan(new Engine(reading({ 'resource.address.city': { equals: 'Bern' } }, stored))).kind, 'some', 'a member is a column of its own, which the row gives')
})

t.test("the resource's type is the row's attribute where it has one", async t => {
  t.equal(short({ 'resource.type': { equals: 'doc' } }), 'type eq "doc"')
  const engine = new Engine(reading({ 'resource.type': { equals: 'doc' } }, { resource_instances: [{ resource: 'doc', key: '1', attributes: { type: 'letter' } }] }))
  t.match(plan(engine), { condition: { value: [{}, { field: 'attributes.type' }] } }, 'and has to have, when an instance has another one stored')
})

t.test('a relation to rows of the same table is followed through the rows, however far', async t => {
  const engine = new Engine({
    resources: {
      folder: {
        actions: { read: {} },
        relations: { parent: 'folder' },
        roles: { viewer: { permissions: ['read'], granted_to: { users_with_role: [{ role: 'viewer', on_resource: 'folder', linked_by_relation: 'parent' }] } } }
      }
    },
    users: { ann: {} },
    role_assignments: [{ user: 'ann', role: 'viewer', resource_instance: 'folder:a' }],
    relationship_tuples: [['a', 'b'], ['b', 'c'], ['x', 'y']].map(([subject, object]) => ({ subject: `folder:${subject}`, relation: 'parent', object: `folder:${object}` }))
  } as Policy)
  t.same(brief((plan(engine, { type: 'folder', relations: ['parent'] }) as { condition: unknown }).condition), [
    'and', 'tenant eq "default"', ['or', 'key eq "a"', 'relations.parent in ["a","b","c"]']
  ])
  t.same(brief((plan(engine, { type: 'folder' }) as { condition: unknown }).condition), ['and', 'tenant eq "default"', 'key in ["a","b","c"]'])
})

t.test('users who were never synced, and tenants that do not exist, are treated as in decisions', async t => {
  const policy = reading({ 'resource.a': { equals: 1 } })
  for (const query of [{ user: { key: 'nobody' } }, { tenant: 'nowhere' }]) {
    t.equal(plan(new Engine(policy), query).kind, 'some')
    t.equal(plan(new Engine(policy, { unknown: 'deny' }), query).kind, 'none')
  }
})

t.test('a plan shares nothing with the facts', async t => {
  const engine = new Engine(reading({ 'resource.team': { array_subset: { ref: 'user.teams' } } }))
  const before = JSON.stringify(plan(engine))
  const { condition } = plan(engine) as unknown as { condition: { value: Array<{ value: unknown[] }> } }
  condition.value[1]!.value.push('c')
  t.equal(JSON.stringify(plan(engine)), before)
  t.same(engine.facts.getUser('ann')?.attributes?.['teams'], ['a', 'b'])
})

t.test('a plan has the same budget of work as a decision', async t => {
  const engine = new Engine(reading({ anyOf: Array.from({ length: 40 }, (_, index) => ({ [`resource.a${index}`]: { in: { ref: 'context.list' } } })) }))
  const context = { list: Array.from({ length: 60_000 }, (_, index) => `x${index}`) }
  t.throws(() => plan(engine, { context }), WorkLimitError)
  t.equal(plan(engine, { context: { list: ['x'] } }).kind, 'some')
})
