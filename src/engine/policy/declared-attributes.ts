// Compares conditions with the attributes that a policy declares: with a misspelled attribute, or a value of another type, a condition is
// never met (with `not`: always), which would go unnoticed.
import { COMPARISON_OPERATORS, LOGICAL_OPERATORS, referenceIn, splitAttribute, type AttributeScope } from '../decide/conditions.js'
import { isOfClock } from '../decide/clock.js'
import { isRecord } from '../../kit/is-record.js'
import { suggest } from '../../kit/suggest.js'
import { blockOf, entriesOf, isText } from './document.js'
import { addProblem, type PolicyProblem } from './problems.js'
import type { Policy, PolicyAttribute } from './policy.js'

type Path = ReadonlyArray<string | number>
type AttributeType = PolicyAttribute['type']
type Declarations = Readonly<Record<string, PolicyAttribute | null>> | null | undefined

/** The attributes of one scope that may be used, with their types; undefined where nothing is declared, so that everything may. */
interface Declared {
  readonly types: ReadonlyMap<string, AttributeType>
  /** The place of the declarations. */
  readonly at: string
}

type Scopes = Readonly<Partial<Record<AttributeScope, Declared>>>

/** The attributes that each user has, beside those that are declared. */
const OF_USERS: Readonly<Record<string, AttributeType>> = {
  key: 'string', email: 'string', first_name: 'string', last_name: 'string', roles: 'array', tenants: 'array'
}

/** The attributes that each resource has. */
const OF_RESOURCES: Readonly<Record<string, AttributeType>> = { type: 'string' }

/** What a value of a declared type can be compared with, by the kinds of operators. `json` may hold anything. */
const ORDERED = ['less-than', 'less-than-equals', 'greater-than', 'greater-than-equals']
const LISTS = ['array_contains', 'array_subset', 'array_superset', 'array_intersect']
const OPERATORS: Readonly<Record<AttributeType, readonly string[] | undefined>> = {
  bool: ['equals', 'not-equals', 'in'],
  number: ['equals', 'not-equals', 'in', 'between', ...ORDERED],
  string: ['equals', 'not-equals', 'in', 'between', 'contains', 'ip_in', ...ORDERED],
  time: ['equals', 'not-equals', 'in', 'between', 'contains', ...ORDERED],
  array: ['equals', 'not-equals', 'in', 'any_match', 'all_match', ...LISTS],
  object_array: ['equals', 'not-equals', 'in', 'any_match', 'all_match', ...LISTS],
  object: ['equals', 'not-equals', 'in', 'object_match'],
  json: undefined
}

/** The literals of a type, in the words of a hint. */
const LITERALS: Readonly<Record<AttributeType, string>> = {
  bool: 'true or false, without quotes',
  number: 'a number, without quotes',
  string: 'a text, in quotes',
  time: 'a text such as "2026-01-31T12:00:00Z", or a number',
  array: 'a list',
  object_array: 'a list',
  object: 'an object',
  json: 'any value'
}

const KNOWN_OPERATORS: readonly string[] = [...COMPARISON_OPERATORS.map(({ key }) => key), 'object_match', 'any_match', 'all_match']

/**
 * Adds a problem for each attribute in a condition that is not declared, and for each comparison with another type than the declared one. A
 * scope (`user`, `resource` of one type, `tenant`) is checked where at least one attribute of it is declared.
 */
export function requireDeclaredAttributes (policy: Policy, problems: PolicyProblem[]): void {
  const { user_attributes: ofUsers, tenant_attributes: ofTenants } = blockOf(policy)
  const shared: Scopes = {
    user: declared(ofUsers, OF_USERS, 'user_attributes'),
    tenant: declared(ofTenants, {}, 'tenant_attributes')
  }
  for (const [key, set] of entriesOf(policy.user_sets)) {
    // A user set may be joined to sets of any resource type.
    new Walk(shared, problems).condition(blockOf(set).conditions, ['user_sets', key, 'conditions'])
  }
  for (const [key, set] of entriesOf(policy.resource_sets)) {
    const { resource: type, conditions } = blockOf(set)
    const attributes = isText(type) ? blockOf(entriesOf(policy.resources).find(([name]) => name === type)?.[1]).attributes : undefined
    const scopes = { ...shared, resource: declared(attributes, OF_RESOURCES, `resources.${type}.attributes`) }
    new Walk(scopes, problems).condition(conditions, ['resource_sets', key, 'conditions'])
  }
}

function declared (attributes: Declarations, builtIn: Readonly<Record<string, AttributeType>>, at: string): Declared | undefined {
  const own = entriesOf(attributes).map(([key, block]): [string, AttributeType] => [key, blockOf(block).type ?? 'json'])
  return own.length === 0 ? undefined : { types: new Map([...Object.entries(builtIn), ...own]), at }
}

/** Walks one condition. What is malformed is reported by the compiler, so it is skipped here. */
class Walk {
  readonly #scopes: Scopes
  readonly #problems: PolicyProblem[]

  constructor (scopes: Scopes, problems: PolicyProblem[]) {
    this.#scopes = scopes
    this.#problems = problems
  }

