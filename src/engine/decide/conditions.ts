// Conditions: compiled once, when a policy is loaded, to functions that a decision only calls.

import { closest } from '../../kit/suggest.js'
import { isRecord } from '../../kit/is-record.js'
import { equal, includes, Members, own, walk } from './values.js'
import { addProblem, type PolicyProblem } from '../policy/problems.js'
import type { Work } from './work.js'

/** Where attributes come from. */
export type AttributeScope = 'user' | 'resource' | 'tenant' | 'context'

/** Gives the attributes of one query; `undefined` when there is none of that name. */
export interface AttributeSource {
  /** What the decision may cost; everything that compares counts against it. */
  readonly work: Work
  lookup (scope: AttributeScope, name: string): unknown
  /** What is in a list of the query's, or of a fact's: put together once for each list, however often it is asked. */
  members (list: readonly unknown[]): Members
  /** A list of nothing but the value, likewise. */
  only (value: object): Members
}

/** Whether the attributes of a query meet a condition. */
export type Predicate = (attributes: AttributeSource) => boolean

/** Conditions nested deeper than this are refused when the policy is loaded. */
export const MAX_CONDITION_DEPTH = 32

type Path = ReadonlyArray<string | number>

/** Whether one attribute's value passes; the attributes are those that a `ref` is looked up in. */
type Test = (value: unknown, attributes: AttributeSource) => boolean

/** The value to compare with, written down or referred to; `undefined` when the reference leads nowhere. */
type Operand = { readonly literal: unknown } | { readonly ref: (attributes: AttributeSource) => unknown }

interface Operator {
  /** Compares two values that are both there. Costs the sum of their sizes at most. */
  readonly compare: (attribute: unknown, value: unknown, attributes: AttributeSource) => boolean
  /** What a literal has to be, and the test of it: a comparison that can never be true is a mistake, not a policy. */
  readonly wants: string
  /** Its types in JSON; any when it is not said. */
  readonly types?: readonly string[]
  readonly accepts: (value: unknown) => boolean
  /** Compares with a list that is known when the policy is loaded. */
  readonly prepare?: (value: Members) => (attribute: unknown, attributes: AttributeSource) => boolean
}

const anything = { wants: 'any value', accepts: (value: unknown) => value !== undefined }
const ordered = { wants: 'a number or a text', types: ['number', 'string'], accepts: isOrdered }

/** An operator whose value is a list. */
function withList (compare: (attribute: unknown, list: Members, attributes: AttributeSource) => boolean): Operator {
  return {
    wants: 'a list',
    types: ['array'],
    accepts: Array.isArray,
    compare: (attribute, value, attributes) => Array.isArray(value) && compare(attribute, attributes.members(value), attributes),
    prepare: members => (attribute, attributes) => compare(attribute, members, attributes)
  }
}

const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>(Object.entries({
  equals: { ...anything, compare: (attribute, value, { work }) => equal(attribute, value, work) === true },
  'not-equals': { ...anything, compare: (attribute, value, { work }) => equal(attribute, value, work) === false },
  'less-than': { ...ordered, compare: (attribute, value, { work }) => order(attribute, value, work) < 0 },
  'less-than-equals': { ...ordered, compare: (attribute, value, { work }) => order(attribute, value, work) <= 0 },
  'greater-than': { ...ordered, compare: (attribute, value, { work }) => order(attribute, value, work) > 0 },
  'greater-than-equals': { ...ordered, compare: (attribute, value, { work }) => order(attribute, value, work) >= 0 },
  between: {
    wants: 'a list of two numbers or two texts, the lowest and the highest',
    types: ['array'],
    accepts: isRange,
    compare: (attribute, value, { work }) => isRange(value) && order(attribute, value[0], work) >= 0 && order(attribute, value[1], work) <= 0
  },
  contains: {
    wants: 'a text',
    types: ['string'],
    accepts: value => typeof value === 'string',
    compare: (attribute, value, { work }) => typeof attribute === 'string' && typeof value === 'string' && includes(attribute, value, work)
  },
  in: withList((attribute, list, { work }) => list.has(attribute, work)),
  array_contains: {
    ...anything,
    compare: (attribute, value, attributes) => Array.isArray(attribute) && isAmong(value, attribute, attributes)
  },
  array_subset: withList((attribute, list, { work }) => Array.isArray(attribute) && attribute.every(item => list.has(item, work))),
  array_superset: withList((attribute, list, attributes) => Array.isArray(attribute) && attributes.members(attribute).hasAll(list, attributes.work)),
  array_intersect: withList((attribute, list, { work }) => Array.isArray(attribute) && attribute.some(item => list.has(item, work)))
} satisfies Record<string, Operator>))

