// Random conditions and rows, made of values that databases are known to confuse.
import fc from 'fast-check'
import type { Condition, Plan } from '../../../src/contract/plan.js'

/** What a field of the table is: which values its column holds. */
export type Kind = 'text' | 'integer' | 'number' | 'boolean' | 'date' | 'json' | 'list' | 'loose'

export const TEXTS = [
  '', ' ', 'a', 'A', 'a ', ' a', 'ab', 'AB', 'b', 'á', 'a\u0301', 'ß', 'SS', 'ss', '5', '05', '5.0', '1', '0', 'true', 'null', 'NaN', '%', '_', 'a%', 'a_', '\\', '\'', '"', "a' OR '1'='1",
  '; DROP TABLE things; --', '$1', '?', '??', ':a', '\u{1f600}', '\u{1f601}', '\uffff', '\ue000', '\u00a0', 'i', 'I', 'İ', 'ı', '\n', '[]', '{}', 'a.b', '2024-01-01', '2024-01-01T00:00:00.000Z', '9', '10', 'Z', 'z'
]
/** Texts that no database can hold, or that end early in some. */
export const ODD_TEXTS = ['\0', 'a\0', 'a\0b', '\ud800', 'a\udc00', '\udc00\ud800', '\ud83d', '\ude00']
export const INTEGERS = [0, 1, -1, 2, 5, 9, 10, 42, 2 ** 31 - 1, -(2 ** 31), 2 ** 53 - 1, -(2 ** 53 - 1)]
export const NUMBERS = [...INTEGERS, -0, 0.1, 0.2, 0.30000000000000004, 0.3, 1.5, -1.5, 4.999999999999999, 5.000000000000001, 1e-7, 5e-324, 2.2250738585072014e-308, 1e20, 1e300, -1e300, 1.7976931348623157e308]
/** Numbers that integers of 64 bits and doubles do not agree about. */
export const ODD_NUMBERS = [2 ** 53, 2 ** 53 + 2, -(2 ** 53), 2 ** 62, 2 ** 63, 2 ** 64]
export const TIMES = ['1970-01-01T00:00:00.000Z', '1969-12-31T23:59:59.999Z', '2024-01-01T00:00:00.000Z', '2024-01-01T00:00:00.001Z', '2024-12-31T23:59:59.999Z', '0000-01-01T00:00:00.000Z', '0099-06-01T12:00:00.000Z', '9999-12-31T23:59:59.999Z']
/** Texts that look like times, and have an order to them. */
export const TIME_TEXTS = [...TIMES, '2024', '2024-01-01', '2024-01-01T00:00:00Z', '2024-01-01T00:00:00.000', '2024-01-01T00:00:00.000Zz', '2024-02-30T00:00:00.000Z', '', '~', '+010000-01-01T00:00:00.000Z', '-000001-01-01T00:00:00.000Z']

const text = fc.constantFrom(...TEXTS)
const number = fc.constantFrom(...NUMBERS)

/** JSON that a column can hold. */
export const json: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown, object: unknown, list: unknown }>(tie => ({
  object: fc.dictionary(fc.constantFrom('a', 'b', 'A', 'a b', '0', '$', '"', 'á', '__proto__', 'constructor'), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  list: fc.array(tie('value'), { maxLength: 4 }),
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, fc.constant(null), fc.boolean(), text, number, tie('list'), tie('object'))
})).value.map(value => structuredClone(value))

const scalar = fc.oneof(text, number, fc.boolean(), fc.constant(null))
const any = fc.oneof({ weight: 6, arbitrary: scalar }, { weight: 1, arbitrary: fc.constantFrom(...ODD_TEXTS) }, { weight: 1, arbitrary: fc.constantFrom(...ODD_NUMBERS) }, { weight: 1, arbitrary: json })

/** A value that is likely to be in a column of the kind. */
function likely (kind: Kind): fc.Arbitrary<unknown> {
  switch (kind) {
    case 'text': return text
    case 'integer': return fc.constantFrom(...INTEGERS)
    case 'number': return number
    case 'boolean': return fc.boolean()
    case 'date': return fc.constantFrom(...TIME_TEXTS)
    case 'json': return fc.oneof(scalar, json)
    case 'list': return text
    case 'loose': return fc.oneof(text, number)
  }
}

function valueFor (kind: Kind): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 4, arbitrary: likely(kind) }, { weight: 1, arbitrary: any })
}

