// Evaluates plans on rows, as plainly as possible and by the words of the contract only: what targets must agree with.
import type { Condition, Plan } from '../../../src/contract/plan.js'

/** A row as an app has it. */
export interface Row {
  readonly key: string
  readonly tenant: string
  readonly attributes: Record<string, unknown>
  /** Keys of the subjects of relations. */
  readonly relations?: Record<string, string | null>
}

/** Whether the row is in the plan. */
export function isIn (plan: Plan, row: Row): boolean {
  if (plan.kind === 'none') return false
  // The condition says the tenant itself.
  return plan.kind === 'all' ? row.tenant === plan.tenant : holds(plan.condition, name => fieldOf(plan, row, name))
}

/** The attributes that a check of the row is asked with: those that the plan names, each path for itself. Undefined where one path contradicts another. */
export function attributesFor (plan: Plan, row: Row): Record<string, unknown> | undefined {
  const attributes: Record<string, unknown> = {}
  if (plan.kind !== 'some') return attributes
  const names = [...fieldsOf(plan.condition)].filter(name => name.startsWith('attributes.')).sort((a, b) => a.length - b.length)
  for (const name of names) {
    const path = name.split('.').slice(1)
    const value = fieldOf(plan, row, name)
    let inner: Record<string, unknown> = attributes
    for (const step of path.slice(0, -1)) {
      const next = own(inner, step)
      if (next !== undefined && !isObject(next)) return undefined
      inner = set(inner, step, next === undefined ? {} : { ...next }) as Record<string, unknown>
    }
    const last = path.at(-1)!
    const before = own(inner, last)
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(value)) return undefined
    // A member that the row's object does not have, and that is named as a path of its own, would change the object.
    if (before === undefined && names.some(other => name.startsWith(`${other}.`))) return undefined
    set(inner, last, value)
  }
  return attributes
}

function set (object: Record<string, unknown>, name: string, value: unknown): unknown {
  Object.defineProperty(object, name, { value, enumerable: true, writable: true, configurable: true })
  return value
}

function fieldOf (plan: Plan, row: Row, name: string): unknown {
  const [kind, ...path] = name.split('.')
  if (kind === 'key' || kind === 'tenant') return row[kind]
  if (kind === 'type') return own(row.attributes, 'type') ?? plan.type
  if (kind === 'relations') return row.relations?.[path[0]!] ?? null
  return path.reduce<unknown>(own, row.attributes) ?? null
}

/** The names of the row's fields in the condition. */
export function fieldsOf (condition: Condition): Set<string> {
  if (!('field' in condition)) return new Set(condition.value.flatMap(part => [...fieldsOf(part)]))
  const names = condition.field.startsWith('item.') ? [] : [condition.field]
  if (condition.operator.endsWith('_field')) names.push(condition.value as string)
  if (condition.operator.endsWith('_match')) names.push(...fieldsOf(condition.value as Condition))
  return new Set(names)
}

function holds (condition: Condition, field: (name: string) => unknown): boolean {
  if (condition.operator === 'and') return (condition.value as Condition[]).every(part => holds(part, field))
  if (condition.operator === 'or') return (condition.value as Condition[]).some(part => holds(part, field))
  if (condition.operator === 'not') return !holds((condition.value as Condition[])[0]!, field)
  if (!('field' in condition)) throw new Error(`no condition: ${JSON.stringify(condition)}`)
  const v = field(condition.field)
  const refers = condition.operator.endsWith('_field')
  const operator = condition.operator.replace(/_field$/, '')
  const x = refers ? field(condition.value as string) : condition.value
  if (v === undefined || x === undefined) return false
  const inner = (item: unknown): boolean => isObject(item) && holds(x as Condition, name => name.startsWith('item.') ? name.split('.').slice(1).reduce<unknown>(own, item) : field(name))
  switch (operator) {
    case 'eq': return same(v, x)
    case 'ne': return !same(v, x)
    case 'lt': return comparable(v, x) && order(v, x) < 0
    case 'lte': return comparable(v, x) && order(v, x) <= 0
    case 'gt': return comparable(v, x) && order(v, x) > 0
    case 'gte': return comparable(v, x) && order(v, x) >= 0
    case 'in': return isList(x) && x.some(item => same(item, v))
    case 'contains': return typeof v === 'string' && typeof x === 'string' && v.includes(x)
    case 'contained': return typeof v === 'string' && (x as string).includes(v)
    case 'array_contains': return isList(v) && v.some(item => same(item, x))
    case 'array_subset': return isList(v) && isList(x) && v.every(item => x.some(other => same(item, other)))
    case 'array_superset': return isList(v) && isList(x) && x.every(item => v.some(other => same(item, other)))
    case 'array_intersect': return isList(v) && isList(x) && v.some(item => x.some(other => same(item, other)))
    case 'spans': return isSpan(v) && comparable(v[0], x) && order(v[0], x) <= 0 && order(x, v[1]) <= 0
    case 'between': return isSpan(x) && comparable(v, x[0]) && order(x[0], v) <= 0 && order(v, x[1]) <= 0
    case 'object_match': return inner(v)
    case 'any_match': return isList(v) && v.some(inner)
    case 'all_match': return isList(v) && v.every(inner)
    default: throw new Error(`the contract has no operator '${condition.operator}'`)
  }
}

function own (value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isList (value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}

function isSpan (value: unknown): value is [unknown, unknown] {
  return isList(value) && value.length === 2 && comparable(value[0], value[1])
}

/** Of two numbers, or of two texts. */
function order (a: unknown, b: unknown): number {
  return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0
}

function comparable (a: unknown, b: unknown): boolean {
  return typeof a === typeof b && (typeof a === 'number' || typeof a === 'string')
}

function same (a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b)
}

function canonical (value: unknown): string {
  if (isList(value)) return `[${value.map(canonical).join()}]`
  if (isObject(value)) return `{${Object.keys(value).sort().map(key => `${JSON.stringify(key)}:${canonical(value[key])}`).join()}}`
  return JSON.stringify(value) ?? 'undefined'
}
