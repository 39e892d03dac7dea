// fastify-permit/mongo: a plan as a filter for MongoDB, for its driver and for Mongoose.

import { TranslationError } from '../contract/errors.js'
import type { Condition, FieldCondition, Plan } from '../contract/plan.js'
import { isRecord } from '../kit/is-record.js'
import { isCompound, joinParts, listOf, textOf } from './condition-parts.js'
import { hasTenant, isOneTenant, placeOf, requireSameType, sourcesOf, type Column, type Fields } from './fields.js'
import { columnField, settle } from './constant-fields.js'
import {
  isOrder, isWellFormed, isWholeNumberText, orderOfWhole, requireExact, requireOrderedAlike, requireWellFormed, timeOf, timesOf, type Order
} from './literals.js'
import { refusing, Unsayable, type Asked } from './unsupported-condition.js'
import { withoutTenant } from './without-tenant.js'

export { fields, type ColumnOptions, type ColumnType, type Fields, type Mapping, type OneTenant } from './fields.js'
export type { Plan } from '../contract/plan.js'

/** Options of {@link toMongo}. */
export interface MongoOptions {
  /** Makes the `ObjectId` of 24 hexadecimal digits; for columns of the type `objectId`: `hex => ObjectId.createFromHexString(hex)` */
  readonly objectId?: (hex: string) => unknown
}

type Filter = Readonly<Record<string, unknown>>
/** An expression of the aggregation language. */
type Expression = unknown

/**
 * The rows of a plan, as a filter for MongoDB.
 *
 * A column is a path into the document. Values that are dates or `ObjectId`s need a type in the mapping. A collection, or a query, with a
 * collation that ignores case or accents would find more rows: do not use one.
 *
 * @param plan - what `permit.plan()` resolves to
 * @param fields - the paths, by {@link fields}
 * @throws `TranslationError` (`FST_PERMIT_TRANSLATION`) for an attribute without a column, and for an operator that the database would
 *   answer differently than `check`
 * @example
 * ```ts
 * import { fields, toMongo, type Plan } from 'fastify-permit/mongo'
 *
 * declare const plan: Plan
 * declare const tasks: { find: (filter: object) => { limit: (rows: number) => { toArray: () => Promise<object[]> } } }
 *
 * const taskFields = fields({ key: 'id', tenant: 'tenantId', attributes: { owner: 'ownerId', 'address.city': 'address.city' } })
 * export const page = await tasks.find({ $and: [toMongo(plan, taskFields), { done: false }] }).limit(20).toArray()
 * ```
 */
export function toMongo<Result = Record<string, unknown>> (plan: Plan, fields: Fields, options: MongoOptions = {}): Result {
  const asked: Asked = { target: 'toMongo', sources: field => sourcesOf(plan, field) }
  requireSameType('toMongo', plan, fields)
  return new Translation(asked, plan, fields, options).filter() as Result
}

/** MongoDB accepts 100 levels in a document. A level of a condition is two of them, and a comparison several. */
const MAX_DEPTH = 32

const NOTHING: Filter = { _id: { $in: [] } }
const EVERYTHING: Filter = {}

function all (parts: readonly Filter[]): Filter {
  return joinParts(parts, EVERYTHING, NOTHING, rest => ({ $and: rest }))
}

function any (parts: readonly Filter[]): Filter {
  return joinParts(parts, NOTHING, EVERYTHING, rest => ({ $or: rest }))
}

function not (part: Filter): Filter {
  return part === NOTHING ? EVERYTHING : part === EVERYTHING ? NOTHING : { $nor: [part] }
}

class Translation {
  readonly #asked: Asked
  readonly #plan: Plan
  readonly #fields: Fields
  readonly #options: MongoOptions
  #names = 0

  constructor (asked: Asked, plan: Plan, fields: Fields, options: MongoOptions) {
    this.#asked = asked
    this.#plan = plan
    this.#fields = fields
    this.#options = options
  }

