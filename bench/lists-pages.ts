// A page of 20 of a million rows, in a process of its own: by the where-clause that an expert writes, and by what decides who may see what.
import { AbilityBuilder } from '@casl/ability'
import { accessibleBy, createPrismaAbility } from '@casl/prisma/runtime'
import { HTTP } from '@cerbos/http'
import { PlanKind, queryPlanToPrisma } from '@cerbos/orm-prisma'
import Fastify from 'fastify'
import permit, { type Policy } from 'fastify-permit'
import { fields, toKysely } from 'fastify-permit/kysely'
import { fields as prismaFields, toPrisma } from 'fastify-permit/prisma'
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import { median } from './http.js'
import type { PageRow } from './lists.js'
import { OWNERS, postgresql, prismaOn, sqlite, TENANTS, type BenchDatabase } from './lists-databases.js'

const ROWS = 1_000_000
const SIZE = 20
/** The third page. */
const OFFSET = 40
/** How often each asker asks in one turn. */
const TURNS = 6
/** Instances on which each user has a role. */
const SHARED = 200

/** Tasks of a user, tasks of a user or public ones, tasks that are shared with a user one by one. */
type Action = 'own' | 'visible' | 'shared'

interface Asker { readonly key: string, readonly tenant: string, readonly keys: readonly number[] }

/** Users of all tenants. */
const askers: readonly Asker[] = Array.from({ length: 50 }, (_, index) => {
  const tenant = (index * 7) % TENANTS
  const first = tenant === 0 ? TENANTS : tenant
  return { key: `u${tenant}-${(index * 13) % OWNERS}`, tenant: `t${tenant}`, keys: Array.from({ length: SHARED }, (_, number) => first + TENANTS * (number * 61 + index)) }
})

const policy: Policy = {
  resources: {
    task: { actions: { own: {}, visible: {}, shared: {} }, roles: { reader: { permissions: ['shared'] } } }
  },
  roles: { member: { permissions: [] } },
  resource_sets: {
    own: { resource: 'task', conditions: { 'resource.owner': { equals: { ref: 'user.key' } } } },
    visible: { resource: 'task', conditions: { anyOf: [{ 'resource.owner': { equals: { ref: 'user.key' } } }, { 'resource.public': { equals: 1 } }] } }
  },
  set_rules: [
    { user_set: 'member', permission: 'task:own', resource_set: 'own' },
    { user_set: 'member', permission: 'task:visible', resource_set: 'visible' }
  ],
  tenants: Object.fromEntries(Array.from({ length: TENANTS }, (_, tenant) => [`t${tenant}`, {}])),
  users: Object.fromEntries(askers.map(({ key }) => [key, {}])),
  role_assignments: askers.flatMap(({ key, tenant, keys }) => [
    { user: key, role: 'member', tenant },
    ...keys.map(task => ({ user: key, role: 'reader', resource_instance: `task:${task}`, tenant }))
  ])
}

const app = Fastify()
// Each page is planned anew. A `filter` of all rows of a tenant may take longer than a check.
await app.register(permit, { policy, cache: false, timeout: 60_000 })
await app.ready()

/** By default an app keeps plans for a while. */
const keeping = Fastify()
await keeping.register(permit, { policy, cache: { ttl: 600_000, max: 10_000 } })
await keeping.ready()

interface Contestant {
  readonly name: string
  readonly page: (asker: Asker) => Promise<ReadonlyArray<{ readonly id: number }>>
  /** The statement, for `EXPLAIN`. */
  readonly statement?: (asker: Asker) => Promise<{ readonly sql: string, readonly parameters: readonly unknown[] }>
  /** Pages in one turn. Default: those of all askers, several times, so that the compiler is done before the rounds that count. */
  readonly pages?: number
  /** Whether it asks another process than the database's. */
  readonly isRemote?: boolean
}

