// fastify-permit/kysely: a plan as a condition for Kysely's `.where()`.

import { sql, type RawBuilder, type SqlBool } from 'kysely'
import type { Plan } from '../contract/plan.js'
import type { Fields } from './fields.js'
import { templateOf } from './sql/fragment.js'
import { whereOf } from './sql/where.js'
import { translatedOnce } from './translate-once.js'

export { fields, type ColumnOptions, type ColumnType, type Fields, type Mapping, type OneTenant } from './fields.js'
export type { Plan } from '../contract/plan.js'

/**
 * The rows of a plan, as a condition for Kysely.
 *
 * @param plan - what `permit.plan()` resolves to
 * @param fields - the columns, by {@link fields}, with `database`. A column may have the table before it: `'tasks.owner_id'`
 * @throws `TranslationError` (`FST_PERMIT_TRANSLATION`) for an attribute without a column, and for an operator that the database would
 *   answer differently than `check`
 * @example
 * ```ts
 * import type { Kysely } from 'kysely'
 * import { fields, toKysely, type Plan } from 'fastify-permit/kysely'
 *
 * declare const plan: Plan
 * declare const db: Kysely<{ tasks: { id: string, tenant_id: string, owner_id: string, done: boolean } }>
 *
 * const taskFields = fields({ database: 'postgresql', key: 'id', tenant: 'tenant_id', attributes: { owner: 'owner_id' } })
 * export const page = await db.selectFrom('tasks').selectAll()
 *   .where(toKysely(plan, taskFields)).where('done', '=', false).limit(20).execute()
 * ```
 */
export function toKysely (plan: Plan, fields: Fields): RawBuilder<SqlBool> {
  const { texts, parts } = templateFor(plan, fields)
  return sql<SqlBool>(texts, ...parts)
}

const templateFor = translatedOnce((plan, fields: Fields) =>
  templateOf(whereOf('toKysely', plan, fields, fields.database), piece => 'column' in piece ? sql.ref(piece.column) : piece.value))
