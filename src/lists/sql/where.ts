// A plan as the condition of a WHERE: one translation for all SQL libraries.

import { TranslationError } from '../../contract/errors.js'
import type { Condition, FieldCondition, Plan } from '../../contract/plan.js'
import { isRecord } from '../../kit/is-record.js'
import { suggest } from '../../kit/suggest.js'
import { isCompound, listOf, textOf } from '../condition-parts.js'
import { hasTenant, isOneTenant, placeOf, requireSameType, sourcesOf, type Column, type Database, type Fields } from '../fields.js'
import { columnField, settle } from '../constant-fields.js'
import { isOrder } from '../literals.js'
import { refusing, Unsayable, type Asked } from '../unsupported-condition.js'
import { withoutTenant } from '../without-tenant.js'
import { all, any, FALSE, not, TRUE, type Fragment } from './fragment.js'
import type { Dialect, Node } from './node.js'
import { postgresql } from './postgresql.js'
import { sqlite } from './sqlite.js'

/** Conditions nested deeper, and literals with more parts, are refused: a statement has limits, too. */
const MAX_DEPTH = 32
const MAX_PARTS = 200

/**
 * A statement with more comparisons takes too long to make, and for the database to plan. The costliest kind takes about 0.1 ms of the
 * event loop each on a slow machine, so this many take less than 50 ms.
 */
const MAX_COMPARISONS = 400

/** SQLite accepts 32,766 values in a statement, PostgreSQL 65,535. This many take less than 50 ms, too. */
const MAX_VALUES = 15_000

const FEWER = 'Use filter() for this list, or compare with fewer values in the policy'

const DIALECTS = { postgresql, sqlite } as const satisfies Record<Database, () => Dialect>

/**
 * The condition that the plan's rows meet, and no others.
 *
 * @param target - the function that the app called, for errors
 * @throws `TranslationError`
 */
export function whereOf<C> (target: string, plan: Plan, fields: Fields<C>, database: Database | undefined): Fragment<C> {
  if (database === undefined) {
    throw new TranslationError(`${target} requires the database: write database: 'postgresql' or database: 'sqlite' in fields()`)
  }
  const asked: Asked = { target, sources: field => sourcesOf(plan, field) }
  requireSameType(target, plan, fields)
  const dialect = DIALECTS[database]()
  // The translation does not use the column itself; it only passes it on.
  const where = new Translation(asked, plan, fields as unknown as Fields, dialect).where() as Fragment<C>
  let values = 0
  for (const piece of where.pieces) {
    if (typeof piece !== 'string' && 'value' in piece) values++
  }
  if (values > MAX_VALUES) {
    throw new TranslationError(
      `${target}: the plan's condition has ${values} values, which are too many for a statement of ${dialect.name}; ` +
      `the limit is ${MAX_VALUES}. ${FEWER}`
    )
  }
  return where
}

class Translation {
  readonly #asked: Asked
  readonly #plan: Plan
  readonly #fields: Fields
  readonly #dialect: Dialect
  #comparisons = 0

  constructor (asked: Asked, plan: Plan, fields: Fields, dialect: Dialect) {
    this.#asked = asked
    this.#plan = plan
    this.#fields = fields
    this.#dialect = dialect
  }

