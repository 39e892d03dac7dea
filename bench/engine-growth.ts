// Does a decision cost more when there are more facts? Decisions per second from a thousand to a million role assignments and
// relationship tuples. Run with `npx tsx bench/engine-growth.ts`; `-- --quick` stops at a hundred thousand.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Engine, type EngineQuery } from '../src/engine/engine.js'
import type { Policy } from '../src/engine/policy.js'

const quick = process.argv.includes('--quick')
const SIZES = quick ? [1_000, 10_000, 100_000] : [1_000, 10_000, 100_000, 1_000_000]
const ROUNDS = quick ? 5 : 9
const DECISIONS = quick ? 100_000 : 200_000

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
  { name: 'ReBAC, up three folders', build: size => folderWorld(size) }
]

/** As many assignments as asked for: each user has a role in ten tenants. */
function tenantWorld (policy: Policy, size: number) {
  const engine = new Engine(policy)
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
  const engine = new Engine(rbacPolicy)
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

/** As many tuples as asked for: folders four deep, ten documents in each lowest one; a user has a role on a top folder. */
function folderWorld (size: number) {
  const engine = new Engine(rebacPolicy)
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

function median (values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

function run ({ name, build }: Scenario): void {
  const worlds = SIZES.map(build)
  const rates: number[][] = SIZES.map(() => [])
  // In turns, so that what the machine does meanwhile meets all sizes alike; the first round only warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    worlds.forEach((world, index) => {
      const rate = measure(world)
      if (round > 0) rates[index]?.push(rate)
    })
  }
  const medians = rates.map(median)
  console.log(`\n${name}`)
  console.table(SIZES.map((size, index) => ({
    facts: size.toLocaleString('en'),
    'decisions per CPU second': Math.round(medians[index] ?? 0).toLocaleString('en'),
    'of the smallest': ((medians[index] ?? 0) / (medians[0] ?? 1)).toFixed(2)
  })))
}

// Each in a process of its own: what one has taught the compiler must not help or hinder the next.
const wanted = scenarios[Number(process.env['SCENARIO'] ?? NaN)]
if (wanted !== undefined) {
  run(wanted)
} else {
  for (const index of scenarios.keys()) {
    const child = fork(fileURLToPath(import.meta.url), process.argv.slice(2), { env: { ...process.env, SCENARIO: String(index) } })
    const [code] = await once(child, 'exit')
    if (code !== 0) process.exitCode = 1
  }
  console.log(`\n${ROUNDS} rounds of ${DECISIONS.toLocaleString('en')} decisions, medians of CPU time; Node ${process.version}`)
}
