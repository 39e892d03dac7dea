// `task:*` and `*` in roles: exactly the actions of the policy, against a plain reading of the words.
import fc from 'fast-check'
import t from 'tap'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Engine } from '../../../src/engine/engine.js'
import { withoutWildcards } from '../../../src/engine/policy/wildcards.js'
import type { Policy } from '../../../src/engine/policy/policy.js'
import { Environment } from '../../../src/environment/environment.js'
import { policyOfObject } from '../../../src/environment/file/loaded-policy.js'
import type { PolicyError } from '../../../src/environment/file/policy-file.js'
import { runSync } from '../../../src/kit/time-slices.js'

const TYPES = ['task', 'tas', 'k']
const ACTIONS = ['read', 'task', 'k']
const ROLES = ['a', 'b', 'c']

/** Roles with words of every kind; a role inherits from later ones only, so that nothing is a cycle. */
const policies = fc.record({
  actions: fc.tuple(...TYPES.map(() => fc.subarray(ACTIONS))),
  roles: fc.tuple(...ROLES.map((_, index) => fc.record({
    words: fc.array(fc.oneof(fc.constant('*'), fc.constantFrom(...TYPES).map(type => `${type}:*`), fc.nat()), { maxLength: 3 }),
    parents: fc.subarray(ROLES.slice(index + 1)),
    onTask: fc.array(fc.oneof(fc.constantFrom('*', 'task:*'), fc.nat()), { maxLength: 2 })
  })))
}).map(({ actions, roles }) => {
  const all = TYPES.flatMap((type, index) => (actions[index] ?? []).map(action => `${type}:${action}`))
  const ofTask = actions[0] ?? []
  const pick = <T>(from: readonly T[], word: string | number) => typeof word === 'string' ? [word] : from.length === 0 ? [] : [from[word % from.length] as T]
  const policy = {
    resources: Object.fromEntries(TYPES.map((type, index) => [type, {
      actions: Object.fromEntries((actions[index] ?? []).map(action => [action, {}])),
      ...(type !== 'task'
        ? {}
        : {
            roles: Object.fromEntries(ROLES.map((role, at) =>
              [role, { permissions: roles[at]?.onTask.flatMap(word => pick<string>(ofTask, word)) ?? [], extends: roles[at]?.parents ?? [] }]))
          })
    }])),
    roles: Object.fromEntries(ROLES.map((role, at) =>
      [role, { permissions: roles[at]?.words.flatMap(word => pick<string>(all, word)) ?? [], extends: roles[at]?.parents ?? [] }])),
    users: Object.fromEntries([...ROLES, ...ROLES.map(role => `on-${role}`)].map(user => [user, {}])),
    role_assignments: ROLES.flatMap(role => [{ user: role, role }, { user: `on-${role}`, role, resource_instance: 'task:1' }])
  }
  return policy
})

type Roles = Record<string, { readonly permissions: readonly string[], readonly extends: readonly string[] }>

/** The oracle: reads the words, and follows `extends`. */
function holds (roles: Roles, role: string, matches: (word: string) => boolean): boolean {
  const { permissions = [], extends: parents = [] } = roles[role] ?? {}
  return permissions.some(matches) || parents.some(parent => holds(roles, parent, matches))
}

function engineOf (policy: Policy): Engine {
  const { compiled } = policyOfObject(policy)
  const engine = new Engine()
  engine.use(compiled.schema, runSync(engine.compare(compiled.facts)))
  return engine
}

