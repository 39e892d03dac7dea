// Random questions for plans, and what the engine decides about a row of one.
import fc from 'fast-check'
import type { Engine } from '../../../src/engine/engine.js'
import type { PlanQuery } from '../../../src/engine/plan/plan-query.js'
import type { Plan } from '../../../src/contract/plan.js'
import { ACTIONS, TYPES, USERS } from '../arbitraries.js'
import { context, value } from './arbitraries.js'
import { attributesFor, type Row } from './evaluate.js'

export const question = fc.record({
  user: fc.record({ key: fc.constantFrom(...USERS, 'nobody'), attributes: fc.option(fc.dictionary(fc.constantFrom('age', 'tags', 'owner'), value, { maxKeys: 2 }), { nil: undefined }) })
    .map(({ key, attributes }) => attributes === undefined ? { key } : { key, attributes }),
  action: fc.constantFrom('read', 'read', 'read', ...ACTIONS, 'unheard'),
  type: fc.constantFrom(...TYPES, ...TYPES, ...TYPES, 'unheard'),
  tenant: fc.constantFrom('default', 'default', 'default', 't1', 'none'),
  context
}).map(({ context, ...rest }) => context === undefined ? rest : { ...rest, context })

/** Asks the engine about the row as the contract says. Undefined where the row has no such attributes. */
export function check (engine: Engine, { user, action, type, context }: PlanQuery, plan: Plan, row: Row): boolean | undefined {
  const attributes = attributesFor(plan, row)
  if (attributes === undefined) return undefined
  const { key, tenant } = row
  return engine.decide({ user, action, resource: { type, key, tenant, attributes }, ...(context === undefined ? {} : { context }) }).allow
}