/** Operators that look into objects: which of them have to match the fields. */
const MATCHERS: ReadonlyMap<string, (attribute: unknown, matches: (element: unknown) => boolean) => boolean> = new Map([
  ['object_match', (attribute: unknown, matches: (element: unknown) => boolean) => isRecord(attribute) && matches(attribute)],
  ['any_match', (attribute: unknown, matches: (element: unknown) => boolean) => Array.isArray(attribute) && attribute.some(element => isRecord(element) && matches(element))],
  ['all_match', (attribute: unknown, matches: (element: unknown) => boolean) => Array.isArray(attribute) && attribute.every(element => isRecord(element) && matches(element))]
])

/** Compares two values as the operator of that name does; false when one is missing. */
export function compareValues (operator: string, attribute: unknown, value: unknown, attributes: AttributeSource): boolean {
  if (attribute === undefined || value === undefined) return false
  attributes.work.spend(1)
  const known = OPERATORS.get(operator)
  if (known === undefined) throw new TypeError(`there is no operator '${operator}'`)
  return known.compare(attribute, value, attributes)
}

const LOGICAL = ['allOf', 'anyOf', 'not', 'and', 'or'] as const
type Logical = (typeof LOGICAL)[number]

/** The operators that compare an attribute with a value, for the published schema. */
export const COMPARISON_OPERATORS: ReadonlyArray<{ readonly key: string, readonly wants: string, readonly types?: readonly string[] }> =
  Array.from(OPERATORS, ([key, { wants, types }]) => ({ key, wants, ...(types === undefined ? {} : { types }) }))

/** The operators that look into objects. */
export const MATCH_OPERATORS: readonly string[] = [...MATCHERS.keys()]

/** Every logical operator. `and` is `allOf`, `or` is `anyOf`. */
export const LOGICAL_OPERATORS: readonly string[] = LOGICAL

const SCOPES: ReadonlyMap<string, AttributeScope> = new Map<string, AttributeScope>([
  ['user', 'user'], ['resource', 'resource'], ['tenant', 'tenant'], ['context', 'context'],
  // older spellings
  ['subject', 'user'], ['environment', 'context']
])

/**
 * Compiles a condition.
 *
 * An object with several keys, and an attribute with several operators, needs all of them. `allOf` of nothing is true, `anyOf`
 * of nothing is false, and `not` is true when none of its conditions is. A comparison with a missing attribute, or with a
 * `ref` that leads nowhere, is false, `not-equals` included; `not` around it is therefore true, as it is in Permit's PDP: whoever
 * wants the attribute to be there says so with a comparison outside of `not`. `between` includes both ends; ordering compares
 * numbers with numbers and texts with texts, by code unit, so that ISO 8601 times in one zone compare as times. As everywhere,
 * `all_match` and `array_subset` hold for an empty list.
 *
 * @param path - where the condition is in the document
 * @param problems - gets what is wrong with it; the result is then a condition that is never met
 * @param alternatives - gets each `anyOf` of conditions in it
 */
export function compileCondition (condition: unknown, path: Path, problems: PolicyProblem[], alternatives?: Predicate[]): Predicate {
  return new ConditionCompiler(problems, alternatives).condition(condition, path, 0)
}

/** The value of `user.address.city`, read as conditions read it; `undefined` when there is none. */
export function readAttribute (text: string, attributes: AttributeSource): unknown {
  const { scope, name, names } = splitAttribute(text)
  return scope === undefined ? undefined : walk(attributes.lookup(scope, name), names)
}

/** The parts of `user.address.city`; without a scope when it names none. */
export function splitAttribute (text: string): { readonly scope: AttributeScope | undefined, readonly name: string, readonly names: readonly string[] } {
  const [scope = '', name = '', ...names] = text.split('.')
  return { scope: SCOPES.get(scope), name, names }
}

/** The attribute that a value refers to (`{ ref: 'user.email' }`); undefined when it is a value by itself. */
export function referenceIn (value: unknown): unknown {
  return isRecord(value) && Object.hasOwn(value, 'ref') && Object.keys(value).length === 1 ? value['ref'] : undefined
}

class ConditionCompiler {
  readonly #problems: PolicyProblem[]
  readonly #alternatives: Predicate[] | undefined

  constructor (problems: PolicyProblem[], alternatives: Predicate[] | undefined) {
    this.#problems = problems
    this.#alternatives = alternatives
  }

