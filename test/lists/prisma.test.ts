// The rows that Prisma returns for a plan are exactly those that its condition holds for, with its real client and query compiler on SQLite and PostgreSQL.
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { TranslationError } from '../../src/index.js'
import type { Fields } from '../../src/lists/fields.js'
import { toPredicate } from '../../src/lists/predicate.js'
import { fields, toPrisma } from '../../src/lists/prisma.js'
import { postgresqlFor, sqliteFor, type TestDatabase } from './support/databases.js'
import { prismaFor } from './support/prisma.js'
import { casesOf, conditionOn, INTEGERS, NUMBERS, planOf, TENANT, TEXTS, TIMES, type Shape } from './support/random.js'
import { assertCounted } from '../support/counted.js'

const SHAPE: Shape = {
  key: 'text',
  'attributes.name': 'text',
  'attributes.must': 'text',
  'attributes.level': 'integer',
  'attributes.price': 'number',
  'attributes.done': 'boolean',
  'attributes.due': 'date',
  'relations.parent': 'text'
}

const MODEL = [
  { name: 'id', type: 'String' }, { name: 'tenant', type: 'String' }, { name: 'name', type: 'String' }, { name: 'must', type: 'String' }, { name: 'level', type: 'BigInt' },
  { name: 'price', type: 'Float' }, { name: 'done', type: 'Boolean' }, { name: 'due', type: 'DateTime' }, { name: 'parent', type: 'Int' }
]
const SCHEMA = (lists: string): string => `model Thing {
  id     String @id
  tenant String
  name   String?
  must   String
  level  BigInt?
  price  Float?
  done   Boolean?
  due    DateTime?
  parent Int?
  ${lists}
  @@map("things")
}`

const things = (database: 'sqlite' | 'postgresql', attributes: object = {}): Fields => fields({
  database,
  key: { column: 'id', type: 'text' },
  tenant: 'tenant',
  attributes: {
    name: { column: 'name', type: 'text' },
    must: { column: 'must', type: 'text', nullable: false },
    level: { column: 'level', type: 'integer' },
    price: { column: 'price', type: 'number' },
    done: { column: 'done', type: 'boolean' },
    due: { column: 'due', type: 'date' },
    ...attributes
  },
  relations: { parent: { column: 'parent', type: 'integer' } }
})

const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 6 })
const TIMES_SINCE_1 = TIMES.filter(time => !time.startsWith('00'))
const row = fc.tuple(maybe(fc.constantFrom(...TEXTS)), fc.constantFrom(...TEXTS), maybe(fc.constantFrom(...INTEGERS)), maybe(fc.constantFrom(...NUMBERS.filter(number => Math.abs(number) < 1.79e308))), maybe(fc.boolean()), maybe(fc.constantFrom(...TIMES_SINCE_1)), maybe(fc.constantFrom(0, 1, 5, 9, 10, 42)))

interface Under {
  readonly database: TestDatabase
  readonly provider: 'sqlite' | 'postgresql'
  readonly table: string
  readonly place: (index: number) => string
  readonly store: (value: unknown, index: number) => unknown
}

async function sameRows (t: Test, { database, provider, table, place, store }: Under): Promise<void> {
  await database.all(table)
  const client = prismaFor(database, provider, SCHEMA(''), MODEL)
  t.teardown(() => client.$disconnect())
  const mapping = things(provider)
  const columns = ['id', 'tenant', 'name', 'must', 'level', 'price', 'done', 'due', 'parent']
  const fill = async (seed: number): Promise<Array<Record<string, unknown>>> => {
    await database.all('DELETE FROM things')
    for (const [index, values] of fc.sample(row, { numRuns: 120, seed }).entries()) {
      const row = [TEXTS[index] ?? `row ${index}`, index % 9 === 8 ? 'other' : TENANT, ...values]
      await database.all(`INSERT INTO things VALUES (${columns.map((_, index) => place(index)).join(', ')})`, row.map(store))
    }
    return await database.all('SELECT * FROM things')
  }
  const counts = { cases: 0, refused: 0, refusedByPrisma: 0, returned: 0, empty: 0 }
  const cases = casesOf(250)
  let rows = await fill(1)
  const shape = Object.fromEntries(Object.entries(SHAPE))
  await assertCounted(fc.asyncProperty(conditionOn(shape, false), async condition => {
    if (++counts.cases % 300 === 0) rows = await fill(counts.cases)
    const plan = planOf(condition)
    let where
    try {
      where = toPrisma(plan, mapping)
    } catch (error) {
      if (!(error instanceof TranslationError)) throw error
      counts.refused++
      return
    }
    let found
    try {
      found = await client.thing.findMany({ where, select: { id: true } })
    } catch (error) {
      // A number beyond the field's own bits.
      if (!/Unable to fit|does not fit|out of range|Int cannot represent|integer/i.test(String(error))) throw new Error(`${String(error)} for ${JSON.stringify(where)}`)
      counts.refusedByPrisma++
      return
    }
    const returned = found.map(({ id }) => id).sort()
    const expected = rows.filter(toPredicate(plan, mapping)).map(({ id }) => id).sort()
    counts.returned += returned.length
    if (returned.length === 0) counts.empty++
    if (JSON.stringify(returned) !== JSON.stringify(expected)) throw new Error(`${JSON.stringify({ returned, expected })} for ${JSON.stringify(where)}`)
  }), { numRuns: cases }, runs => {
    t.comment(`${database.name}: ${JSON.stringify(counts)}`)
    t.ok(counts.refused < 0.5 * runs, `${counts.refused} of ${runs} conditions were refused`)
    t.ok(counts.empty < 0.6 * runs, `${counts.empty} of ${runs} conditions had no row`)
  })
}

t.test('on SQLite, Prisma returns exactly the rows that meet the condition', async t => {
  await sameRows(t, {
    database: sqliteFor(t),
    provider: 'sqlite',
    table: 'CREATE TABLE things (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT, must TEXT NOT NULL, level BIGINT, price REAL, done BOOLEAN, due DATETIME, parent INTEGER)',
    place: () => '?',
    store: value => typeof value === 'boolean' ? Number(value) : value
  })
})

t.test('on PostgreSQL, Prisma returns exactly the rows that meet the condition', async t => {
  await sameRows(t, {
    database: await postgresqlFor(t),
    provider: 'postgresql',
    table: 'CREATE TABLE things (id text PRIMARY KEY, tenant text NOT NULL, name text, must text NOT NULL, level bigint, price double precision, done boolean, due timestamptz(3), parent integer)',
    place: index => `$${index + 1}`,
    store: value => value
  })
})
