// Puts conditions of plans together: simplified, without duplicates. `true` and `false` are conditions that need no row.
import { compareValues, isOrdered, isRange, type AttributeSource } from '../decide/conditions.js'
import { isRecord } from '../../kit/is-record.js'
import { Members, walk } from '../decide/values.js'
import { WorkBudget } from '../decide/work-budget.js'
import type { CompoundCondition, Condition, FieldCondition, FieldOperator, MatchOperator } from './plan-contract.js'

/** A condition on the row, or its result if it does not depend on the row. */
export type Outcome = Condition | boolean

/** Larger combinations are not searched for contradictions and duplicates, because the cost grows with the square of the parts. */
const MANY_PARTS = 64
/** Up to this number, parts are compared with one another; more are compared by their text. */
const FEW_PARTS = 8

/** UCAST's names to the engine's. The others are the same. */
const NAMES_OF_ENGINE: ReadonlyMap<string, string> = new Map([
  ['eq', 'equals'], ['ne', 'not-equals'],
  ['lt', 'less-than'], ['lte', 'less-than-equals'], ['gt', 'greater-than'], ['gte', 'greater-than-equals']
])
const NAMES_OF_UCAST: ReadonlyMap<string, string> = new Map(Array.from(NAMES_OF_ENGINE, ([ucast, engine]) => [engine, ucast]))

const OPPOSITES: ReadonlyMap<FieldOperator, FieldOperator> = new Map([
  ['eq', 'ne'], ['ne', 'eq'], ['eq_field', 'ne_field'], ['ne_field', 'eq_field']
])

/** The operators that stay the same when the sides are swapped, and the counterparts of the others. */
const TURNED: ReadonlyMap<string, FieldOperator> = new Map([
  ['less-than', 'gt'], ['less-than-equals', 'gte'], ['greater-than', 'lt'], ['greater-than-equals', 'lte']
])

/** Creates conditions. Its comparisons count as work. */
export class Conditions {
  readonly #source: AttributeSource

  /** @param source - only its work and its lists are used */
  constructor (source: AttributeSource = new NoAttributes()) {
    this.#source = source
  }

  /** All of them. */
  and (parts: readonly Outcome[]): Outcome {
    if (parts.includes(false)) return false
    return this.#narrowed(this.#distinct(flattened('and', parts)))
  }

