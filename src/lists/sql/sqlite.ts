// SQLite. A column may hold a value of any type, whatever it was declared as, so that comparisons say which type they are about.

import type { Column } from '../fields.js'
import {
  FIRST_TIME, isUuidText, isWellFormed, isWholeNumberText, LAST_TIME, orderOfWhole, requireExact, requireOrderedAlike, requireWellFormed,
  SYMBOL, timeOf, timesOf,
  type Order
} from '../literals.js'
import { Unsayable } from '../unsupported-condition.js'
import { all, any, bound, commas, FALSE, not, raw, sql, TRUE, type Bound, type Fragment } from './fragment.js'
import { requireComparable, type Dialect, type Kind, type Node } from './node.js'

/** Longer lists are bound as one text of JSON: SQLite accepts 32,766 values in a statement, and drivers bind them one by one. */
const MANY = 20

/** The most numbers in a list, and the most texts with NUL. */
const MAX_SINGLE = 500

/** Names for the rows of JSON functions: they nest, so that each is given once in a statement. */
type Names = () => string

/** SQLite, for one statement. */
export function sqlite (): Dialect {
  let count = 0
  const names = (): string => `permit_${++count}`
  return {
    name: 'SQLite',
    column: column => new SqliteColumn(column),
    json: (column, path, test) => jsonOf(names, column, path, test)
  }
}

/** The values that a database stores as text; no row has any other. */
function storable (texts: readonly string[]): string[] {
  return texts.filter(isWellFormed)
}

/** A text as a value. Drivers cut off a text at NUL, so such a text is sent as hexadecimal digits. */
function text (value: string): Fragment | Bound {
  return value.includes('\0') ? sql`CAST(unhex(${bound(hexOf(value))}) AS TEXT)` : bound(value)
}

function hexOf (value: string): string {
  return Array.from(new TextEncoder().encode(value), byte => byte.toString(16).padStart(2, '0')).join('')
}

/** The comparison of a value with texts. */
function isAmong (value: Fragment, texts: readonly string[]): Fragment {
  const [only] = texts
  if (only === undefined) return FALSE
  if (texts.length === 1) return sql`${value} = ${text(only)}`
  if (texts.length <= MANY) return sql`${value} IN (${commas(texts.map(text))})`
  const odd = texts.filter(one => one.includes('\0'))
  if (odd.length === 0) return isItem(value, JSON.stringify(texts))
  if (odd.length > MAX_SINGLE) return sql`${value} IN (${commas(texts.map(text))})`
  return any([isItem(value, JSON.stringify(texts.filter(one => !one.includes('\0')))), sql`${value} IN (${commas(odd.map(text))})`])
}

/** @param list - a text of JSON */
function isItem (value: Fragment, list: string): Fragment {
  return sql`${value} IN (SELECT value FROM json_each(${bound(list)}))`
}

/**
 * Whether SQLite takes a text for a number in no column, whatever the column was declared as: it begins with a letter, and with none of a
 * number's name. Such a text equals nothing but itself, so that the type of the value is not asked, for each row that is read.
 */
function isNeverNumber (text: string): boolean {
  return /^(?!inf|nan)[a-z]/i.test(text)
}

class SqliteColumn implements Node {
  readonly #column: Column
  readonly #sql: Fragment

  constructor (column: Column) {
    if (column.type === 'objectId') throw new Unsayable(`only MongoDB has ObjectIds; set another type for '${column.field}' in fields()`)
    this.#column = column
    this.#sql = sql`${{ column: column.column }}`
  }

  /** By byte, whatever collation the column was declared with. An index of a column without a collation of its own serves it. */
  get #text (): Fragment { return sql`${this.#sql} COLLATE BINARY` }

