// Evaluates the condition of a plan in memory, literally as the contract of plans defines it.

import { TranslationError } from '../contract/errors.js'
import type { Condition, FieldCondition } from '../contract/plan.js'
import { isRecord } from '../kit/is-record.js'
import { isCompound } from './condition-parts.js'
import type { Order } from './literals.js'

/** Whether a row meets a condition. `read` returns the values of the row's fields, or `null` for a missing one. */
export type Test = (read: (field: string) => unknown) => boolean

type ItemTest = (read: (field: string) => unknown, item: unknown) => boolean

/** Compiles a condition. An unknown operator is an error at once, not only for the first row. */
export function testOf (condition: Condition): Test {
  const test = compile(condition)
  return read => test(read, undefined)
}

function compile (condition: Condition): ItemTest {
  if (isCompound(condition)) {
    const parts = condition.value.map(compile)
    switch (condition.operator) {
      case 'and': return (read, item) => parts.every(part => part(read, item))
      case 'or': return (read, item) => parts.some(part => part(read, item))
      case 'not': return (read, item) => !parts.some(part => part(read, item))
    }
  }
  return comparison(condition as FieldCondition)
}

function comparison ({ operator, field, value }: FieldCondition): ItemTest {
  const member = field.startsWith('item.') ? field.slice('item.'.length).split('.') : undefined
  const compare = comparer(operator, value)
  return (read, item) => {
    const found = member === undefined ? read(field) : walk(item, member)
    return found !== undefined && compare(found, read)
  }
}

type Compare = (value: unknown, read: (field: string) => unknown) => boolean

function comparer (operator: string, value: unknown): Compare {
  const simple = SIMPLE.get(operator)
  if (simple !== undefined) return found => simple(found, value)
  if (operator === 'object_match' || operator === 'any_match' || operator === 'all_match') {
    const test = compile(value as Condition)
    const matches = (item: unknown, read: (field: string) => unknown): boolean => isRecord(item) && test(read, item)
    if (operator === 'object_match') return matches
    return (found, read) => Array.isArray(found) &&
      (operator === 'any_match' ? found.some(item => matches(item, read)) : found.every(item => matches(item, read)))
  }
  const referring = operator.endsWith('_field') && typeof value === 'string' ? operator.slice(0, -'_field'.length) : undefined
  if (referring !== undefined && typeof value === 'string') {
    const compare = referring === 'between' ? isBetween : SIMPLE.get(referring)
    if (compare !== undefined) {
      return (found, read) => {
        const other = read(value)
        return other !== undefined && compare(found, other)
      }
    }
  }
  throw new TranslationError(`the plan has the unknown operator '${operator}'`)
}

const SIMPLE: ReadonlyMap<string, (found: unknown, value: unknown) => boolean> = new Map(Object.entries({
  eq: equal,
  ne: (found: unknown, value: unknown) => !equal(found, value),
  lt: (found: unknown, value: unknown) => ordered(found, 'lt', value),
  lte: (found: unknown, value: unknown) => ordered(found, 'lte', value),
  gt: (found: unknown, value: unknown) => ordered(found, 'gt', value),
  gte: (found: unknown, value: unknown) => ordered(found, 'gte', value),
  in: (found: unknown, value: unknown) => isAmong(found, value),
  contains: (found: unknown, value: unknown) => typeof found === 'string' && typeof value === 'string' && found.includes(value),
  contained: (found: unknown, value: unknown) => typeof found === 'string' && typeof value === 'string' && value.includes(found),
  array_contains: (found: unknown, value: unknown) => isAmong(value, found),
  array_subset: (found: unknown, value: unknown) =>
    Array.isArray(found) && Array.isArray(value) && found.every(item => isAmong(item, value)),
  array_superset: (found: unknown, value: unknown) =>
    Array.isArray(found) && Array.isArray(value) && value.every(item => isAmong(item, found)),
  array_intersect: (found: unknown, value: unknown) => Array.isArray(found) && found.some(item => isAmong(item, value)),
  spans: (found: unknown, value: unknown) => isBetween(value, found)
}))

function isAmong (value: unknown, list: unknown): boolean {
  return Array.isArray(list) && list.some(item => equal(item, value))
}

/** Both ends included; the range is a list of two numbers or two texts. */
function isBetween (value: unknown, range: unknown): boolean {
  return Array.isArray(range) && range.length === 2 && ordered(value, 'gte', range[0]) && ordered(value, 'lte', range[1])
}

function ordered (a: unknown, order: Order, b: unknown): boolean {
  if (!(typeof a === 'number' && typeof b === 'number') && !(typeof a === 'string' && typeof b === 'string')) return false
  switch (order) {
    case 'lt': return a < b
    case 'lte': return a <= b
    case 'gt': return a > b
    case 'gte': return a >= b
  }
}

/** Equality of JSON: without conversions, lists item by item, objects by their members. */
export function equal (a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, index) => equal(item, b[index]))
  if (!isRecord(a) || !isRecord(b)) return false
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every(name => Object.hasOwn(b, name) && equal(a[name], b[name]))
}

/** Reads a path of own members; `undefined` if one is missing. */
export function walk (value: unknown, names: readonly string[]): unknown {
  for (const name of names) {
    if (!isRecord(value) || !Object.hasOwn(value, name)) return undefined
    value = value[name]
  }
  return value
}