t.test('a wildcard holds every action of its type and no other', t => {
  const run = fc.check(fc.property(policies, policy => {
    const engines = [engineOf(policy), engineOf(withoutWildcards(policy)), new Engine(withoutWildcards(policy))]
    for (const type of TYPES) {
      for (const action of ACTIONS) {
        const exists = Object.hasOwn(policy.resources[type]?.actions ?? {}, action)
        for (const role of ROLES) {
          const wanted = exists && holds(policy.roles as Roles, role, word => word === '*' || word === `${type}:*` || word === `${type}:${action}`)
          const onInstance = exists && type === 'task' &&
            holds(policy.resources['task']?.roles as Roles, role, word => word === '*' || word === 'task:*' || word === action)
          for (const engine of engines) {
            const allow = (user: string, key?: string) =>
              engine.decide({ user: { key: user }, action, resource: { type, tenant: 'default', ...(key === undefined ? {} : { key }) } }).allow
            if (allow(role) !== wanted) throw new Error(`${role} ${type}:${action} is ${allow(role)}`)
            if (allow(`on-${role}`, '1') !== onInstance) throw new Error(`on-${role} ${type}:${action} is ${!onInstance}`)
            if (allow(`on-${role}`)) throw new Error('a role on an instance is none in the tenant')
          }
        }
      }
    }
  }), { numRuns: 60, endOnFailure: true })
  t.notOk(run.failed, fc.defaultReportMessage(run) ?? '')
  t.end()
})

const SMALL = { resources: { task: { actions: { read: {}, write: {} } }, note: { actions: { read: {} } } }, roles: { admin: { permissions: ['task:*'] } } }

t.test('words that are no wildcard of a role are refused with their place', t => {
  const problems = (policy: Policy) => {
    try {
      policyOfObject(policy)
      return []
    } catch (error) {
      return (error as PolicyError).problems.map(({ path, message, hint }) => `${path.join('.')}: ${message} (${hint})`)
    }
  }
  const role = (permission: string) => problems({ ...SMALL, roles: { admin: { permissions: [permission] } } })
  t.match(role('tsk:*'), ["roles.admin.permissions.0: resource type 'tsk' is not defined (did you mean 'task'?)"])
  t.match(role('*:read'), [/'\*:read' is not a permission .*'task:\*'/])
  t.match(role('*:*'), [/'\*' is not defined|is not a permission/])
  t.match(role('task:re*'), [/has no action 're\*'/])
  t.match(role('**'), [/is not a permission/])
  t.match(problems({ resources: { ...SMALL.resources, task: { actions: {}, roles: { owner: { permissions: ['note:*'] } } } } }), [/./])
  t.match(problems({ ...SMALL, set_rules: [{ user_set: 'admin', permission: 'task:*', resource_set: 'task' }] }), [/has no action '\*'/])
  t.throws(() => new Engine(SMALL), /wildcards are only allowed in a policy file/, "Permit's API has none")
  t.end()
})

t.test('a small file of wildcards cannot grant without a bound', t => {
  const actions = Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`a${index}`, {}]))
  const roles = Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`r${index}`, { permissions: ['*', 'task:*'] }]))
  t.throws(() => policyOfObject({ resources: { task: { actions } }, roles }), /more than 1000000 permissions/)
  t.throws(() => policyOfObject({ resources: { task: { actions, roles } } }), /more than 1000000 permissions/)
  t.end()
})

t.test('an action that a reload adds is held, and one that it removes is not', async t => {
  const file = join(t.testdir({ 'permit.json': JSON.stringify({ ...SMALL, users: { ann: {} }, role_assignments: [{ user: 'ann', role: 'admin' }] }) }), 'permit.json')
  const environment = await Environment.open({ policy: file })
  t.teardown(() => environment.close())
  const allow = (action: string) => environment.engine.decide({ user: { key: 'ann' }, action, resource: { type: 'task', tenant: 'default' } }).allow
  t.same(environment.schema.roles['admin']?.permissions, ['task:read', 'task:write'])
  t.same(['read', 'write', 'fly'].map(allow), [true, true, false])
  // The watch alone does not keep a process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  const changed = new Promise<void>(resolve => { environment.onChange(() => resolve()) })
  writeFileSync(file, JSON.stringify({
    ...SMALL, resources: { task: { actions: { read: {}, fly: {} } } }, users: { ann: {} }, role_assignments: [{ user: 'ann', role: 'admin' }]
  }))
  await changed
  t.same(['read', 'write', 'fly'].map(allow), [true, false, true])
  t.same(environment.schema.roles['admin']?.permissions, ['task:read', 'task:fly'])
})
