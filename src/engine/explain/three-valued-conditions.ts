// Whether a condition holds always, never, or depending on unknown attributes: three-valued evaluation.

import { compileCondition, LOGICAL_OPERATORS, type AttributeSource } from '../decide/conditions.js'
import { isRecord } from '../../kit/is-record.js'

/** `always`, `depends` on unknown attributes, or `never`. */
export type May = 'always' | 'depends' | 'never'

/**
 * Evaluates a condition when some attributes are unknown.
 *
 * @param condition - a valid condition
 * @param attributes - the known attributes
 * @param isUnknown - whether the attribute with this name, such as `context.hour`, may have any value
 */
export function mayHold (condition: unknown, attributes: AttributeSource, isUnknown: (attribute: string) => boolean): May {
  return all(entriesOf(condition).map(([key, value]) =>
    LOGICAL_OPERATORS.includes(key)
      ? combine(key, itemsOf(value).map(item => mayHold(item, attributes, isUnknown)))
      : mayPass(key, value, attributes, isUnknown)))
}

function mayPass (attribute: string, tests: unknown, attributes: AttributeSource, isUnknown: (attribute: string) => boolean): May {
  return all(entriesOf(tests).map(([key, value]) => {
    if (LOGICAL_OPERATORS.includes(key)) return combine(key, itemsOf(value).map(item => mayPass(attribute, item, attributes, isUnknown)))
    if (isUnknown(attribute) || refersToUnknown(value, isUnknown)) return 'depends'
    return compileCondition({ [attribute]: { [key]: value } }, [], [])(attributes) ? 'always' : 'never'
  }))
}

function refersToUnknown (value: unknown, isUnknown: (attribute: string) => boolean): boolean {
  if (Array.isArray(value)) return value.some(item => refersToUnknown(item, isUnknown))
  const isReference = (key: string, item: unknown) => key === 'ref' && typeof item === 'string' && isUnknown(item)
  return entriesOf(value).some(([key, item]) => isReference(key, item) || refersToUnknown(item, isUnknown))
}

function combine (operator: string, parts: readonly May[]): May {
  if (operator === 'anyOf' || operator === 'or') return not(all(parts.map(not)))
  return operator === 'not' ? all(parts.map(not)) : all(parts)
}

function all (parts: readonly May[]): May {
  if (parts.includes('never')) return 'never'
  return parts.includes('depends') ? 'depends' : 'always'
}

function not (may: May): May {
  return may === 'depends' ? may : may === 'always' ? 'never' : 'always'
}

function entriesOf (value: unknown): Array<[string, unknown]> {
  return isRecord(value) ? Object.entries(value) : []
}

/** `not` may have one condition without a list. */
function itemsOf (value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value]
}
