// A plan in words and in SQL, for people.
import { NoPlanError } from '../../engine/plan/plan-query.js'
import type { CompoundCondition, Condition, FieldCondition, Plan } from '../../contract/plan.js'

/** Each operator between a field and a value; `{}` is the value. */
const WORDS: Readonly<Record<string, string>> = {
  eq: 'is {}',
  ne: 'is not {}',
  lt: 'is less than {}',
  lte: 'is at most {}',
  gt: 'is greater than {}',
  gte: 'is at least {}',
  in: 'is one of {}',
  contains: 'contains the text {}',
  contained: 'is part of the text {}',
  array_contains: 'has the item {}',
  array_subset: 'has only items of {}',
  array_superset: 'has every item of {}',
  array_intersect: 'has an item of {}',
  spans: 'is a range with {} in it',
  between: 'is within the range {}',
  object_match: 'is an object where {}',
  any_match: 'has an object where {}',
  all_match: 'has only objects where {}'
}

/** How many values of a list are shown. */
const SHOWN = 8

/** A condition in words: `owner is 'ann' or key is one of '7', '8'`. */
export function wordsOf (condition: Condition): string {
  return inWords(condition, false)
}

/** A plan in a sentence, after `ann may read`: `every task in acme`, `the task in acme where …`. */
export function planInWords (plan: Plan): string {
  const where = `${plan.type} in ${plan.tenant}`
  if (plan.kind === 'all') return `every ${where}`
  if (plan.kind === 'none') return `no ${where}`
  const rest = withoutTenant(plan.condition)
  return rest === undefined ? `every ${where}` : `each ${where} where ${wordsOf(rest)}`
}

/** The condition without the part on the tenant, which every plan has. */
function withoutTenant (condition: Condition): Condition | undefined {
  if ('field' in condition) return condition.field === 'tenant' ? undefined : condition
  if (condition.operator !== 'and') return condition
  const rest = condition.value.filter(part => !('field' in part) || part.field !== 'tenant')
  const [only] = rest
  return rest.length === 1 ? only : { operator: 'and', value: rest }
}

function inWords (condition: Condition, isInner: boolean): string {
  if ('field' in condition) return comparison(condition)
  const { operator, value } = condition as CompoundCondition
  if (operator === 'not') return `not (${inWords(value[0] as Condition, false)})`
  if (value.length === 0) return operator === 'and' ? 'anything is right' : 'nothing is right'
  const text = value.map(part => inWords(part, true)).join(operator === 'and' ? ' and ' : ' or ')
  return isInner ? `(${text})` : text
}

function comparison ({ operator, field, value }: FieldCondition): string {
  const refers = operator.endsWith('_field')
  const words = WORDS[operator.replace(/_field$/, '')] ?? `${operator} {}`
  const right = refers ? nameOf(String(value)) : operator.endsWith('_match') ? `(${wordsOf(value as Condition)})` : shown(value)
  return `${nameOf(field)} ${words.replace('{}', () => right)}`
}

function nameOf (field: string): string {
  return field.replace(/^(?:attributes|item)\./, '').replace(/^relations\./, 'its ')
}

function shown (value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (!Array.isArray(value)) return JSON.stringify(value) ?? 'nothing'
  const items = value.slice(0, SHOWN).map(shown).join(', ')
  return value.length > SHOWN ? `${items} and ${value.length - SHOWN} more` : items === '' ? 'nothing' : items
}

/** SQL with its values, in order. */
export interface Sql {
  readonly text: string
  readonly values: readonly unknown[]
}

/** SQL with its values, by columns that are named after the attributes: `owner`, `address_city`, `parent_key`. */
export async function sqlOf (plan: Plan, database: 'postgresql' | 'sqlite'): Promise<Sql> {
  const [{ fields }, { whereOf }] = await Promise.all([import('../../lists/fields.js'), import('../../lists/sql/where.js')])
  const names = plan.kind === 'some' ? [...fieldsOf(plan.condition)] : []
  const columns = (scope: string, end: string): Record<string, string> => {
    const paths = names.filter(name => name.startsWith(scope)).map(name => name.slice(scope.length))
    return Object.fromEntries(paths.map(path => [path, `${path.replaceAll('.', '_')}${end}`]))
  }
  const [attributes, relations] = [columns('attributes.', ''), columns('relations.', '_key')]
  const mapping = fields({ database, key: 'key', tenant: 'tenant', attributes, relations })
  const values: unknown[] = []
  const text = whereOf('--sql', plan, mapping, database).pieces.map(piece => {
    if (typeof piece === 'string') return piece
    if ('column' in piece) return `"${String(piece.column).replaceAll('"', '""')}"`
    values.push(piece.value)
    return database === 'postgresql' ? `$${values.length}` : '?'
  }).join('')
  return { text, values }
}

/** The fields of the row that a condition names. */
export function fieldsOf (condition: Condition): Set<string> {
  if (!('field' in condition)) return new Set(condition.value.flatMap(part => [...fieldsOf(part)]))
  const found = new Set<string>(condition.field.startsWith('item.') ? [] : [condition.field])
  if (condition.operator.endsWith('_field')) found.add(String(condition.value))
  if (condition.operator.endsWith('_match')) for (const name of fieldsOf(condition.value as Condition)) found.add(name)
  return found
}

/** Whether the error says that there is no exact plan. */
export function isNoPlan (error: unknown): error is Error {
  return error instanceof NoPlanError || (error as { code?: unknown } | null)?.code === 'FST_PERMIT_PLAN'
}
