// Attribute values: own properties only, equality without coercion, and bounded work, because queries may contain anything.
import { isRecord } from '../../kit/is-record.js'

import { digestOfText } from '../../kit/digest.js'
import type { WorkBudget } from './work-budget.js'

/** Values nested deeper than this are not compared: input must not control the depth of our recursion. */
const MAX_VALUE_DEPTH = 32

/** The object's own property, so that `constructor` and `__proto__` are ordinary names. */
export function own (value: unknown, name: string): unknown {
  return isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

/** Follows a path of own properties; undefined when one of them is missing. */
export function walk (value: unknown, names: readonly string[]): unknown {
  for (const name of names) {
    if (value === undefined) return undefined
    value = own(value, name)
  }
  return value
}

/**
 * Whether two values are equal as JSON; `1` and `'1'` are different.
 *
 * @returns undefined when they are nested too deep to compare, which counts neither as equal nor as different
 */
export function equal (a: unknown, b: unknown, work: WorkBudget, depth = 0): boolean | undefined {
  if (typeof a === 'string' && typeof b === 'string' && a.length === b.length) work.read(a.length)
  else work.spend(1)
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (depth >= MAX_VALUE_DEPTH) return undefined
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && every(a.keys(), index => equal(a[index], b[index], work, depth + 1))
  }
  if (Array.isArray(b)) return false
  if (countOf(a, work) !== countOf(b, work)) return false
  const keys = Object.keys(a)
  work.spend(weightOf(keys.length))
  return every(keys, key => Object.hasOwn(b, key) && equal(own(a, key), own(b, key), work, depth + 1))
}

/** The number of names of an object. A large object is counted once per decision, even if it is compared with many small ones. */
function countOf (value: object, work: WorkBudget): number {
  const known = work.counts.get(value)
  if (known !== undefined) return known
  const count = Object.keys(value).length
  work.spend(weightOf(count))
  if (count > MANY_NAMES) work.counts.set(value, count)
  return count
}

/** V8 stores an object with more names as a dictionary. */
const MANY_NAMES = 64

/** The work of listing names: an object with many names is a dictionary, where each name needs a lookup. */
function weightOf (names: number): number {
  return names > MANY_NAMES ? 4 * names : names
}

/** False takes precedence over undefined: one difference is enough. */
function every<T> (items: Iterable<T>, test: (item: T) => boolean | undefined): boolean | undefined {
  let result: boolean | undefined = true
  for (const item of items) {
    const passed = test(item)
    if (passed === false) return false
    if (passed === undefined) result = undefined
  }
  return result
}

/** V8 gives all strings of the same length above about 16,000 characters the same hash: a set would compare each with all others. */
const LONG_KEY = 16_000

/** The work of adding a value to a set, or of looking it up. */
const LOOKED_UP = 4

/**
 * The members of a list, by a key that equal values share. So comparing two lists costs the sum of their lengths, even for objects.
 *
 * No key is a number or a text that looks like one: the hash of a number is not secret, unlike that of other texts, and a client could
 * send a list whose members all collide.
 */
export class Members {
  /** Texts, as they are. */
  readonly #texts = new Set<string>()
  /** The keys of all other values. */
  readonly #keys = new Set<string>()
  #incomparable = false

  /** @param work - undefined for a list in the policy */
  constructor (list: readonly unknown[], work?: WorkBudget) {
    for (const item of list) this.#add(item, work)
  }

