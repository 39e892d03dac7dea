// Attribute values as data: own properties only, equality without coercion, and bounds, because a query brings what it likes.
import { isRecord } from '../../kit/is-record.js'

/** Values nested deeper than this are not compared: data from outside must not decide how deep we recurse. */
export const MAX_VALUE_DEPTH = 32

/** The object's own property, so that `constructor` and `__proto__` are names like any other. */
export function own (value: unknown, name: string): unknown {
  return isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

/** What is found by going down one own property after the other; `undefined` as soon as one is missing. */
export function walk (value: unknown, names: readonly string[]): unknown {
  for (const name of names) {
    if (value === undefined) return undefined
    value = own(value, name)
  }
  return value
}

/**
 * Whether two values are equal as JSON, `1` and `'1'` being different.
 *
 * @returns `undefined` when they are nested too deep to say, which must count neither as equal nor as different
 */
export function equal (a: unknown, b: unknown, depth = 0): boolean | undefined {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (depth >= MAX_VALUE_DEPTH) return undefined
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && every(a.keys(), index => equal(a[index], b[index], depth + 1))
  if (Array.isArray(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return every(keys, key => Object.hasOwn(b, key) && equal(own(a, key), own(b, key), depth + 1))
}

/** False wins over "cannot say": one difference is enough to differ. */
function every<T> (items: Iterable<T>, test: (item: T) => boolean | undefined): boolean | undefined {
  let result: boolean | undefined = true
  for (const item of items) {
    const passed = test(item)
    if (passed === false) return false
    if (passed === undefined) result = undefined
  }
  return result
}

/** Tells what is in the list. Primitives are looked up, so that two long lists do not cost the product of their lengths. */
export function membership (list: readonly unknown[]): (value: unknown) => boolean {
  const primitives = new Set(list.filter(item => typeof item !== 'object' || item === null))
  const objects = list.filter(item => typeof item === 'object' && item !== null)
  return value => primitives.has(value) || (typeof value === 'object' && objects.some(item => equal(item, value) === true))
}

/**
 * The asymmetric union of objects, as OPA makes it: what the first has wins, and where both have an object the two are united.
 * Anything but two objects does not unite: the first wins whole.
 */
export function unite (first: unknown, second: unknown, depth = 0): unknown {
  if (first === undefined) return second
  if (!isRecord(first) || !isRecord(second) || depth >= MAX_VALUE_DEPTH) return first
  const united: Record<string, unknown> = Object.create(null)
  for (const key of Object.keys(second)) united[key] = second[key]
  for (const key of Object.keys(first)) united[key] = unite(first[key], united[key], depth + 1)
  return united
}
