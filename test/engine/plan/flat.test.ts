// What a plan costs, in counted steps: it does not grow with users, tenants and instances that the user has nothing to do with.
import t from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import { planNow } from '../../../src/engine/plan/planner.js'
import type { Policy } from '../../../src/engine/policy/policy.js'

/** `size` users, tenants and instances with roles; and `ann`, who has a role on `reached` folders, each with two documents. */
function world (size: number, reached: number): Policy {
  const each = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index))
  return {
    resources: {
      folder: { actions: { read: {} }, roles: { viewer: { permissions: ['read'] } } },
      document: {
        actions: { read: {}, edit: {}, list: {} },
        relations: { parent: 'folder' },
        roles: { viewer: { permissions: ['read'], granted_to: { users_with_role: [{ role: 'viewer', on_resource: 'folder', linked_by_relation: 'parent' }] } } }
      }
    },
    roles: { admin: { permissions: ['document:list'] } },
    user_sets: { staff: { conditions: { 'user.team': { equals: 'a' } } } },
    resource_sets: {
      own: { resource: 'document', conditions: { 'resource.owner': { equals: { ref: 'user.key' } } } },
      near: { resource: 'document', conditions: { 'resource.address': { object_match: { match: { city: { equals: { ref: 'user.city' } } } } } } }
    },
    set_rules: [
      { user_set: 'staff', permission: 'document:edit', resource_set: 'own' }, { user_set: 'staff', permission: 'document:edit', resource_set: 'near' }
    ],
    tenants: Object.fromEntries(each(size, index => [`t${index}`, {}])),
    users: { ann: { attributes: { team: 'a', city: 'Bern' } }, ...Object.fromEntries(each(size, index => [`u${index}`, { attributes: { team: 'a' } }])) },
    role_assignments: [
      { user: 'ann', role: 'admin', tenant: 'default' },
      ...each(reached, index => ({ user: 'ann', role: 'viewer', tenant: 'default', resource_instance: `folder:mine${index}` })),
      ...each(size, index => ({ user: `u${index}`, role: 'admin', tenant: `t${index}` })),
      ...each(size, index => ({ user: `u${index}`, role: 'viewer', tenant: 'default', resource_instance: `folder:f${index}` }))
    ],
    resource_instances: each(size, index => ({ resource: 'document', key: `d${index}`, tenant: 'default', attributes: { owner: `u${index}`, level: index } })),
    relationship_tuples: [
      ...each(size, index => ({ subject: `folder:f${index}`, relation: 'parent', object: `document:d${index}`, tenant: 'default' })),
      ...each(2 * reached, index => ({ subject: `folder:mine${index >> 1}`, relation: 'parent', object: `document:mine${index}`, tenant: 'default' }))
    ]
  } as Policy
}

type Method = (this: { readonly length?: number }, ...args: unknown[]) => unknown

/**
 * The steps of a call: each look-up in a Map or a Set, each step of an iterator, each item that a method of an array goes through. They are
 * counted where the language does them, so that code which does not count its own work is counted, too.
 */
function stepsOf (call: () => unknown): number {
  let steps = 0
  const patched: Array<() => void> = []
  const count = (object: object, names: readonly string[], cost: (length: number) => number): void => {
    for (const name of names) {
      const { [name]: original } = object as Record<string, Method>
      const counting: Method = function (...args) {
        steps += cost(this.length ?? 0)
        return original!.apply(this, args)
      }
      Object.defineProperty(object, name, { value: counting, writable: true, configurable: true })
      patched.push(() => Object.defineProperty(object, name, { value: original, writable: true, configurable: true }))
    }
  }
  const iterators = [new Map().values(), new Set().values(), [].values()].map(iterator => Object.getPrototypeOf(iterator) as object)
  count(Map.prototype, ['get', 'has'], () => 1)
  count(Set.prototype, ['has'], () => 1)
  for (const iterator of iterators) count(iterator, ['next'], () => 1)
  count(Array.prototype, ['map', 'filter', 'some', 'every', 'find', 'findIndex', 'flatMap', 'reduce', 'includes', 'indexOf', 'forEach'], length => length)
  // Putting the counters in place has been counted, too.
  steps = 0
  try {
    call()
    return steps
  } finally {
    while (patched.length > 0) patched.pop()?.()
  }
}

function stepsOfPlan (engine: Engine, action: string, tenant = 'default'): { steps: number, plan: string } {
  let plan = ''
  const query = { user: { key: 'ann' }, action, type: 'document', tenant }
  planNow(engine.planning(query))
  const steps = stepsOf(() => { plan = JSON.stringify(planNow(engine.planning(query)).plan) })
  return { steps, plan }
}

const small = new Engine(world(20, 3))
const large = new Engine(world(4_000, 3))

t.test('the counter sees a scan', async t => {
  const all = new Map(Array.from({ length: 500 }, (_, index) => [index, index]))
  t.ok(stepsOf(() => { for (const [key] of all) if (key < 0) throw new Error('never') }) >= 500)
  t.ok(stepsOf(() => [...all.values()].filter(value => value > 3)) >= 500)
  t.equal(stepsOf(() => all.get(3)), 1)
  t.equal(stepsOf(() => {}), 0, 'and nothing stays patched')
})

t.test('a plan by RBAC, by ABAC and by ReBAC takes as many steps with 4,000 users, tenants and instances as with 20', async t => {
  for (const [action, tenant] of [['list'], ['edit'], ['read'], ['edit', 't3'], ['read', 't3'], ['list', 'nowhere'], ['unheard']] as const) {
    const [few, many] = [stepsOfPlan(small, action, tenant), stepsOfPlan(large, action, tenant)]
    t.equal(many.plan, few.plan, `${action} ${tenant}`)
    t.equal(many.steps, few.steps, `${action} in ${tenant}: ${few.steps} and ${many.steps} steps`)
    t.ok(few.steps < 400, `${few.steps} steps`)
  }
})

t.test('a plan by ReBAC takes steps in proportion to what the user reaches', async t => {
  const [few, many] = [50, 500].map(reached => stepsOfPlan(new Engine(world(20, reached)), 'read').steps) as [number, number]
  t.ok(many > 4 * few && many < 11 * few, `${few} and ${many} steps`)
})
