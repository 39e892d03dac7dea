// Lists: a page of a million rows beside the same page by hand, and how long a plan takes.
import { once } from 'node:events'
import { startCerbos } from './cerbos.js'
import { measurePlans, REACH, type PlanRow } from './growth.js'
import { start, stop } from './processes.js'

/** Here, and not where it is measured: what that needs is only installed for a benchmark. */
export interface PageRow {
  database: string
  page: string
  name: string
  /** For a page, and how often that was measured. */
  microseconds: number
  /** Of these, processor time of this process. SQLite is a part of it, PostgreSQL and Cerbos are not. */
  processor: number
  /** Against the same page by the where-clause of an expert: by processor time where all of the work is done in this process. */
  ratio: number
  /** How the database found the rows; empty where the statement is not at hand. */
  found: string
}

export interface ListsResult { pages: PageRow[], plans: PlanRow[] }

const CERBOS = `
apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: task
  version: default
  rules:
    - actions: [own]
      effect: EFFECT_ALLOW
      roles: [member]
      condition:
        match: { expr: request.resource.attr.tenant == request.principal.attr.tenant && request.resource.attr.owner == request.principal.id }
    - actions: [visible]
      effect: EFFECT_ALLOW
      roles: [member]
      condition:
        match: { expr: request.resource.attr.tenant == request.principal.attr.tenant && (request.resource.attr.owner == request.principal.id || request.resource.attr.public == 1) }
`

export async function measureLists (rounds: number, sizes: readonly number[], progress: (text: string) => void): Promise<ListsResult> {
  progress('Pages of a million rows')
  const cerbos = await startCerbos(CERBOS)
  // Node 20's compiler ends the process now and then when it inlines calls into WebAssembly; SQLite is one.
  const { child } = await start('./lists-pages.js', [], ['--no-turbo-inline-js-wasm-calls'])
  try {
    child.send({ rounds, cerbosUrl: cerbos?.http })
    const [pages] = await Promise.race([
      once(child, 'message') as Promise<[PageRow[]]>,
      once(child, 'exit').then(([code]) => { throw new Error(`lists-pages.js ended with ${code}`) })
    ])
    return { pages, plans: await measurePlans(sizes, [10, 100, 1_000, 10_000, 100_000], rounds, progress) }
  } finally {
    stop(child)
    cerbos?.stop()
  }
}

export function listsTable ({ pages, plans }: ListsResult): void {
  console.table(pages.map(({ microseconds, processor, ratio, ...row }) => ({ ...row, 'µs a page': Math.round(microseconds), 'of these, processor': Math.round(processor), 'against by hand': Number(ratio.toFixed(2)) })))
  console.table(plans.map(({ microseconds, ofSmallest, ...row }) => ({ ...row, 'µs a plan': Number(microseconds.toPrecision(3)), 'against the smallest': Number(ofSmallest.toFixed(2)) })))
}

/** The largest ratio of a page by a plan, of those by Kysely. */
export function slowestPage ({ pages }: ListsResult): number {
  return Math.max(...pages.filter(({ name, database }) => name === 'fastify-permit, plan' && !database.endsWith('Prisma')).map(({ ratio }) => ratio))
}

/** The longest plan, µs, and the most that it grows from the smallest world to the largest. */
export function slowestPlan ({ plans }: ListsResult): { microseconds: number, growth: number } {
  const flat = plans.filter(({ scenario }) => scenario.startsWith('RBAC'))
  return { microseconds: Math.max(...flat.map(row => row.microseconds)), growth: Math.max(...flat.map(row => row.ofSmallest)) }
}

/** µs for each instance that a user reaches, at the most. */
export function perInstance ({ plans }: ListsResult): number {
  return Math.max(...plans.filter(({ scenario, facts }) => scenario === REACH && facts >= 100).map(({ microseconds, facts }) => microseconds / facts))
}
