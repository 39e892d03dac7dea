// Worlds of more and more facts in a process of its own, and how many decisions or plans per second the embedded PDP makes in each.
import type { Policy } from 'fastify-permit'
import { median } from './http.js'

/** What is used of the engine, which is no part of the package's public types. */
interface Engine {
  readonly facts: {
    upsertTenant (tenant: { key: string }): void
    upsertUser (user: { key: string, attributes?: Record<string, unknown> }): void
    assignRole (assignment: { user: string, role: string, tenant?: string, resource_instance?: string }): void
    addRelationshipTuple (tuple: { subject: string, relation: string, object: string }): void
  }
  decide (query: EngineQuery): { allow: boolean }
  planning (question: { user: EngineQuery['user'], action: string, type: string, tenant: string }): object
}
interface EngineQuery {
  user: { key: string }
  action: string
  resource: { type: string, key?: string, tenant: string, attributes?: Record<string, unknown> }
}

export interface WorldsOrder {
  scenario: string
  sizes: readonly number[]
  rounds: number
  /** Default: decisions. */
  plans?: boolean
}

// The engine is no part of the package's face: what is measured here is below it.
const { Engine: EngineClass } = await import(new URL('../../dist/engine.js', import.meta.url).href) as { Engine: new (policy: Policy) => Engine }

const { planner: { stepsOfPlan } } = await import(new URL('../../dist/planner.js', import.meta.url).href) as { planner: Planner }

interface Planner { stepsOfPlan (planning: object): Generator<undefined, { readonly plan: { readonly kind: string } }> }

const DECISIONS = 200_000
/** A plan does more than a decision: at most so many, and fewer where one lists many keys. */
const PLANS = 20_000

/** As many queries for each size, over as many users: what grows is what they do not touch. */
const QUERIES = 500
const USERS = 100

interface Scenario {
  readonly name: string
  build (size: number): { readonly engine: Engine, readonly queries: EngineQuery[] }
}

const actions = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`action${index}`, {}]))

// 50 types × 10 actions = 500 permissions, spread over 20 roles.
const rbacPolicy: Policy = {
  resources: Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`type${index}`, { actions: actions(10) }])),
  roles: Object.fromEntries(Array.from({ length: 20 }, (_, role) => [`role${role}`, {
    permissions: Array.from({ length: 500 }, (_, index) => `type${index % 50}:action${Math.floor(index / 50)}`).filter((_, index) => index % 20 === role)
  }]))
}

const abacPolicy: Policy = {
  ...rbacPolicy,
  user_sets: { local: { conditions: { allOf: [{ 'user.location': { equals: 'US' } }, { 'user.level': { 'greater-than': 2 } }] } } },
  resource_sets: Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`open${index}`, { resource: `type${index}`, conditions: { 'resource.open': { equals: true } } }])),
  set_rules: Array.from({ length: 500 }, (_, index) => ({ user_set: 'local', permission: `type${index % 50}:action${Math.floor(index / 50)}`, resource_set: `open${index % 50}` }))
}

const rebacPolicy: Policy = {
  resources: {
    folder: {
      actions: { read: {} },
      relations: { parent: 'folder' },
      roles: { reader: { permissions: ['read'], granted_to: { users_with_role: [{ role: 'reader', on_resource: 'folder', linked_by_relation: 'parent' }] } } }
    },
    document: {
      actions: { read: {} },
      relations: { parent: 'folder' },
      roles: { reader: { permissions: ['read'], granted_to: { users_with_role: [{ role: 'reader', on_resource: 'folder', linked_by_relation: 'parent' }] } } }
    }
  }
}

const scenarios: Scenario[] = [
  { name: 'RBAC, 10 assignments a user', build: size => tenantWorld(rbacPolicy, size) },
  { name: 'RBAC, one user has them all', build: size => oneUserWorld(size) },
  { name: 'RBAC and ABAC', build: size => tenantWorld(abacPolicy, size) },
  { name: 'ReBAC, up three folders', build: size => folderWorld(size) },
  { name: 'ReBAC, one user reaches them all', build: size => reachWorld(size) }
]

/** As many assignments as asked for: each user has a role in ten tenants. */
function tenantWorld (policy: Policy, size: number) {
  const engine = new EngineClass(policy)
  const users = size / 10
  const tenants = Math.max(10, size / 100)
  for (let tenant = 0; tenant < tenants; tenant++) engine.facts.upsertTenant({ key: `tenant${tenant}` })
  for (let user = 0; user < users; user++) {
    engine.facts.upsertUser({ key: `user${user}`, ...(user < USERS ? { attributes: { location: user % 2 === 0 ? 'US' : 'DE', level: user % 7 } } : {}) })
    for (let index = 0; index < 10; index++) engine.facts.assignRole({ user: `user${user}`, role: `role${(user + index) % 20}`, tenant: `tenant${(user + index) % tenants}` })
  }
  const queries = Array.from({ length: QUERIES }, (_, index) => ({
    user: { key: `user${index % USERS}` },
    action: `action${index % 10}`,
    resource: { type: `type${(index * 7) % 50}`, tenant: `tenant${(index % USERS + index % 10) % tenants}`, attributes: { open: index % 3 === 0 } }
  }))
  return { engine, queries }
}

