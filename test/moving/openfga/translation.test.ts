// A policy as an authorization model and tuples of OpenFGA: the same answers, names that cannot collide, and refusals by name.
import fc from 'fast-check'
import t from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import { compilePolicy } from '../../../src/engine/policy/compile-policy.js'
import { modelOf } from '../../../src/moving/moved-policy.js'
import { fgaModel } from '../../../src/moving/openfga/fga-model.js'
import { fgaTuples, tupleKey } from '../../../src/moving/openfga/fga-tuples.js'
import { planFga } from '../../../src/moving/openfga/fga-plan.js'
import { resourceObject, typeObject, userObject } from '../../../src/moving/openfga/fga-names.js'
import type { Policy } from '../../../src/index.js'
import { referenceFor } from './reference.js'
import { worldOf, worlds } from './worlds.js'

/** A world with derivations, exclusions, cycles, and rules of roles. */
const FIXED = 39

function translate (policy: Policy) {
  const compiled = compilePolicy(policy)
  const { model, inTenants, refused } = fgaModel(compiled.schema)
  const facts = fgaTuples(modelOf(policy, compiled.facts).facts!, inTenants)
  return { model, tuples: facts.tuples, refused: [...refused, ...facts.refused] }
}

/** Compares all answers of a world. Returns how many there are, and how many of them are yes. */
function compareAll (seed: number): { readonly count: number, readonly allowed: number } {
  const { policy, questions } = worldOf(seed)
  const { model, tuples, refused } = translate(policy)
  if (refused.length > 0) throw new Error(`refused: ${JSON.stringify(refused)}`)
  const reference = referenceFor(model, [...tuples.values()])
  const mistakes = reference.mistakes()
  if (mistakes.length > 0) throw new Error(mistakes.join('\n'))
  const engine = new Engine(policy)
  let allowed = 0
  for (const question of questions) {
    const { user, action, type, key, tenant } = question
    const { allow } = engine.decide({ user: { key: user }, action, resource: { type, ...(key === undefined ? {} : { key }), tenant } })
    const asked = [typeObject(type, tenant), ...(key === undefined ? [] : [resourceObject(type, tenant, key)])]
    // As the plugin asks with `inheritFromType`.
    const answer = asked.some(object => reference.check(userObject(user)!, action, object!))
    if (answer !== allow) throw new Error(`world ${seed}: ${JSON.stringify(question)} is ${answer}, and the embedded PDP says ${allow}`)
    if (allow) allowed++
  }
  return { count: questions.length, allowed }
}

t.test('random policies of roles and relations have the same answers after their translation', async t => {
  const fixed = compareAll(FIXED)
  t.ok(fixed.allowed > 100 && fixed.count - fixed.allowed > 100, JSON.stringify(fixed))
  const run = fc.check(fc.property(worlds, seed => { compareAll(seed) }), { numRuns: Number(process.env['RUNS'] ?? 40), endOnFailure: true })
  t.notOk(run.failed, fc.defaultReportMessage(run) ?? '')
})

const POLICY: Policy = {
  resources: {
    folder: { actions: { open: {} }, roles: { editor: { permissions: ['open'] } } },
    document: {
      actions: { read: {}, edit: {}, purge: {} },
      relations: { parent: 'folder' },
      roles: {
        owner: { permissions: ['read', 'edit'] },
        editor: {
          permissions: ['edit'],
          granted_to: {
            users_with_role: [{ role: 'editor', on_resource: 'folder', linked_by_relation: 'parent', when: { no_direct_roles_on_object: true } }]
          }
        }
      }
    }
  },
  roles: { viewer: { permissions: ['document:read'] }, admin: { extends: ['viewer'], permissions: ['document:edit'] } },
  tenants: { acme: {} },
  users: { 'ann@example.com': {}, ben: {} },
  role_assignments: [
    { user: 'ann@example.com', role: 'admin', tenant: 'acme' },
    { user: 'ben', role: 'editor', resource_instance: 'folder:plans' }
  ],
  resource_instances: [{ resource: 'folder', key: 'plans', tenant: 'acme' }, { resource: 'document', key: 'a:b', tenant: 'acme' }],
  relationship_tuples: [{ subject: 'folder:plans', relation: 'parent', object: 'document:a:b' }]
}

