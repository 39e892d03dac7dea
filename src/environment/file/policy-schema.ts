// The JSON Schema of policy files for editors: the engine's TypeBox schema, with conditions in detail.

import { COMPARISON_OPERATORS, LOGICAL_OPERATORS, MATCH_OPERATORS } from '../../engine/decide/conditions.js'
import { PolicySchema } from '../../engine/policy/policy.js'
import { isRecord } from '../../kit/is-record.js'

/** A JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** The JSON Schema of policy files, draft 7, which editors for YAML and JSON support. Returns a new object each time. */
export function policyJsonSchema (): JsonSchema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'fastify-permit policy',
    ...withConditions(JSON.parse(JSON.stringify(PolicySchema))),
    definitions: { condition: condition(), test: test(), reference: reference() }
  }
}

/** The engine checks conditions itself, with better messages than a schema has. Editors need a schema. */
function withConditions (schema: JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => {
    if (key === 'conditions' && isRecord(value)) {
      return [key, { allOf: [{ $ref: '#/definitions/condition' }], description: value['description'] }]
    }
    if (Array.isArray(value)) return [key, value.map(item => isRecord(item) ? withConditions(item) : item)]
    return [key, isRecord(value) ? withConditions(value) : value]
  }))
}

function condition (): JsonSchema {
  return {
    type: 'object',
    description: 'All members must hold: attributes with the tests that they must pass, and logical operators with further conditions.',
    minProperties: 1,
    properties: logical('#/definitions/condition'),
    patternProperties: { '^(user|resource|tenant|context|subject|environment)\\..|^now$|^now\\.': { $ref: '#/definitions/test' } },
    additionalProperties: false
  }
}

function test (): JsonSchema {
  return {
    type: 'object',
    description: 'The tests that an attribute must pass, all of them. A missing attribute passes no comparison.',
    minProperties: 1,
    properties: { ...logical('#/definitions/test'), ...comparisons() },
    additionalProperties: false
  }
}

function logical (item: string): Record<string, JsonSchema> {
  const list = { type: 'array', items: { $ref: item } }
  return Object.fromEntries(LOGICAL_OPERATORS.map(operator => [operator, operator === 'not' ? { anyOf: [list, { $ref: item }] } : list]))
}

function comparisons (): Record<string, JsonSchema> {
  const reference = { $ref: '#/definitions/reference' }
  const plain = COMPARISON_OPERATORS.map(({ key, wants, types }): [string, JsonSchema] => {
    const description = `Compares with ${wants}, or with another attribute.`
    return [key, types === undefined ? { description } : { description, anyOf: [...types.map(type => ({ type })), reference] }]
  })
  const matchers = MATCH_OPERATORS.map((key): [string, JsonSchema] => [key, {
    type: 'object',
    description: 'Compares the fields of an object, or of the objects in a list.',
    required: ['match'],
    properties: { match: { type: 'object', minProperties: 1, additionalProperties: { $ref: '#/definitions/test' } } },
    additionalProperties: false
  }])
  return Object.fromEntries([...plain, ...matchers])
}

function reference (): JsonSchema {
  return {
    type: 'object',
    description: 'Another attribute of the same query.',
    required: ['ref'],
    properties: { ref: { type: 'string', pattern: '^(user|resource|tenant|context|subject|environment)\\..|^now$|^now\\.' } },
    additionalProperties: false
  }
}