  where (): Fragment {
    const plan = this.#plan
    switch (plan.kind) {
      case 'none': return FALSE
      case 'all': return this.#tenant(plan.tenant)
      // The condition has the tenant, too. Here it is in any case, and in front, where an index begins.
      case 'some': return all([this.#tenant(plan.tenant), this.#condition(withoutTenant(plan.condition, plan.tenant), undefined, 0)])
    }
    throw new TranslationError(`${this.#asked.target} was not called with a plan; pass the result of permit.plan()`)
  }

  #tenant (tenant: string): Fragment {
    const mapped = this.#fields.tenant
    if (isOneTenant(mapped)) return hasTenant(mapped, tenant) ? TRUE : FALSE
    return refusing(this.#asked, 'eq', 'tenant', () => this.#dialect.column(mapped).isText([tenant]))
  }

  /** @param item - what `item.…` is below, within a match */
  #condition (condition: Condition, item: Node | undefined, depth: number): Fragment {
    if (depth > MAX_DEPTH) {
      throw new TranslationError(`${this.#asked.target}: the plan's condition is nested deeper than ${MAX_DEPTH} levels`)
    }
    if (!isRecord(condition)) throw new TranslationError(`${this.#asked.target}: the condition of the plan is invalid`)
    if (isCompound(condition)) {
      const parts = condition.value.map(part => this.#condition(part, item, depth + 1))
      switch (condition.operator) {
        case 'and': return all(parts)
        case 'or': return any(parts)
        case 'not': return not(any(parts))
      }
    }
    return this.#comparison(condition as FieldCondition, item, depth)
  }

  #comparison (asked: FieldCondition, item: Node | undefined, depth: number): Fragment {
    this.#count(comparisonsIn(asked))
    return refusing(this.#asked, asked.operator, asked.field, () => {
      const condition = settle(asked, this.#fields, this.#plan)
      if (typeof condition === 'boolean') return condition ? TRUE : FALSE
      const field = columnField(condition.field, this.#fields)
      if (field.startsWith('item.')) {
        if (item === undefined) throw new Unsayable("'item.…' is only valid in a match")
        this.#count(rangesIn(condition, isNumber))
        return item.member(field.slice('item.'.length).split('.'), member => this.#test(member, condition, depth, false))
      }
      const place = placeOf(this.#asked.target, this.#fields, field, this.#plan)
      if (isJson(place.column, place.path)) this.#count(rangesIn(condition, isNumber))
      else if (place.column.type === 'date') this.#count(rangesIn(condition, isText))
      if (!isJson(place.column, place.path)) return this.#test(this.#dialect.column(place.column), condition, depth, true)
      const at = (test: (value: Node) => Fragment): Fragment => this.#dialect.json(place.column, place.path, test)
      const { operator: name, value } = condition
      // A field without a value is NULL.
      const isNull = (): Fragment => not(at(found => not(found.isNull())))
      if (name === 'eq' && value === null) return isNull()
      if (name === 'ne') return not(value === null ? isNull() : at(found => equal(found, value)))
      if (name === 'in' && Array.isArray(value) && value.includes(null)) return any([isNull(), at(found => isIn(found, value))])
      if (name === 'eq_field' || name === 'ne_field') throw new Unsayable('a value in JSON cannot be compared with another column')
      return at(found => this.#test(found, condition, depth, true))
    })
  }

  #count (comparisons: number): void {
    this.#comparisons += comparisons
    if (this.#comparisons <= MAX_COMPARISONS) return
    throw new TranslationError(`${this.#asked.target}: the plan's condition has more than ${MAX_COMPARISONS} comparisons. ${FEWER}`)
  }

  /** @param own - whether it is a field of the row, which is never missing */
  #test (node: Node, { operator, value }: FieldCondition, depth: number, own: boolean): Fragment {
    if (isOrder(operator)) return ordered(node, operator, value)
    switch (operator) {
      case 'eq': return equal(node, value)
      case 'ne': return not(equal(node, value))
      case 'in': return isIn(node, listOf(value))
      case 'contains': return node.contains(textOf(value))
      case 'contained': return node.isContained(textOf(value))
      case 'array_contains': return node.anyItem(item => equal(item, value))
      case 'array_subset': return node.everyItem(item => isIn(item, listOf(value)))
      case 'array_superset': return all([node.isList(), ...listOf(value).map(wanted => node.anyItem(item => equal(item, wanted)))])
      case 'array_intersect': return node.anyItem(item => isIn(item, listOf(value)))
      case 'spans': return all([
        node.hasLength(2),
        node.itemAt(0, item => ordered(item, 'lte', value)),
        node.itemAt(1, item => ordered(item, 'gte', value))
      ])
      case 'object_match': return this.#match(node, value, depth)
      case 'any_match': return node.anyItem(item => this.#match(item, value, depth))
      case 'all_match': return node.everyItem(item => this.#match(item, value, depth))
      default: return this.#withField(node, operator, value, own)
    }
  }

  #match (node: Node, condition: unknown, depth: number): Fragment {
    return all([node.isObject(), this.#condition(condition as Condition, node, depth + 1)])
  }

  #withField (node: Node, operator: string, field: unknown, own: boolean): Fragment {
    if (!operator.endsWith('_field') || typeof field !== 'string') return this.#unknown(operator)
    const { column, path } = placeOf(this.#asked.target, this.#fields, field, this.#plan)
    if (operator === 'in_field' && isJson(column, path) && own) {
      const mine = node.own
      if (mine !== undefined) return this.#dialect.json(column, path, list => list.anyItem(item => item.isColumn(mine)))
    }
    if (isJson(column, path)) throw new Unsayable(`it compares with '${field}', which is a value in JSON or a list`)
    switch (operator) {
      case 'eq_field': return node.isColumn(column)
      case 'ne_field': return not(node.isColumn(column))
      case 'lt_field': return node.orderOfColumn('lt', column)
      case 'lte_field': return node.orderOfColumn('lte', column)
      case 'gt_field': return node.orderOfColumn('gt', column)
      case 'gte_field': return node.orderOfColumn('gte', column)
      case 'contains_field': return node.containsColumn(column)
      case 'array_contains_field': return node.anyItem(item => item.isColumn(column))
      // These need a list on the other side, and the column holds none.
      case 'in_field':
      case 'between_field':
      case 'array_subset_field':
      case 'array_superset_field':
      case 'array_intersect_field': return FALSE
      default: return this.#unknown(operator)
    }
  }

  #unknown (operator: string): never {
    throw new Unsayable(`the operator is not known; ${suggest(operator, OPERATORS, '')}`)
  }
}

const OPERATORS: readonly string[] = [
  'eq', 'ne', 'lt', 'lte', 'gt', 'gte', 'in', 'contains', 'contained', 'spans',
  'array_contains', 'array_subset', 'array_superset', 'array_intersect',
  'object_match', 'any_match', 'all_match',
  'eq_field', 'ne_field', 'lt_field', 'lte_field', 'gt_field', 'gte_field', 'in_field', 'contains_field', 'array_contains_field'
]

/**
 * Texts and numbers in a list are one comparison.
 * Other values, and the items of a superset, are one each, and one for each of their parts.
 */
function comparisonsIn ({ operator, value }: FieldCondition): number {
  // The conditions within are counted by themselves.
  if (operator.endsWith('_match')) return 1
  if (!Array.isArray(value)) return partsIn(value)
  if (operator === 'array_superset') return partsIn(value)
  return value.reduce<number>((sum, item) => sum + (typeof item === 'string' || typeof item === 'number' ? 0 : partsIn(item)), 1)
}

/** Of the items of a list, those that are ranges of numbers or times for the database: two of them cost as much as a comparison. */
function rangesIn ({ value }: FieldCondition, isRange: (item: unknown) => boolean): number {
  return Array.isArray(value) ? Math.ceil(value.filter(isRange).length / 2) : 0
}

function isNumber (value: unknown): boolean {
  return typeof value === 'number'
}

function isText (value: unknown): boolean {
  return typeof value === 'string'
}

/** A value with more parts than are accepted is refused when it is translated. */
function partsIn (value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null || depth > MAX_PARTS) return 1
  return Object.values(value).reduce<number>((sum, part) => sum + partsIn(part, depth + 1), 1)
}

function isJson (column: Column, path: readonly string[]): boolean {
  return path.length > 0 || column.type === 'json' || column.type === 'array'
}

function equal (node: Node, value: unknown): Fragment {
  const parts = { left: MAX_PARTS }
  return equalTo(node, value, parts)
}

function equalTo (node: Node, value: unknown, parts: { left: number }): Fragment {
  if (--parts.left < 0) throw new Unsayable(`the value has more than ${MAX_PARTS} parts`)
  if (value === null) return node.isNull()
  switch (typeof value) {
    case 'string': return node.isText([value])
    case 'number': return node.isNumber([value])
    case 'boolean': return node.isBoolean(value)
  }
  if (Array.isArray(value)) {
    return all([
      node.hasLength(value.length),
      ...value.map((item: unknown, index) => node.itemAt(index, found => equalTo(found, item, parts)))
    ])
  }
  if (isRecord(value)) {
    const members = Object.entries(value)
    return all([
      node.hasMembers(members.length),
      ...members.map(([name, member]) => node.member([name], found => equalTo(found, member, parts)))
    ])
  }
  throw new Unsayable('the value is not JSON')
}

function isIn (node: Node, list: readonly unknown[]): Fragment {
  const texts = [...new Set(list.filter(value => typeof value === 'string'))]
  const numbers = [...new Set(list.filter(value => typeof value === 'number'))]
  const others = [...new Set(list.filter(value => typeof value !== 'string' && typeof value !== 'number'))]
  return any([
    ...texts.length === 0 ? [] : [node.isText(texts)],
    ...numbers.length === 0 ? [] : [node.isNumber(numbers)],
    ...others.map(value => equal(node, value))
  ])
}

function ordered (node: Node, order: 'lt' | 'lte' | 'gt' | 'gte', value: unknown): Fragment {
  if (typeof value === 'number' && Number.isFinite(value)) return node.orderOfNumber(order, value)
  if (typeof value === 'string') return node.orderOfText(order, value)
  throw new Unsayable('the value is neither a number nor a text')
}
