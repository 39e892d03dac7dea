// fastify-permit/prisma: a plan as a `where` of Prisma.

import { TranslationError } from '../contract/errors.js'
import type { Condition, FieldCondition, Plan } from '../contract/plan.js'
import { isRecord } from '../kit/is-record.js'
import { isCompound, joinParts, listOf } from './condition-parts.js'
import { hasTenant, isOneTenant, placeOf, requireSameType, sourcesOf, type Column, type Database, type Fields } from './fields.js'
import { columnField, settle } from './constant-fields.js'
import {
  isOrder, isUuidText, isWellFormed, isWholeNumberText, LAST_TIME, orderOfWhole, requireExact, requireOrderedAlike, requireWellFormed,
  timeOf, timesOf, type Order
} from './literals.js'
import { refusing, Unsayable, type Asked } from './unsupported-condition.js'
import { withoutTenant } from './without-tenant.js'

export { fields, type ColumnOptions, type ColumnType, type Fields, type Mapping, type OneTenant } from './fields.js'
export type { Plan } from '../contract/plan.js'

type Where = Readonly<Record<string, unknown>>

/**
 * The rows of a plan, as a `where` of Prisma.
 *
 * Columns are fields of the model. The mapping has to say the `database`, because what Prisma asks it depends on that. Of a field that
 * cannot be NULL it says `nullable: false`, because Prisma refuses to ask such a field for NULL. Texts are compared by the column's own
 * collation: a column that ignores case or accents (`citext`) is not for this target.
 *
 * @param plan - what `permit.plan()` resolves to
 * @param fields - the fields of the model, by {@link fields}
 * @throws `TranslationError` (`FST_PERMIT_TRANSLATION`) for an attribute without a column, and for an operator that the database would
 *   answer differently than `check`
 * @example
 * ```ts
 * import { fields, toPrisma, type Plan } from 'fastify-permit/prisma'
 *
 * declare const plan: Plan
 * declare const prisma: { task: { findMany: (query: { where: object, skip: number, take: number }) => Promise<object[]> } }
 *
 * const taskFields = fields({
 *   database: 'postgresql',
 *   key: 'id',
 *   tenant: 'tenantId',
 *   attributes: { owner: { column: 'ownerId', nullable: false } }
 * })
 * export const page = await prisma.task.findMany({
 *   where: { AND: [toPrisma(plan, taskFields), { done: false }] },
 *   skip: 40,
 *   take: 20
 * })
 * ```
 */
export function toPrisma<Result = Record<string, unknown>> (plan: Plan, fields: Fields): Result {
  const { database } = fields
  if (database === undefined) {
    throw new TranslationError("toPrisma requires the database: write database: 'postgresql' or database: 'sqlite' in fields()")
  }
  const asked: Asked = { target: 'toPrisma', sources: field => sourcesOf(plan, field) }
  requireSameType('toPrisma', plan, fields)
  const where = new Translation(asked, plan, fields, database).where()
  const { most, limit } = VALUES[database]
  const values = valuesIn(where)
  if (values > limit) {
    throw new TranslationError(
      `toPrisma: the plan's condition has ${values} values, and Prisma accepts ${most} in a query; the limit is ${limit}, so that there ` +
      'is room for the values of your own conditions. Use toKysely, toKnex or toDrizzle, which bind a long list as one value, or ' +
      'name the relations that are columns'
    )
  }
  return where as Result
}

/** The most values that Prisma accepts in a query, and those that a plan may have. */
const VALUES = {
  sqlite: { most: 999, limit: 900 },
  postgresql: { most: 32_766, limit: 32_000 }
} as const satisfies Record<Database, { most: number, limit: number }>

function valuesIn (where: unknown): number {
  if (typeof where !== 'object' || where === null || where instanceof Date) return 1
  return Object.values(where).reduce<number>((count, part) => count + valuesIn(part), 0)
}

const NOTHING: Where = { OR: [] }
const EVERYTHING: Where = {}

function all (parts: readonly Where[]): Where {
  return joinParts(parts, EVERYTHING, NOTHING, rest => ({ AND: rest }))
}

