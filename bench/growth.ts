// Does a decision cost more when there are more facts? Decisions per second of processor time, from a thousand facts to a million.
import { once } from 'node:events'
import type { WorldsOrder } from './growth-worlds.js'
import { start, stop } from './processes.js'

export interface GrowthRow { scenario: string, facts: number, perSecond: number, ofSmallest: number }

const SCENARIOS = ['RBAC, 10 assignments a user', 'RBAC, one user has them all', 'RBAC and ABAC', 'ReBAC, up three folders']

/** Each scenario has a process of its own: what one has taught the compiler must neither help nor hinder the next. */
export async function measureGrowth (sizes: readonly number[], rounds: number, progress: (text: string) => void): Promise<GrowthRow[]> {
  const rows: GrowthRow[] = []
  for (const scenario of SCENARIOS) {
    progress(`Growth: ${scenario}`)
    const { child } = await start('./growth-worlds.js', [], ['--max-old-space-size=8192'])
    const order: WorldsOrder = { scenario, sizes, rounds }
    child.send(order)
    const [rates] = await once(child, 'message') as [number[]]
    stop(child)
    rows.push(...sizes.map((facts, index) => ({ scenario, facts, perSecond: rates[index]!, ofSmallest: rates[index]! / rates[0]! })))
  }
  return rows
}

export interface PlanRow {
  scenario: string
  facts: number
  /** Of processor time. */
  microseconds: number
  /** Against the smallest world. */
  ofSmallest: number
}

export const REACH = 'ReBAC, one user reaches them all'
const PLAN_SCENARIOS = ['RBAC, 10 assignments a user', 'RBAC and ABAC', 'ReBAC, up three folders']

/** How long a plan takes, from a thousand facts to a million; and when a user reaches more and more instances. */
export async function measurePlans (sizes: readonly number[], reach: readonly number[], rounds: number, progress: (text: string) => void): Promise<PlanRow[]> {
  const rows: PlanRow[] = []
  for (const scenario of [...PLAN_SCENARIOS, REACH]) {
    progress(`Plans: ${scenario}`)
    const { child } = await start('./growth-worlds.js', [], ['--max-old-space-size=8192'])
    const of = scenario === REACH ? reach : sizes
    const order: WorldsOrder = { scenario, sizes: of, rounds, plans: true }
    child.send(order)
    const [rates] = await once(child, 'message') as [number[]]
    stop(child)
    rows.push(...of.map((facts, index) => ({ scenario, facts, microseconds: 1_000_000 / rates[index]!, ofSmallest: rates[0]! / rates[index]! })))
  }
  return rows
}