  condition (condition: unknown, path: Path, depth: number): Predicate {
    if (!this.#isBlock(condition, path, depth, 'write a condition such as { "user.location": { "equals": "US" } }; { "allOf": [] } matches everything')) return never
    return conjunction(Object.entries(condition).map(([key, value]) => {
      const at = [...path, key]
      if (isLogical(key)) {
        const combined = combine(key, this.#items(key, value, at).map(([item, where]) => this.condition(item, where, depth + 1)))
        if (key === 'anyOf' || key === 'or') this.#alternatives?.push(combined)
        return combined
      }
      const attribute = this.#attribute(key, at, LOGICAL)
      // `allof: []` is one mistake, not two.
      if (attribute === undefined && !isRecord(value)) return never
      const test = this.#tests(value, at, depth + 1)
      return attribute === undefined ? never : (attributes: AttributeSource) => test(attribute(attributes), attributes)
    }))
  }

  /** What an attribute has to pass: operators, and logical operators over more of the same. */
  #tests (tests: unknown, path: Path, depth: number): Test {
    if (!this.#isBlock(tests, path, depth, 'write an operator and a value, such as { "equals": "US" }')) return never
    return conjunction(Object.entries(tests).map(([key, value]): Test => {
      const at = [...path, key]
      if (isLogical(key)) return combine(key, this.#items(key, value, at).map(([item, where]) => this.#tests(item, where, depth + 1)))
      return MATCHERS.has(key) ? this.#matcher(key, value, at, depth) : this.#comparison(key, value, at)
    }))
  }

  #comparison (key: string, value: unknown, path: Path): Test {
    const operator = OPERATORS.get(key)
    if (operator === undefined) {
      const known = [...OPERATORS.keys(), ...MATCHERS.keys(), ...LOGICAL]
      const nearest = closest(key, known)
      return this.#problem(path, `unknown operator '${key}'`, nearest === undefined ? `write one of ${known.join(', ')}` : `did you mean '${nearest}'?`)
    }
    const operand = this.#operand(value, path)
    if (operand === undefined) return never
    const { compare } = operator
    if ('ref' in operand) {
      const { ref } = operand
      return (attribute, attributes) => {
        if (attribute === undefined) return false
        attributes.work.spend(1)
        const referred = ref(attributes)
        return referred !== undefined && compare(attribute, referred, attributes)
      }
    }
    const { literal } = operand
    if (!operator.accepts(literal)) return this.#problem(path, `'${key}' cannot compare with this`, `write ${operator.wants}`)
    const prepared = Array.isArray(literal) ? operator.prepare?.(new Members(literal)) : undefined
    const comparison = prepared ?? ((attribute: unknown, attributes: AttributeSource) => compare(attribute, literal, attributes))
    return (attribute, attributes) => {
      if (attribute === undefined) return false
      attributes.work.spend(1)
      return comparison(attribute, attributes)
    }
  }

  #matcher (key: string, value: unknown, path: Path, depth: number): Test {
    const apply = MATCHERS.get(key)
    const fields = own(value, 'match')
    if (apply === undefined || !isRecord(fields) || !isRecord(value) || Object.keys(value).length !== 1) {
      return this.#problem(path, `'${key}' needs the fields to match`, 'write { "match": { "<field>": { "equals": "<value>" } } }')
    }
    const tests = Object.entries(fields).map(([field, test]): Test => {
      const names = field.split('.')
      const matches = this.#tests(test, [...path, 'match', field], depth + 1)
      return (element, attributes) => matches(walk(element, names), attributes)
    })
    if (tests.length === 0) return this.#problem([...path, 'match'], 'there is nothing to match', 'write { "<field>": { "equals": "<value>" } }')
    const all = conjunction(tests)
    return (attribute, attributes) => apply(countedList(attribute, attributes), element => {
      attributes.work.spend(1)
      return all(element, attributes)
    })
  }

  #operand (value: unknown, path: Path): Operand | undefined {
    if (!isRecord(value) || !Object.hasOwn(value, 'ref') || Object.keys(value).length !== 1) {
      // A copy: what the caller does to the document afterwards must not change decisions.
      return { literal: typeof value === 'object' && value !== null ? structuredClone(value) : value }
    }
    if (typeof value['ref'] !== 'string') {
      this.#problem([...path, 'ref'], 'a reference names an attribute', 'write { "ref": "user.<attribute>" }')
      return undefined
    }
    const ref = this.#attribute(value['ref'], [...path, 'ref'], [])
    return ref === undefined ? undefined : { ref }
  }

