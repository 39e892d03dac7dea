// PostgreSQL. It tells types apart itself: a comparison with a value of another type than the column's is its error, not a wrong answer.

import type { Column } from '../fields.js'
import {
  FIRST_TIME, isUuidText, isWellFormed, isWholeNumberText, LAST_TIME, orderOfWhole, requireExact, requireOrderedAlike, requireWellFormed,
  roundingOf, SYMBOL, timeOf, timesOf,
  type Order
} from '../literals.js'
import { Unsayable } from '../unsupported-condition.js'
import { all, any, bound, commas, FALSE, not, raw, sql, type Fragment } from './fragment.js'
import { requireComparable, type Dialect, type Kind, type Node } from './node.js'

/** Longer lists are bound as one text of JSON: PostgreSQL accepts 65,535 values in a statement, and plans each. */
const MANY = 20

/** The most numbers if each needs its own range. */
const MANY_RANGES = 500

/** PostgreSQL, for one statement. */
export function postgresql (): Dialect {
  let count = 0
  const names = (): string => `permit_${++count}`
  return {
    name: 'PostgreSQL',
    column: column => new PostgresColumn(column, names),
    json: (column, path, test) => {
      const value = path.reduce<Fragment>((object, name) => memberOf(object, name), jsonOf(column))
      if (path.some(name => name.includes('\0'))) return FALSE
      return all([sql`${value} IS NOT NULL`, test(new PostgresJson(value, names))])
    }
  }
}

/** The texts that a PostgreSQL database can store; no row has any other. */
function storable (texts: readonly string[]): string[] {
  return texts.filter(text => isWellFormed(text) && !text.includes('\0'))
}

function text (value: string): Fragment {
  return sql`CAST(${bound(value)} AS text)`
}

/** The comparison of a value with texts, each made to be of the type. */
function isAmong (value: Fragment, texts: readonly string[], type: 'text' | 'uuid' | 'bigint' = 'text'): Fragment {
  const [only] = texts
  if (only === undefined) return FALSE
  const cast = (one: string): Fragment => sql`CAST(${bound(one)} AS ${raw(type)})`
  if (texts.length === 1) return sql`${value} = ${cast(only)}`
  if (texts.length <= MANY) return sql`${value} IN (${commas(texts.map(cast))})`
  const items = sql`jsonb_array_elements_text(CAST(${bound(JSON.stringify(texts))} AS jsonb)) AS permit_items (item)`
  return sql`${value} = ANY (ARRAY(SELECT CAST(permit_items.item AS ${raw(type)}) FROM ${items}))`
}

/** All that a column holds, as JSON. */
function jsonOf (column: Column): Fragment {
  const value = sql`${{ column: column.column }}`
  return column.type === 'array' ? sql`to_jsonb(${value})` : sql`CAST(${value} AS jsonb)`
}

function memberOf (object: Fragment, name: string): Fragment {
  requireWellFormed(name)
  // Of anything but an object it is NULL.
  return sql`(${object} -> ${text(name)})`
}

class PostgresColumn implements Node {
  readonly #column: Column
  readonly #sql: Fragment
  readonly #names: () => string

  constructor (column: Column, names: () => string) {
    if (column.type === 'objectId') throw new Unsayable(`only MongoDB has ObjectIds; set another type for '${column.field}' in fields()`)
    this.#column = column
    this.#sql = sql`${{ column: column.column }}`
    this.#names = names
  }

  /** By byte, whatever collation the column has. No index serves it. */
  get #text (): Fragment { return sql`${this.#written} COLLATE "C"` }

