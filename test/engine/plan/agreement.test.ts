// A plan is what decisions say, row by row: on random policies, users, tenants and rows.
import t from 'tap'
import fc from 'fast-check'
import { Engine } from '../../../src/engine/engine.js'
import { NoPlanError } from '../../../src/engine/plan/plan-query.js'
import { planNow } from '../../../src/engine/plan/planner.js'
import type { Plan } from '../../../src/contract/plan.js'
import { policy, row } from './arbitraries.js'
import { isIn } from './evaluate.js'
import { check, question } from './questions.js'
import { assertCounted } from '../../support/counted.js'

const runs = Number(process.env['PROPERTY_RUNS'] ?? 300)

t.test('a row is in the plan exactly when the decision about it is yes', async t => {
  const seen = { rows: 0, allowed: 0, all: 0, none: 0, some: 0, refused: 0, contradicting: 0, otherTenant: 0 }
  const operators = new Map<string, number>()
  await assertCounted(fc.property(fc.constantFrom('permit', 'deny'), policy, fc.array(question, { minLength: 8, maxLength: 16 }), fc.array(row, { minLength: 10, maxLength: 14 }), (unknown, policy, questions, rows) => {
    const engine = new Engine(policy, { unknown })
    for (const question of questions) {
      let plan: Plan
      try {
        plan = planNow(engine.planning(question)).plan
      } catch (error) {
        if (!(error instanceof NoPlanError)) throw error
        seen.refused++
        continue
      }
      seen[plan.kind]++
      if (plan.kind === 'some') for (const [operator] of JSON.stringify(plan.condition).matchAll(/(?<="operator":")[^"]+/g)) operators.set(operator, (operators.get(operator) ?? 0) + 1)
      for (const row of rows) {
        if (row.tenant !== question.tenant) {
          if (isIn(plan, row)) throw new Error('a row of another tenant is in the plan')
          seen.otherTenant++
          continue
        }
        const allow = check(engine, question, plan, row)
        if (allow === undefined) {
          seen.contradicting++
          continue
        }
        if (isIn(plan, row) !== allow) throw new Error(`${JSON.stringify({ question, row, plan })}: the decision is ${allow}`)
        seen.rows++
        if (allow) seen.allowed++
      }
    }
  }), { numRuns: 2 * runs }, runs => {
    t.comment(JSON.stringify(seen))
    t.comment(JSON.stringify([...operators].sort((a, b) => b[1] - a[1])))
    t.ok(seen.rows >= 30 * runs, 'many rows were compared')
    t.ok(seen.allowed > seen.rows / 20 && seen.allowed < seen.rows * 0.8, 'enough of both answers')
    t.ok(seen.some > seen.all / 20 && seen.none > 0 && seen.all > 0, 'plans of all kinds')
    t.ok(seen.refused < (seen.all + seen.none + seen.some) / 5, 'few plans are refused')
    for (const operator of ['and', 'or', 'not', 'eq', 'ne', 'lt', 'lte', 'gt', 'gte', 'in', 'contains', 'array_contains', 'array_subset', 'array_superset', 'array_intersect', 'spans', 'object_match', 'any_match', 'all_match', 'eq_field']) {
      t.ok((operators.get(operator) ?? 0) > 0, `${operator} occurs`)
    }
  })
})
