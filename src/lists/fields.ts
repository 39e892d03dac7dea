// The mapping from the fields of a plan to the columns of a table, checked when it is created.

import { OptionsError, TranslationError } from '../contract/errors.js'
import type { Plan } from '../contract/plan.js'
import { isRecord } from '../kit/is-record.js'
import { shorten } from '../kit/shorten.js'
import { suggest } from '../kit/suggest.js'

/**
 * What a column holds.
 *
 * | type | holds | a condition sees |
 * | --- | --- | --- |
 * | `text` | `text`, `varchar` | the text |
 * | `integer` | whole numbers | the number; of a key, a tenant and a relation its digits as text |
 * | `number` | floating point and decimal numbers | the number |
 * | `boolean` | `boolean`; in SQLite the integers 0 and 1 | `true` or `false` |
 * | `date` | `timestamptz`; in SQLite milliseconds since 1970; `Date` in Prisma and MongoDB | the text of `Date.toISOString()` |
 * | `uuid` | `uuid` of PostgreSQL | its text, in lower case |
 * | `enum` | an enumeration of PostgreSQL | its text |
 * | `json` | `jsonb` or `json`; in SQLite the text of it | the value, and its members |
 * | `array` | an array of PostgreSQL, such as `text[]` | the list |
 * | `objectId` | an `ObjectId` of MongoDB | its 24 hexadecimal digits |
 */
export type ColumnType = 'text' | 'integer' | 'number' | 'boolean' | 'date' | 'uuid' | 'enum' | 'json' | 'array' | 'objectId'

const COLUMN_TYPES: readonly ColumnType[] = ['text', 'integer', 'number', 'boolean', 'date', 'uuid', 'enum', 'json', 'array', 'objectId']

/** A column and its options. */
export interface ColumnOptions<C = string> {
  readonly column: C
  /**
   * The type of the column. Default: the type of the compared value, text or number, if the database itself distinguishes the two;
   * with Drizzle, the type in the schema.
   */
  readonly type?: ColumnType
  /**
   * `false` if it cannot be NULL. Only Prisma needs this, because it rejects a test of a required field for NULL. Default: `true`; for the
   * key and the tenant `false`.
   */
  readonly nullable?: boolean
}

/** A table whose rows belong to one tenant. */
export interface OneTenant {
  /** The tenant; a plan for another tenant then has no rows. `true`: the tenant of the plan, if each tenant has its own database. */
  readonly only: string | true
}

/** A column, or a column with options. */
export type Mapped<C = string> = C | ColumnOptions<C>

/** The database of the SQL. */
export type Database = 'postgresql' | 'sqlite'

/** The argument of {@link fields}. `C` is a column: a name, or with Drizzle the column of the schema. */
export interface Mapping<C = string> {
  /** The resource type of the rows. A plan of another type is then a `TranslationError`. Default: plans of any type are accepted. */
  readonly type?: string
  /** The database. Required for Kysely, Knex and Prisma; Drizzle knows it. */
  readonly database?: Database
  /** The column with the key of the resource, usually the primary key. */
  readonly key: Mapped<C>
  /** The column with the tenant's key, or `{ only: 'acme' }`. */
  readonly tenant: Mapped<C> | OneTenant
  /** Columns by attribute. A name with dots is a path: `'address.city'` is the attribute `city` of the object `address`. */
  readonly attributes?: Readonly<Record<string, Mapped<C>>>
  /** Columns by relation, with the key of the instance that is the subject of the relation: `{ parent: 'folder_id' }`. */
  readonly relations?: Readonly<Record<string, Mapped<C>>>
}

/** A column of a checked mapping. */
export interface Column<C = string> {
  readonly column: C
  readonly type: ColumnType | undefined
  readonly nullable: boolean
  /** Whether its values are keys: texts, even if the column holds numbers. */
  readonly isKey: boolean
  /** The field, as in the plan. */
  readonly field: string
}

/** The place of a field: a column, or a path in a column of JSON. */
export interface Place<C = string> {
  readonly column: Column<C>
  /** The path in the column's JSON; empty for the column itself. */
  readonly path: readonly string[]
}