t.test('the model and the tuples of a policy, as docs/moving.md shows them', async t => {
  const { model, tuples } = translate(POLICY)
  const relations = Object.fromEntries(model.type_definitions.map(({ type, relations }) => [type, relations]))
  t.same(Object.keys(relations), ['user', 'tenant', 'folder', 'document'])
  t.same(relations['tenant']?.['document.read'], {
    union: { child: [{ computedUserset: { relation: 'member/admin' } }, { computedUserset: { relation: 'member/viewer' } }] }
  })
  t.same(relations['document']?.['role/editor'], {
    union: {
      child: [
        { computedUserset: { relation: 'assigned/editor' } },
        {
          difference: {
            base: { tupleToUserset: { tupleset: { relation: 'relation/parent' }, computedUserset: { relation: 'role/editor' } } },
            subtract: { computedUserset: { relation: 'assigned/*' } }
          }
        }
      ]
    }
  })
  t.same(relations['document']?.['purge'], { this: {} }, 'nobody may do it, and no tuple says otherwise')
  t.same([...tuples.keys()], [
    'tenant:acme tenant/of document:acme/*',
    'tenant:default tenant/of document:default/*',
    'tenant:acme tenant/of document:acme/a%3Ab',
    'user:ann%40example.com member/admin tenant:acme',
    'user:ben assigned/editor folder:acme/plans',
    'folder:acme/plans relation/parent document:acme/a%3Ab'
  ])
})

t.test('what OpenFGA cannot decide as the PDP does is refused by name', async t => {
  const { refused } = translate({
    resources: { task: { actions: { read: {}, self: {}, ['x'.repeat(51)]: {} }, attributes: { open: { type: 'bool' } } } },
    roles: { viewer: {} },
    user_attributes: { department: { type: 'string' } },
    user_sets: { sales: { conditions: { allOf: [{ 'user.department': { equals: 'sales' } }] } } },
    resource_sets: { open: { resource: 'task', conditions: { allOf: [{ 'resource.open': { equals: true } }] } } },
    set_rules: [
      { user_set: 'viewer', permission: 'task:read', resource_set: 'task' },
      { user_set: 'viewer', permission: 'task:read', resource_set: 'open' },
      { user_set: 'sales', permission: 'task:read', resource_set: 'open' }
    ],
    users: { ['u'.repeat(600)]: {}, '\ud800': {} },
    role_assignments: [{ user: 'u'.repeat(600), role: 'viewer' }, { user: '\ud800', role: 'viewer' }]
  } as Policy)
  t.match(refused, [
    { name: "rule that 'viewer' has 'task:read' on 'open'", reason: "it depends on the attributes of resource set 'open', and tuples have none", path: ['set_rules', 1] },
    { name: "rule that 'sales' has 'task:read' on 'open'", reason: "it depends on the attributes of user set 'sales' and resource set 'open', and tuples have none" },
    { name: "action 'task:self'", reason: 'OpenFGA reserves this name', path: ['resources', 'task', 'actions', 'self'] },
    { name: /^action 'task:x+'$/, reason: 'its name is longer than 50 characters' },
    { name: /^role 'viewer' of user 'u+'/, reason: 'a key is too long for OpenFGA, or is not valid Unicode' },
    { name: /^role 'viewer' of user/ }
  ])
  t.equal(refused.length, 6)
})

t.test('long names are cut, and stay apart', async t => {
  const long = 'r'.repeat(80)
  const { model } = translate({ resources: { task: { actions: {}, roles: { [`${long}a`]: {}, [`${long}b`]: {} } } } })
  const names = Object.keys(model.type_definitions[2]?.relations ?? {})
  t.equal(new Set(names).size, 5)
  t.ok(names.every(name => name.length <= 50))
})

t.test('a plan has the differences, and deletes only with prune', async t => {
  const { model, tuples } = translate(POLICY)
  const all = [...tuples.values()]
  const foreign = { user: 'user:x', relation: 'member/admin', object: 'tenant:acme' }
  const before = { model: { type_definitions: model.type_definitions.filter(({ type }) => type !== 'folder') }, tuples: [...all.slice(1), foreign] }
  const plan = planFga(model, tuples, before, { prune: false })
  t.same(plan.model, { isFirst: false, changes: ['+ folder', '+ folder#tenant/of', '+ folder#assigned/editor', '+ folder#role/editor', '+ folder#open'] })
  t.same(plan.writes.map(tupleKey), [tupleKey(all[0]!)])
  t.same([plan.deletes, plan.extra], [[], [foreign]])
  t.match(planFga(model, tuples, before, { prune: true }), { deletes: [foreign], extra: [] })
  t.same(planFga(model, tuples, { model, tuples: all }, { prune: true }), { model: undefined, writes: [], deletes: [], extra: [] })
  t.match(planFga(model, tuples, { model: undefined, tuples: undefined }, { prune: true }), { model: { isFirst: true }, writes: [], deletes: [] })
})
