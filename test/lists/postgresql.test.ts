// The rows that PostgreSQL returns for a plan are exactly those for which the plan's condition holds, whatever is in them.
import { citext } from '@electric-sql/pglite/contrib/citext'
import { PGlite } from '@electric-sql/pglite'
import fc from 'fast-check'
import t from 'tap'
import { TranslationError } from '../../src/index.js'
import { toPredicate, fields } from '../../src/lists/predicate.js'
import { casesOf, conditionOn, INTEGERS, json, NUMBERS, planOf, TENANT, TEXTS, TIMES, type Shape } from './support/random.js'
import { postgresqlTargets } from './support/sql-targets.js'
import { assertCounted } from '../support/counted.js'

const SHAPE: Shape = {
  key: 'text',
  'attributes.name': 'text',
  'attributes.folded': 'text',
  'attributes.ci': 'text',
  'attributes.level': 'integer',
  'attributes.large': 'integer',
  'attributes.price': 'number',
  'attributes.amount': 'number',
  'attributes.done': 'boolean',
  'attributes.due': 'date',
  'attributes.end': 'date',
  'attributes.data': 'json',
  'attributes.data.a': 'json',
  'attributes.data.a.b': 'json',
  'attributes.tags': 'list',
  'attributes.uid': 'text',
  'attributes.state': 'text',
  'attributes.loose': 'text',
  'attributes.weak': 'number',
  'attributes.single': 'number',
  'relations.parent': 'text'
}

const UIDS = ['00000000-0000-0000-0000-000000000000', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']
const STATES = ['a', 'A', 'ab', '5']

/** Of two columns the type is not said. PostgreSQL tells that they hold numbers, and a driver may read them as text. */
const mapping = (weak: 'number' | undefined) => fields({
  database: 'postgresql',
  key: 'id',
  tenant: 'tenant',
  attributes: {
    name: { column: 'name', type: 'text' },
    folded: { column: 'folded', type: 'text' },
    ci: { column: 'ci', type: 'text' },
    level: { column: 'level', type: 'integer' },
    large: { column: 'large', type: 'integer' },
    price: { column: 'price', type: 'number' },
    amount: { column: 'amount', type: 'number' },
    done: { column: 'done', type: 'boolean' },
    due: { column: 'due', type: 'date' },
    end: { column: 'ends', type: 'date' },
    data: { column: 'data', type: 'json' },
    tags: { column: 'tags', type: 'array' },
    uid: { column: 'uid', type: 'uuid' },
    state: { column: 'state', type: 'enum' },
    loose: 'loose',
    weak: { column: 'weak', type: weak },
    single: { column: 'single', type: weak }
  },
  relations: { parent: { column: 'parent', type: 'integer' } }
})

const things = mapping(undefined)
const read = mapping('number')

const COLUMNS = ['id', 'tenant', 'name', 'folded', 'ci', 'level', 'large', 'price', 'amount', 'done', 'due', 'ends', 'data', 'tags', 'uid', 'state', 'loose', 'weak', 'single', 'parent']
const TABLE = `
CREATE EXTENSION IF NOT EXISTS citext;
CREATE TYPE state AS ENUM ('a', 'A', 'ab', '5');
CREATE TABLE things (id text PRIMARY KEY, tenant text NOT NULL, name varchar(100), folded text FOLDED, ci citext, level integer, large bigint, price double precision, amount numeric,
  done boolean, due timestamptz, ends timestamptz, data jsonb, tags text[], uid uuid, state state, loose text, weak numeric, single real, parent bigint)`

const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 6 })
const storable = TEXTS
const row = fc.tuple(
  maybe(fc.constantFrom(...storable)), maybe(fc.constantFrom(...storable)), maybe(fc.constantFrom(...storable)),
  maybe(fc.constantFrom(...INTEGERS.filter(number => Math.abs(number) < 2 ** 31))), maybe(fc.constantFrom<number | string>(...INTEGERS, '9007199254740993', '-9223372036854775808')),
  maybe(fc.constantFrom(...NUMBERS, NaN, Infinity, -Infinity)), maybe(fc.constantFrom<string | number>(0, 1, 5, 9, 10, -1.5, '0.10', '0.3', '5.0000000000000000000000001', '4.9999999999999999999999', 'NaN')),
  maybe(fc.boolean()),
  maybe(fc.constantFrom(...TIMES.filter(time => !time.startsWith('00')), '2024-01-01T00:00:00.000500Z', '1969-12-31T23:59:59.999900Z', '10000-01-01T00:00:00Z', 'infinity', '-infinity')),
  maybe(fc.constantFrom(...TIMES.filter(time => !time.startsWith('00')), '2024-01-01T00:00:00.000900Z', 'infinity')),
  maybe(fc.oneof({ weight: 9, arbitrary: json.map(value => JSON.stringify(value)) }, { weight: 1, arbitrary: fc.constantFrom('{"a":1,"a":2}', '5.00000000000000000000001', '0.1000000000000000055511151231257827', '{"a":{"b":0.30000000000000002}}') })),
  maybe(fc.array(maybe(fc.constantFrom(...storable)), { maxLength: 4 })),
  maybe(fc.constantFrom(...UIDS)), maybe(fc.constantFrom(...STATES)), maybe(fc.constantFrom(...storable)),
  maybe(fc.constantFrom<string | number>(0, 1, 5, 9, 10, -1.5, '0.10', '5.0000000000000000000000001')),
  maybe(fc.constantFrom(0, 1, 5, 0.1, 0.2, -1.5, 1e30)),
  maybe(fc.constantFrom<unknown>(0, 1, 5, 9, 10, 42))
)