/** One user with a role in each of as many tenants as asked for. */
function oneUserWorld (size: number) {
  const engine = new EngineClass(rbacPolicy)
  engine.facts.upsertUser({ key: 'user' })
  for (let tenant = 0; tenant < size; tenant++) {
    engine.facts.upsertTenant({ key: `tenant${tenant}` })
    engine.facts.assignRole({ user: 'user', role: `role${tenant % 20}`, tenant: `tenant${tenant}` })
  }
  const queries = Array.from({ length: QUERIES }, (_, index) => ({
    user: { key: 'user' }, action: `action${index % 10}`, resource: { type: `type${(index * 7) % 50}`, tenant: `tenant${index}` }
  }))
  return { engine, queries }
}

/** One user with a role on a folder with as many documents as asked for. */
function reachWorld (size: number) {
  const engine = new EngineClass(rebacPolicy)
  engine.facts.upsertUser({ key: 'user' })
  engine.facts.assignRole({ user: 'user', role: 'reader', resource_instance: 'folder:top' })
  for (let index = 0; index < size; index++) engine.facts.addRelationshipTuple({ subject: 'folder:top', relation: 'parent', object: `document:${index}` })
  return { engine, queries: [{ user: { key: 'user' }, action: 'read', resource: { type: 'document', tenant: 'default' } }] }
}

/** As many tuples as asked for: folders four deep, ten documents in each lowest one; a user has a role on a top folder. */
function folderWorld (size: number) {
  const engine = new EngineClass(rebacPolicy)
  const trees = Math.ceil(size / 13)
  let tuples = 0
  for (let tree = 0; tree < trees; tree++) {
    engine.facts.upsertUser({ key: `user${tree}` })
    engine.facts.assignRole({ user: `user${tree}`, role: 'reader', resource_instance: `folder:${tree}-0` })
    for (let depth = 0; depth < 2; depth++) {
      engine.facts.addRelationshipTuple({ subject: `folder:${tree}-${depth}`, relation: 'parent', object: `folder:${tree}-${depth + 1}` })
      tuples++
    }
    for (let document = 0; document < 11 && tuples < size; document++) {
      engine.facts.addRelationshipTuple({ subject: `folder:${tree}-2`, relation: 'parent', object: `document:${tree}-${document}` })
      tuples++
    }
  }
  const queries = Array.from({ length: QUERIES }, (_, index) => {
    const tree = index % 70
    return { user: { key: `user${index % 2 === 0 ? tree : (tree + 1) % trees}` }, action: 'read', resource: { type: 'document', key: `${tree}-${index % 7}`, tenant: 'default' } }
  })
  return { engine, queries }
}

function measure ({ engine, queries }: { readonly engine: Engine, readonly queries: EngineQuery[] }): number {
  let allowed = 0
  // Time of the processor, not of the wall: other processes on the machine are none of the engine's business.
  const start = process.cpuUsage()
  for (let index = 0; index < DECISIONS; index++) {
    if (engine.decide(queries[index % QUERIES]!).allow) allowed++
  }
  const { user, system } = process.cpuUsage(start)
  // Read, so that the loop cannot be left out; and a world in which nothing or everything is allowed measures nothing.
  if (allowed === 0 || allowed === DECISIONS) throw new Error(`${allowed} of ${DECISIONS} were allowed`)
  return DECISIONS / (user + system) * 1_000_000
}

function measurePlans ({ engine, queries }: ReturnType<Scenario['build']>, size: number, isWide: boolean): number {
  const count = isWide ? Math.max(1, Math.min(PLANS, Math.floor(500_000 / size))) : PLANS
  let rows = 0
  const start = process.cpuUsage()
  for (let index = 0; index < count; index++) {
    const { user, action, resource: { type, tenant = 'default' } } = queries[index % queries.length]!
    const steps = stepsOfPlan(engine.planning({ user, action, type, tenant }))
    let step = steps.next()
    while (step.done !== true) step = steps.next()
    if (step.value.plan.kind !== 'none') rows++
  }
  const { user, system } = process.cpuUsage(start)
  if (rows === 0) throw new Error('no plan had a row')
  return count / (user + system) * 1_000_000
}

function run ({ scenario, sizes, rounds, plans = false }: WorldsOrder): number[] {
  const { build } = scenarios.find(({ name }) => name === scenario)!
  const worlds = sizes.map(build)
  const rates: number[][] = sizes.map(() => [])
  // In turns, so that what the machine does meanwhile meets all sizes alike; the first round only warms up.
  for (let round = 0; round <= rounds; round++) {
    worlds.forEach((world, index) => {
      const rate = plans ? measurePlans(world, sizes[index]!, scenario === 'ReBAC, one user reaches them all') : measure(world)
      if (round > 0) rates[index]!.push(rate)
    })
  }
  return rates.map(median)
}

process.on('message', (order: WorldsOrder) => process.send?.(run(order)))
process.on('disconnect', () => process.exit())
process.send?.({ ready: true })
