// Plans of Cerbos, by its PlanResources API: its expressions in CEL become conditions, and what cannot be said exactly is refused.
import { PdpError, PlanError } from '../../contract/errors.js'
import type { Condition, FieldOperator, Plan } from '../../contract/plan.js'
import { isRecord } from '../../kit/is-record.js'
import type { Evaluation } from '../../contract/evaluation.js'

/** Cerbos' names in properties choose roles and policies; they are no attributes. */
const OWN_NAMES = 'cerbos.'
const MAX_DEPTH = 64

/** CEL's comparisons that give an error for values that they do not fit. */
type Partial = 'lt' | 'le' | 'gt' | 'ge'
const ORDERS: Readonly<Record<Partial, readonly [operator: FieldOperator, turned: FieldOperator]>> = {
  lt: ['lt', 'gt'], le: ['lte', 'gte'], gt: ['gt', 'lt'], ge: ['gte', 'lte']
}

/** The body of the request. Cerbos reads an AuthZEN evaluation as it reads its own requests: see docs/cerbos.md. */
export function cerbosPlanBody ({ subject, action, resource }: Evaluation): string {
  const { properties = {} } = subject
  const roles = properties[`${OWN_NAMES}roles`]
  return JSON.stringify({
    requestId: 'plan',
    actions: [action.name],
    principal: {
      id: subject.id, roles: Array.isArray(roles) ? roles : [subject.type], ...policyOf(properties), attr: attributesOf(properties)
    },
    resource: { kind: resource.type, ...policyOf(resource.properties ?? {}), attr: attributesOf(resource.properties ?? {}) }
  })
}

function policyOf (properties: Readonly<Record<string, unknown>>): object {
  const version = properties[`${OWN_NAMES}policyVersion`]
  const scope = properties[`${OWN_NAMES}scope`]
  return { ...(version === undefined ? {} : { policyVersion: version }), ...(scope === undefined ? {} : { scope }) }
}

function attributesOf (properties: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !name.startsWith(OWN_NAMES)))
}

/**
 * Reads Cerbos' answer.
 *
 * @returns a `PlanError` for a condition that cannot be said exactly
 * @throws `PdpError` for what is no answer
 */
export function readCerbosPlan (answer: unknown, { type, tenant }: { readonly type: string, readonly tenant: string }): Plan | Error {
  const filter = isRecord(answer) ? answer['filter'] : undefined
  if (!isRecord(filter)) throw unbelievable()
  if (filter['kind'] === 'KIND_ALWAYS_ALLOWED') return { kind: 'all', type, tenant }
  if (filter['kind'] === 'KIND_ALWAYS_DENIED') return { kind: 'none', type, tenant }
  if (filter['kind'] !== 'KIND_CONDITIONAL' || !isRecord(filter['condition'])) throw unbelievable()
  try {
    const condition = conditionOf(filter['condition'], false, 0)
    const ofTenant: Condition = { operator: 'eq', field: 'tenant', value: tenant }
    return { kind: 'some', type, tenant, condition: { operator: 'and', value: [ofTenant, condition] } }
  } catch (error) {
    if (error instanceof PlanError) return error
    throw error
  }
}

/**
 * In CEL, a comparison with a value that does not fit is an error: a rule that allows does not apply then, and neither does one that
 * denies. So within `not` it cannot be told what becomes of a row with such a value: below it, only what gives no errors is said.
 */