const ROWS = 150

const database = await PGlite.create({ extensions: { citext } })
t.teardown(() => database.close())
// A collation for which 'a' and 'A' are equal, where this PostgreSQL has such.
let folded = ''
try {
  await database.exec("CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
  folded = 'COLLATE folded'
} catch (error) {
  t.comment(`no ICU here: ${String(error)}`)
}
await database.exec(TABLE.replace('FOLDED', folded))

for (const [name, select] of Object.entries(postgresqlTargets(things))) {
  t.test(`with ${name}, PostgreSQL returns exactly the rows that meet the condition`, async t => {
    const fill = async (seed: number): Promise<Array<Record<string, unknown>>> => {
      await database.exec('DELETE FROM things')
      const insert = `INSERT INTO things VALUES (${COLUMNS.map((_, index) => `$${index + 1}`).join(', ')})`
      for (const [index, values] of fc.sample(row, { numRuns: ROWS, seed }).entries()) {
        await database.query(insert, [TEXTS[index] ?? `row ${index}`, index % 9 === 8 ? 'other' : TENANT, ...values], { serializers: { 3802: value => String(value) } })
      }
      return (await database.query<Record<string, unknown>>('SELECT * FROM things')).rows
    }
    const counts = { cases: 0, refused: 0, refusedByPostgresql: 0, returned: 0, empty: 0 }
    const cases = casesOf(150)
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
      let found
      try {
        found = await database.query<Record<string, unknown>>(statement.sql, [...statement.values])
      } catch (error) {
        // A column whose type is not said, compared with a value of another: there is no such operator in PostgreSQL.
        if (!/attributes\.(loose|weak|single)/.test(JSON.stringify(condition)) || !/operator does not exist|function strpos|collations are not supported/.test(String(error))) {
          throw new Error(`${String(error)} for ${statement.sql} ${JSON.stringify(statement.values)}`)
        }
        counts.refusedByPostgresql++
        return
      }
      const returned = found.rows.map(({ id }) => id).sort()
      const expected = rows.filter(toPredicate(plan, read)).map(({ id }) => id).sort()
      counts.returned += returned.length
      if (returned.length === 0) counts.empty++
      if (JSON.stringify(returned) !== JSON.stringify(expected)) throw new Error(`${JSON.stringify({ returned, expected })} for ${statement.sql} ${JSON.stringify(statement.values)}`)
    }), { numRuns: cases }, runs => {
      t.comment(`${JSON.stringify(counts)} on ${ROWS} rows`)
      t.ok(counts.refused < 0.35 * runs, `${counts.refused} of ${runs} conditions were refused`)
      t.ok(counts.empty < 0.7 * runs, `${counts.empty} of ${runs} conditions had no row`)
    })
  })
}
