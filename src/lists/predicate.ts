// fastify-permit/predicate: a plan as a function that filters the rows of an array.

import type { Plan } from '../contract/plan.js'
import { testOf, walk } from './evaluate.js'
import { isOneTenant, placeOf, requireSameType, type Column, type Fields } from './fields.js'
import { columnField } from './constant-fields.js'
import { keyOf, valueOf } from './row.js'

export { fields, type ColumnOptions, type ColumnType, type Fields, type Mapping, type OneTenant } from './fields.js'
export type { Plan } from '../contract/plan.js'

/** A row without a mapping: shaped like the resource of a check. */
export interface ResourceLike {
  readonly key?: string | number | null
  readonly tenant?: string | number | null
  readonly attributes?: Readonly<Record<string, unknown>> | null
  readonly relations?: Readonly<Record<string, unknown>> | null
}

/**
 * The rows of a plan, as a predicate for `filter` of an array.
 *
 * @param plan - what `permit.plan()` resolves to
 * @param fields - the properties of the rows, by {@link fields}; without it, rows are shaped like the resource of a check: `{ key, tenant,
 *   attributes }`
 * @throws `TranslationError` (`FST_PERMIT_TRANSLATION`) for an attribute without a column
 * @example
 * ```ts
 * import { fields, toPredicate, type Plan } from 'fastify-permit/predicate'
 *
 * declare const plan: Plan
 * declare const tasks: Array<{ id: string, tenantId: string, ownerId: string }>
 *
 * export const visible = tasks.filter(toPredicate(plan, fields({ key: 'id', tenant: 'tenantId', attributes: { owner: 'ownerId' } })))
 * ```
 */
export function toPredicate<Row extends object> (plan: Plan, fields: Fields): (row: Row) => boolean
export function toPredicate (plan: Plan): (row: ResourceLike) => boolean
export function toPredicate (plan: Plan, fields?: Fields): (row: object) => boolean {
  if (fields !== undefined) requireSameType('toPredicate', plan, fields)
  if (plan.kind === 'none') return () => false
  const readers = new Map<string, (row: object) => unknown>()
  const read = (field: string): ((row: object) => unknown) => {
    let reader = readers.get(field)
    if (reader === undefined) {
      readers.set(field, reader = fields === undefined ? resourceReader(field, plan) : mappedReader(field, fields, plan))
    }
    return reader
  }
  const tenantOf = read('tenant')
  const isOfTenant = (row: object): boolean => tenantOf(row) === plan.tenant
  if (plan.kind === 'all') return isOfTenant
  const test = testOf(plan.condition)
  // A field without a column is an error before the first row.
  for (const field of fieldsOf(plan.condition)) read(field)
  return row => isOfTenant(row) && test(field => read(field)(row))
}

function mappedReader (field: string, fields: Fields, plan: Plan): (row: object) => unknown {
  if (field === 'tenant') {
    const { tenant } = fields
    if (isOneTenant(tenant)) {
      const only = tenant.only === true ? plan.tenant : tenant.only
      return () => only
    }
    return row => valueIn(row, tenant, fields)
  }
  if (columnField(field, fields) === 'type') return () => plan.type
  const { column, path } = placeOf('toPredicate', fields, columnField(field, fields), plan)
  return row => walk(valueIn(row, column, fields), path) ?? null
}

function valueIn (row: object, column: Column, fields: Fields): unknown {
  const properties = row as Readonly<Record<string, unknown>>
  // A column may be prefixed with its table.
  const short = column.column.slice(column.column.lastIndexOf('.') + 1)
  const name = Object.hasOwn(properties, column.column) ? column.column : short
  return valueOf(column, Object.hasOwn(properties, name) ? properties[name] : null, fields.database)
}

function resourceReader (field: string, plan: Plan): (row: object) => unknown {
  if (field === 'type') return row => walk((row as Readonly<Record<string, unknown>>)['attributes'], ['type']) ?? plan.type
  const [group = '', ...names] = field.split('.')
  if (names.length === 0) return row => keyOf((row as Readonly<Record<string, unknown>>)[group])
  if (group === 'relations') return row => keyOf(walk((row as Readonly<Record<string, unknown>>)[group], [names.join('.')]))
  return row => walk((row as Readonly<Record<string, unknown>>)[group], names) ?? null
}

/** The fields of the row in a condition, including those in matches. */
function fieldsOf (condition: unknown): string[] {
  if (typeof condition !== 'object' || condition === null) return []
  const { operator, field, value } = condition as { operator?: unknown, field?: unknown, value?: unknown }
  if (typeof field !== 'string') return Array.isArray(value) ? value.flatMap(fieldsOf) : []
  const own = field.startsWith('item.') ? [] : [field]
  if (typeof operator === 'string' && operator.endsWith('_match')) return [...own, ...fieldsOf(value)]
  return typeof operator === 'string' && operator.endsWith('_field') && typeof value === 'string' ? [...own, value] : own
}
