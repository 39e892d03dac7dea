// The rows that SQLite returns for a plan are exactly those for which the plan's condition holds, whatever is in them.
import fc from 'fast-check'
import t from 'tap'
import { TranslationError } from '../../src/index.js'
import { toPredicate, fields } from '../../src/lists/predicate.js'
import { sqliteFor } from './support/databases.js'
import { casesOf, conditionOn, INTEGERS, json, NUMBERS, planOf, TENANT, TEXTS, TIMES, type Shape } from './support/random.js'
import { sqliteTargets } from './support/sql-targets.js'
import { assertCounted } from '../support/counted.js'

const SHAPE: Shape = {
  key: 'text',
  'attributes.name': 'text',
  'attributes.folded': 'text',
  'attributes.level': 'integer',
  'attributes.price': 'number',
  'attributes.done': 'boolean',
  'attributes.due': 'date',
  'attributes.end': 'date',
  'attributes.data': 'json',
  'attributes.data.a': 'json',
  'attributes.data.a.b': 'json',
  'attributes.tags': 'list',
  'attributes.loose': 'loose',
  'attributes.weak': 'loose',
  'relations.parent': 'text'
}

const things = fields({
  database: 'sqlite',
  key: 'id',
  tenant: 'tenant',
  attributes: {
    name: 'name',
    folded: { column: 'folded', type: 'text' },
    level: { column: 'level', type: 'integer' },
    price: { column: 'price', type: 'number' },
    done: { column: 'done', type: 'boolean' },
    due: { column: 'due', type: 'date' },
    end: { column: 'ends', type: 'date' },
    data: { column: 'data', type: 'json' },
    tags: { column: 'tags', type: 'json' },
    loose: 'loose',
    weak: 'weak'
  },
  relations: { parent: 'parent' }
})

const COLUMNS = ['id', 'tenant', 'name', 'folded', 'level', 'price', 'done', 'due', 'ends', 'data', 'tags', 'loose', 'weak', 'parent']
const TABLE = `CREATE TABLE things (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT, folded TEXT COLLATE NOCASE, level INTEGER, price REAL,
  done BOOLEAN, due INTEGER, ends INTEGER, data TEXT, tags TEXT, loose, weak NUMERIC, parent INTEGER)`

const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 6 })
const row = fc.tuple(
  maybe(fc.constantFrom(...TEXTS)), maybe(fc.constantFrom(...TEXTS)), maybe(fc.constantFrom(...INTEGERS)), maybe(fc.constantFrom(...NUMBERS, Infinity, -Infinity)),
  maybe(fc.constantFrom(0, 1, 2)), maybe(fc.constantFrom(...TIMES.map(time => Date.parse(time)), 9e15)), maybe(fc.constantFrom(...TIMES.map(time => Date.parse(time)))),
  maybe(fc.oneof({ weight: 9, arbitrary: json.map(value => JSON.stringify(value)) }, { weight: 1, arbitrary: fc.constantFrom('', 'no json', '{a:1}', '{"a":1,"a":2}', '{"\\u0061":1}', '{"a":{"b":"x"},"a":{"b":"a"}}', '1e400', ' 1 ') })),
  maybe(fc.array(fc.oneof(fc.constantFrom(...TEXTS), fc.constantFrom(...NUMBERS), json), { maxLength: 4 }).map(value => JSON.stringify(value))),
  maybe(fc.oneof(fc.constantFrom(...TEXTS), fc.constantFrom(...NUMBERS))), maybe(fc.oneof(fc.constantFrom(...TEXTS), fc.constantFrom(...NUMBERS))),
  maybe(fc.constantFrom<unknown>(0, 1, 5, 9, 10, 42, 'a', 'A', ''))
)

const ROWS = 150

for (const [name, select] of Object.entries(sqliteTargets(things))) {
  t.test(`with ${name}, SQLite returns exactly the rows that meet the condition`, async t => {
    const database = sqliteFor(t)
    await database.all(TABLE)
    const fill = async (seed: number): Promise<Array<Record<string, unknown>>> => {
      await database.all('DELETE FROM things')
      const insert = `INSERT INTO things VALUES (${COLUMNS.map(() => '?').join(', ')})`
      for (const [index, values] of fc.sample(row, { numRuns: ROWS, seed }).entries()) {
        const key = TEXTS[index] ?? `row ${index}`
        await database.all(insert, [key, index % 9 === 8 ? 'other' : TENANT, ...values])
      }
      return await database.all('SELECT * FROM things')
    }
    const counts = { cases: 0, refused: 0, returned: 0, empty: 0 }
    const cases = casesOf(500)
    let rows = await fill(1)
    await assertCounted(fc.asyncProperty(conditionOn(SHAPE), async condition => {
      if (++counts.cases % 500 === 0) rows = await fill(counts.cases)
      const plan = planOf(condition)
      let statement
      try {
        statement = select(plan)
      } catch (error) {
        if (!(error instanceof TranslationError)) throw error
        counts.refused++
        return
      }
      const returned = (await database.all(statement.sql, statement.values)).map(({ id }) => id).sort()
      const expected = rows.filter(toPredicate(plan, things)).map(({ id }) => id).sort()
      counts.returned += returned.length
      if (returned.length === 0) counts.empty++
      if (JSON.stringify(returned) !== JSON.stringify(expected)) throw new Error(`${JSON.stringify({ returned, expected })} for ${statement.sql} ${JSON.stringify(statement.values)}`)
    }), { numRuns: cases }, runs => {
      t.comment(`${database.name}: ${JSON.stringify(counts)} on ${ROWS} rows`)
      t.ok(counts.refused < 0.35 * runs, `${counts.refused} of ${runs} conditions were refused`)
      t.ok(counts.empty < 0.7 * runs, `${counts.empty} of ${runs} conditions had no row`)
    })
  })
}
