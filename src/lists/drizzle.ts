// fastify-permit/drizzle: a plan as a condition for Drizzle's `.where()`.

import { Column as DrizzleColumn, is, sql, type SQL } from 'drizzle-orm'
import { TranslationError } from '../contract/errors.js'
import type { Plan } from '../contract/plan.js'
import { fields as mappingOf, isOneTenant, type Column, type ColumnType, type Database, type Fields, type Mapping } from './fields.js'
import { templateOf } from './sql/fragment.js'
import { whereOf } from './sql/where.js'
import { translatedOnce } from './translate-once.js'

export type { ColumnOptions, ColumnType, Fields, Mapping, OneTenant } from './fields.js'
export type { Plan } from '../contract/plan.js'

/**
 * Names the columns of a table of a Drizzle schema for the conditions of plans.
 *
 * @throws `OptionsError` (`FST_PERMIT_OPTIONS`) that names the mistake
 * @example
 * ```ts
 * import { pgTable, text } from 'drizzle-orm/pg-core'
 * import { fields } from 'fastify-permit/drizzle'
 *
 * const tasks = pgTable('tasks', { id: text().primaryKey(), tenantId: text().notNull(), ownerId: text(), city: text() })
 * export const taskFields = fields({
 *   key: tasks.id,
 *   tenant: tasks.tenantId,
 *   attributes: { owner: tasks.ownerId, 'address.city': tasks.city }
 * })
 * ```
 */
export function fields (mapping: Mapping<DrizzleColumn>): Fields<DrizzleColumn> {
  return mappingOf(mapping)
}

/**
 * The rows of a plan, as a condition for Drizzle.
 *
 * The columns are those of the schema, which also provides their types and the database. A type in the mapping takes precedence.
 *
 * @param plan - what `permit.plan()` resolves to
 * @param fields - the columns, by {@link fields}
 * @throws `TranslationError` (`FST_PERMIT_TRANSLATION`) for an attribute without a column, and for an operator that the database would
 *   answer differently than `check`
 * @example
 * ```ts
 * import { eq, and } from 'drizzle-orm'
 * import { boolean, pgTable, text } from 'drizzle-orm/pg-core'
 * import { fields, toDrizzle, type Plan } from 'fastify-permit/drizzle'
 *
 * declare const plan: Plan
 * const tasks = pgTable('tasks', { id: text().primaryKey(), tenantId: text().notNull(), ownerId: text(), done: boolean() })
 *
 * const taskFields = fields({ key: tasks.id, tenant: tasks.tenantId, attributes: { owner: tasks.ownerId } })
 * export const where = and(toDrizzle(plan, taskFields), eq(tasks.done, false))
 * ```
 */
export function toDrizzle (plan: Plan, fields: Fields<DrizzleColumn>): SQL<boolean> {
  const { texts, parts } = templateFor(plan, fields)
  return sql<boolean>(texts, ...parts)
}

const templateFor = translatedOnce((plan, fields: Fields<DrizzleColumn>) => {
  const columns = [fields.key, ...isOneTenant(fields.tenant) ? [] : [fields.tenant], ...fields.columns.values()]
  const database = databaseOf(columns, fields.database)
  const known: Fields<DrizzleColumn> = {
    ...fields,
    key: typed(fields.key),
    tenant: isOneTenant(fields.tenant) ? fields.tenant : typed(fields.tenant),
    columns: new Map(Array.from(fields.columns, ([field, column]) => [field, typed(column)]))
  }
  const where = whereOf('toDrizzle', plan, known, database)
  return templateOf(where, piece => 'column' in piece ? piece.column : piece.value)
})

