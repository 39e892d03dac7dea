// The published JSON Schema says the same as the engine, as far as a schema can.

import t from 'tap'
import fc from 'fast-check'
import { Compile } from 'typebox/compile'
import { COMPARISON_OPERATORS, LOGICAL_OPERATORS, MATCH_OPERATORS } from '../../../src/engine/decide/conditions.js'
import { Engine } from '../../../src/engine/engine.js'
import { policyJsonSchema } from '../../../src/environment/file/policy-schema.js'
import { policy } from '../../engine/arbitraries.js'

const schema = Compile(policyJsonSchema())
const set = (conditions: unknown) => ({ user_sets: { them: { conditions } } })

t.test('it accepts what the engine accepts', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(policy, policy => {
    new Engine().load(policy)
    return schema.Check(policy)
  }), { numRuns: 100 }))
})

t.test('it refuses wrong structures, like the engine', async t => {
  const cases = [
    { role: {} }, { roles: [] }, { roles: { 'a:b': {} } }, { resources: { a: {} } }, { resources: { a: { actions: {}, action: {} } } }, { role_assignments: [{ user: 'a' }] },
    { role_assignments: [{ user: 1, role: 'a' }] }, set({ 'user.a': { eq: 1 } }), set({ 'usr.a': { equals: 1 } }), set({}), set({ 'user.a': {} }), set({ allOf: {} }),
    set({ 'user.a': { in: 'x' } }), set({ 'user.a': { in: { ref: 'x' } } }), set({ 'user.a': { 'less-than': true } }), set({ 'user.a': { any_match: { role: { equals: 1 } } } }),
    set({ allOf: [{ not: [{ 'user.a': { anyOf: [{ eqauls: 1 }] } }] }] }), { user_sets: { them: {} } }
  ]
  for (const document of cases) {
    t.equal(schema.Check(document), false, JSON.stringify(document))
    t.throws(() => new Engine().load(document as never), { name: 'PolicyError' })
  }
})

t.test('it knows every operator, and describes every property for editors', async t => {
  const { definitions } = policyJsonSchema() as { definitions: { test: { properties: object } } }
  t.same(Object.keys(definitions.test.properties).sort(), [...COMPARISON_OPERATORS.map(({ key }) => key), ...MATCH_OPERATORS, ...LOGICAL_OPERATORS].sort())
  for (const [path, described] of properties(policyJsonSchema())) if (!path.includes('definitions')) t.equal(described, true, path)
})

t.test('it is valid JSON', async t => {
  t.same(JSON.parse(JSON.stringify(policyJsonSchema())), policyJsonSchema())
})

function * properties (schema: unknown, path = ''): Generator<[string, boolean]> {
  if (typeof schema !== 'object' || schema === null) return
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties') {
      for (const [name, property] of Object.entries(value as object)) yield [`${path}.${name}`, typeof (property as { description?: unknown }).description === 'string' || 'anyOf' in (property as object)]
    }
    yield * properties(value, `${path}.${key}`)
  }
}
