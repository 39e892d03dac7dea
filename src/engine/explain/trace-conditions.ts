// Why a condition is met or not: each part with the values that were compared. The parts are evaluated by the compiled functions of
// decisions, so that the trace shows what was decided.

import { compileCondition, LOGICAL_OPERATORS, readAttribute, type AttributeSource } from '../decide/conditions.js'
import { isRecord } from '../../kit/is-record.js'

/** The trace of a condition or of a part of one. */
export type ConditionTrace = ConditionGroup | Comparison

/** A logical operator over several conditions. */
export interface ConditionGroup {
  readonly matched: boolean
  readonly operator: 'allOf' | 'anyOf' | 'not'
  readonly conditions: readonly ConditionTrace[]
}

/** A comparison of an attribute with a value. */
export interface Comparison {
  readonly matched: boolean
  /** `user.location` */
  readonly attribute: string
  readonly operator: string
  /** The attribute's value; absent when the attribute is missing, which makes every comparison false. */
  readonly value?: unknown
  /** The value that it was compared with; absent when the attribute in `ref` is missing. */
  readonly operand?: unknown
  /** The attribute that `operand` comes from. */
  readonly ref?: string
}

/**
 * Traces a condition.
 *
 * @param condition - a valid condition
 */
export function traceCondition (condition: unknown, attributes: AttributeSource): ConditionTrace {
  const parts = isRecord(condition) ? Object.entries(condition).map(([key, value]) => tracePart(key, value, attributes)) : []
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  return { matched: ask(condition, attributes), operator: 'allOf', conditions: parts }
}

function tracePart (key: string, value: unknown, attributes: AttributeSource): ConditionTrace {
  if (!isLogical(key)) return traceTests(key, value, attributes)
  const conditions = items(value).map(item => traceCondition(item, attributes))
  return { matched: ask({ [key]: value }, attributes), operator: plain(key), conditions }
}

function traceTests (attribute: string, tests: unknown, attributes: AttributeSource): ConditionTrace {
  const parts = isRecord(tests) ? Object.entries(tests).map(([key, value]) => traceTest(attribute, key, value, attributes)) : []
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  return { matched: ask({ [attribute]: tests }, attributes), operator: 'allOf', conditions: parts }
}

function traceTest (attribute: string, key: string, value: unknown, attributes: AttributeSource): ConditionTrace {
  const matched = ask({ [attribute]: { [key]: value } }, attributes)
  if (isLogical(key)) {
    return { matched, operator: plain(key), conditions: items(value).map(item => traceTests(attribute, item, attributes)) }
  }
  const ref = isRecord(value) && Object.keys(value).length === 1 && typeof value['ref'] === 'string' ? value['ref'] : undefined
  return {
    matched,
    attribute,
    operator: key,
    ...present('value', readAttribute(attribute, attributes)),
    ...(ref === undefined ? { operand: value } : { ref, ...present('operand', readAttribute(ref, attributes)) })
  }
}

function ask (condition: unknown, attributes: AttributeSource): boolean {
  return compileCondition(condition, [], [])(attributes)
}

function present (name: 'value' | 'operand', value: unknown): { value?: unknown, operand?: unknown } {
  return value === undefined ? {} : { [name]: value }
}

/** `not` may have one condition without a list. */
function items (value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value]
}

function isLogical (key: string): boolean {
  return LOGICAL_OPERATORS.includes(key)
}

function plain (key: string): ConditionGroup['operator'] {
  if (key === 'and') return 'allOf'
  if (key === 'or') return 'anyOf'
  return key as ConditionGroup['operator']
}