  /** A look-up of `user.address.city`. A reference reads values only, never conditions: there are no cycles to make. */
  #attribute (text: string, path: Path, alternatives: readonly string[]): ((attributes: AttributeSource) => unknown) | undefined {
    const [scopeName = '', name, ...names] = text.split('.')
    const scope = SCOPES.get(scopeName)
    if (scope === undefined || name === undefined || name === '' || names.includes('')) {
      this.#problem(path, `'${text}' is not an attribute`, this.#attributeHint(text, scopeName, alternatives))
      return undefined
    }
    if (names.length === 0) return attributes => attributes.lookup(scope, name)
    return attributes => walk(attributes.lookup(scope, name), names)
  }

  #attributeHint (text: string, scopeName: string, alternatives: readonly string[]): string {
    const nearest = closest(text, alternatives)
    if (nearest !== undefined) return `did you mean '${nearest}'?`
    const scope = SCOPES.has(scopeName) ? scopeName : closest(scopeName, [...SCOPES.keys()])
    if (scope !== undefined && text.includes('.') && !SCOPES.has(scopeName)) return `did you mean '${scope}${text.slice(scopeName.length)}'?`
    return "write 'user.', 'resource.', 'tenant.' or 'context.' and the attribute's name"
  }

  #items (key: Logical, value: unknown, path: Path): Array<[unknown, Path]> {
    if (Array.isArray(value)) return value.map((item, index) => [item, [...path, index]])
    // `not` has one condition as a rule, and people write it so.
    if (key === 'not' && isRecord(value)) return [[value, path]]
    this.#problem(path, `'${key}' needs a list`, `write ${key}: [ … ]`)
    // The problem keeps the policy from being used; the value only has to be something.
    return []
  }

  #isBlock (value: unknown, path: Path, depth: number, hint: string): value is Readonly<Record<string, unknown>> {
    if (depth > MAX_CONDITION_DEPTH) {
      this.#problem(path, `conditions are nested deeper than ${MAX_CONDITION_DEPTH} levels`, 'write them flatter, or split the set in two')
    } else if (!isRecord(value) || Object.keys(value).length === 0) {
      this.#problem(path, isRecord(value) ? 'the condition is empty' : 'this is not a condition', hint)
    } else {
      return true
    }
    return false
  }

  #problem (path: Path, message: string, hint: string): typeof never {
    addProblem(this.#problems, { path, message, hint })
    return never
  }
}

/** What a condition with a problem compiles to. It is never asked, and would not match if it were. */
function never (): false {
  return false
}

/** An object has a key, made once; made anew for each item of a list it would cost the product of their sizes. */
function isAmong (value: unknown, list: readonly unknown[], attributes: AttributeSource): boolean {
  const { work } = attributes
  if (typeof value !== 'object' || value === null) return list.some(item => equal(item, value, work) === true)
  const wanted = attributes.only(value)
  return list.some(item => wanted.has(item, work))
}

type Check<A extends unknown[]> = (...args: A) => boolean

/** Most conjunctions are of one: no loop for them. */
function conjunction<A extends unknown[]> (checks: ReadonlyArray<Check<A>>): Check<A> {
  const [only] = checks
  return checks.length === 1 && only !== undefined ? only : (...args) => checks.every(check => check(...args))
}

function combine<A extends unknown[]> (operator: Logical, checks: ReadonlyArray<Check<A>>): Check<A> {
  // Groups cost what their conditions do, but those without any would cost nothing.
  if (checks.length === 0) return counted(operator !== 'anyOf' && operator !== 'or')
  switch (operator) {
    case 'allOf':
    case 'and':
      return conjunction(checks)
    case 'anyOf':
    case 'or':
      return (...args) => checks.some(check => check(...args))
    case 'not':
      return (...args) => !checks.some(check => check(...args))
  }
}

function counted<A extends unknown[]> (answer: boolean): Check<A> {
  return (...args) => {
    const attributes = args.at(-1) as AttributeSource
    attributes.work.spend(1)
    return answer
  }
}

/** Elements that are no objects are passed over, and that is not for nothing either. */
function countedList (attribute: unknown, { work }: AttributeSource): unknown {
  work.spend(Array.isArray(attribute) ? 1 + Math.floor(attribute.length / 8) : 1)
  return attribute
}

/** Whether the key is a logical operator. */
export function isLogical (key: string): key is Logical {
  return (LOGICAL as readonly string[]).includes(key)
}

/** A value that has an order among its like. */
export function isOrdered (value: unknown): value is number | string {
  return typeof value === 'number' || typeof value === 'string'
}

/** The lowest and the highest of a range. */
export function isRange (value: unknown): value is [number, number] | [string, string] {
  return Array.isArray(value) && value.length === 2 && isOrdered(value[0]) && typeof value[0] === typeof value[1]
}

/** Negative, zero or positive; `NaN`, with which every comparison is false, for what has no order. */
function order (a: unknown, b: unknown, work: Work): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'string' && typeof b === 'string') {
    work.read(Math.min(a.length, b.length))
    return a < b ? -1 : a > b ? 1 : 0
  }
  return NaN
}