  /** The column's text, whatever its type. */
  get #written (): Fragment {
    const { type, isKey } = this.#column
    return type === 'uuid' || type === 'enum' || (type === 'integer' && isKey) ? sql`CAST(${this.#sql} AS text)` : this.#sql
  }

  get own (): Column { return this.#column }

  isText (texts: readonly string[]): Fragment {
    const { type, isKey } = this.#column
    const kept = storable(texts)
    switch (type) {
      case 'number':
      case 'boolean':
        return FALSE
      case 'date':
        return any(kept.flatMap(one => timeOf(one) ?? []).map(time => this.#isTime(time, time + 1)))
      case 'integer':
        return isKey ? isAmong(this.#sql, kept.filter(isWholeNumberText), 'bigint') : FALSE
      case 'uuid':
        return isAmong(this.#sql, kept.filter(isUuidText), 'uuid')
      case 'enum':
        return isAmong(this.#written, kept)
      default: {
        if (kept.length === 0) return FALSE
        // Equal for the column's collation comes first, because an index serves it. Collations exist for which 'a' and 'A' are equal. In a
        // CASE the planner takes the second comparison for neither likely nor unlikely, and what it expects of the first stays what it is.
        return sql`(${isAmong(this.#sql, kept)} AND CASE WHEN ${isAmong(this.#text, kept)} THEN true ELSE false END)`
      }
    }
  }

  isNumber (numbers: readonly number[]): Fragment {
    const { type, isKey } = this.#column
    if (isKey) return FALSE
    switch (type) {
      case undefined:
        return this.#asJson.isNumber(numbers)
      case 'integer': {
        const whole = numbers.filter(number => Number.isInteger(number) && Math.abs(number) <= 2 ** 64)
        whole.forEach(requireExact)
        return isAmong(this.#sql, whole.map(number => String(number === 0 ? 0 : number)), 'bigint')
      }
      case 'number': {
        if (numbers.length > MANY_RANGES) throw new Unsayable(`${numbers.length} numbers are too many; the limit is ${MANY_RANGES}`)
        return sql`${this.#double} IN (${commas(numbers.map(number => double(number)))})`
      }
      default:
        return FALSE
    }
  }

  isBoolean (value: boolean): Fragment {
    const { type, isKey } = this.#column
    if (isKey || (type !== undefined && type !== 'boolean')) return FALSE
    return sql`${this.#sql} = ${raw(value ? 'true' : 'false')}`
  }

  isNull (): Fragment {
    const { type } = this.#column
    if (type === 'number') return sql`(${this.#sql} IS NULL OR ${this.#double} IN ('NaN', 'Infinity', '-Infinity'))`
    if (type === 'date') return not(this.#isTime(FIRST_TIME, LAST_TIME + 1))
    return sql`${this.#sql} IS NULL`
  }

  orderOfText (order: Order, value: string): Fragment {
    const { type, isKey } = this.#column
    if (type === 'number' || type === 'boolean' || (type === 'integer' && !isKey)) return FALSE
    if (type === 'date') {
      const { from, before } = timesOf(order, value)
      return from < before ? this.#isTime(from, before) : FALSE
    }
    requireOrderedAlike(value)
    if (value.includes('\0')) throw new Unsayable('the text contains NUL, which PostgreSQL rejects')
    return sql`${this.#text} ${raw(SYMBOL[order])} ${text(value)}`
  }

  orderOfNumber (order: Order, value: number): Fragment {
    const { type, isKey } = this.#column
    if (isKey) return FALSE
    switch (type) {
      case undefined:
        return this.#asJson.orderOfNumber(order, value)
      case 'integer': {
        const whole = orderOfWhole(order, value)
        if (typeof whole === 'boolean') return whole ? sql`${this.#sql} IS NOT NULL` : FALSE
        return sql`${this.#sql} ${raw(SYMBOL[whole.order])} CAST(${bound(String(whole.number === 0 ? 0 : whole.number))} AS bigint)`
      }
      case 'number':
        return sql`(${this.#double} ${raw(SYMBOL[order])} ${double(value)} AND ${this.#isFinite(order)})`
      default:
        return FALSE
    }
  }

  /** NaN is greater than every number here, and counts as NULL. */
  #isFinite (order: Order): Fragment {
    return order === 'lt' || order === 'lte' ? sql`${this.#double} > '-Infinity'` : sql`${this.#double} < 'Infinity'`
  }

  contains (value: string): Fragment {
    if (!this.#mayBeText()) return this.#noPart(this.#column.type === 'date')
    requireWellFormed(value)
    if (value.includes('\0')) return FALSE
    return sql`strpos(${this.#text}, ${text(value)}) > 0`
  }

  isContained (value: string): Fragment {
    if (!this.#mayBeText()) return this.#noPart(this.#column.type === 'date')
    requireWellFormed(value)
    // No column has a NUL, and so is a part of one of what is between.
    return any([...new Set(value.split('\0'))].map(part => sql`strpos(${text(part)}, ${this.#text}) > 0`))
  }

  isList (): Fragment { return this.#noJson() }
  isObject (): Fragment { return this.#noJson() }
  anyItem (): Fragment { return this.#noJson() }
  everyItem (): Fragment { return this.#noJson() }
  hasLength (): Fragment { return this.#noJson() }
  itemAt (): Fragment { return this.#noJson() }
  hasMembers (): Fragment { return this.#noJson() }
  member (): Fragment { return this.#noJson() }

  isColumn (other: Column): Fragment {
    const right = new PostgresColumn(other, this.#names)
    return any([this.#isSame(right), all([this.isNull(), right.isNull()])])
  }

  #isSame (right: PostgresColumn): Fragment {
    const kind = this.#kind()
    const otherKind = right.#kind()
    requireComparable(kind, otherKind)
    if (kind !== otherKind) return FALSE
    switch (kind) {
      case 'text': return sql`${this.#text} = ${right.#text}`
      case 'number': return sql`(${this.#double} = ${right.#double} AND ${this.#isFinite('lt')} AND ${this.#isFinite('gt')})`
      case 'boolean': return sql`${this.#sql} = ${right.#sql}`
      case 'date': {
        const isSame = sql`date_trunc('milliseconds', ${this.#sql}) = date_trunc('milliseconds', ${right.#sql})`
        return sql`(${isSame} AND ${this.#isTime(FIRST_TIME, LAST_TIME + 1)})`
      }
    }
  }

  orderOfColumn (order: Order, other: Column): Fragment {
    const right = new PostgresColumn(other, this.#names)
    const kinds = [this.#kind(), right.#kind()]
    requireComparable(kinds[0], kinds[1])
    const symbol = raw(SYMBOL[order])
    if (kinds.every(kind => kind === 'number')) {
      return all([
        sql`${this.#double} ${symbol} ${right.#double}`,
        ...[this, right].flatMap(column => [column.#isFinite('lt'), column.#isFinite('gt')])
      ])
    }
    if (kinds.every(kind => kind === 'date')) {
      const range = [this, right].map(one => one.#isTime(FIRST_TIME, LAST_TIME + 1))
      return all([sql`date_trunc('milliseconds', ${this.#sql}) ${symbol} date_trunc('milliseconds', ${right.#sql})`, ...range])
    }
    if (kinds[0] !== kinds[1] || kinds[0] === 'boolean') return FALSE
    throw new Unsayable(
      "two columns are ordered as in check only if both hold numbers or dates; set their type in fields(), such as type: 'integer'"
    )
  }

  containsColumn (other: Column): Fragment {
    const right = new PostgresColumn(other, this.#names)
    if (this.#column.type === 'date' || other.type === 'date') return this.#noPart(true)
    if (!this.#mayBeText() || !right.#mayBeText()) return FALSE
    return sql`strpos(${this.#text}, ${right.#written}) > 0`
  }

  get #asJson (): PostgresJson {
    return new PostgresJson(sql`to_jsonb(${this.#sql})`, this.#names)
  }

  get #double (): Fragment {
    return sql`CAST(${this.#sql} AS double precision)`
  }

  /** As JavaScript has a time: in whole milliseconds, rounded down. */
  #isTime (from: number, before: number): Fragment {
    return sql`(${this.#sql} >= ${time(from)} AND ${this.#sql} < ${time(before)})`
  }

  #kind (): Kind {
    const { type, isKey, field } = this.#column
    if (isKey) return 'text'
    switch (type) {
      case 'text': case 'uuid': case 'enum': return 'text'
      case 'integer': case 'number': return 'number'
      case 'boolean': case 'date': return type
      case undefined:
        throw new Unsayable(`columns are compared by type; set the type of '${field}' in fields(), such as type: 'text'`)
      default: return this.#noJson()
    }
  }

  #mayBeText (): boolean {
    const { type, isKey } = this.#column
    return isKey || type === undefined || type === 'text' || type === 'uuid' || type === 'enum'
  }

  #noPart (isTime: boolean): Fragment {
    if (isTime) throw new Unsayable('a part of a text cannot be searched in a column of times')
    return FALSE
  }

  #noJson (): never {
    const { type, field } = this.#column
    if (type === undefined) {
      throw new Unsayable(`it reads a list or an object; set type: 'json' (or 'array') for '${field}' in fields()`)
    }
    throw new Unsayable(`it reads a list or an object, and '${field}' has the type '${type}'`)
  }
}

function double (number: number): Fragment {
  return sql`CAST(${bound(String(number))} AS double precision)`
}

function time (milliseconds: number): Fragment {
  const iso = new Date(milliseconds).toISOString()
  // The year 0 of ISO 8601 is 1 BC, and the year 10000 has a sign there.
  if (iso.startsWith('0000')) return sql`CAST(${bound(`0001${iso.slice(4, -1)}+00 BC`)} AS timestamptz)`
  return sql`CAST(${bound(iso.startsWith('+0') ? iso.slice(2) : iso)} AS timestamptz)`
}

/** A value of the type jsonb; NULL where there is none. */
class PostgresJson implements Node {
  readonly #json: Fragment
  readonly #names: () => string

  constructor (json: Fragment, names: () => string) {
    this.#json = json
    this.#names = names
  }

  #is (type: string): Fragment { return sql`jsonb_typeof(${this.#json}) = ${raw(`'${type}'`)}` }

  /** What the value is as text, where it is of the type; NULL otherwise. The planner may not evaluate it for a value of another type. */
  #as (type: 'string' | 'number', as: 'text' | 'numeric'): Fragment {
    return sql`CASE WHEN ${this.#is(type)} THEN CAST((${this.#json} #>> '{}') AS ${raw(as)}) END`
  }

  get #text (): Fragment { return sql`(${this.#as('string', 'text')}) COLLATE "C"` }

  isText (texts: readonly string[]): Fragment {
    const kept = storable(texts)
    return kept.length === 0 ? FALSE : sql`(${isAmong(this.#text, kept)})`
  }

  isNumber (numbers: readonly number[]): Fragment {
    if (numbers.length > MANY_RANGES) throw new Unsayable(`${numbers.length} numbers are too many; the limit is ${MANY_RANGES}`)
    const value = this.#as('number', 'numeric')
    return any(numbers.map(number => {
      const { low, high, closed } = roundingOf(number)
      const than = raw(closed ? '=' : '')
      return sql`(${value} >${than} ${numeric(low)} AND ${value} <${than} ${numeric(high)})`
    }))
  }

  isBoolean (value: boolean): Fragment { return sql`${this.#json} = ${raw(value ? "'true'::jsonb" : "'false'::jsonb")}` }
  isNull (): Fragment { return this.#is('null') }

  orderOfText (order: Order, value: string): Fragment {
    requireOrderedAlike(value)
    if (value.includes('\0')) throw new Unsayable('the text contains NUL, which PostgreSQL rejects')
    return sql`${this.#text} ${raw(SYMBOL[order])} ${text(value)}`
  }

  orderOfNumber (order: Order, number: number): Fragment {
    const { low, high, closed } = roundingOf(number)
    const value = this.#as('number', 'numeric')
    // What rounds to the number itself is equal to it.
    const edge = order === 'lt' || order === 'gte' ? low : high
    const operator = { lt: closed ? '<' : '<=', gte: closed ? '>=' : '>', lte: closed ? '<=' : '<', gt: closed ? '>' : '>=' }[order]
    return sql`${value} ${raw(operator)} ${numeric(edge)}`
  }

  contains (value: string): Fragment {
    requireWellFormed(value)
    if (value.includes('\0')) return FALSE
    return sql`strpos(${this.#text}, ${text(value)}) > 0`
  }

  isContained (value: string): Fragment {
    requireWellFormed(value)
    return any(value.split('\0').map(part => sql`strpos(${text(part)}, ${this.#text}) > 0`))
  }

  isList (): Fragment { return this.#is('array') }
  isObject (): Fragment { return this.#is('object') }

  anyItem (test: (item: Node) => Fragment): Fragment {
    const { items, item, row } = this.#items()
    return sql`EXISTS (SELECT 1 FROM ${items} AS ${row} (${row}_item) WHERE ${test(item)})`
  }

  everyItem (test: (item: Node) => Fragment): Fragment {
    const { items, item, row } = this.#items()
    return sql`(${this.isList()} AND NOT EXISTS (SELECT 1 FROM ${items} AS ${row} (${row}_item) WHERE ${not(test(item))}))`
  }

  #items (): { items: Fragment, item: Node, row: Fragment } {
    const row = raw(this.#names())
    const items = sql`jsonb_array_elements(CASE WHEN ${this.isList()} THEN ${this.#json} END)`
    return { items, item: new PostgresJson(sql`${row}_item`, this.#names), row }
  }

  hasLength (length: number): Fragment {
    return sql`CASE WHEN ${this.isList()} THEN jsonb_array_length(${this.#json}) = ${raw(String(length))} END`
  }

  itemAt (index: number, test: (item: Node) => Fragment): Fragment {
    return test(new PostgresJson(sql`(${this.#json} -> ${raw(String(index))})`, this.#names))
  }

  hasMembers (count: number): Fragment {
    return sql`CASE WHEN ${this.isObject()} THEN (SELECT count(*) FROM jsonb_object_keys(${this.#json})) = ${raw(String(count))} END`
  }

  member (path: readonly string[], test: (member: Node) => Fragment): Fragment {
    if (path.some(name => name.includes('\0'))) return FALSE
    const value = path.reduce<Fragment>((object, name) => memberOf(object, name), this.#json)
    return all([sql`${value} IS NOT NULL`, test(new PostgresJson(value, this.#names))])
  }

  isColumn (other: Column): Fragment {
    const column = sql`${{ column: other.column }}`
    const isNull = all([this.isNull(), new PostgresColumn(other, this.#names).isNull()])
    if (other.isKey || other.type === 'uuid' || other.type === 'enum') return any([sql`${this.#text} = CAST(${column} AS text)`, isNull])
    switch (other.type) {
      case 'text': return any([sql`${this.#text} = ${column}`, isNull])
      case 'boolean': return any([sql`${this.#json} = to_jsonb(${column})`, isNull])
      case undefined:
        throw new Unsayable(`columns are compared by type; set the type of '${other.field}' in fields(), such as type: 'text'`)
      default: throw new Unsayable(`a value in JSON cannot be compared with a column of the type '${other.type}'`)
    }
  }

  orderOfColumn (): Fragment { throw new Unsayable('a value in JSON cannot be compared with another column') }
  containsColumn (): Fragment { throw new Unsayable('a value in JSON cannot be compared with another column') }
}

function numeric (decimal: string): Fragment {
  return sql`CAST(${bound(decimal)} AS numeric)`
}