  get own (): Column { return this.#column }

  isText (texts: readonly string[]): Fragment {
    const { type, isKey } = this.#column
    const kept = storable(texts)
    switch (type) {
      case 'number':
      case 'boolean':
        return FALSE
      case 'date':
        return any(kept.flatMap(one => timeOf(one) ?? []).map(time => this.#isTime(sql`${this.#sql} = ${bound(time)}`)))
      case 'integer':
        return isKey ? this.#isDigits(kept) : FALSE
      case 'uuid':
        return this.#isWritten(kept.filter(isUuidText))
      case undefined:
        // A key may be a whole number.
        if (isKey) return any([this.#isWritten(kept.filter(one => !isWholeNumberText(one))), this.#isDigitsOrText(kept)])
        return this.#isWritten(kept)
      default:
        return this.#isWritten(kept)
    }
  }

  #isWritten (texts: readonly string[]): Fragment {
    if (texts.length === 0) return FALSE
    const among = isAmong(this.#text, texts)
    return texts.every(isNeverNumber) ? among : sql`(${among} AND typeof(${this.#sql}) = 'text')`
  }

  /** Digits as a text or as a number, because a column without an affinity makes neither of the other. */
  #isDigitsOrText (texts: readonly string[]): Fragment {
    const digits = texts.filter(isWholeNumberText)
    // A number with a fraction part of zero is a whole number for JavaScript, as far as it is exact.
    const exact = digits.filter(one => Number.isSafeInteger(Number(one)))
    const large = digits.filter(one => !Number.isSafeInteger(Number(one)))
    const among = (some: readonly string[], types: string): Fragment => {
      if (some.length === 0) return FALSE
      const found = some.length > MANY
        ? isItem(this.#text, `[${some.map(one => `"${one}",${one}`).join()}]`)
        : sql`${this.#text} IN (${commas(some.flatMap(one => [bound(one), sql`CAST(${bound(one)} AS INTEGER)`]))})`
      return sql`(${found} AND typeof(${this.#sql}) IN (${raw(types)}))`
    }
    return any([among(exact, "'integer', 'text', 'real'"), among(large, "'integer', 'text'")])
  }

  #isDigits (texts: readonly string[]): Fragment {
    const digits = texts.filter(isWholeNumberText)
    if (digits.length === 0) return FALSE
    const among = digits.length > MANY ? isItem(this.#sql, `[${digits.join()}]`) : isAmong(this.#sql, digits)
    return sql`(${among} AND typeof(${this.#sql}) = 'integer')`
  }

  isNumber (numbers: readonly number[]): Fragment {
    if (!this.#mayBeNumber()) return FALSE
    numbers.forEach(requireExact)
    if (numbers.length > MAX_SINGLE) {
      throw new Unsayable(`${numbers.length} numbers are too many for SQLite; the limit is ${MAX_SINGLE}`)
    }
    const [only] = numbers
    const among = numbers.length === 1 && only !== undefined
      ? sql`${this.#sql} = ${bound(only)}`
      : sql`${this.#sql} IN (${commas(numbers.map(bound))})`
    return sql`(${among} AND ${this.#isNumeric()})`
  }

  isBoolean (value: boolean): Fragment {
    if (this.#column.type === undefined && !this.#column.isKey) {
      throw new Unsayable("SQLite stores 'true' as 1; set type: 'boolean' for the column in fields()")
    }
    if (this.#column.type !== 'boolean') return FALSE
    return sql`(${this.#sql} = ${raw(value ? '1' : '0')} AND typeof(${this.#sql}) = 'integer')`
  }

  isNull (): Fragment {
    const { type, isKey } = this.#column
    if (type === 'boolean') return not(sql`typeof(${this.#sql}) = 'integer' AND ${this.#sql} IN (0, 1)`)
    if (type === 'date') return not(this.#isTime())
    if (type === 'number' || (type === undefined && !isKey)) return sql`(${this.#sql} IS NULL OR ${this.#sql} IN (9e999, -9e999))`
    return sql`${this.#sql} IS NULL`
  }

  orderOfText (order: Order, value: string): Fragment {
    const { type, isKey } = this.#column
    if (type === 'number' || type === 'boolean' || (type === 'integer' && !isKey)) return FALSE
    if (type === 'date') {
      const { from, before } = timesOf(order, value)
      return from < before ? this.#isTime(sql`${this.#sql} >= ${bound(from)} AND ${this.#sql} < ${bound(before)}`) : FALSE
    }
    requireOrderedAlike(value)
    // In a column for numbers a text of digits would be compared as a number. Without a cast an index serves a column that is said to hold
    // texts.
    const written = type === undefined ? sql`CAST(${this.#sql} AS TEXT) COLLATE BINARY` : this.#text
    if (!isKey) return sql`(${written} ${raw(SYMBOL[order])} ${text(value)} AND typeof(${this.#sql}) = 'text')`
    const compared = sql`CAST(${this.#sql} AS TEXT) COLLATE BINARY ${raw(SYMBOL[order])} ${text(value)}`
    return sql`(${compared} AND typeof(${this.#sql}) IN ('text', 'integer'))`
  }

  orderOfNumber (order: Order, value: number): Fragment {
    if (!this.#mayBeNumber()) return FALSE
    if (this.#column.type === 'integer') {
      const whole = orderOfWhole(order, value)
      if (typeof whole === 'boolean') return whole ? sql`(${this.#isNumeric()})` : FALSE
      return sql`(${this.#sql} ${raw(SYMBOL[whole.order])} ${bound(whole.number)} AND ${this.#isNumeric()})`
    }
    requireExact(value)
    return sql`(${this.#sql} ${raw(SYMBOL[order])} ${bound(value)} AND ${this.#isNumeric()})`
  }

  contains (value: string): Fragment {
    if (!this.#mayBeText()) return this.#noPart(this.#column.type === 'date')
    requireWellFormed(value)
    return sql`(instr(${this.#writtenText()}, ${text(value)}) > 0)`
  }

  isContained (value: string): Fragment {
    if (!this.#mayBeText()) return this.#noPart(this.#column.type === 'date')
    requireWellFormed(value)
    return sql`(instr(${text(value)}, ${this.#writtenText()}) > 0)`
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
    const right = new SqliteColumn(other)
    return any([this.#isSame(right), all([this.isNull(), right.isNull()])])
  }

  #isSame (right: SqliteColumn): Fragment {
    const kind = this.#kind()
    const otherKind = right.#kind()
    requireComparable(kind, otherKind)
    if (kind !== otherKind && kind !== undefined && otherKind !== undefined) return FALSE
    switch (kind ?? otherKind) {
      case 'text': return sql`(${this.#writtenText()} COLLATE BINARY = ${right.#writtenText()})`
      case 'number': return sql`(${this.#double} = ${right.#double} AND ${this.#isNumeric()} AND ${right.#isNumeric()})`
      case 'boolean': return any([true, false].map(value => all([this.isBoolean(value), right.isBoolean(value)])))
      case 'date': return sql`(${this.#sql} = ${right.#sql} AND ${this.#isTime()} AND ${right.#isTime()})`
      case undefined:
        return any([
          sql`(${this.#text} = ${right.#sql} AND typeof(${this.#sql}) = 'text' AND typeof(${right.#sql}) = 'text')`,
          sql`(${this.#double} = ${right.#double} AND ${this.#isNumeric()} AND ${right.#isNumeric()})`
        ])
    }
  }

  orderOfColumn (order: Order, other: Column): Fragment {
    const right = new SqliteColumn(other)
    const kinds = [this.#kind(), right.#kind()]
    requireComparable(kinds[0], kinds[1])
    const symbol = raw(SYMBOL[order])
    if (kinds.every(kind => kind === 'number')) {
      return sql`(${this.#double} ${symbol} ${right.#double} AND ${this.#isNumeric()} AND ${right.#isNumeric()})`
    }
    if (kinds.every(kind => kind === 'date')) {
      return sql`(${this.#sql} ${symbol} ${right.#sql} AND ${this.#isTime()} AND ${right.#isTime()})`
    }
    if (kinds.every(kind => kind !== undefined) && kinds[0] !== kinds[1]) return FALSE
    if (kinds[0] === 'boolean') return FALSE
    throw new Unsayable(
      "two columns are ordered as in check only if both hold numbers or dates; set their type in fields(), such as type: 'integer'"
    )
  }

  containsColumn (other: Column): Fragment {
    const right = new SqliteColumn(other)
    if (this.#column.type === 'date' || other.type === 'date') return this.#noPart(true)
    if (!this.#mayBeText() || !right.#mayBeText()) return FALSE
    return sql`(instr(${this.#writtenText()}, ${right.#writtenText()}) > 0)`
  }

  #kind (): Kind | undefined {
    const { type, isKey } = this.#column
    if (isKey) return 'text'
    switch (type) {
      case 'text': case 'uuid': case 'enum': return 'text'
      case 'integer': case 'number': return 'number'
      case 'boolean': case 'date': case undefined: return type
      default: return this.#noJson()
    }
  }

  /** As JavaScript sees a number of 64 bits. */
  get #double (): Fragment { return sql`CAST(${this.#sql} AS REAL)` }

  /** The column's text, of a key the digits; NULL for anything else. */
  #writtenText (): Fragment {
    const { isKey } = this.#column
    if (isKey) return sql`CASE WHEN typeof(${this.#sql}) IN ('text', 'integer') THEN CAST(${this.#sql} AS TEXT) END`
    return sql`CASE WHEN typeof(${this.#sql}) = 'text' THEN ${this.#sql} END`
  }

  #mayBeText (): boolean {
    const { type, isKey } = this.#column
    return isKey || type === undefined || type === 'text' || type === 'uuid' || type === 'enum'
  }

  #mayBeNumber (): boolean {
    const { type, isKey } = this.#column
    return !isKey && (type === undefined || type === 'integer' || type === 'number')
  }

  /** Numbers, and no infinite ones: those are not JSON and count as NULL. */
  #isNumeric (): Fragment {
    const { type } = this.#column
    if (type === 'integer') return sql`typeof(${this.#sql}) = 'integer'`
    return sql`typeof(${this.#sql}) IN ('integer', 'real') AND ${this.#sql} NOT IN (9e999, -9e999)`
  }

  #isTime (test: Fragment = TRUE): Fragment {
    const range = test === TRUE ? sql`${this.#sql} BETWEEN ${raw(String(FIRST_TIME))} AND ${raw(String(LAST_TIME))}` : test
    return sql`(${range} AND typeof(${this.#sql}) = 'integer')`
  }

  #noPart (isTime: boolean): Fragment {
    if (isTime) throw new Unsayable('a part of a text cannot be searched in a column of times')
    return FALSE
  }

  #noJson (): never {
    const { type, field } = this.#column
    if (type === undefined) throw new Unsayable(`it reads a list or an object; set type: 'json' for '${field}' in fields()`)
    throw new Unsayable(`it reads a list or an object, and '${field}' has the type '${type}'`)
  }
}

/**
 * A value in JSON: a row of a subquery with two columns, the type and the value.
 *
 * The columns have names of their own, and no column of the table is named where `json_each` is in scope: its columns are called id, type,
 * key, value, parent and so on, as those of the table may be, and a name would be taken for its.
 */
class SqliteJson implements Node {
  readonly #names: Names
  readonly #type: Fragment
  readonly #value: Fragment

  /** @param row - the name of the subquery */
  constructor (names: Names, row: string) {
    this.#names = names
    this.#type = raw(`${row}_type`)
    this.#value = raw(`${row}_value`)
  }

  get #isNumeric (): Fragment { return sql`${this.#type} IN ('integer', 'real')` }

  isText (texts: readonly string[]): Fragment {
    texts.forEach(requireWellFormed)
    return sql`(${this.#type} = 'text' AND ${isAmong(this.#value, texts)})`
  }

  isNumber (numbers: readonly number[]): Fragment {
    numbers.forEach(requireExact)
    if (numbers.length > MAX_SINGLE) {
      throw new Unsayable(`${numbers.length} numbers are too many for SQLite; the limit is ${MAX_SINGLE}`)
    }
    return sql`(${this.#isNumeric} AND ${this.#value} IN (${commas(numbers.map(bound))}))`
  }

  isBoolean (value: boolean): Fragment { return sql`${this.#type} = ${raw(value ? "'true'" : "'false'")}` }
  isNull (): Fragment { return sql`${this.#type} = 'null'` }

  orderOfText (order: Order, value: string): Fragment {
    requireOrderedAlike(value)
    return sql`(${this.#type} = 'text' AND ${this.#value} ${raw(SYMBOL[order])} ${text(value)})`
  }

  orderOfNumber (order: Order, value: number): Fragment {
    requireExact(value)
    return sql`(${this.#isNumeric} AND ${this.#value} ${raw(SYMBOL[order])} ${bound(value)})`
  }

  contains (value: string): Fragment {
    requireWellFormed(value)
    return sql`(${this.#type} = 'text' AND instr(${this.#value}, ${text(value)}) > 0)`
  }

  isContained (value: string): Fragment {
    requireWellFormed(value)
    return sql`(${this.#type} = 'text' AND instr(${text(value)}, ${this.#value}) > 0)`
  }

  isList (): Fragment { return sql`${this.#type} = 'array'` }
  isObject (): Fragment { return sql`${this.#type} = 'object'` }

  anyItem (test: (item: Node) => Fragment): Fragment {
    const row = this.#names()
    return sql`EXISTS (SELECT 1 FROM ${this.#rows(row)} WHERE ${test(new SqliteJson(this.#names, row))})`
  }

  everyItem (test: (item: Node) => Fragment): Fragment {
    const row = this.#names()
    return sql`(${this.isList()} AND NOT EXISTS (SELECT 1 FROM ${this.#rows(row)} WHERE ${not(test(new SqliteJson(this.#names, row)))}))`
  }

  hasLength (length: number): Fragment {
    return sql`(${this.isList()} AND (SELECT count(*) FROM ${this.#each('array')}) = ${raw(String(length))})`
  }

  itemAt (index: number, test: (item: Node) => Fragment): Fragment {
    const row = this.#names()
    const rows = this.#rows(row, sql` WHERE key = ${raw(String(index))}`)
    return sql`EXISTS (SELECT 1 FROM ${rows} WHERE ${test(new SqliteJson(this.#names, row))})`
  }

  hasMembers (count: number): Fragment {
    return sql`(${this.isObject()} AND (SELECT count(DISTINCT key) FROM ${this.#each('object')}) = ${raw(String(count))})`
  }

  member (path: readonly string[], test: (member: Node) => Fragment): Fragment {
    path.forEach(requireWellFormed)
    const last = path.at(-1)
    if (last === undefined) return FALSE
    // The last one of duplicate names counts, as in JSON.parse.
    const from = path.slice(0, -1).reduce<Fragment>((object, name) => {
      const found = sql`json_each(${object}) WHERE key = ${text(name)} ORDER BY id DESC LIMIT 1`
      return sql`(SELECT CASE WHEN type = 'object' THEN value END FROM ${found})`
    }, this.#if('object'))
    const row = this.#names()
    const columns = sql`type AS ${raw(row)}_type, value AS ${raw(row)}_value`
    const found = sql`(SELECT ${columns} FROM json_each(${from}) WHERE key = ${text(last)} ORDER BY id DESC LIMIT 1)`
    return sql`EXISTS (SELECT 1 FROM ${found} WHERE ${test(new SqliteJson(this.#names, row))})`
  }

  isColumn (other: Column): Fragment {
    const value = sql`${{ column: other.column }}`
    const isNull = all([this.isNull(), new SqliteColumn(other).isNull()])
    const isText = (text: Fragment, types: string): Fragment =>
      sql`(${this.#type} = 'text' AND ${this.#value} = ${text} COLLATE BINARY AND typeof(${value}) IN (${raw(types)}))`
    const isNumber = (types: string): Fragment =>
      sql`(${this.#isNumeric} AND ${this.#value} = ${value} AND typeof(${value}) IN (${raw(types)}))`
    switch (other.type) {
      case undefined:
      case 'text':
        if (other.isKey) return any([isText(sql`CAST(${value} AS TEXT)`, "'text', 'integer'"), isNull])
        return any([isText(value, "'text'"), ...other.type === undefined ? [isNumber("'integer', 'real'")] : [], isNull])
      case 'integer':
        if (other.isKey) return sql`(${this.#type} = 'text' AND ${this.#value} = CAST(${value} AS TEXT) AND typeof(${value}) = 'integer')`
        return any([isNumber("'integer'"), isNull])
      default:
        throw new Unsayable(`a value in JSON cannot be compared with a column of the type '${other.type}'`)
    }
  }

  orderOfColumn (): Fragment { throw new Unsayable('a value in JSON cannot be compared with another column') }
  containsColumn (): Fragment { throw new Unsayable('a value in JSON cannot be compared with another column') }

  /** The value as text, where it is of the type. */
  #if (type: 'array' | 'object'): Fragment {
    return sql`CASE WHEN ${this.#type} = ${raw(`'${type}'`)} THEN ${this.#value} END`
  }

  /** The items or members; none for a value of another type. */
  #each (type: 'array' | 'object'): Fragment {
    return sql`json_each(${this.#if(type)})`
  }

  #rows (row: string, where: Fragment = raw('')): Fragment {
    return sql`(SELECT type AS ${raw(row)}_type, value AS ${raw(row)}_value FROM ${this.#each('array')}${where})`
  }
}

/** A test of what is in a column of JSON, at a path; false where nothing is there. What is not JSON is nothing. */
function jsonOf (names: Names, column: Column, path: readonly string[], test: (value: Node) => Fragment): Fragment {
  const value = sql`${{ column: column.column }}`
  const json = sql`CASE WHEN typeof(${value}) = 'text' AND json_valid(${value}) THEN ${value} END`
  const row = names()
  const root = new SqliteJson(names, row)
  const found = path.length === 0 ? test(root) : root.member(path, test)
  const columns = sql`json_type(${json}) AS ${raw(row)}_type, json_extract(${json}, '$') AS ${raw(row)}_value`
  return sql`EXISTS (SELECT 1 FROM (SELECT ${columns}) WHERE ${raw(row)}_type IS NOT NULL AND ${found})`
}
