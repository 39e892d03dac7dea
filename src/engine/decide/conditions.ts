// Conditions: compiled once, when a policy is loaded, into functions that decisions call.

import { closest } from '../../kit/suggest.js'
import { IpRanges, isIpRange } from '../../kit/ip-ranges.js'
import { isRecord } from '../../kit/is-record.js'
import {
  clockAttribute, clockMistake, clockReferenceMistake, clockText, clockValues, compareClock, isOfClock, readClock, unchangedUntil,
  type ClockAttribute
} from './clock.js'
import { equal, includes, Members, own, walk } from './values.js'
import { addProblem, type PolicyProblem } from '../policy/problems.js'
import type { WorkBudget } from './work-budget.js'

/** The scopes of attributes. */
export type AttributeScope = 'user' | 'resource' | 'tenant' | 'context'

/** The attributes of one query; undefined for a name that does not exist. */
export interface AttributeSource {
  /** The work budget of the decision. Every comparison counts against it. */
  readonly work: WorkBudget
  lookup (scope: AttributeScope, name: string): unknown
  /** The instant of the decision, ms since 1970; undefined without a clock. It is the same for the whole decision. */
  readonly now: number | undefined
  /** Notes that a comparison with the clock may come out otherwise at this instant, ms since 1970. */
  changesAt (instant: number): void
  /** The members of a list of the query or of a fact. Built once per list, no matter how often the list is used. */
  members (list: readonly unknown[]): Members
  /** The members of a list that contains only this value. Built once, too. */
  only (value: object): Members
}

/** Whether the attributes of a query meet a condition. */
export type Predicate = (attributes: AttributeSource) => boolean

/** The deepest nesting of a condition. A deeper one is rejected when the policy is loaded. */
export const MAX_CONDITION_DEPTH = 32

type Path = ReadonlyArray<string | number>

/** Whether the value of one attribute passes a test. A `ref` is looked up in `attributes`. */
type Test = (value: unknown, attributes: AttributeSource) => boolean

/** The value to compare with: a literal or a reference; undefined when the referenced attribute is missing. */
type Operand = { readonly literal: unknown } | { readonly ref: (attributes: AttributeSource) => unknown }

interface Operator {
  /** Compares two values that both exist. Costs at most the sum of their sizes. */
  readonly compare: (attribute: unknown, value: unknown, attributes: AttributeSource) => boolean
  /** Describes and checks the literals that the operator accepts. A comparison that can never be true is reported as a mistake. */
  readonly wants: string
  /** The JSON types of the literal; default: any. */
  readonly types?: readonly string[]
  readonly accepts: (value: unknown) => boolean
  /** Compares with a list that is known when the policy is loaded. */
  readonly prepare?: (value: readonly unknown[]) => (attribute: unknown, attributes: AttributeSource) => boolean
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
    prepare (list) {
      const members = new Members(list)
      return (attribute, attributes) => compare(attribute, members, attributes)
    }
  }
}

/** Parsing a text as an address, or looking an address up, compared with a step of work. */
const IP_STEPS = 4

/** An address in ranges. What is no address is in none, and what is no range has none. */
const ipIn: Operator = {
  wants: 'an IP range such as "10.0.0.0/8" or "2001:db8::/32", an address, or a list of them',
  types: ['string', 'array'],
  accepts: value => Array.isArray(value) ? value.every(isIpRange) : isIpRange(value),
  compare (attribute, value, { work }) {
    const texts = Array.isArray(value) ? value : [value]
    work.spend(IP_STEPS * (1 + texts.length))
    return typeof attribute === 'string' && new IpRanges(texts).has(attribute)
  },
  prepare (list) {
    const ranges = new IpRanges(list)
    return (attribute, { work }) => {
      work.spend(IP_STEPS + (ranges.size >>> 3))
      return ranges.has(attribute)
    }
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
    compare: (attribute, value, { work }) =>
      isRange(value) && order(attribute, value[0], work) >= 0 && order(attribute, value[1], work) <= 0
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
  array_superset: withList((attribute, list, attributes) =>
    Array.isArray(attribute) && attributes.members(attribute).hasAll(list, attributes.work)),
  array_intersect: withList((attribute, list, { work }) => Array.isArray(attribute) && attribute.some(item => list.has(item, work))),
  ip_in: ipIn
} satisfies Record<string, Operator>))

/** Operators for objects: which of the objects must match. */
const MATCHERS: ReadonlyMap<string, (attribute: unknown, matches: (element: unknown) => boolean) => boolean> = new Map([
  ['object_match', (attribute: unknown, matches: (element: unknown) => boolean) => isRecord(attribute) && matches(attribute)],
  ['any_match', (attribute: unknown, matches: (element: unknown) => boolean) =>
    Array.isArray(attribute) && attribute.some(element => isRecord(element) && matches(element))],
  ['all_match', (attribute: unknown, matches: (element: unknown) => boolean) =>
    Array.isArray(attribute) && attribute.every(element => isRecord(element) && matches(element))]
])