  /** One of them. */
  or (parts: readonly Outcome[]): Outcome {
    if (parts.includes(true)) return true
    return compound('or', this.#widened(this.#distinct(flattened('or', parts))))
  }

  /** Not it. */
  not (part: Outcome): Outcome {
    if (typeof part === 'boolean') return !part
    if (!isField(part)) return part.operator === 'not' ? part.value[0] as Condition : negation(part)
    // A row's own fields are never missing, but members of items may be: `ne` is not the opposite of `eq` there.
    const opposite = part.field.startsWith(ITEM) ? undefined : OPPOSITES.get(part.operator)
    return opposite === undefined ? negation(part) : { operator: opposite, field: part.field, value: part.value }
  }

  /** The field has one of the values. */
  among (name: string, values: readonly unknown[]): Outcome {
    const known = values.length > 1 ? distinctValues(values) : values
    if (known.length === 0) return false
    return known.length === 1 ? this.#field('eq', name, known[0]) : this.#field('in', name, known)
  }

  /** The same for texts. */
  amongTexts (name: string, texts: ReadonlySet<string>): Outcome {
    if (texts.size < 2) return this.among(name, [...texts])
    this.#source.work.spend(texts.size)
    return { operator: 'in', field: name, value: [...texts] }
  }

  /** A condition of a match, which has no `true` and `false` of its own. */
  match (operator: MatchOperator, name: string, inner: Outcome): Outcome {
    if (inner === false && operator !== 'all_match') return false
    const value = typeof inner === 'boolean' ? { operator: inner ? 'and' as const : 'or' as const, value: NOTHING } : inner
    return { operator, field: name, value }
  }

  /** The engine's comparison of a field with a value that is known; `false` where no row can pass it. */
  compared (operator: string, name: string, value: unknown): Outcome {
    switch (operator) {
      case 'equals':
      case 'not-equals':
        return this.#field(NAMES_OF_UCAST.get(operator) as FieldOperator, name, value)
      case 'less-than':
      case 'less-than-equals':
      case 'greater-than':
      case 'greater-than-equals':
        return isOrdered(value) && this.#field(NAMES_OF_UCAST.get(operator) as FieldOperator, name, value)
      case 'between':
        return isRange(value) && value[0] <= value[1] && this.and([this.#field('gte', name, value[0]), this.#field('lte', name, value[1])])
      case 'contains':
        return typeof value === 'string' && this.#field('contains', name, value)
      case 'in':
        return Array.isArray(value) && this.among(name, value)
      case 'array_contains':
        return this.#field('array_contains', name, value)
      case 'array_subset':
      case 'array_superset':
        return Array.isArray(value) && this.#field(operator, name, value)
      case 'array_intersect':
        return Array.isArray(value) && value.length > 0 && this.#field(operator, name, value)
      default:
        throw new TypeError(`plans do not know the operator '${operator}'`)
    }
  }

  /** The same with the sides reversed: a known value is compared with the field. */
  comparedWith (value: unknown, operator: string, name: string): Outcome {
    switch (operator) {
      case 'equals':
      case 'not-equals':
      case 'array_intersect':
        return this.compared(operator, name, value)
      case 'less-than':
      case 'less-than-equals':
      case 'greater-than':
      case 'greater-than-equals':
        return isOrdered(value) && this.#field(TURNED.get(operator) as FieldOperator, name, value)
      case 'between':
        return isOrdered(value) && this.#field('spans', name, value)
      case 'contains':
        return typeof value === 'string' && this.#field('contained', name, value)
      case 'in':
        return this.#field('array_contains', name, value)
      case 'array_contains':
        return Array.isArray(value) && this.among(name, value)
      case 'array_subset':
        return Array.isArray(value) && this.#field('array_superset', name, value)
      case 'array_superset':
        return Array.isArray(value) && this.#field('array_subset', name, value)
      default:
        throw new TypeError(`plans do not know the operator '${operator}'`)
    }
  }

  /** Two fields of the row, or a member of an item and a field of the row. */
  comparedFields (operator: string, left: string, right: string): Condition {
    return { operator: `${NAMES_OF_UCAST.get(operator) ?? operator}_field` as FieldOperator, field: left, value: right }
  }

  /** Simplifies a condition with a known value of a field. A comparison of the field with another one stays. */
  assume (condition: Condition, name: string, value: unknown): Outcome {
    if (isField(condition)) return condition.field === name ? this.#meets(value, condition) ?? condition : condition
    const parts = condition.value.map(part => this.assume(part, name, value))
    if (condition.operator === 'and') return this.and(parts)
    return condition.operator === 'or' ? this.or(parts) : this.not(parts[0] as Outcome)
  }

  /** A comparison with a value, which is copied, because apps may change a plan. */
  #field (operator: FieldOperator, name: string, value: unknown): FieldCondition {
    return { operator, field: name, value: this.#copy(value) }
  }

  #copy (value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) {
      this.#source.work.spend(value.length)
      return value.map(item => this.#copy(item))
    }
    const entries = Object.entries(value)
    this.#source.work.spend(entries.length)
    return Object.fromEntries(entries.map(([name, item]) => [name, this.#copy(item)]))
  }

  /** Whether a value passes a comparison; undefined if that depends on another field of the row. */
  #meets (v: unknown, { operator, value: x }: FieldCondition): boolean | undefined {
    if (operator.endsWith('_field')) return undefined
    if (operator === 'object_match') return isRecord(v) ? this.#meetsItem(v, x as Condition) : false
    if (operator === 'any_match') {
      return Array.isArray(v) ? some(v.filter(isRecord).map(item => this.#meetsItem(item, x as Condition))) : false
    }
    if (operator === 'all_match') {
      return Array.isArray(v) && v.every(isRecord) ? every(v.map(item => this.#meetsItem(item, x as Condition))) : false
    }
    if (operator === 'contained') return compareValues('contains', x, v, this.#source)
    if (operator === 'spans') return compareValues('between', x, v, this.#source)
    return compareValues(NAMES_OF_ENGINE.get(operator) ?? operator, v, x, this.#source)
  }

  #meetsItem (item: unknown, condition: Condition): boolean | undefined {
    if (isField(condition)) return this.#meets(walk(item, condition.field.split('.').slice(1)), condition)
    const parts = condition.value.map(part => this.#meetsItem(item, part))
    if (condition.operator === 'and') return every(parts)
    if (condition.operator === 'or') return some(parts)
    return parts[0] === undefined ? undefined : !parts[0]
  }

  /** A field that has one of some values: the other conditions on it are then decided. */
  #narrowed (parts: readonly Condition[]): Outcome {
    if (parts.length < 2 || parts.length > MANY_PARTS) return compound('and', parts)
    let rest = parts
    for (const part of parts) {
      const values = valuesOf(part)
      if (values === undefined || !rest.includes(part)) continue
      const { field } = part as FieldCondition
      const about = rest.filter((other): other is FieldCondition =>
        other !== part && isField(other) && other.field === field && !other.operator.endsWith('_field'))
      if (about.length === 0) continue
      const possible = values.filter(value => about.every(other => this.#meets(value, other) !== false))
      const left = this.among(field, possible)
      if (left === false) return false
      const decided = new Set<Condition>(about.filter(other => possible.every(value => this.#meets(value, other) !== undefined)))
      rest = [...rest.filter(other => other !== part && !decided.has(other)), left as Condition]
    }
    return compound('and', this.#absorbed('and', rest))
  }

  /** Several values of a field become one list of them. */
  #widened (parts: readonly Condition[]): readonly Condition[] {
    if (parts.length < 2) return parts
    const lists = new Map<string, unknown[]>()
    const others: Condition[] = []
    for (const part of parts) {
      const values = valuesOf(part)
      if (values === undefined) {
        others.push(part)
        continue
      }
      const { field } = part as FieldCondition
      const known = lists.get(field)
      this.#source.work.spend(values.length)
      if (known === undefined) lists.set(field, [...values])
      else for (const value of values) known.push(value)
    }
    return this.#absorbed('or', [...Array.from(lists, ([field, values]) => this.among(field, values) as Condition), ...others])
  }

  /** `a or (a and b)` is `a`, and `a and (a or b)` is `a`. */
  #absorbed (operator: 'and' | 'or', parts: readonly Condition[]): readonly Condition[] {
    const inner = operator === 'and' ? 'or' : 'and'
    if (parts.length < 2 || parts.length > MANY_PARTS || !parts.some(part => part.operator === inner)) return parts
    const isAmong = (item: Condition): boolean => parts.some(part => part.operator !== inner && this.#same(part, item))
    return parts.filter(part => part.operator !== inner || !(part as CompoundCondition).value.some(isAmong))
  }

  #distinct (parts: readonly Condition[]): readonly Condition[] {
    if (parts.length < 2) return parts
    if (parts.length <= FEW_PARTS) {
      return parts.filter((part, index) => !parts.some((other, before) => before < index && this.#same(part, other)))
    }
    const seen = new Map<string, Condition>()
    for (const part of parts) {
      const id = this.#id(part)
      if (!seen.has(id)) seen.set(id, part)
    }
    return seen.size === parts.length ? parts : [...seen.values()]
  }

  #same (a: Condition, b: Condition): boolean {
    if (a === b) return true
    if (a.operator !== b.operator) return false
    if (!isField(a)) return a.value.length === (b as CompoundCondition).value.length && this.#id(a) === this.#id(b)
    if (!isField(b) || a.field !== b.field) return false
    return a.value === b.value || (typeof a.value === 'object' && typeof b.value === 'object' && this.#id(a) === this.#id(b))
  }

  /**
   * A text that only equal conditions share. Objects with another order of members have another text: then a duplicate stays,
   * which is harmless.
   */
  #id (condition: Condition): string {
    let id = IDS.get(condition)
    if (id === undefined) {
      id = JSON.stringify(condition)
      this.#source.work.read(id.length)
      IDS.set(condition, id)
    }
    return id
  }
}

const ITEM = 'item.'
const NOTHING: readonly Condition[] = []
const IDS = new WeakMap<Condition, string>()

/** For conditions that are combined outside of a decision. */
class NoAttributes implements AttributeSource {
  readonly work = new Unbounded()
  readonly #lists = new WeakMap<object, Members>()
  readonly now = undefined
  lookup (): undefined { return undefined }
  changesAt (): void {}
  only (value: object): Members { return new Members([value]) }
  members (list: readonly unknown[]): Members {
    let members = this.#lists.get(list)
    if (members === undefined) this.#lists.set(list, members = new Members(list))
    return members
  }
}

class Unbounded extends WorkBudget {
  override spend (): void {}
}

/** Whether it is a comparison of a field. */
export function isField (condition: Condition): condition is FieldCondition {
  return 'field' in condition
}

/** The values of `eq` and `in`. */
function valuesOf (condition: Condition): readonly unknown[] | undefined {
  if (condition.operator === 'eq') return [condition.value]
  return condition.operator === 'in' ? condition.value as readonly unknown[] : undefined
}

function compound (operator: 'and' | 'or', parts: readonly Condition[]): Outcome {
  if (parts.length === 0) return operator === 'and'
  return parts.length === 1 ? parts[0] as Condition : { operator, value: parts }
}

function negation (part: Condition): Condition {
  return { operator: 'not', value: [part] }
}

/** The conditions among the parts, and those of a part that combines in the same way. */
function flattened (operator: 'and' | 'or', parts: readonly Outcome[]): readonly Condition[] {
  const conditions: Condition[] = []
  for (const part of parts) {
    if (typeof part === 'boolean') continue
    if (part.operator !== operator) conditions.push(part)
    else for (const inner of (part as CompoundCondition).value) conditions.push(inner)
  }
  return conditions
}

function distinctValues (values: readonly unknown[]): readonly unknown[] {
  const seen = new Map<unknown, unknown>()
  for (const value of values) {
    const id = typeof value === 'string' ? `'${value}` : typeof value === 'object' && value !== null ? JSON.stringify(value) : value
    if (!seen.has(id)) seen.set(id, value)
  }
  return seen.size === values.length ? values : [...seen.values()]
}

function every (parts: ReadonlyArray<boolean | undefined>): boolean | undefined {
  return parts.includes(false) ? false : parts.includes(undefined) ? undefined : true
}

function some (parts: ReadonlyArray<boolean | undefined>): boolean | undefined {
  return parts.includes(true) ? true : parts.includes(undefined) ? undefined : false
}