/** A checked mapping, made by {@link fields}. */
export interface Fields<C = string> {
  readonly type: string | undefined
  readonly database: Database | undefined
  readonly key: Column<C>
  readonly tenant: Column<C> | OneTenant
  /** By field, as plans name them: `attributes.owner`, `relations.parent`. */
  readonly columns: ReadonlyMap<string, Column<C>>
}

const MAPPING_OPTIONS: ReadonlyArray<keyof Mapping> = ['type', 'database', 'key', 'tenant', 'attributes', 'relations']
const COLUMN_OPTIONS: ReadonlyArray<keyof ColumnOptions> = ['column', 'type', 'nullable']
const DATABASES: readonly Database[] = ['postgresql', 'sqlite']

/**
 * Names the columns of a table for the conditions of plans.
 *
 * @throws `OptionsError` (`FST_PERMIT_OPTIONS`) that names the mistake and, where there is one, the nearest word
 * @example
 * ```ts
 * import { fields } from 'fastify-permit/kysely'
 *
 * export const taskFields = fields({
 *   type: 'task',
 *   database: 'postgresql',
 *   key: 'id',
 *   tenant: 'tenant_id',
 *   attributes: { owner: 'owner_id', 'address.city': 'city', tags: { column: 'tags', type: 'json' } }
 * })
 * ```
 */
export function fields<C = string> (mapping: Mapping<C>): Fields<C> {
  requireOptions('fields()', mapping, MAPPING_OPTIONS)
  const { type, database, key, tenant, attributes = {}, relations = {} } = mapping
  if (type !== undefined && (typeof type !== 'string' || type === '')) {
    throw new OptionsError("fields(): type must be the resource type of the rows, such as type: 'task'")
  }
  if (database !== undefined && !DATABASES.includes(database)) {
    throw new OptionsError(`fields(): database is ${quoted(database)}; ${suggest(String(database), DATABASES, '')}`)
  }
  if (key === undefined) throw new OptionsError("fields(): key is missing; name the column with the resource's key, such as key: 'id'")
  if (tenant === undefined) {
    throw new OptionsError(
      "fields(): tenant is missing; name the column with the tenant's key, such as tenant: 'tenant_id', or tenant: { only: 'acme' } " +
      'for a table with rows of one tenant only'
    )
  }
  const columns = new Map<string, Column<C>>()
  for (const [group, mapped] of [['attributes', attributes], ['relations', relations]] as const) {
    if (!isRecord(mapped)) throw new OptionsError(`fields(): ${group} must be an object of columns by name`)
    for (const [name, column] of Object.entries(mapped)) {
      if (name === '' || name.split('.').includes('')) {
        throw new OptionsError(`fields(): ${group} has ${quoted(name)}; a name must not be empty, nor a part between its dots`)
      }
      const field = `${group}.${name}`
      columns.set(field, columnOf(field, column as Mapped<C>, group === 'relations'))
    }
  }
  return Object.freeze({ type, database, key: columnOf('key', key, true), tenant: tenantOf(tenant), columns })
}

function tenantOf<C> (tenant: Mapped<C> | OneTenant): Column<C> | OneTenant {
  if (!isRecord(tenant) || !Object.hasOwn(tenant, 'only')) return columnOf('tenant', tenant as Mapped<C>, true)
  requireOptions('fields(): tenant', tenant, ['only'])
  const only: unknown = (tenant as Record<string, unknown>)['only']
  if (only !== true && (typeof only !== 'string' || only === '')) {
    throw new OptionsError(
      "fields(): tenant.only must be the tenant's key, or true if the database only has rows of the tenant in the plan"
    )
  }
  return { only }
}

function columnOf<C> (field: string, mapped: Mapped<C>, isKey: boolean): Column<C> {
  const options: ColumnOptions<C> = isOptions(mapped) ? mapped : { column: mapped }
  if (options !== mapped) requireColumn(field, options.column)
  else {
    requireOptions(`fields(): ${field}`, options, COLUMN_OPTIONS)
    requireColumn(`${field}.column`, options.column)
  }
  const { column, type, nullable = field !== 'key' && field !== 'tenant' } = options
  if (type !== undefined && !COLUMN_TYPES.includes(type)) {
    throw new OptionsError(`fields(): ${field}.type is ${quoted(type)}; ${suggest(String(type), COLUMN_TYPES, '')}`)
  }
  if (typeof nullable !== 'boolean') throw new OptionsError(`fields(): ${field}.nullable must be true or false`)
  if (isKey && type !== undefined && !KEY_TYPES.includes(type)) {
    throw new OptionsError(`fields(): ${field} is a key, and a key cannot have the type '${type}'; write one of ${KEY_TYPES.join(', ')}`)
  }
  return Object.freeze({ column, type, nullable, isKey, field })
}