  condition (condition: unknown, path: Path): void {
    if (!isRecord(condition)) return
    for (const [key, value] of Object.entries(condition)) {
      const at = [...path, key]
      if (LOGICAL_OPERATORS.includes(key)) {
        for (const [item, where] of itemsOf(value, at)) this.condition(item, where)
      } else {
        const type = this.#typeOf(key, at)
        this.#tests(key, type, value, at)
      }
    }
  }

  #tests (attribute: string, type: AttributeType | undefined, tests: unknown, path: Path): void {
    if (!isRecord(tests)) return
    for (const [key, value] of Object.entries(tests)) {
      const at = [...path, key]
      if (LOGICAL_OPERATORS.includes(key)) {
        for (const [item, where] of itemsOf(value, at)) this.#tests(attribute, type, item, where)
      } else if (KNOWN_OPERATORS.includes(key)) {
        this.#comparison(attribute, type, key, value, at)
      }
    }
  }

  #comparison (attribute: string, type: AttributeType | undefined, operator: string, value: unknown, path: Path): void {
    const reference = referenceIn(value)
    // The compiler knows better what the clock can be compared with.
    if (isOfClock(attribute) && typeof reference !== 'string') return
    const other = typeof reference === 'string' ? this.#typeOf(reference, [...path, 'ref']) : undefined
    const operators = type === undefined ? undefined : OPERATORS[type]
    if (type === undefined || operators === undefined) return
    if (!operators.includes(operator)) {
      const message = `'${attribute}' is declared as ${type}, and '${operator}' cannot compare that`
      this.#problem(path, message, `write one of ${operators.join(', ')}`)
    } else if (typeof reference === 'string') {
      if (other !== undefined && !areComparable(operator, type, other)) {
        this.#problem(path, `'${attribute}' is declared as ${type}, and '${reference}' as ${other}`, 'compare attributes of one type')
      }
    } else if (!literalsOf(operator, value).every(literal => fits(type, literal))) {
      this.#problem(path, `'${attribute}' is declared as ${type}, and this value is not`, `write ${hintFor(operator, type)}`)
    }
  }

  /** The declared type of an attribute; undefined where it may be any. */
  #typeOf (text: string, path: Path): AttributeType | undefined {
    if (isOfClock(text)) return 'string'
    const { scope, name, names } = splitAttribute(text)
    const known = scope === undefined || name === '' ? undefined : this.#scopes[scope]
    if (known === undefined) return undefined
    const type = known.types.get(name)
    if (type === undefined) {
      this.#problem(path, `'${text}' is not declared`, suggest(name, known.types.keys(), `declare '${name}' under ${known.at}`))
      return undefined
    }
    if (names.length === 0) return type
    if (type !== 'object' && type !== 'json') {
      this.#problem(path, `'${text}' reads a part of '${name}', which is declared as ${type}`, `declare it as object under ${known.at}`)
    }
    return undefined
  }

  #problem (path: Path, message: string, hint: string): void {
    addProblem(this.#problems, { path, message, hint })
  }
}

function itemsOf (value: unknown, path: Path): Array<[unknown, Path]> {
  return Array.isArray(value) ? value.map((item, index) => [item, [...path, index]]) : [[value, path]]
}

/** The literals that are compared with the attribute itself. */
function literalsOf (operator: string, value: unknown): readonly unknown[] {
  if (operator === 'in' || operator === 'between') return Array.isArray(value) ? value : []
  return operator === 'ip_in' || LISTS.includes(operator) || operator.endsWith('_match') ? [] : [value]
}

function hintFor (operator: string, type: AttributeType): string {
  return operator === 'in' || operator === 'between' ? `a list of values, each ${LITERALS[type]}` : LITERALS[type]
}

/** Whether an attribute of this type can be equal to the literal. `null` stands for a value that is there and empty. */
function fits (type: AttributeType, literal: unknown): boolean {
  if (literal === null) return true
  switch (type) {
    case 'bool': return typeof literal === 'boolean'
    case 'number': return typeof literal === 'number'
    case 'string': return typeof literal === 'string'
    case 'time': return typeof literal === 'string' || typeof literal === 'number'
    case 'array':
    case 'object_array': return Array.isArray(literal)
    case 'object': return isRecord(literal)
    case 'json': return true
  }
}

/** Whether the operator can be true of attributes of these two types. */
function areComparable (operator: string, type: AttributeType, other: AttributeType): boolean {
  if (other === 'json') return true
  const isList = other === 'array' || other === 'object_array'
  if (operator === 'array_contains' || operator.endsWith('_match')) return true
  if (operator === 'ip_in' && other === 'string') return true
  if (operator === 'ip_in' || operator === 'in' || operator === 'between' || LISTS.includes(operator)) return isList
  const groups: ReadonlyArray<readonly AttributeType[]> = [
    ['bool'], ['number', 'time'], ['string', 'time'], ['array', 'object_array'], ['object']
  ]
  return groups.some(group => group.includes(type) && group.includes(other))
}
