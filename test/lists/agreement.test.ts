// What a list returns is what check says, row by row: random policies, users and tables, by the planner and every target.
import { Query } from 'mingo'
import t, { type Test } from 'tap'
import { fields as drizzleFields, toDrizzle } from '../../src/lists/drizzle.js'
import { drizzle } from 'drizzle-orm/sqlite-proxy'
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import { fields, toMongo } from '../../src/lists/mongo.js'
import { toPredicate } from '../../src/lists/predicate.js'
import { toPrisma } from '../../src/lists/prisma.js'
import { TranslationError } from '../../src/index.js'
import type { Plan } from '../../src/contract/plan.js'
import type { Row } from '../engine/plan/evaluate.js'
import { agreement, ATTRIBUTES, type Table } from './support/agreement.js'
import { postgresqlFor, sqliteFor, type TestDatabase } from './support/databases.js'
import { prismaFor } from './support/prisma.js'
import { knexSelect, kyselySelect, type Statement } from './support/sql-targets.js'

const json = (column: string) => ({ column, type: 'json' as const })
const attributes = { age: json('age'), tags: json('tags'), owner: json('owner'), ['__proto__']: json('proto') }
const valuesOf = (row: Row): unknown[] => ATTRIBUTES.map(name => Object.hasOwn(row.attributes, name) ? row.attributes[name] : undefined)

/** Every attribute is a column of JSON, so that each can hold anything. */
function jsonTable (database: TestDatabase, insert: (index: number) => string, select: (plan: Plan) => Statement): Table {
  return {
    fit: row => row,
    fill: async rows => {
      await database.all('DELETE FROM things')
      for (const [index, row] of rows.entries()) {
        const values = valuesOf(row).map(value => value === undefined ? null : JSON.stringify(value))
        await database.all(insert(index), [index, row.key, row.tenant, ...values])
      }
    },
    select: async plan => {
      const { sql, values } = select(plan)
      return (await database.all(sql, values)).map(({ id }) => Number(id))
    }
  }
}

async function onSqlite (t: Test, select: (plan: Plan) => Statement, few: number): Promise<void> {
  const database = sqliteFor(t)
  await database.all('CREATE TABLE things (id INTEGER, key TEXT, tenant TEXT, age TEXT, tags TEXT, owner TEXT, proto TEXT)')
  await agreement(t, few, jsonTable(database, () => 'INSERT INTO things VALUES (?, ?, ?, ?, ?, ?, ?)', select))
}

const sqliteThings = fields({ database: 'sqlite', key: 'key', tenant: 'tenant', attributes })

t.test('with Kysely on SQLite', t => onSqlite(t, kyselySelect(sqliteThings, 'sqlite'), 400))
t.test('with Knex on SQLite', t => onSqlite(t, knexSelect(sqliteThings, 'better-sqlite3'), 400))
t.test('with Drizzle on SQLite', t => {
  const things = sqliteTable('things', { id: integer(), key: text(), tenant: text(), age: text({ mode: 'json' }), tags: text({ mode: 'json' }), owner: text({ mode: 'json' }), proto: text({ mode: 'json' }) })
  const { key, tenant, age, tags, owner, proto } = things
  const mapping = drizzleFields({ key, tenant, attributes: { age, tags, owner, ['__proto__']: proto } })
  const database = drizzle(async () => { throw new Error('nothing is sent') })
  return onSqlite(t, plan => {
    const { sql, params } = database.select({ id: things.id }).from(things).where(toDrizzle(plan, mapping)).toSQL()
    return { sql, values: params }
  }, 400)
})

t.test('with Kysely and Knex on PostgreSQL', async t => {
  const database = await postgresqlFor(t)
  await database.all('CREATE TABLE things (id integer, key text, tenant text, age jsonb, tags jsonb, owner jsonb, proto jsonb)')
  const things = fields({ database: 'postgresql', key: 'key', tenant: 'tenant', attributes })
  const targets = [kyselySelect(things, 'postgresql'), knexSelect(things, 'pg')]
  let turn = 0
  // As text, so that the driver does not make JSON of it once more.
  const insert = () => 'INSERT INTO things SELECT $1, $2, $3, $4::text::jsonb, $5::text::jsonb, $6::text::jsonb, $7::text::jsonb'
  await agreement(t, 200, jsonTable(database, insert, plan => (targets[turn++ % targets.length] as (typeof targets)[0])(plan)))
})

t.test('with a filter of MongoDB', async t => {
  const { __proto__: proto, ...others } = attributes
  const things = fields({ key: 'key', tenant: 'tenant', attributes: { ...others, ['__proto__']: proto } })
  let documents: Array<Record<string, unknown>> = []
  await agreement(t, 400, {
    fit: row => row,
    fill: async rows => {
      documents = rows.map((row, index) => ({ id: index, key: row.key, tenant: row.tenant, ...Object.fromEntries(['age', 'tags', 'owner', 'proto'].map((name, column) => [name, valuesOf(row)[column]]).filter(([, value]) => value !== undefined)) }))
    },
    select: async plan => {
      const filter = toMongo(plan, things)
      // mingo refuses members of this name. MongoDB has them as any other.
      if (JSON.stringify(filter).includes('__proto__')) throw new TranslationError("mingo cannot translate '__proto__'")
      const query = new Query(filter)
      return documents.filter(document => query.test(document)).map(({ id }) => id as number)
    }
  })
})

t.test('with a predicate', async t => {
  let all: readonly Row[] = []
  await agreement(t, 400, {
    fit: row => row,
    fill: async rows => { all = rows },
    select: async plan => {
      const test = toPredicate(plan)
      return all.flatMap((row, index) => test(row) ? [index] : [])
    }
  })
})

t.test('with Prisma, on columns for texts and numbers', async t => {
  const database = sqliteFor(t)
  await database.all('CREATE TABLE things (id TEXT, key TEXT NOT NULL, tenant TEXT NOT NULL, age REAL, tags TEXT, owner TEXT, proto TEXT)')
  const client = prismaFor(database, 'sqlite',
    'model Thing {\n  id String @id\n  key String\n  tenant String\n  age Float?\n  tags String?\n  owner String?\n  proto String?\n  @@map("things")\n}',
    [['id', 'String'], ['key', 'String'], ['tenant', 'String'], ['age', 'Float'], ['tags', 'String'], ['owner', 'String'], ['proto', 'String']].map(([name = '', type = '']) => ({ name, type })))
  t.teardown(() => client.$disconnect())
  const string = (column: string) => ({ column, type: 'text' as const })
  const things = fields({ database: 'sqlite', key: string('key'), tenant: 'tenant', attributes: { age: { column: 'age', type: 'number' }, tags: string('tags'), owner: string('owner'), ['__proto__']: string('proto') } })
  await agreement(t, 300, {
    fit: row => ({
      ...row,
      attributes: Object.fromEntries(Object.entries(row.attributes).map(([name, value]) => [name, (name === 'age' ? typeof value === 'number' : typeof value === 'string') ? value : null]))
    }),
    fill: async rows => {
      await database.all('DELETE FROM things')
      for (const [index, row] of rows.entries()) await database.all('INSERT INTO things VALUES (?, ?, ?, ?, ?, ?, ?)', [String(index), row.key, row.tenant, ...valuesOf(row).map(value => value ?? null)])
    },
    select: async plan => (await client.thing.findMany({ where: toPrisma(plan, things), select: { id: true } })).map(({ id }) => Number(id))
  })
})