/** Compares two values with the named operator; false when one of them is missing. */
export function compareValues (operator: string, attribute: unknown, value: unknown, attributes: AttributeSource): boolean {
  if (attribute === undefined || value === undefined) return false
  attributes.work.spend(1)
  const known = OPERATORS.get(operator)
  if (known === undefined) throw new TypeError(`unknown operator '${operator}'`)
  return known.compare(attribute, value, attributes)
}

const LOGICAL = ['allOf', 'anyOf', 'not', 'and', 'or'] as const
type Logical = (typeof LOGICAL)[number]

/** The operators that compare an attribute with a value, for the published schema. */
export const COMPARISON_OPERATORS: ReadonlyArray<{ readonly key: string, readonly wants: string, readonly types?: readonly string[] }> =
  Array.from(OPERATORS, ([key, { wants, types }]) => ({ key, wants, ...(types === undefined ? {} : { types }) }))

/** The operators that test objects. */
export const MATCH_OPERATORS: readonly string[] = [...MATCHERS.keys()]

/** All logical operators. `and` means `allOf`, `or` means `anyOf`. */
export const LOGICAL_OPERATORS: readonly string[] = LOGICAL

const SCOPES: ReadonlyMap<string, AttributeScope> = new Map<string, AttributeScope>([
  ['user', 'user'], ['resource', 'resource'], ['tenant', 'tenant'], ['context', 'context'],
  // Older spellings
  ['subject', 'user'], ['environment', 'context']
])

/**
 * Compiles a condition.
 *
 * An object with several keys, and an attribute with several operators, requires all of them. An empty `allOf` is true, an empty `anyOf`
 * is false, and `not` is true when none of its conditions is. A comparison is false when its attribute or its `ref` is missing; this
 * includes `not-equals`. `not` around it is then true, as in Permit's PDP: to require that the attribute exists, add a comparison outside
 * of the `not`. `between` includes both ends. Ordering compares numbers with numbers and texts with texts, by code unit, so that ISO 8601
 * times in the same zone compare as times. `ip_in` is false for what is no address. `all_match` and `array_subset` are true for an empty
 * list.
 *
 * @param path - the path of the condition in the document
 * @param problems - receives the problems of the condition; a condition with problems is never met
 * @param alternatives - receives each `anyOf` of conditions in it
 */
export function compileCondition (condition: unknown, path: Path, problems: PolicyProblem[], alternatives?: Predicate[]): Predicate {
  return new ConditionCompiler(problems, alternatives).condition(condition, path, 0)
}

/** The value of an attribute such as `user.address.city`, read as conditions read it; undefined when it is missing. */
export function readAttribute (text: string, attributes: AttributeSource): unknown {
  if (isOfClock(text)) {
    const clock = clockAttribute(text)
    return attributes.now === undefined || 'mistake' in clock ? undefined : clockText(clock, attributes.now)
  }
  const { scope, name, names } = splitAttribute(text)
  return scope === undefined ? undefined : walk(attributes.lookup(scope, name), names)
}

/** The parts of `user.address.city`. The scope is undefined when the text names none. */
export function splitAttribute (
  text: string
): { readonly scope: AttributeScope | undefined, readonly name: string, readonly names: readonly string[] } {
  const [scope = '', name = '', ...names] = text.split('.')
  return { scope: SCOPES.get(scope), name, names }
}