  #add (item: unknown, work: WorkBudget | undefined): void {
    work?.spend(LOOKED_UP)
    if (isPlainText(item)) {
      work?.read(item.length)
      this.#texts.add(item)
      return
    }
    const key = keyOf(item, work, 0)
    if (key === undefined) this.#incomparable = true
    else this.#keys.add(short(key, work))
  }

  has (value: unknown, work: WorkBudget): boolean {
    work.spend(LOOKED_UP)
    if (isPlainText(value)) {
      work.read(value.length)
      return this.#texts.has(value)
    }
    const key = keyOf(value, work, 0)
    return key !== undefined && this.#keys.has(short(key, work))
  }

  /** Whether it contains all members of the other list. */
  hasAll (other: Members, work: WorkBudget): boolean {
    if (other.#incomparable || other.#keys.size > this.#keys.size || other.#texts.size > this.#texts.size) return false
    work.spend(other.#keys.size + other.#texts.size)
    return isSubset(other.#texts, this.#texts) && isSubset(other.#keys, this.#keys)
  }
}

/** The key, or the digest of a long key. No other key begins with `=`. */
function short (key: string, work: WorkBudget | undefined): string {
  if (key.length <= LONG_KEY) return key
  work?.read(key.length)
  return `=${digestOfText(key)}`
}

function isSubset (some: ReadonlySet<string>, all: ReadonlySet<string>): boolean {
  for (const key of some) if (!all.has(key)) return false
  return true
}

/** A short text that cannot be a number. */
function isPlainText (value: unknown): value is string {
  if (typeof value !== 'string' || value.length > LONG_KEY) return false
  const first = value.charCodeAt(0)
  return !(first >= 0x30 && first <= 0x39)
}

/** A text that only equal values share, and whose end is unambiguous; undefined for a value that is nested too deep. */
function keyOf (value: unknown, work: WorkBudget | undefined, depth: number): string | undefined {
  if (typeof value === 'string') {
    work?.read(value.length)
    return JSON.stringify(value)
  }
  work?.spend(1)
  if (typeof value === 'number') return `#${value}`
  if (typeof value !== 'object' || value === null) return `:${String(value)}`
  if (depth >= MAX_VALUE_DEPTH) return undefined
  let text: string
  if (Array.isArray(value)) {
    text = '['
    for (const item of value) {
      const part = keyOf(item, work, depth + 1)
      if (part === undefined) return undefined
      text += `${part},`
    }
    return `${text}]`
  }
  text = '{'
  const names = Object.keys(value)
  work?.spend(weightOf(names.length))
  if (names.length > 1) {
    work?.spend(names.length * Math.ceil(Math.log2(names.length)))
    names.sort()
  }
  for (const name of names) {
    const part = keyOf((value as Readonly<Record<string, unknown>>)[name], work, depth + 1)
    if (part === undefined) return undefined
    text += `${JSON.stringify(name)}${part},`
  }
  return `${text}}`
}

/** Above this product of the two lengths, the search uses an algorithm that is always linear. */
const EASY_SEARCH = 1_000_000

/** Whether a text contains another. `includes` alone can take the product of the lengths: seconds for texts made for that purpose. */
export function includes (text: string, part: string, work: WorkBudget): boolean {
  if (part.length > text.length) return false
  work.read(text.length + part.length)
  if (part.length < 8 || text.length * part.length <= EASY_SEARCH) return text.includes(part)
  work.read(7 * (text.length + part.length))
  return search(text, part)
}

/** The search of Knuth, Morris and Pratt: after a mismatch, no character of the text is read again. */
function search (text: string, part: string): boolean {
  const fallback = new Int32Array(part.length)
  for (let index = 1, matched = 0; index < part.length; index++) {
    while (matched > 0 && part.charCodeAt(index) !== part.charCodeAt(matched)) matched = fallback[matched - 1] ?? 0
    if (part.charCodeAt(index) === part.charCodeAt(matched)) matched++
    fallback[index] = matched
  }
  for (let index = 0, matched = 0; index < text.length; index++) {
    while (matched > 0 && text.charCodeAt(index) !== part.charCodeAt(matched)) matched = fallback[matched - 1] ?? 0
    if (text.charCodeAt(index) === part.charCodeAt(matched)) matched++
    if (matched === part.length) return true
  }
  return false
}

/**
 * The asymmetric union of objects, as in OPA: the first takes precedence, and nested objects are merged. Two values that are not both
 * objects are not merged: the first one is the result.
 */
export function unite (first: unknown, second: unknown, work: WorkBudget, depth = 0): unknown {
  if (first === undefined) return second
  if (!isRecord(first) || !isRecord(second) || depth >= MAX_VALUE_DEPTH) return first
  const united: Record<string, unknown> = Object.create(null)
  const names = Object.keys(second)
  const others = Object.keys(first)
  work.spend(2 * weightOf(names.length + others.length))
  for (const key of names) united[key] = second[key]
  for (const key of others) united[key] = unite(first[key], united[key], work, depth + 1)
  return united
}