  filter (): Filter {
    const plan = this.#plan
    switch (plan.kind) {
      case 'none': return NOTHING
      case 'all': return this.#tenant(plan.tenant)
      case 'some': return all([this.#tenant(plan.tenant), this.#condition(withoutTenant(plan.condition, plan.tenant), 0)])
    }
    throw new TranslationError('toMongo was not called with a plan; pass the result of permit.plan()')
  }

  #tenant (tenant: string): Filter {
    const mapped = this.#fields.tenant
    if (isOneTenant(mapped)) return hasTenant(mapped, tenant) ? EVERYTHING : NOTHING
    return refusing(this.#asked, 'eq', 'tenant', () => this.#isText(mapped, [tenant]))
  }

  #condition (condition: Condition, depth: number): Filter {
    if (depth > MAX_DEPTH) throw new TranslationError(`toMongo: the plan's condition is nested deeper than ${MAX_DEPTH} levels`)
    if (!isRecord(condition)) throw new TranslationError('toMongo: the condition of the plan is invalid')
    if (isCompound(condition)) {
      const parts = condition.value.map(part => this.#condition(part, depth + 1))
      switch (condition.operator) {
        case 'and': return all(parts)
        case 'or': return any(parts)
        case 'not': return not(any(parts))
      }
    }
    const asked = condition as FieldCondition
    return refusing(this.#asked, asked.operator, asked.field, () => {
      const settled = settle(asked, this.#fields, this.#plan)
      if (typeof settled === 'boolean') return settled ? EVERYTHING : NOTHING
      const { operator, value } = settled
      const field = columnField(settled.field, this.#fields)
      const place = placeOf('toMongo', this.#fields, field, this.#plan)
      return this.#comparison(place.column, place.path, operator, value)
    })
  }

  #comparison (column: Column, path: readonly string[], operator: string, value: unknown): Filter {
    if (path.length > 0 || column.type === 'json' || column.type === 'array') return this.#ofJson(column, path, operator, value)
    if (isOrder(operator)) return this.#ordered(column, operator, value)
    switch (operator) {
      case 'eq': return this.#equal(column, value)
      case 'ne': return not(this.#equal(column, value))
      case 'in': return this.#isIn(column, listOf(value))
      case 'contains': return this.#contains(column, textOf(value))
      case 'contained': {
        const text = textOf(value)
        requireWellFormed(text)
        this.#requireText(column)
        return this.#ofJson(column, [], operator, value)
      }
      default:
        if (column.type === undefined && !column.isKey) return this.#ofJson(column, path, operator, value)
        if (operator.endsWith('_field')) return this.#ofJson(column, path, operator, value)
        throw new Unsayable(`it reads a list or an object, and '${column.field}' has the type '${String(column.type ?? 'text')}'`)
    }
  }

  #equal (column: Column, value: unknown): Filter {
    if (value === null) return this.#isNull(column)
    switch (typeof value) {
      case 'string': return this.#isText(column, [value])
      case 'number': return this.#isNumber(column, [value])
      case 'boolean': {
        const isPossible = !column.isKey && (column.type === undefined || column.type === 'boolean')
        return isPossible ? this.#is(column, { $eq: value }) : NOTHING
      }
      default: return column.type === undefined && !column.isKey ? this.#ofJson(column, [], 'eq', value) : NOTHING
    }
  }

  #isIn (column: Column, list: readonly unknown[]): Filter {
    const texts = list.filter(value => typeof value === 'string')
    const numbers = list.filter(value => typeof value === 'number')
    return any([
      ...texts.length === 0 ? [] : [this.#isText(column, texts)],
      ...numbers.length === 0 ? [] : [this.#isNumber(column, numbers)],
      ...list.filter(value => typeof value !== 'string' && typeof value !== 'number').map(value => this.#equal(column, value))
    ])
  }

  #isText (column: Column, texts: readonly string[]): Filter {
    const kept = texts.filter(isWellFormed)
    switch (column.type) {
      case 'number':
      case 'boolean': return NOTHING
      case 'date': return this.#isOneOf(column, kept.flatMap(text => timeOf(text) ?? []).map(time => new Date(time)))
      case 'objectId': return this.#isOneOf(column, kept.filter(text => /^[0-9a-f]{24}$/.test(text)).map(hex => this.#objectId(hex)))
      case 'integer': return column.isKey ? this.#isOneOf(column, this.#digits(kept)) : NOTHING
      case undefined: return this.#isOneOf(column, column.isKey ? [...kept, ...this.#digits(kept)] : kept)
      default: return this.#isOneOf(column, kept)
    }
  }

  /** Keys that are whole numbers count as their digits. */
  #digits (texts: readonly string[]): number[] {
    return texts.filter(text => isWholeNumberText(text) && Number.isSafeInteger(Number(text))).map(Number)
  }

  #objectId (hex: string): unknown {
    const make = this.#options.objectId
    if (make === undefined) throw new Unsayable('it is an ObjectId; pass { objectId: hex => ObjectId.createFromHexString(hex) }')
    return make(hex)
  }

  #isNumber (column: Column, numbers: readonly number[]): Filter {
    if (column.isKey || (column.type !== undefined && column.type !== 'number' && column.type !== 'integer')) return NOTHING
    numbers.forEach(requireExact)
    return this.#isOneOf(column, [...numbers])
  }

  #isOneOf (column: Column, values: readonly unknown[]): Filter {
    if (values.length === 0) return NOTHING
    return this.#is(column, values.length === 1 ? { $eq: values[0] } : { $in: values })
  }

