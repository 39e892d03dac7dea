// fastify-permit/knex: a plan as a condition for Knex' `.where()`.

import type { Knex } from 'knex'
import { TranslationError } from '../contract/errors.js'
import type { Plan } from '../contract/plan.js'
import type { Database, Fields } from './fields.js'
import { whereOf } from './sql/where.js'
import { translatedOnce } from './translate-once.js'

export { fields, type ColumnOptions, type ColumnType, type Fields, type Mapping, type OneTenant } from './fields.js'
export type { Plan } from '../contract/plan.js'

/** Knex' own names of databases. */
const DATABASES: Readonly<Record<string, Database>> = { postgresql: 'postgresql', sqlite3: 'sqlite', 'better-sqlite3': 'sqlite' }

/**
 * The rows of a plan, as a condition for Knex.
 *
 * @param plan - what `permit.plan()` resolves to
 * @param fields - the columns, by {@link fields}, with `database`. A column may have the table before it: `'tasks.owner_id'`
 * @throws `TranslationError` (`FST_PERMIT_TRANSLATION`) for an attribute without a column, and for an operator that the database would
 *   answer differently than `check`
 * @example
 * ```ts
 * import type { Knex } from 'knex'
 * import { fields, toKnex, type Plan } from 'fastify-permit/knex'
 *
 * declare const plan: Plan
 * declare const knex: Knex
 *
 * const taskFields = fields({ database: 'postgresql', key: 'id', tenant: 'tenant_id', attributes: { owner: 'owner_id' } })
 * export const page = await knex('tasks').where(toKnex(plan, taskFields)).where({ done: false }).limit(20)
 * ```
 */
export function toKnex (plan: Plan, fields: Fields): Knex.QueryCallback {
  const { text, bindings } = rawFor(plan, fields)
  return builder => {
    const client: unknown = (builder as unknown as { client?: { dialect?: unknown } }).client?.dialect
    const database = typeof client === 'string' ? DATABASES[client] : undefined
    if (database !== fields.database) {
      throw new TranslationError(`toKnex: the mapping is for ${String(fields.database)}, and this query is for ${String(client)}`)
    }
    builder.whereRaw(text, [...bindings])
  }
}

const rawFor = translatedOnce((plan, fields: Fields): { text: string, bindings: ReadonlyArray<string | number> } => {
  let text = ''
  const bindings: Array<string | number> = []
  for (const piece of whereOf('toKnex', plan, fields, fields.database).pieces) {
    // Knex treats a question mark in the text as a placeholder.
    if (typeof piece === 'string') text += piece.replaceAll('?', '\\?')
    else {
      text += 'column' in piece ? '??' : '?'
      bindings.push('column' in piece ? piece.column : piece.value)
    }
  }
  return { text, bindings }
})
