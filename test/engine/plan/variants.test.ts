// Plans with relations that are columns, of several actions, and of rows of which something is known: on random policies and rows.
import t from 'tap'
import fc from 'fast-check'
import { Engine } from '../../../src/engine/engine.js'
import { combinePlans } from '../../../src/engine/plan/combine-plans.js'
import { Conditions } from '../../../src/engine/plan/plan-conditions.js'
import { NoPlanError } from '../../../src/engine/plan/plan-query.js'
import { planNow } from '../../../src/engine/plan/planner.js'
import type { Policy } from '../../../src/engine/policy/policy.js'
import type { Plan } from '../../../src/contract/plan.js'
import { ACTIONS } from '../arbitraries.js'
import { policy, row } from './arbitraries.js'
import { isIn } from './evaluate.js'
import { check, question } from './questions.js'
import { assertCounted } from '../../support/counted.js'

const runs = Number(process.env['PROPERTY_RUNS'] ?? 300)

/** The policy with one subject for each object and relation, as a column has room for. */
function withColumns (policy: Policy): Policy {
  const tuples = (policy.relationship_tuples ?? []).map(tuple => [`${tuple.relation} ${tuple.object}`, tuple] as const)
  return { ...policy, relationship_tuples: [...new Map(tuples).values()] }
}

t.test('a plan with relations that are columns is the same, where columns and tuples agree', async t => {
  const seen = { rows: 0, allowed: 0, byColumn: 0, lists: 0 }
  await assertCounted(fc.property(policy, fc.array(question, { minLength: 10, maxLength: 20 }), fc.subarray(['parent', 'team'], { minLength: 1 }), (loose, questions, relations) => {
    const policy = withColumns(loose)
    const engine = new Engine(policy)
    for (const question of questions) {
      if (question.type === 'unheard') continue
      let plan: Plan
      let listed: Plan
      try {
        plan = planNow(engine.planning({ ...question, relations })).plan
        listed = planNow(engine.planning(question)).plan
      } catch (error) {
        if (!(error instanceof NoPlanError)) throw error
        continue
      }
      if (plan.kind !== 'some') continue
      if (JSON.stringify(plan.condition).includes('"relations.')) seen.byColumn++
      if (listed.kind === 'some' && JSON.stringify(listed.condition).includes('"key"')) seen.lists++
      for (const { resource, key, tenant } of policy.resource_instances ?? []) {
        if (resource !== question.type || tenant !== question.tenant) continue
        const subjects = Object.fromEntries((policy.relationship_tuples ?? []).filter(({ object }) => object === `${resource}:${key}`)
          .map(({ relation, subject }) => [relation, subject.slice(subject.indexOf(':') + 1)]))
        const row = { key, tenant: tenant!, attributes: {}, relations: subjects }
        const allow = check(engine, question, plan, row)
        if (allow === undefined) continue
        if (isIn(plan, row) !== allow) throw new Error(`${JSON.stringify({ question, relations, row, plan })}: the decision is ${allow}`)
        seen.rows++
        if (allow) seen.allowed++
      }
    }
  }), { numRuns: runs }, runs => {
    t.comment(JSON.stringify(seen))
    t.ok(seen.byColumn > 5 && seen.allowed > seen.rows / 20 && seen.rows > 3 * runs, 'columns, rows, and both answers occur')
  })
})

t.test('a plan for several actions has the rows of all of them, or of one of them', async t => {
  let compared = 0
  await assertCounted(fc.property(policy, question, fc.array(row, { minLength: 10, maxLength: 14 }), (policy, question, rows) => {
    const engine = new Engine(policy)
    let plans: Plan[]
    try {
      plans = ACTIONS.map(action => planNow(engine.planning({ ...question, action })).plan)
    } catch (error) {
      if (error instanceof NoPlanError) return
      throw error
    }
    const all = combinePlans('allOf', plans as [Plan, ...Plan[]])
    const any = combinePlans('anyOf', plans as [Plan, ...Plan[]])
    for (const row of rows) {
      if (isIn(all, row) !== plans.every(plan => isIn(plan, row))) throw new Error(`${JSON.stringify({ row, plans, all })}`)
      if (isIn(any, row) !== plans.some(plan => isIn(plan, row))) throw new Error(`${JSON.stringify({ row, plans, any })}`)
      compared++
    }
  }), { numRuns: runs }, runs => {
    t.ok(compared > 4 * runs)
  })
})

t.test('a condition with an assumed value of a field does not change for the rows with that value', async t => {
  let assumed = 0
  await assertCounted(fc.property(policy, question, fc.array(row, { minLength: 10, maxLength: 14 }), fc.constantFrom('age', 'tags', 'owner'), (policy, question, rows, name) => {
    let plan: Plan
    try {
      plan = planNow(new Engine(policy).planning(question)).plan
    } catch (error) {
      if (error instanceof NoPlanError) return
      throw error
    }
    if (plan.kind !== 'some') return
    for (const row of rows) {
      const outcome = new Conditions().assume(plan.condition, `attributes.${name}`, (Object.hasOwn(row.attributes, name) ? row.attributes[name] : undefined) ?? null)
      const before = isIn(plan, row)
      const after = typeof outcome === 'boolean' ? outcome : isIn({ ...plan, condition: outcome }, row)
      if (before !== after) throw new Error(`${JSON.stringify({ row, plan, outcome })}`)
      assumed++
    }
  }), { numRuns: runs }, runs => {
    t.ok(assumed > runs / 4)
  })
})