/** A table's fields, by name in the plan. */
export type Shape = Readonly<Record<string, Kind>>

/** A random condition on the fields. */
export function conditionOn (shape: Shape, relations = true): fc.Arbitrary<Condition> {
  const names = Object.keys(shape)
  const comparison = fc.constantFrom(...names).chain(field => comparisonOn(field, shape[field] as Kind, shape, relations))
  return fc.letrec<{ condition: Condition, group: Condition, not: Condition }>(tie => ({
    group: fc.record({ operator: fc.constantFrom('and' as const, 'or' as const), value: fc.array(tie('condition'), { minLength: 2, maxLength: 3 }) }),
    not: tie('condition').map(condition => ({ operator: 'not' as const, value: [condition] })),
    condition: fc.oneof({ depthSize: 'small', withCrossShrink: true }, { weight: 5, arbitrary: comparison }, { weight: 1, arbitrary: tie('group') }, { weight: 1, arbitrary: tie('not') })
  })).condition
}

function comparisonOn (field: string, kind: Kind, shape: Shape, relations: boolean): fc.Arbitrary<Condition> {
  const value = valueFor(kind)
  const make = (operator: string, values: fc.Arbitrary<unknown>): fc.Arbitrary<Condition> => values.map(value => ({ operator, field, value }) as Condition)
  const ordered = fc.oneof(value, text, number).filter(value => typeof value === 'string' || typeof value === 'number')
  const part = fc.oneof({ weight: 5, arbitrary: text }, { weight: 1, arbitrary: fc.constantFrom(...ODD_TEXTS) })
  const list = fc.array(value, { minLength: 1, maxLength: 4 })
  const scalars = [
    ...(['eq', 'ne'] as const).map(operator => make(operator, value)),
    ...(['lt', 'lte', 'gt', 'gte'] as const).map(operator => make(operator, ordered)),
    make('in', list),
    make('contains', part),
    make('contained', part)
  ]
  const fields = fc.constantFrom(...Object.keys(shape).filter(name => name.startsWith('attributes.')))
  const referring = (['eq_field', 'ne_field', 'lt_field', 'lte_field', 'gt_field', 'gte_field', 'contains_field', 'in_field', 'array_contains_field'] as const).map(operator => make(operator, fields))
  if (kind !== 'json' && kind !== 'list') return fc.oneof({ weight: 4, arbitrary: fc.oneof(...scalars) }, ...relations ? [{ weight: 1, arbitrary: fc.oneof(...referring) }] : [])
  const items = fc.array(fc.oneof(scalar, any), { maxLength: 4 })
  const lists = [
    make('array_contains', value),
    ...(['array_subset', 'array_superset', 'array_intersect'] as const).map(operator => make(operator, items)),
    make('spans', fc.oneof(text, number))
  ]
  const member = fc.constantFrom('item.a', 'item.b', 'item.a.b', 'item.a b', 'item.0', 'item."', 'item.$', 'item.á', 'item.__proto__')
  const inner = member.chain(name => comparisonOn(name, 'loose', shape, false))
  const several = fc.record({ operator: fc.constantFrom('and' as const, 'or' as const), value: fc.array(inner, { minLength: 2, maxLength: 3 }) })
  const match = fc.oneof(
    { weight: 3, arbitrary: inner },
    { weight: 1, arbitrary: inner.map(condition => ({ operator: 'not', value: [condition] }) as Condition) },
    { weight: 2, arbitrary: several }
  )
  const matches = (['object_match', 'any_match', 'all_match'] as const).map(operator => make(operator, match))
  return fc.oneof(...scalars, ...lists, ...matches, ...relations ? [make('array_contains_field', fields), make('eq_field', fields)] : [])
}

export const TYPE = 'thing'
export const TENANT = 'acme'

/** A plan with the condition, as a planner makes it. */
export function planOf (condition: Condition): Plan {
  return { kind: 'some', type: TYPE, tenant: TENANT, condition: { operator: 'and', value: [{ operator: 'eq', field: 'tenant', value: TENANT }, condition] } }
}

/** How many cases a property is asked for: few in `npm test`, `LISTS_CASES=20000` at length. */
export function casesOf (few: number): number {
  const said = Number(process.env['LISTS_CASES'])
  return Number.isInteger(said) && said > 0 ? said : few
}