function withKysely (database: BenchDatabase, kind: 'sqlite' | 'postgresql', action: Action): Contestant[] {
  const { kysely } = database
  const taskFields = fields({
    database: kind, key: { column: 'id', type: 'integer' }, tenant: 'tenant_id', attributes: { owner: { column: 'owner_id', type: 'text' }, public: { column: 'public', type: 'integer' } }
  })
  const pageOf = (where: RawBuilder<SqlBool>) => kysely.selectFrom('tasks').selectAll().where(where).orderBy('id').limit(SIZE).offset(OFFSET)
  const byHand = ({ key, tenant, keys }: Asker): RawBuilder<SqlBool> => {
    if (action === 'own') return sql<SqlBool>`tenant_id = ${tenant} AND owner_id = ${key}`
    if (action === 'visible') return sql<SqlBool>`tenant_id = ${tenant} AND (owner_id = ${key} OR public = 1)`
    return sql<SqlBool>`tenant_id = ${tenant} AND id IN (${sql.join(keys)})`
  }
  const plannedBy = ({ permit }: typeof app) => async ({ key, tenant }: Asker) => toKysely(await permit.plan(key, action, 'task', { tenant }), taskFields)
  const [planned, kept] = [plannedBy(app), plannedBy(keeping)]
  const contestants: Contestant[] = [
    { name: 'by hand', page: asker => pageOf(byHand(asker)).execute(), statement: async asker => pageOf(byHand(asker)).compile() },
    { name: 'fastify-permit, plan', page: async asker => pageOf(await planned(asker)).execute(), statement: async asker => pageOf(await planned(asker)).compile() },
    { name: 'fastify-permit, plan from the cache', page: async asker => pageOf(await kept(asker)).execute() }
  ]
  if (action !== 'own') return contestants
  const all = (tenant: string) => kysely.selectFrom('tasks').selectAll().where('tenant_id', '=', tenant).orderBy('id')
  const filter = async ({ key, tenant }: Asker) => {
    const rows = await all(tenant).execute()
    const mine = await app.permit.filter(key, action, rows, ({ id, owner_id: owner }) => ({ type: 'task', key: String(id), tenant, attributes: { owner } }))
    return mine.slice(OFFSET, OFFSET + SIZE)
  }
  return [...contestants, { name: `fastify-permit, filter of the tenant's ${ROWS / TENANTS} rows`, page: filter, pages: 1 }]
}

function withPrisma (database: BenchDatabase, action: 'own' | 'visible', cerbosUrl: string | undefined): Contestant[] {
  const prisma = prismaOn(database)
  const column = (name: string) => ({ column: name, nullable: false })
  const taskFields = prismaFields({ database: 'sqlite', key: { column: 'id', type: 'integer' }, tenant: 'tenantId', attributes: { owner: column('ownerId'), public: { ...column('public'), type: 'integer' } } })
  const pageOf = (where: object) => prisma.task.findMany({ where, orderBy: { id: 'asc' }, take: SIZE, skip: OFFSET })
  const byHand = ({ key, tenant }: Asker): object =>
    action === 'own' ? { tenantId: tenant, ownerId: key } : { tenantId: tenant, OR: [{ ownerId: key }, { public: 1 }] }
  const ability = ({ key, tenant }: Asker) => {
    const { can, build } = new AbilityBuilder(createPrismaAbility as never)
    const allow = can as unknown as (action: string, type: string, where: object) => void
    allow(action, 'Task', { tenantId: tenant, ownerId: key })
    if (action === 'visible') allow(action, 'Task', { tenantId: tenant, public: 1 })
    return build()
  }
  const contestants: Contestant[] = [
    { name: 'by hand', page: asker => pageOf(byHand(asker)) },
    { name: 'fastify-permit, plan', page: async asker => pageOf(toPrisma(await app.permit.plan(asker.key, action, 'task', { tenant: asker.tenant }), taskFields)) },
    { name: '@casl/prisma', page: async asker => pageOf((accessibleBy(ability(asker) as never, action as never) as unknown as { ofType (type: string): object }).ofType('Task')) }
  ]
  if (cerbosUrl === undefined) return contestants
  const cerbos = new HTTP(cerbosUrl)
  const mapper = { 'request.resource.attr.tenant': { field: 'tenantId' }, 'request.resource.attr.owner': { field: 'ownerId' }, 'request.resource.attr.public': { field: 'public' } }
  const byCerbos = async ({ key, tenant }: Asker) => {
    const queryPlan = await cerbos.planResources({ principal: { id: key, roles: ['member'], attr: { tenant } }, resource: { kind: 'task' }, action })
    const result = queryPlanToPrisma({ queryPlan: queryPlan as never, mapper })
    if (result.kind !== PlanKind.CONDITIONAL) throw new Error('Cerbos has no condition')
    return pageOf(result.filters)
  }
  return [...contestants, { name: 'Cerbos, @cerbos/orm-prisma', page: byCerbos, pages: 10, isRemote: true }]
}