/** The attribute that a value refers to (`{ ref: 'user.email' }`); undefined for a literal. */
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
    const hint = 'write a condition such as { "user.location": { "equals": "US" } }; { "allOf": [] } matches everything'
    if (!this.#isBlock(condition, path, depth, hint)) return never
    return conjunction(Object.entries(condition).map(([key, value]) => {
      const at = [...path, key]
      if (isLogical(key)) {
        const combined = combine(key, this.#items(key, value, at).map(([item, where]) => this.condition(item, where, depth + 1)))
        if (key === 'anyOf' || key === 'or') this.#alternatives?.push(combined)
        return combined
      }
      if (isOfClock(key)) return this.#ofClock(key, value, at, depth + 1)
      const attribute = this.#attribute(key, at, LOGICAL)
      // Reports `allof: []` once, not twice.
      if (attribute === undefined && !isRecord(value)) return never
      const test = this.#tests(value, at, depth + 1)
      return attribute === undefined ? never : (attributes: AttributeSource) => test(attribute(attributes), attributes)
    }))
  }

  /** The tests of an attribute of the clock. */
  #ofClock (text: string, tests: unknown, path: Path, depth: number): Predicate {
    const clock = clockAttribute(text)
    if ('mistake' in clock) return this.#problem(path, clock.mistake, clock.hint)
    const test = this.#tests(tests, path, depth, { text, clock })
    return attributes => test(undefined, attributes)
  }

  /**
   * The tests of an attribute: operators, and logical operators with further tests.
   * @param named - the attribute, if it is one of the clock
   */
  #tests (tests: unknown, path: Path, depth: number, named?: NamedClock): Test {
    if (!this.#isBlock(tests, path, depth, 'write an operator and a value, such as { "equals": "US" }')) return never
    return conjunction(Object.entries(tests).map(([key, value]): Test => {
      const at = [...path, key]
      if (isLogical(key)) {
        return combine(key, this.#items(key, value, at).map(([item, where]) => this.#tests(item, where, depth + 1, named)))
      }
      if (named !== undefined) return this.#clockComparison(key, value, at, named)
      return MATCHERS.has(key) ? this.#matcher(key, value, at, depth) : this.#comparison(key, value, at)
    }))
  }

  #comparison (key: string, value: unknown, path: Path): Test {
    const operator = OPERATORS.get(key)
    if (operator === undefined) {
      const known = [...OPERATORS.keys(), ...MATCHERS.keys(), ...LOGICAL]
      const nearest = closest(key, known)
      const hint = nearest === undefined ? `write one of ${known.join(', ')}` : `did you mean '${nearest}'?`
      return this.#problem(path, `unknown operator '${key}'`, hint)
    }
    const referred = referenceIn(value)
    if (typeof referred === 'string' && isOfClock(referred)) return this.#comparisonWithClock(key, referred, path)
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
    if (!operator.accepts(literal)) return this.#problem(path, `'${key}' cannot compare with this value`, `write ${operator.wants}`)
    const prepared = Array.isArray(literal) ? operator.prepare?.(literal) : undefined
    const comparison = prepared ?? ((attribute: unknown, attributes: AttributeSource) => compare(attribute, literal, attributes))
    return (attribute, attributes) => {
      if (attribute === undefined) return false
      attributes.work.spend(1)
      return comparison(attribute, attributes)
    }
  }

  /** Compares the clock with a value. */
  #clockComparison (key: string, value: unknown, path: Path, { text, clock }: NamedClock): Test {
    const operand = this.#operand(value, path)
    if (operand === undefined) return never
    if ('literal' in operand) {
      const wrong = clockMistake(text, clock, key, operand.literal)
      if (wrong !== undefined) return this.#problem(path, wrong.mistake, wrong.hint)
      const values = clockValues(clock.kind, key, operand.literal) ?? []
      return (_, attributes) => readsAs(clock, key, values, attributes)
    }
    const wrong = clockMistake(text, clock, key, undefined, true)
    if (wrong !== undefined) return this.#problem(path, wrong.mistake, wrong.hint)
    const { ref } = operand
    return (_, attributes) => {
      const referred = ref(attributes)
      attributes.work.spend(Array.isArray(referred) ? 1 + referred.length : 1)
      const values = clockValues(clock.kind, key, referred)
      return values !== undefined && readsAs(clock, key, values, attributes)
    }
  }

  /** Compares a value with the clock. */
  #comparisonWithClock (key: string, text: string, path: Path): Test {
    const clock = clockAttribute(text)
    const wrong = 'mistake' in clock ? clock : clockReferenceMistake(text, clock, key)
    if ('mistake' in clock || wrong !== undefined) return this.#problem([...path, 'ref'], wrong?.mistake ?? '', wrong?.hint ?? '')
    const turned = TURNED.get(key)
    return (attribute, attributes) => {
      if (attribute === undefined || attributes.now === undefined) return false
      attributes.work.spend(1)
      if (turned !== undefined) {
        const values = clockValues(clock.kind, turned, attribute)
        return values !== undefined && readsAs(clock, turned, values, attributes)
      }
      attributes.changesAt(unchangedUntil(clock, attributes.now, undefined))
      return compareValues(key, attribute, clockText(clock, attributes.now), attributes)
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
    if (tests.length === 0) {
      return this.#problem([...path, 'match'], 'there is nothing to match', 'write { "<field>": { "equals": "<value>" } }')
    }
    const all = conjunction(tests)
    return (attribute, attributes) => apply(countedList(attribute, attributes), element => {
      attributes.work.spend(1)
      return all(element, attributes)
    })
  }

  /** @returns undefined for a reference that is none; the clock cannot be compared with itself */
  #operand (value: unknown, path: Path): Operand | undefined {
    if (!isRecord(value) || !Object.hasOwn(value, 'ref') || Object.keys(value).length !== 1) {
      // A copy: later changes of the document by the caller must not affect decisions.
      return { literal: typeof value === 'object' && value !== null ? structuredClone(value) : value }
    }
    if (typeof value['ref'] !== 'string') {
      this.#problem([...path, 'ref'], 'a reference names an attribute', 'write { "ref": "user.<attribute>" }')
      return undefined
    }
    const ref = this.#attribute(value['ref'], [...path, 'ref'], [])
    return ref === undefined ? undefined : { ref }
  }

  /** Compiles the lookup of `user.address.city`. A reference reads a value, never a condition, so references cannot form a cycle. */
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
    const isOtherScope = scope !== undefined && text.includes('.') && !SCOPES.has(scopeName)
    if (isOtherScope) return `did you mean '${scope}${text.slice(scopeName.length)}'?`
    return "write 'user.', 'resource.', 'tenant.' or 'context.' and the attribute's name, or 'now'"
  }

  #items (key: Logical, value: unknown, path: Path): Array<[unknown, Path]> {
    if (Array.isArray(value)) return value.map((item, index) => [item, [...path, index]])
    // `not` usually has one condition, which may be written without a list.
    if (key === 'not' && isRecord(value)) return [[value, path]]
    this.#problem(path, `'${key}' needs a list`, `write ${key}: [ … ]`)
    // The policy is rejected because of the problem, so any value will do.
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

