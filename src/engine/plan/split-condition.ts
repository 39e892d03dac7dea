// Splits a condition for plans: parts on the user, the tenant and the context stay functions; parts that depend on the row become
// data.
import { compileCondition, isLogical, referenceIn, splitAttribute, type AttributeScope, type Predicate } from '../decide/conditions.js'
import { isOfClock } from '../decide/clock.js'
import { isRecord } from '../../kit/is-record.js'

/** A condition, or a part of one. */
export type Part =
  /** Does not depend on the row. */
  | { readonly kind: 'known', readonly holds: Predicate }
  | Group<Part>
  | { readonly kind: 'attribute', readonly attribute: Attribute, readonly test: Test }

/** `all`: all of them hold. `any`: one of them. `none`: none of them. */
export interface Group<T> { readonly kind: 'all' | 'any' | 'none', readonly parts: readonly T[] }

/** What an attribute has to pass. */
export type Test =
  | Group<Test>
  | { readonly kind: 'compare', readonly operator: string, readonly operand: Operand }
  | {
    readonly kind: 'match'
    readonly operator: Matcher
    readonly fields: ReadonlyArray<{ readonly names: readonly string[], readonly path: string, readonly test: Test }>
  }

export type Matcher = 'object_match' | 'any_match' | 'all_match'

/** An attribute, as conditions name it. */
export interface Attribute {
  /** `now`: of the clock. */
  readonly scope: AttributeScope | 'now'
  readonly name: string
  /** Names within the object. */
  readonly names: readonly string[]
}

/** What an attribute is compared with. */
export type Operand = { readonly literal: unknown } | { readonly ref: Attribute }

/**
 * Takes apart a condition that compiles.
 *
 * @param written - a copy that does not change
 */
export function splitCondition (written: unknown): Part {
  return conditionPart(written)
}

function conditionPart (condition: unknown): Part {
  if (!dependsOnRow(condition)) return { kind: 'known', holds: compileCondition(condition, [], []) }
  return group('all', entriesOf(condition).map(([key, value]): Part => {
    if (isLogical(key)) return group(groupOf(key), itemsOf(value).map(conditionPart))
    if (!isOfRow(key) && !dependsOnRow(value)) return { kind: 'known', holds: compileCondition({ [key]: value }, [], []) }
    return { kind: 'attribute', attribute: attributeOf(key), test: testOf(value) }
  }))
}

function testOf (tests: unknown): Test {
  return group('all', entriesOf(tests).map(([key, value]): Test => {
    if (isLogical(key)) return group(groupOf(key), itemsOf(value).map(testOf))
    if (key === 'object_match' || key === 'any_match' || key === 'all_match') {
      const fields = entriesOf(isRecord(value) ? value['match'] : undefined)
      return { kind: 'match', operator: key, fields: fields.map(([path, test]) => ({ names: path.split('.'), path, test: testOf(test) })) }
    }
    const ref = referenceIn(value)
    return { kind: 'compare', operator: key, operand: typeof ref === 'string' ? { ref: attributeOf(ref) } : { literal: value } }
  }))
}

function group<T> (kind: Group<T>['kind'], parts: readonly T[]): T | Group<T> {
  const [only] = parts
  return parts.length === 1 && only !== undefined && kind !== 'none' ? only : { kind, parts }
}

function groupOf (key: string): 'all' | 'any' | 'none' {
  return key === 'not' ? 'none' : key === 'anyOf' || key === 'or' ? 'any' : 'all'
}

/**
 * Whether anything in it names an attribute of the resource: as the attribute, or by a `ref`. A value that looks like a `ref` and is none
 * costs nothing but time.
 */
function dependsOnRow (written: unknown): boolean {
  if (Array.isArray(written)) return written.some(dependsOnRow)
  return entriesOf(written).some(([key, value]) =>
    isOfRow(key) || (key === 'ref' && typeof value === 'string' && isOfRow(value)) || dependsOnRow(value))
}

function attributeOf (text: string): Attribute {
  if (isOfClock(text)) return { scope: 'now', name: text, names: [] }
  const { scope, name, names } = splitAttribute(text)
  if (scope === undefined) throw new TypeError(`'${text}' is not an attribute`)
  return { scope, name, names }
}

function isOfRow (attribute: string): boolean {
  return attribute.startsWith('resource.')
}

function entriesOf (value: unknown): Array<[string, unknown]> {
  return isRecord(value) ? Object.entries(value) : []
}

/** `not` may have one condition without a list. */
function itemsOf (value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value]
}