async function contest (database: string, page: string, contestants: readonly Contestant[], explain: BenchDatabase['explain'], rounds: number): Promise<PageRow[]> {
  // All of them have the same rows, for each user.
  for (const asker of askers.slice(0, 3)) {
    const pages = await Promise.all(contestants.map(async contestant => JSON.stringify((await contestant.page(asker)).map(({ id }) => id))))
    const wrong = pages.findIndex(ids => ids !== pages[0] || JSON.parse(ids).length !== SIZE)
    if (wrong >= 0) throw new Error(`${database}, ${page}: ${contestants[wrong]!.name} has ${pages[wrong]}, and by hand it is ${pages[0]}`)
  }
  const times = contestants.map((): number[] => [])
  const processors = contestants.map((): number[] => [])
  for (let round = -1; round < rounds; round++) {
    // Whoever is first in a round is not always the same.
    const order = contestants.map((_, index) => index)
    for (const index of round % 2 === 0 ? order : order.toReversed()) {
      const { page, pages = TURNS * askers.length } = contestants[index]!
      const used = process.cpuUsage()
      const start = performance.now()
      for (let number = 0; number < pages; number++) await page(askers[(number + Math.max(0, round) * pages) % askers.length]!)
      if (round < 0) continue
      times[index]!.push((performance.now() - start) / pages * 1000)
      const { user, system } = process.cpuUsage(used)
      processors[index]!.push((user + system) / pages)
    }
  }
  return Promise.all(contestants.map(async ({ name, statement, isRemote = false }, index) => {
    const measured = isRemote || database.startsWith('PostgreSQL') ? times : processors
    const asked = await statement?.(askers[0]!)
    return {
      database,
      page,
      name,
      microseconds: median(times[index]!),
      processor: median(processors[index]!),
      ratio: median(measured[index]!.map((time, round) => time / measured[0]![round]!)),
      found: asked === undefined ? '' : indexesIn(await explain(asked.sql, asked.parameters))
    }
  }))
}

/** The indexes that the database says it uses; it must not read the whole table. */
function indexesIn (text: string): string {
  if (/Seq Scan|SCAN tasks(?! USING)/.test(text)) throw new Error(`the whole table is read:\n${text}`)
  const found = [...text.matchAll(/(tasks_owner|tasks_tenant|tasks_pkey|INTEGER PRIMARY KEY)/g)].map(([name]) => name)
  return [...new Set(found)].join(', ')
}

const PAGES = { own: "the user's own", visible: "the user's own or public", shared: `${SHARED} shared one by one` } as const

async function measure (rounds: number, cerbosUrl: string | undefined): Promise<PageRow[]> {
  const rows: PageRow[] = []
  for (const kind of ['sqlite', 'postgresql'] as const) {
    const database = await { sqlite, postgresql }[kind](ROWS)
    for (const action of ['own', 'visible', 'shared'] as const) {
      rows.push(...await contest(database.name, PAGES[action], withKysely(database, kind, action), database.explain, rounds))
    }
    if (kind === 'sqlite') {
      for (const action of ['own', 'visible'] as const) {
        rows.push(...await contest('SQLite, Prisma', PAGES[action], withPrisma(database, action, cerbosUrl), database.explain, rounds))
      }
    }
    await database.close()
  }
  return rows
}

process.on('message', ({ rounds, cerbosUrl }: { rounds: number, cerbosUrl?: string }) => {
  measure(rounds, cerbosUrl).then(rows => process.send?.(rows), (error: unknown) => {
    console.error(error)
    process.exit(1)
  })
})
process.on('disconnect', () => process.exit())
process.send?.({ ready: true })