/** An attribute of the clock, and how it is written. */
interface NamedClock { readonly text: string, readonly clock: ClockAttribute }

/** The same when the two sides of a comparison change places. */
const TURNED: ReadonlyMap<string, string> = new Map([
  ['less-than', 'greater-than'], ['less-than-equals', 'greater-than-equals'],
  ['greater-than', 'less-than'], ['greater-than-equals', 'less-than-equals'],
  ['equals', 'equals'], ['not-equals', 'not-equals']
])

/** Whether the clock passes a comparison; false without a clock. */
function readsAs (clock: ClockAttribute, operator: string, values: readonly number[], attributes: AttributeSource): boolean {
  const { now } = attributes
  attributes.work.spend(1 + (values.length >>> 3))
  if (now === undefined) return false
  if (clock.kind === 'instant') for (const value of values) attributes.changesAt(unchangedUntil(clock, now, value))
  else attributes.changesAt(unchangedUntil(clock, now, undefined))
  return compareClock(operator, readClock(clock, now), values)
}

/** The result for a condition with a problem. It is never evaluated, and would not match. */
function never (): false {
  return false
}

/** The key of an object is computed once. Computing it for each item of a list would cost the product of their sizes. */
function isAmong (value: unknown, list: readonly unknown[], attributes: AttributeSource): boolean {
  const { work } = attributes
  if (typeof value !== 'object' || value === null) return list.some(item => equal(item, value, work) === true)
  const wanted = attributes.only(value)
  return list.some(item => wanted.has(item, work))
}

type Check<A extends unknown[]> = (...args: A) => boolean

/** Most conjunctions have one member: no loop for them. */
function conjunction<A extends unknown[]> (checks: ReadonlyArray<Check<A>>): Check<A> {
  const [only] = checks
  return checks.length === 1 && only !== undefined ? only : (...args) => checks.every(check => check(...args))
}

function combine<A extends unknown[]> (operator: Logical, checks: ReadonlyArray<Check<A>>): Check<A> {
  // A group costs what its conditions cost; an empty group must not be free.
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

/** Elements that are not objects are skipped, but still counted as work. */
function countedList (attribute: unknown, { work }: AttributeSource): unknown {
  work.spend(Array.isArray(attribute) ? 1 + Math.floor(attribute.length / 8) : 1)
  return attribute
}

/** Whether the key is a logical operator. */
export function isLogical (key: string): key is Logical {
  return (LOGICAL as readonly string[]).includes(key)
}

/** A value that can be ordered. */
export function isOrdered (value: unknown): value is number | string {
  return typeof value === 'number' || typeof value === 'string'
}

/** The lowest and the highest value of a range. */
export function isRange (value: unknown): value is [number, number] | [string, string] {
  return Array.isArray(value) && value.length === 2 && isOrdered(value[0]) && typeof value[0] === typeof value[1]
}

/** Negative, zero or positive; `NaN` for values without an order, so that every comparison with it is false. */
function order (a: unknown, b: unknown, work: WorkBudget): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'string' && typeof b === 'string') {
    work.read(Math.min(a.length, b.length))
    return a < b ? -1 : a > b ? 1 : 0
  }
  return NaN
}