const KEY_TYPES: readonly ColumnType[] = ['text', 'integer', 'uuid', 'enum', 'objectId']

/** Options are a plain object; a column of Drizzle is an instance of a class. */
function isOptions<C> (mapped: Mapped<C>): mapped is ColumnOptions<C> {
  if (!isRecord(mapped)) return false
  const prototype: unknown = Object.getPrototypeOf(mapped)
  return prototype === Object.prototype || prototype === null
}

function requireColumn (what: string, column: unknown): void {
  if (typeof column === 'string' ? column !== '' && !column.includes('\0') : isRecord(column)) return
  throw new OptionsError(`fields(): ${what} must be a column, such as 'owner_id' or { column: 'owner_id', type: 'text' }`)
}

function requireOptions (what: string, options: unknown, known: readonly string[]): void {
  if (!isRecord(options)) throw new OptionsError(`${what} must be an object with ${known.join(', ')}`)
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new OptionsError(`${what} has the unknown option ${quoted(name)}; ${suggest(name, known, '')}`)
  }
}

function quoted (value: unknown): string {
  return typeof value === 'string' ? `'${shorten(value, 100)}'` : typeof value
}

/**
 * Refuses a plan of another resource type than that of the rows.
 *
 * @param target - the calling function, for the error: `toPrisma`
 * @throws `TranslationError`
 */
export function requireSameType<C> (target: string, plan: Plan, { type }: Pick<Fields<C>, 'type'>): void {
  if (type === undefined || plan.type === type) return
  throw new TranslationError(
    `${target}: the plan is for '${shorten(String(plan.type), 100)}', and the mapping is for '${shorten(type, 100)}'; ` +
    "pass the fields() of the plan's type"
  )
}

/**
 * Finds the place of a field of a plan's condition.
 *
 * @param target - the calling function, for the error: `toPrisma`
 * @throws `TranslationError` for a field without a column, with the field and, where the plan says so, the rules that need it
 */
export function placeOf<C> (target: string, fields: Fields<C>, field: string, plan: Plan): Place<C> {
  if (field === 'key') return { column: fields.key, path: [] }
  // The tenant of a table of one tenant is settled before.
  if (field === 'tenant' && !isOneTenant(fields.tenant)) return { column: fields.tenant, path: [] }
  const exact = fields.columns.get(field)
  if (exact !== undefined) return { column: exact, path: [] }
  for (let end = field.lastIndexOf('.'); end > 0; end = field.lastIndexOf('.', end - 1)) {
    const column = fields.columns.get(field.slice(0, end))
    if (column === undefined) continue
    if (column.type !== undefined && column.type !== 'json') break
    return { column, path: field.slice(end + 1).split('.') }
  }
  const [group = '', ...names] = field.split('.')
  const known = [...fields.columns.keys()]
  const fix = group === 'relations' ? `relations: { '${names.join('.')}': '<column>' }` : `attributes: { '${names.join('.')}': '<column>' }`
  const hint = known.length === 0 ? '' : `; ${suggest(field, known, '')}`
  throw new TranslationError(`${target}: '${field}' has no column${sourcesOf(plan, field)}; add ${fix} to fields()${hint}`)
}

/** The rules that need a field, in brackets; empty if the plan does not name them. */
export function sourcesOf (plan: Plan, field: string): string {
  const sources = plan.sources?.[field] ?? []
  return sources.length === 0 ? '' : ` (needed by ${sources.join('; ')})`
}

/** Whether the table has only one tenant. */
export function isOneTenant<C> (tenant: Column<C> | OneTenant): tenant is OneTenant {
  return 'only' in tenant
}

/** Whether a table of one tenant has the rows of a tenant. */
export function hasTenant ({ only }: OneTenant, tenant: string): boolean {
  return only === true || only === tenant
}
