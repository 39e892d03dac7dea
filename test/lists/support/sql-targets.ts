// What each library of SQL makes of a plan: the statement that it would send.
import { drizzle as drizzleSqlite } from 'drizzle-orm/sqlite-proxy'
import * as pg from 'drizzle-orm/pg-core'
import { drizzle as drizzlePg } from 'drizzle-orm/pg-proxy'
import { integer, real, sqliteTable, text } from 'drizzle-orm/sqlite-core'
import knex from 'knex'
import { DummyDriver, Kysely, PostgresAdapter, PostgresQueryCompiler, SqliteAdapter, SqliteQueryCompiler } from 'kysely'
import type { Plan } from '../../../src/contract/plan.js'
import { fields, toDrizzle } from '../../../src/lists/drizzle.js'
import type { Fields } from '../../../src/lists/fields.js'
import { toKnex } from '../../../src/lists/knex.js'
import { toKysely } from '../../../src/lists/kysely.js'

export interface Statement {
  readonly sql: string
  readonly values: readonly unknown[]
}

type Select = (plan: Plan) => Statement

/** Kysely without a connection. */
export function kyselyFor (database: 'postgresql' | 'sqlite'): Kysely<{ things: { id: string } }> {
  return new Kysely({
    dialect: {
      createAdapter: () => database === 'sqlite' ? new SqliteAdapter() : new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: () => { throw new Error('nothing is looked up') },
      createQueryCompiler: () => database === 'sqlite' ? new SqliteQueryCompiler() : new PostgresQueryCompiler()
    }
  })
}

/** `SELECT id FROM things` with the plan, as Kysely, Knex and Drizzle say it. */
export function sqliteTargets (things: Fields): Readonly<Record<string, Select>> {
  return { Kysely: kyselySelect(things, 'sqlite'), Knex: knexSelect(things, 'better-sqlite3'), Drizzle: drizzleSqliteSelect() }
}

export function kyselySelect (things: Fields, database: 'postgresql' | 'sqlite'): Select {
  const kysely = kyselyFor(database)
  return plan => {
    const { sql, parameters } = kysely.selectFrom('things').select('id').where(toKysely(plan, things)).compile()
    return { sql, values: parameters }
  }
}

export function knexSelect (things: Fields, client: 'better-sqlite3' | 'pg'): Select {
  const database = knex({ client, useNullAsDefault: true })
  return plan => {
    const { sql, bindings } = database('things').select('id').where(toKnex(plan, things)).toSQL().toNative()
    return { sql, values: bindings }
  }
}

function drizzleSqliteSelect (): Select {
  const table = sqliteTable('things', {
    id: text().primaryKey(),
    tenant: text().notNull(),
    name: text(),
    folded: text(),
    level: integer(),
    price: real(),
    done: integer({ mode: 'boolean' }),
    due: integer({ mode: 'timestamp_ms' }),
    ends: integer({ mode: 'timestamp_ms' }),
    data: text({ mode: 'json' }),
    tags: text({ mode: 'json' }),
    loose: text(),
    weak: text(),
    parent: integer()
  })
  const { id: key, tenant, parent, ends: end, name, folded, level, price, done, due, data, tags, loose, weak } = table
  // Columns of any type are not of Drizzle: for them the mapping says that the type is not known.
  const untyped = <C extends object>(column: C): C => Object.assign(Object.create(Object.getPrototypeOf(column) as object) as C, column, { columnType: 'SQLiteAny' })
  const mapped = fields({ key, tenant, attributes: { name, folded, level, price, done, due, end, data, tags, loose: untyped(loose), weak: untyped(weak) }, relations: { parent: untyped(parent) } })
  const database = drizzleSqlite(async () => { throw new Error('nothing is sent') })
  return plan => {
    const { sql, params } = database.select({ id: key }).from(table).where(toDrizzle(plan, mapped)).toSQL()
    return { sql, values: params }
  }
}

export function postgresqlTargets (things: Fields): Readonly<Record<string, Select>> {
  return { Kysely: kyselySelect(things, 'postgresql'), Knex: knexSelect(things, 'pg'), Drizzle: drizzlePgSelect() }
}

function drizzlePgSelect (): Select {
  const citext = pg.customType<{ data: string }>({ dataType: () => 'citext' })
  const table = pg.pgTable('things', {
    id: pg.text().primaryKey(),
    tenant: pg.text().notNull(),
    name: pg.varchar({ length: 100 }),
    folded: pg.text(),
    ci: citext(),
    level: pg.integer(),
    large: pg.bigint({ mode: 'number' }),
    price: pg.doublePrecision(),
    amount: pg.numeric(),
    done: pg.boolean(),
    due: pg.timestamp({ withTimezone: true }),
    ends: pg.timestamp({ withTimezone: true }),
    data: pg.jsonb(),
    tags: pg.text().array(),
    uid: pg.uuid(),
    state: pg.pgEnum('state', ['a', 'A', 'ab', '5'])(),
    loose: pg.text(),
    weak: pg.numeric(),
    single: pg.real(),
    parent: pg.bigint({ mode: 'number' })
  })
  const { id: key, tenant, parent, ends: end, ci, name, folded, level, large, price, amount, done, due, data, tags, uid, state, loose, weak, single } = table
  const attributes = { ci: { column: ci, type: 'text' as const }, name, folded, level, large, price, amount, done, due, end, data, tags, uid, state, loose, weak, single }
  const mapped = fields({ key, tenant, attributes, relations: { parent } })
  const database = drizzlePg(async () => { throw new Error('nothing is sent') })
  return plan => {
    const { sql, params } = database.select({ id: key }).from(table).where(toDrizzle(plan, mapped)).toSQL()
    return { sql, values: params }
  }
}
