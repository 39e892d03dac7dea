// The documents that a filter finds are exactly those that the condition holds for. No MongoDB runs here: mingo is its query language in JavaScript.
import fc from 'fast-check'
import { Query } from 'mingo'
import t from 'tap'
import { TranslationError } from '../../src/index.js'
import { fields, toMongo } from '../../src/lists/mongo.js'
import { testOf, walk } from '../../src/lists/evaluate.js'
import { valueOf } from '../../src/lists/row.js'
import { casesOf, conditionOn, INTEGERS, json, NUMBERS, planOf, TENANT, TEXTS, TIMES, type Shape } from './support/random.js'
import { assertCounted } from '../support/counted.js'

const SHAPE: Shape = {
  key: 'text',
  'attributes.name': 'text',
  'attributes.other': 'text',
  'attributes.city': 'text',
  'attributes.level': 'integer',
  'attributes.price': 'number',
  'attributes.done': 'boolean',
  'attributes.due': 'date',
  'attributes.data': 'json',
  'attributes.data.a': 'json',
  'attributes.data.a.b': 'json',
  'attributes.tags': 'list',
  'attributes.loose': 'loose',
  'relations.parent': 'text'
}

const things = fields({
  key: { column: 'id', type: 'text' },
  tenant: 'tenant',
  attributes: {
    name: { column: 'name', type: 'text' },
    other: { column: 'other', type: 'text' },
    city: { column: 'address.city', type: 'text' },
    level: { column: 'level', type: 'integer' },
    price: { column: 'price', type: 'number' },
    done: { column: 'done', type: 'boolean' },
    due: { column: 'due', type: 'date' },
    data: { column: 'data', type: 'json' },
    tags: { column: 'tags', type: 'json' },
    loose: 'loose'
  },
  relations: { parent: 'parent' }
})

/** A document's values as a condition sees them. */
function reader (document: object): (field: string) => unknown {
  return field => {
    if (field === 'key') return (document as { id: string }).id
    if (field === 'tenant') return (document as { tenant: string }).tenant
    for (const [name, column] of things.columns) {
      if (field !== name && !field.startsWith(`${name}.`)) continue
      const value = valueOf(column, walk(document, column.column.split('.')))
      return walk(value, field === name ? [] : field.slice(name.length + 1).split('.')) ?? null
    }
    throw new Error(field)
  }
}

const absent = Symbol('absent')
const maybe = <T>(value: fc.Arbitrary<T>) => fc.oneof({ weight: 6, arbitrary: value }, { weight: 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.constant(absent) })
const texts = fc.constantFrom(...TEXTS)
const row = fc.record({
  name: maybe(texts),
  other: maybe(texts),
  address: maybe(fc.oneof({ weight: 4, arbitrary: fc.record({ city: maybe(texts) }) }, { weight: 1, arbitrary: fc.array(fc.record({ city: texts })) }, { weight: 1, arbitrary: texts })),
  level: maybe(fc.constantFrom(...INTEGERS)),
  price: maybe(fc.constantFrom(...NUMBERS)),
  done: maybe(fc.boolean()),
  due: maybe(fc.constantFrom(...TIMES.map(time => new Date(time)))),
  data: maybe(json),
  tags: maybe(fc.array(fc.oneof(texts, fc.constantFrom(...NUMBERS), json), { maxLength: 4 })),
  // A list where a text is expected: a filter would look into it.
  loose: maybe(fc.oneof(texts, fc.constantFrom(...NUMBERS), fc.boolean(), fc.array(texts, { maxLength: 2 }), fc.array(fc.constant(null)))),
  parent: maybe(fc.oneof(texts, fc.constantFrom(0, 1, 5, 9, 10, 42)))
})

const present = (value: unknown): unknown => value instanceof Date || typeof value !== 'object' || value === null
  ? value
  : Array.isArray(value) ? value.map(present) : Object.fromEntries(Object.entries(value).filter(([, member]) => member !== absent).map(([name, member]) => [name, present(member)]))

const fill = (seed: number): object[] => fc.sample(row, { numRuns: 150, seed }).map((values, index) =>
  ({ id: TEXTS[index] ?? `row ${index}`, tenant: index % 9 === 8 ? 'other' : TENANT, ...present(values) as object }))

t.test('a filter finds exactly the documents that meet the condition', async t => {
  const counts = { cases: 0, refused: 0, found: 0, empty: 0 }
  const cases = casesOf(600)
  let documents = fill(1)
  // mingo looks up no such name; MongoDB does.
  const conditions = conditionOn(SHAPE).filter(condition => !JSON.stringify(condition).includes('__proto__'))
  await assertCounted(fc.property(conditions, condition => {
    if (++counts.cases % 300 === 0) documents = fill(counts.cases)
    const plan = planOf(condition)
    let filter
    try {
      filter = toMongo(plan, things)
    } catch (error) {
      if (!(error instanceof TranslationError)) throw error
      counts.refused++
      return
    }
    const query = new Query(filter)
    const found = documents.filter(document => query.test(document as Record<string, unknown>)).map(document => (document as { id: string }).id)
    const test = testOf(plan.kind === 'some' ? plan.condition : condition)
    const expected = documents.filter(document => test(reader(document))).map(document => (document as { id: string }).id)
    counts.found += found.length
    if (found.length === 0) counts.empty++
    if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error(`${JSON.stringify({ found, expected })} for ${JSON.stringify(filter)} ${JSON.stringify(documents.filter(document => found.includes((document as { id: string }).id) !== expected.includes((document as { id: string }).id)).slice(0, 3))}`)
  }), { numRuns: cases }, runs => {
    t.comment(`${JSON.stringify(counts)}`)
    t.ok(counts.refused < 0.35 * runs, `${counts.refused} of ${runs} conditions were refused`)
    t.ok(counts.empty < 0.7 * runs, `${counts.empty} of ${runs} conditions had no document`)
  })
})