  #ordered (column: Column, order: Order, value: unknown): Filter {
    const { type, isKey } = column
    const operator = `$${order}`
    if (typeof value === 'number') {
      if (isKey || (type !== undefined && type !== 'number' && type !== 'integer')) return NOTHING
      const finite = order === 'lt' || order === 'lte' ? { $gt: -Infinity } : { $lt: Infinity }
      if (type === 'integer') {
        const whole = orderOfWhole(order, value)
        if (whole === false) return NOTHING
        return this.#is(column, whole === true ? { $gt: -Infinity, $lt: Infinity } : { [`$${whole.order}`]: whole.number, ...finite })
      }
      requireExact(value)
      return this.#is(column, { [operator]: value, ...finite })
    }
    if (typeof value !== 'string') throw new Unsayable('the value is neither a number nor a text')
    if (type === 'date') {
      const { from, before } = timesOf(order, value)
      return from < before ? this.#is(column, { $gte: new Date(from), $lt: new Date(before) }) : NOTHING
    }
    if (type === 'number' || type === 'boolean' || (type === 'integer' && !isKey)) return NOTHING
    requireOrderedAlike(value)
    if (isKey && (type !== 'text' && type !== 'uuid' && type !== 'enum')) {
      throw new Unsayable("keys are ordered as text; set type: 'text' in fields() if they are stored as text")
    }
    return this.#is(column, { [operator]: value })
  }

  #contains (column: Column, part: string): Filter {
    this.#requireText(column)
    requireWellFormed(part)
    if (column.type === 'integer' || (!column.isKey && (column.type === 'number' || column.type === 'boolean'))) return NOTHING
    if (part.length > 5_000) throw new Unsayable('the text is too long for a regular expression')
    // Not a RegExp, because some clients of MongoDB would also send its flags.
    return this.#is(column, { $regex: part.replace(/[\\^$.*+?()[\]{}|/#-]/g, '\\$&').replaceAll('\0', '\\x00') })
  }

  #requireText (column: Column): void {
    if (column.type === 'date') throw new Unsayable('a part of a text cannot be searched in times')
    if (column.type === 'objectId') throw new Unsayable('a part of a text cannot be searched in ObjectIds')
    if (column.isKey && column.type === undefined) throw new Unsayable("set type: 'text' in fields() if keys are stored as text")
  }

  #isNull (column: Column): Filter {
    const path = this.#path(column)
    const present = all([...prefixGuards(path), { $or: [{ [path]: { $type: 'array' } }, { [path]: { $ne: null } }] }])
    return any([not(present), { [path]: { $in: [NaN, Infinity, -Infinity] } }])
  }

  /** A comparison of the value itself: a filter would also match the items of a list. */
  #is (column: Column, comparison: Filter): Filter {
    const path = this.#path(column)
    return all([{ [path]: comparison }, { [path]: { $not: { $type: 'array' } } }, ...prefixGuards(path)])
  }

  #path ({ column }: Column): string {
    if (column.split('.').some(name => name === '' || name.startsWith('$') || name.includes('\0'))) {
      throw new Unsayable(`'${column}' is not a path in a document`)
    }
    return column
  }

  // In JSON: with expressions, which compare the values themselves, never the items of lists.

  #ofJson (column: Column, path: readonly string[], operator: string, value: unknown): Filter {
    const place = variable(`$${this.#path(column)}`, path)
    const at = (test: (found: Expression) => Expression): Expression => and([...place.guards, test(place.value)])
    const isNull = (): Expression =>
      negated(at(found => negated(or([isOfType(found, 'null'), isOfType(found, 'missing'), isOfType(found, 'undefined')]))))
    if (operator === 'eq' && value === null) return { $expr: isNull() }
    if (operator === 'ne') return { $expr: negated(value === null ? isNull() : at(found => equal(found, value))) }
    if (operator === 'in' && Array.isArray(value) && value.includes(null)) return { $expr: or([isNull(), at(found => isIn(found, value))]) }
    if (operator.endsWith('_field')) return this.#withField(column, path, at, operator, value)
    return { $expr: at(found => this.#test(found, operator, value)) }
  }

  #test (found: Expression, operator: string, value: unknown): Expression {
    if (isOrder(operator)) return ordered(found, operator, value)
    switch (operator) {
      case 'eq': return equal(found, value)
      case 'ne': return negated(equal(found, value))
      case 'in': return isIn(found, listOf(value))
      case 'contains': {
        const text = textOf(value)
        requireWellFormed(text)
        return { $cond: [isOfType(found, 'string'), { $gte: [{ $indexOfBytes: [found, { $literal: text }] }, 0] }, false] }
      }
      case 'contained': {
        const text = textOf(value)
        requireWellFormed(text)
        return { $cond: [isOfType(found, 'string'), { $gte: [{ $indexOfBytes: [{ $literal: text }, found] }, 0] }, false] }
      }
      case 'array_contains': return this.#anyItem(found, item => equal(item, value))
      case 'array_subset': return this.#everyItem(found, item => isIn(item, listOf(value)))
      case 'array_superset':
        return and([{ $isArray: [found] }, ...listOf(value).map(wanted => this.#anyItem(found, item => equal(item, wanted)))])
      case 'array_intersect': return this.#anyItem(found, item => isIn(item, listOf(value)))
      case 'spans': return and([hasLength(found, 2), ordered(itemAt(found, 0), 'lte', value), ordered(itemAt(found, 1), 'gte', value)])
      case 'object_match': return this.#match(found, value)
      case 'any_match': return this.#anyItem(found, item => this.#match(item, value))
      case 'all_match': return this.#everyItem(found, item => this.#match(item, value))
      default: throw new Unsayable('the operator is not known')
    }
  }

  #match (item: Expression, condition: unknown): Expression {
    return and([isOfType(item, 'object'), this.#inItem(item, condition as Condition)])
  }

  #inItem (item: Expression, condition: Condition): Expression {
    if (isCompound(condition)) {
      const parts = condition.value.map(part => this.#inItem(item, part))
      switch (condition.operator) {
        case 'and': return and(parts)
        case 'or': return or(parts)
        case 'not': return negated(or(parts))
      }
    }
    const asked = condition as FieldCondition
    return refusing(this.#asked, asked.operator, asked.field, () => {
      const settled = settle(asked, this.#fields, this.#plan)
      if (typeof settled === 'boolean') return settled
      const { operator, field, value } = settled
      if (!field.startsWith('item.') || typeof item !== 'string') {
        throw new Unsayable('in a match, only members of the item can be compared')
      }
      const place = variable(item, field.slice('item.'.length).split('.'))
      return and([...place.guards, negated(isOfType(place.value, 'missing')), this.#test(place.value, operator, value)])
    })
  }

  #anyItem (list: Expression, test: (item: Expression) => Expression): Expression {
    const name = `item${++this.#names}`
    return { $anyElementTrue: [{ $map: { input: listOrNone(list), as: name, in: test(`$$${name}`) } }] }
  }

  #everyItem (list: Expression, test: (item: Expression) => Expression): Expression {
    const name = `item${++this.#names}`
    return and([{ $isArray: [list] }, { $allElementsTrue: [{ $map: { input: listOrNone(list), as: name, in: test(`$$${name}`) } }] }])
  }

  #withField (
    column: Column, path: readonly string[], at: (test: (found: Expression) => Expression) => Expression, operator: string, field: unknown
  ): Filter {
    if (typeof field !== 'string') throw new Unsayable('the value is not the name of a field')
    const other = placeOf('toMongo', this.#fields, field, this.#plan)
    for (const one of [column, other.column]) {
      if (one.type === 'date' || one.type === 'objectId' || (one.isKey && one.type !== 'text')) {
        throw new Unsayable(`'${one.field}' cannot be compared with another field unless both have the type 'text', 'number' or 'boolean'`)
      }
    }
    const right = variable(`$${this.#path(other.column)}`, other.path)
    const both = (test: (found: Expression) => Expression): Filter => ({ $expr: and([...right.guards, at(test)]) })
    const isScalar = (found: Expression): Expression => or(['string', 'bool', 'int', 'double', 'long'].map(type => isOfType(found, type)))
    const isSameType = (found: Expression): Expression => or([
      and([isOfType(found, 'string'), isOfType(right.value, 'string')]),
      and([isNumeric(found), isNumeric(right.value)]),
      and([isOfType(found, 'bool'), isOfType(right.value, 'bool')])
    ])
    const isNothing = (guards: readonly Expression[], found: Expression): Expression =>
      negated(and([...guards, negated(or([isOfType(found, 'null'), isOfType(found, 'missing'), isOfType(found, 'undefined')]))]))
    const left = variable(`$${this.#path(column)}`, path)
    const same = (): Filter => {
      if ([column, other.column].some(one => one.type === undefined || one.type === 'json' || one.type === 'array')) {
        throw new Unsayable("two fields that may be lists or objects cannot be compared; set their types in fields(), such as type: 'text'")
      }
      return any([
        both(found => and([isScalar(found), isSameType(found), { $eq: [found, right.value] }])),
        { $expr: and([isNothing(left.guards, left.value), isNothing(right.guards, right.value)]) }
      ])
    }
    switch (operator) {
      case 'eq_field': return same()
      case 'ne_field': return not(same())
      case 'lt_field': case 'lte_field': case 'gt_field': case 'gte_field': {
        if ([column, other.column].some(one => one.type !== 'number' && one.type !== 'integer')) {
          throw new Unsayable("two fields are ordered as in check only if both are numbers; set type: 'number' in fields()")
        }
        return both(found =>
          and([isNumeric(found), isNumeric(right.value), { [`$${operator.slice(0, -'_field'.length)}`]: [found, right.value] }]))
      }
      case 'contains_field':
        return both(found => {
          const areTexts = and([isOfType(found, 'string'), isOfType(right.value, 'string')])
          return { $cond: [areTexts, { $gte: [{ $indexOfBytes: [found, right.value] }, 0] }, false] }
        })
      default: throw new Unsayable('it compares two fields')
    }
  }
}

/** Lists along a path do not count: a filter would search their items. */
function prefixGuards (path: string): Filter[] {
  const names = path.split('.')
  return names.slice(1).map((_, index) => ({ [names.slice(0, index + 1).join('.')]: { $not: { $type: 'array' } } }))
}

/** What is below a variable, and what has to hold for the path to be one of members of objects. */
function variable (root: string, path: readonly string[]): { value: string, guards: Expression[] } {
  for (const name of path) {
    if (name.startsWith('$') || name.includes('\0')) throw new Unsayable(`'${name}' is not a name of a member that MongoDB can read`)
  }
  const value = [root, ...path].join('.')
  const names = value.split('.')
  return { value, guards: names.slice(1).map((_, index) => isOfType(names.slice(0, index + 1).join('.'), 'object')) }
}

function and (parts: readonly Expression[]): Expression {
  return parts.length === 0 ? true : parts.length === 1 ? parts[0] : { $and: parts }
}

function or (parts: readonly Expression[]): Expression {
  return parts.length === 0 ? false : parts.length === 1 ? parts[0] : { $or: parts }
}

function negated (part: Expression): Expression {
  return { $not: [part] }
}

function isOfType (value: Expression, type: string): Expression {
  return { $eq: [{ $type: value }, type] }
}

function isNumeric (value: Expression): Expression {
  return { $in: [{ $type: value }, ['int', 'long', 'double']] }
}

function listOrNone (list: Expression): Expression {
  return { $cond: [{ $isArray: [list] }, list, []] }
}

function hasLength (list: Expression, length: number): Expression {
  return and([{ $isArray: [list] }, { $eq: [{ $size: listOrNone(list) }, length] }])
}

function itemAt (list: Expression, index: number): Expression {
  return { $arrayElemAt: [listOrNone(list), index] }
}

function equal (found: Expression, value: unknown): Expression {
  if (value === null) return isOfType(found, 'null')
  switch (typeof value) {
    case 'string':
      // No document has such a text.
      return isWellFormed(value) ? and([isOfType(found, 'string'), { $eq: [found, { $literal: value }] }]) : false
    case 'number':
      requireExact(value)
      return and([isNumeric(found), { $eq: [found, { $literal: value }] }])
    case 'boolean':
      return and([isOfType(found, 'bool'), { $eq: [found, value] }])
  }
  if (Array.isArray(value)) {
    return and([hasLength(found, value.length), ...value.map((item: unknown, index) => equal(itemAt(found, index), item))])
  }
  throw new Unsayable('MongoDB compares the order of members in objects, and check does not')
}

function isIn (found: Expression, list: readonly unknown[]): Expression {
  return list.length === 0 ? false : or(list.map(value => equal(found, value)))
}

function ordered (found: Expression, order: Order, value: unknown): Expression {
  if (typeof value === 'number') {
    requireExact(value)
    return and([isNumeric(found), { [`$${order}`]: [found, value] }])
  }
  if (typeof value !== 'string') throw new Unsayable('the value is neither a number nor a text')
  requireOrderedAlike(value)
  return and([isOfType(found, 'string'), { [`$${order}`]: [found, { $literal: value }] }])
}