function databaseOf (columns: ReadonlyArray<Column<DrizzleColumn>>, said: Database | undefined): Database {
  const found = new Set(columns.map(({ column, field }) => {
    if (!is(column, DrizzleColumn)) {
      throw new TranslationError(`toDrizzle: '${field}' is not a column of a Drizzle schema; write fields({ key: tasks.id, … })`)
    }
    const kind = column.columnType
    if (kind.startsWith('Pg')) return 'postgresql'
    if (kind.startsWith('SQLite')) return 'sqlite'
    throw new TranslationError(
      `toDrizzle: '${field}' is a column of a database (${kind}) that is neither PostgreSQL nor SQLite; different texts can be equal there`
    )
  }))
  const [database] = found
  if (found.size > 1 || database === undefined || (said !== undefined && said !== database)) {
    throw new TranslationError(
      `toDrizzle: the columns of the mapping belong to several databases (${[...found, ...said === undefined ? [] : [said]].join(', ')})`
    )
  }
  return database
}

/**
 * By Drizzle's names of column types. Other columns have no type: the database itself distinguishes texts and numbers; the mapping must
 * name any other type.
 */
const TYPES: Readonly<Record<string, ColumnType>> = {
  PgText: 'text',
  PgVarchar: 'text',
  PgUUID: 'uuid',
  PgEnumColumn: 'enum',
  PgBoolean: 'boolean',
  PgInteger: 'integer',
  PgSmallInt: 'integer',
  PgSerial: 'integer',
  PgSmallSerial: 'integer',
  PgBigInt53: 'integer',
  PgBigInt64: 'integer',
  PgBigSerial53: 'integer',
  PgBigSerial64: 'integer',
  PgDoublePrecision: 'number',
  PgNumeric: 'number',
  PgNumericNumber: 'number',
  PgNumericBigInt: 'number',
  PgJson: 'json',
  PgJsonb: 'json',
  PgArray: 'array',
  SQLiteText: 'text',
  SQLiteInteger: 'integer',
  SQLiteReal: 'number',
  SQLiteNumeric: 'number',
  SQLiteNumericNumber: 'number',
  SQLiteBoolean: 'boolean',
  SQLiteTextJson: 'json'
}

/** Columns whose values Drizzle converts to something else than the database compares. */
const UNSAYABLE: Readonly<Record<string, string>> = {
  PgChar: 'char(n) is padded with blanks, which PostgreSQL does not compare; use text or varchar',
  PgCustomColumn: 'it has a type of its own; say what it holds, such as type: \'text\'',
  SQLiteCustomColumn: 'it has a type of its own; say what it holds, such as type: \'text\'',
  PgTimestamp: 'it has no time zone; use timestamp(…, { withTimezone: true })',
  PgTimestampString: 'its text is that of PostgreSQL; use timestamp(…, { withTimezone: true, mode: \'date\' })',
  PgDate: 'a day is no time; keep it as text',
  PgDateString: 'the text of a day depends on a setting of the connection; keep it as text',
  SQLiteTimestamp: 'it is kept in seconds; use integer(…, { mode: \'timestamp_ms\' })',
  SQLiteBlobJson: 'JSON in a blob; use text(…, { mode: \'json\' })',
  SQLiteBlobBuffer: 'a blob is not JSON',
  SQLiteBigInt: 'a number in a blob; use integer()'
}

function typed (column: Column<DrizzleColumn>): Column<DrizzleColumn> {
  if (column.type !== undefined) return column
  const kind = column.column.columnType
  if (kind === 'PgTimestamp' && (column.column as { withTimezone?: unknown }).withTimezone === true) return { ...column, type: 'date' }
  if (kind === 'SQLiteTimestamp' && (column.column as { mode?: unknown }).mode === 'timestamp_ms') return { ...column, type: 'date' }
  const why = UNSAYABLE[kind]
  if (why !== undefined) {
    throw new TranslationError(`toDrizzle: the column of '${column.field}' (${kind}) cannot be compared exactly: ${why}`)
  }
  const type = TYPES[kind]
  if (column.isKey && type !== undefined && !['text', 'integer', 'uuid', 'enum'].includes(type)) {
    throw new TranslationError(`toDrizzle: '${column.field}' is a key, and its column is of the type '${type}'`)
  }
  return type === undefined ? column : { ...column, type }
}
