// Random policies, users and rows: what a database returns for the engine's plan is what the engine decides row by row.
import fc from 'fast-check'
import type { Test } from 'tap'
import { Engine } from '../../../src/engine/engine.js'
import { NoPlanError, type PlanQuery } from '../../../src/engine/plan/plan-query.js'
import { planNow } from '../../../src/engine/plan/planner.js'
import { TranslationError } from '../../../src/index.js'
import type { Plan } from '../../../src/contract/plan.js'
import { ACTIONS, TYPES, USERS } from '../../engine/arbitraries.js'
import { context, policy, row, value } from '../../engine/plan/arbitraries.js'
import { attributesFor, type Row } from '../../engine/plan/evaluate.js'
import { casesOf } from './random.js'
import { assertCounted } from '../../support/counted.js'

const question = fc.record({
  user: fc.record({ key: fc.constantFrom(...USERS, 'nobody'), attributes: fc.option(fc.dictionary(fc.constantFrom('age', 'tags', 'owner'), value, { maxKeys: 2 }), { nil: undefined }) })
    .map(({ key, attributes }) => attributes === undefined ? { key } : { key, attributes }),
  action: fc.constantFrom('read', 'read', 'read', ...ACTIONS),
  type: fc.constantFrom(...TYPES),
  tenant: fc.constantFrom('default', 'default', 'default', 't1', 'none'),
  context
}).map(({ context, ...rest }) => context === undefined ? rest : { ...rest, context })

/** What a target has to do for the test. */
export interface Table {
  /** The values that the columns can hold of a row's: a table with columns for texts and numbers keeps no lists. */
  readonly fit: (row: Row) => Row
  /** Replaces all rows. Each has the key `<key>/<index>` in a column of its own, so that several can have one key in the plan. */
  readonly fill: (rows: readonly Row[]) => Promise<void>
  /** Which rows, by index, the plan returns. */
  readonly select: (plan: Plan) => Promise<number[]>
}

export const ATTRIBUTES = ['age', 'tags', 'owner', '__proto__'] as const

/** Compares `cases` plans, each on some 25 rows. */
export async function agreement (t: Test, few: number, { fit, fill, select }: Table): Promise<void> {
  const seen = { plans: 0, all: 0, none: 0, some: 0, noPlan: 0, refused: 0, rows: 0, allowed: 0, contradicting: 0 }
  const cases = casesOf(few)
  const refusals = new Map<string, number>()
  await assertCounted(fc.asyncProperty(policy, fc.array(question, { minLength: 10, maxLength: 10 }), fc.array(row, { minLength: 20, maxLength: 30 }), async (policy, questions, random) => {
    const engine = new Engine(policy)
    const rows = random.map(fit)
    await fill(rows)
    for (const question of questions as PlanQuery[]) {
      let plan: Plan
      try {
        plan = planNow(engine.planning(question)).plan
      } catch (error) {
        if (!(error instanceof NoPlanError)) throw error
        seen.noPlan++
        continue
      }
      seen.plans++
      seen[plan.kind]++
      let found: Set<number>
      try {
        found = new Set(await select(plan))
      } catch (error) {
        if (!(error instanceof TranslationError)) throw error
        seen.refused++
        const [, operator = error.message] = /cannot translate '([^']+)'/.exec(error.message) ?? []
        refusals.set(operator, (refusals.get(operator) ?? 0) + 1)
        continue
      }
      for (const [index, row] of rows.entries()) {
        const attributes = attributesFor(plan, row)
        if (attributes === undefined) {
          seen.contradicting++
          continue
        }
        const { user, action, type, context } = question
        // Of a row of another tenant the plan says nothing but no.
        const allow = row.tenant === question.tenant &&
          engine.decide({ user, action, resource: { type, key: row.key, tenant: row.tenant, attributes }, ...(context === undefined ? {} : { context }) }).allow
        if (found.has(index) !== allow) throw new Error(`${JSON.stringify({ question, row, plan })}: the decision is ${allow}`)
        seen.rows++
        if (allow) seen.allowed++
      }
    }
  }), { numRuns: Math.ceil(cases / 10) }, () => {
    t.comment(JSON.stringify(seen))
    t.comment(JSON.stringify(Object.fromEntries(refusals)))
    t.ok(seen.some > 0.1 * seen.plans, `${seen.some} of ${seen.plans} plans have a condition`)
    t.ok(seen.allowed > 0.05 * seen.rows && seen.allowed < 0.9 * seen.rows, `${seen.allowed} of ${seen.rows} rows are allowed`)
    t.ok(seen.refused < 0.5 * seen.plans, `${seen.refused} of ${seen.plans} plans are refused`)
  })
}