function any (parts: readonly Where[]): Where {
  return joinParts(parts, NOTHING, EVERYTHING, rest => ({ OR: rest }))
}

/** What a field has to be; 'never' where no value is that. */
type Test = Where | 'never'

/** The first time that PostgreSQL and Prisma write alike. */
const FIRST = Date.parse('0001-01-01T00:00:00.000Z')

/** The largest number that has no more digits than Prisma hands on. */
const LARGEST = 1.797693134862315e308

/** Prisma rounds a number to 16 digits on its way to the database: 0.30000000000000004 becomes 0.3, which is another number. */
function requireDigits (number: number): void {
  requireExact(number)
  if (Number(number.toPrecision(16)) !== number || Math.abs(number) > LARGEST) {
    throw new Unsayable('the number has 17 digits, and Prisma passes on 16; use toKysely, toKnex or toDrizzle')
  }
}

class Translation {
  readonly #asked: Asked
  readonly #plan: Plan
  readonly #fields: Fields
  readonly #database: Database

  constructor (asked: Asked, plan: Plan, fields: Fields, database: Database) {
    this.#asked = asked
    this.#plan = plan
    this.#fields = fields
    this.#database = database
  }

  where (): Where {
    const plan = this.#plan
    switch (plan.kind) {
      case 'none': return NOTHING
      case 'all': return this.#tenant(plan.tenant)
      case 'some': return all([this.#tenant(plan.tenant), this.#condition(withoutTenant(plan.condition, plan.tenant), true)])
    }
    throw new TranslationError('toPrisma was not called with a plan; pass the result of permit.plan()')
  }

  #tenant (tenant: string): Where {
    const mapped = this.#fields.tenant
    if (isOneTenant(mapped)) return hasTenant(mapped, tenant) ? EVERYTHING : NOTHING
    return refusing(this.#asked, 'eq', 'tenant', () => this.#said(mapped, this.#isText(mapped, [tenant]), true))
  }

  /**
   * The condition, or its opposite: Prisma's NOT is that of SQL, for which NULL is neither, so that it is said of single fields only.
   * @param holds - whether the condition is to hold, or not to
   */
  #condition (condition: Condition, holds: boolean): Where {
    if (!isRecord(condition)) throw new TranslationError('toPrisma: the condition of the plan is invalid')
    if (isCompound(condition)) {
      if (condition.operator === 'not') return this.#group('or', condition.value, !holds)
      return this.#group(condition.operator, condition.value, holds)
    }
    const asked = condition as FieldCondition
    return refusing(this.#asked, asked.operator, asked.field, () => {
      const settled = settle(asked, this.#fields, this.#plan)
      if (typeof settled === 'boolean') return settled === holds ? EVERYTHING : NOTHING
      const { operator, value } = settled
      const field = columnField(settled.field, this.#fields)
      const place = placeOf('toPrisma', this.#fields, field, this.#plan)
      if (place.path.length > 0 || place.column.type === 'json') {
        throw new Unsayable('Prisma treats missing members of JSON in another way than check; make it a column')
      }
      return this.#comparison(place.column, operator, value, holds)
    })
  }

  #group (operator: 'and' | 'or', conditions: readonly Condition[], holds: boolean): Where {
    const parts = conditions.map(condition => this.#condition(condition, holds))
    return (operator === 'and') === holds ? all(parts) : any(parts)
  }

  #comparison (column: Column, operator: string, value: unknown, holds: boolean): Where {
    if (column.type === 'array') return this.#ofList(column, operator, value, holds)
    if (isOrder(operator)) return this.#said(column, this.#ordered(column, operator, value), holds)
    switch (operator) {
      case 'eq': return this.#isIn(column, [value], holds)
      case 'ne': return this.#isIn(column, [value], !holds)
      case 'in': return this.#isIn(column, listOf(value), holds)
      case 'contains': return this.#said(column, this.#contains(column, value), holds)
      case 'contained': throw new Unsayable('Prisma cannot test whether a field is a part of a text')
      default:
        if (operator.endsWith('_field')) {
          throw new Unsayable('Prisma compares two fields only with references of its client; use a view, or use another target')
        }
        throw new Unsayable(
          'it reads a list or an object; Prisma only supports this for lists of PostgreSQL, with type: \'array\', and for ' +
          '\'array_contains\', \'array_superset\' and \'array_intersect\''
        )
    }
  }

  /** The test of one field, or its opposite, for which NULL counts as a value like others. */
  #said (column: Column, test: Test, holds: boolean): Where {
    if (test === 'never') return holds ? NOTHING : EVERYTHING
    const where = { [column.column]: test }
    if (holds) return where
    return column.nullable ? { OR: [{ NOT: where }, { [column.column]: null }] } : { NOT: where }
  }

  #isIn (column: Column, list: readonly unknown[], holds: boolean): Where {
    const texts = list.filter(value => typeof value === 'string')
    const numbers = list.filter(value => typeof value === 'number')
    const parts = [
      ...texts.length === 0 ? [] : [this.#said(column, this.#isText(column, texts), holds)],
      ...numbers.length === 0 ? [] : [this.#said(column, this.#isNumber(column, numbers), holds)],
      ...list.filter(value => typeof value !== 'string' && typeof value !== 'number').map(value => this.#isOther(column, value, holds))
    ]
    return holds ? any(parts) : all(parts)
  }

  #isOther (column: Column, value: unknown, holds: boolean): Where {
    if (value === null) {
      if (!column.nullable) return holds ? NOTHING : EVERYTHING
      return { [column.column]: holds ? null : { not: null } }
    }
    if (typeof value === 'boolean') {
      const isPossible = !column.isKey && (column.type === undefined || column.type === 'boolean')
      return this.#said(column, isPossible ? { equals: value } : 'never', holds)
    }
    if (column.type === undefined && !column.isKey) {
      throw new Unsayable('the value is a list or an object, which Prisma compares in another way than check')
    }
    return holds ? NOTHING : EVERYTHING
  }

  /** Texts that the database can hold. */
  #storable (texts: readonly string[]): string[] {
    const kept = texts.filter(isWellFormed)
    if (this.#database === 'postgresql') return kept.filter(text => !text.includes('\0'))
    if (kept.some(text => text.includes('\0'))) throw new Unsayable('the text contains NUL, where drivers of SQLite cut it off')
    return kept
  }

  #isText (column: Column, texts: readonly string[]): Test {
    const kept = this.#storable(texts)
    switch (column.type) {
      case 'number':
      case 'boolean': return 'never'
      case 'objectId': throw new Unsayable('only MongoDB has ObjectIds')
      case 'date': return isOneOf(kept.flatMap(text => timeOf(text) ?? []).map(time => this.#time(time)))
      case 'integer': return column.isKey ? isOneOf(kept.filter(isWholeNumberText).map(wholeNumber)) : 'never'
      case 'uuid': return isOneOf(kept.filter(isUuidText))
      default: return isOneOf(kept)
    }
  }

  #isNumber (column: Column, numbers: readonly number[]): Test {
    const { type, isKey } = column
    if (isKey || (type !== undefined && type !== 'number' && type !== 'integer')) return 'never'
    if (type === 'integer') {
      const whole = numbers.filter(number => Number.isInteger(number) && Math.abs(number) <= 2 ** 64)
      whole.forEach(requireExact)
      return isOneOf(whole.map(number => number === 0 ? 0 : number))
    }
    numbers.forEach(requireDigits)
    return isOneOf(numbers.map(number => number === 0 ? 0 : number))
  }

  #ordered (column: Column, order: Order, value: unknown): Test {
    const { type, isKey } = column
    if (typeof value === 'number') {
      if (isKey || (type !== undefined && type !== 'number' && type !== 'integer')) return 'never'
      if (type === 'integer') {
        const whole = orderOfWhole(order, value)
        if (typeof whole !== 'boolean') return { [whole.order]: whole.number === 0 ? 0 : whole.number }
        if (!whole) return 'never'
        throw new Unsayable('the number is beyond 64 bits')
      }
      requireDigits(value)
      const number = value === 0 ? 0 : value
      if (type !== 'number') return { [order]: number }
      // NaN is greater than every number in PostgreSQL, and counts as NULL, as infinite numbers do.
      return order === 'lt' || order === 'lte' ? { [order]: number, gte: -LARGEST } : { [order]: number, lte: LARGEST }
    }
    if (typeof value !== 'string') throw new Unsayable('the value is neither a number nor a text')
    if (type === 'date') {
      const { from, before } = timesOf(order, value)
      if (from >= before) return 'never'
      return {
        gte: this.#time(Math.max(from, FIRST)),
        ...before > LAST_TIME ? { lte: this.#time(LAST_TIME) } : { lt: this.#time(Math.max(before, FIRST)) }
      }
    }
    if (type === 'number' || type === 'boolean' || (type === 'integer' && !isKey)) return 'never'
    if (this.#database === 'postgresql') {
      throw new Unsayable(
        "PostgreSQL orders by the column's collation, and check by code units; use toKysely, toKnex or toDrizzle, or keep " +
        "times as DateTime with type: 'date'"
      )
    }
    if (isKey && type !== 'text') throw new Unsayable("keys are ordered as text; set type: 'text' in fields() if they are stored as text")
    requireOrderedAlike(value)
    if (value.includes('\0')) throw new Unsayable('the text contains NUL, where drivers of SQLite cut it off')
    return { [order]: value }
  }

  #contains (column: Column, value: unknown): Test {
    const { type, isKey } = column
    if (typeof value !== 'string') throw new Unsayable('the value is not a text')
    if (type === 'date') throw new Unsayable('a part of a text cannot be searched in times')
    if (type === 'number' || type === 'boolean' || (type === 'integer' && !isKey)) return 'never'
    if (isKey && type !== 'text') throw new Unsayable("set type: 'text' in fields() if keys are stored as text")
    if (type === 'uuid' || type === 'enum') {
      throw new Unsayable(`Prisma does not search a part of a text in a field of the type '${type}'`)
    }
    if (this.#database === 'sqlite') {
      throw new Unsayable(
        "Prisma searches a part of a text with SQLite's LIKE, which ignores the case of letters; use toKysely, toKnex or toDrizzle"
      )
    }
    requireWellFormed(value)
    if (/[%_\\]/.test(value)) {
      throw new Unsayable("Prisma reads '%', '_' and '\\' in the text as a pattern; use toKysely, toKnex or toDrizzle")
    }
    return value.includes('\0') ? 'never' : { contains: value }
  }

  #ofList (column: Column, operator: string, value: unknown, holds: boolean): Where {
    if (this.#database === 'sqlite') throw new Unsayable('SQLite has no lists')
    if (!holds) {
      throw new Unsayable('for the opposite of a comparison with a list, Prisma treats NULL in another way than check')
    }
    const test = (operator: string, values: readonly unknown[]): Where => {
      if (values.some(item => typeof item !== 'string')) throw new Unsayable('Prisma is only used for lists of texts')
      const kept = this.#storable(values as string[])
      if (operator === 'hasEvery' ? kept.length < values.length : kept.length === 0) return NOTHING
      return { [column.column]: operator === 'has' ? { has: kept[0] } : { [operator]: kept } }
    }
    switch (operator) {
      case 'array_contains': return test('has', [value])
      case 'array_superset': return test('hasEvery', listOf(value))
      case 'array_intersect': return listOf(value).length === 0 ? NOTHING : test('hasSome', listOf(value))
      // A list is no object.
      case 'object_match': return NOTHING
      default: throw new Unsayable('Prisma does not have this comparison of a list')
    }
  }

  #time (time: number): Date {
    if (time < FIRST) throw new Unsayable('the time is before the year 1')
    return new Date(time)
  }
}

function wholeNumber (digits: string): number | bigint {
  const number = Number(digits)
  return Number.isSafeInteger(number) ? number : BigInt(digits)
}

function isOneOf (values: readonly unknown[]): Test {
  if (values.length === 0) return 'never'
  return values.length === 1 ? { equals: values[0] } : { in: [...new Set(values)] }
}