function conditionOf (operand: unknown, isNegated: boolean, depth: number): Condition {
  if (depth > MAX_DEPTH) throw new PlanError('the condition of Cerbos is nested too deep')
  if (!isRecord(operand)) throw unbelievable()
  if (operand['variable'] !== undefined) {
    if (isNegated) throw unsayable(`'!${String(operand['variable'])}'`, 'Compare it in the policy: == false, or != true')
    return { operator: 'eq', field: fieldOf(operand), value: true }
  }
  const { expression } = operand
  if (!isRecord(expression) || typeof expression['operator'] !== 'string' || !Array.isArray(expression['operands'])) throw unbelievable()
  const { operator, operands } = expression
  const [left, right] = operands
  switch (operator) {
    case 'and':
    case 'or':
      if (operands.length === 1) return conditionOf(left, isNegated, depth + 1)
      return { operator, value: operands.map(part => conditionOf(part, isNegated, depth + 1)) }
    case 'not':
      return { operator: 'not', value: [conditionOf(left, true, depth + 1)] }
    case 'eq':
    case 'ne':
      return comparison(operator, operator, left, right)
    case 'in':
      return membership(left, right, isNegated)
  }
  if (isNegated) throw unsayable(`'${operator}' in a negation`, 'In CEL, a value of another type is an error, not false')
  if (Object.hasOwn(ORDERS, operator)) return comparison(...ORDERS[operator as Partial], left, right)
  if (operator === 'contains' && isVariable(left) && isValue(right)) {
    return { operator: 'contains', field: fieldOf(left), value: right.value }
  }
  if (operator === 'hasIntersection' && isVariable(left) && isValue(right) && Array.isArray(right.value)) {
    return { operator: 'array_intersect', field: fieldOf(left), value: right.value }
  }
  throw unsayable(`'${operator}'`)
}

function comparison (operator: FieldOperator, turned: FieldOperator, left: unknown, right: unknown): Condition {
  if (isVariable(left) && isVariable(right)) {
    const [a, b] = [fieldOf(left), fieldOf(right)]
    if (!a.startsWith('attributes.') || !b.startsWith('attributes.')) throw unsayable(`'${operator}' of the key and an attribute`)
    return { operator: `${operator}_field` as FieldOperator, field: a, value: b }
  }
  if (isVariable(left) && isValue(right)) return { operator, field: fieldOf(left), value: right.value }
  if (isVariable(right) && isValue(left)) return { operator: turned, field: fieldOf(right), value: left.value }
  throw unsayable(`'${operator}' of a computed value`)
}

function membership (left: unknown, right: unknown, isNegated: boolean): Condition {
  if (isVariable(left) && isValue(right) && Array.isArray(right.value)) {
    if (right.value.length === 0) throw unsayable("'in' an empty list")
    return { operator: 'in', field: fieldOf(left), value: right.value }
  }
  if (isValue(left) && isVariable(right) && !isNegated) return inListOrMap(left.value, fieldOf(right))
  throw unsayable(isNegated ? "'in' a list of the resource, in a negation" : "'in' a computed value")
}

/** For CEL, a value is `in` a list that has it, and in a map that has a member of this name. A row may have either. */
function inListOrMap (value: unknown, field: string): Condition {
  const inList: Condition = { operator: 'array_contains', field, value }
  if (typeof value !== 'string') return inList
  if (value === '' || value.includes('.')) {
    throw unsayable(`${JSON.stringify(value)} 'in' ${field}, which may be a map with such a name`,
      'For a list, write hasIntersection(list, [value])')
  }
  const member = `item.${value}`
  // A member that is missing is neither equal to anything nor different from anything.
  const isThere: Condition = {
    operator: 'or',
    value: [{ operator: 'eq', field: member, value: null }, { operator: 'ne', field: member, value: null }]
  }
  return { operator: 'or', value: [inList, { operator: 'object_match', field, value: isThere }] }
}

function isVariable (operand: unknown): operand is { readonly variable: string } {
  return isRecord(operand) && typeof operand['variable'] === 'string'
}

/** A value; Cerbos leaves `null` in place. */
function isValue (operand: unknown): operand is { readonly value: unknown } {
  return isRecord(operand) && Object.hasOwn(operand, 'value')
}

const ATTRIBUTE = /^(?:request\.resource|R)\.attr\.(.+)$/s

function fieldOf ({ variable }: { readonly variable?: unknown }): string {
  if (typeof variable !== 'string') throw unbelievable()
  if (variable === 'request.resource.id' || variable === 'R.id') return 'key'
  const path = ATTRIBUTE.exec(variable)?.[1]
  if (path === undefined) throw unsayable(`the variable '${variable}'`)
  return `attributes.${path}`
}

function unsayable (what: string, hint = 'Write the condition of the Cerbos policy in another way'): Error {
  return new PlanError(`the plan of Cerbos has ${what}, which has no exact translation. ${hint}; or use filter()`)
}

function unbelievable (): PdpError {
  return new PdpError('answer', "Cerbos' response to /api/plan/resources has an unexpected shape")
}
