// Every operator, and what conditions do with what is missing, mistyped, nested or strangely named.

import t from 'tap'
import { compileCondition, MAX_CONDITION_DEPTH, type AttributeScope, type AttributeSource } from '../../../src/engine/decide/conditions.js'
import { Members } from '../../../src/engine/decide/values.js'
import { WorkBudget } from '../../../src/engine/decide/work-budget.js'
import type { PolicyProblem } from '../../../src/engine/policy/problems.js'

type Attributes = Partial<Record<AttributeScope, Record<string, unknown>>>

function problemsOf (condition: unknown): PolicyProblem[] {
  const problems: PolicyProblem[] = []
  compileCondition(condition, ['conditions'], problems)
  return problems
}

function meets (condition: unknown, attributes: Attributes): boolean {
  const problems: PolicyProblem[] = []
  const predicate = compileCondition(condition, [], problems)
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join())
  return predicate(source((scope, name) => Object.hasOwn(attributes[scope] ?? {}, name) ? attributes[scope]?.[name] : undefined))
}

function source (lookup: AttributeSource['lookup']): AttributeSource {
  const work = new WorkBudget()
  return { work, lookup, now: undefined, changesAt () {}, members: list => new Members(list, work), only: value => new Members([value], work) }
}

function deep (levels: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < levels; level++) value = [value]
  return value
}

// operator, value, attributes that pass, attributes that do not
const OPERATORS: Array<[string, unknown, unknown[], unknown[]]> = [
  ['equals', 'us', ['us'], ['US', '', 1, null, ['us'], { us: 1 }]],
  ['equals', 1, [1, 1.0], ['1', true, [1], 2]],
  ['equals', true, [true], ['true', 1, false]],
  ['equals', null, [null], [0, '', false, 'null']],
  ['equals', { a: [1, { b: 2 }] }, [{ a: [1, { b: 2 }] }], [{ a: [1, { b: '2' }] }, { a: [1] }, { a: [1, { b: 2 }], c: 1 }, [], {}]],
  ['equals', [1, 2], [[1, 2]], [[2, 1], [1], [1, 2, 3], { 0: 1, 1: 2 }]],
  ['not-equals', 'us', ['de', 1, null, ['us']], ['us']],
  ['not-equals', 1, ['1', 2], [1]],
  ['not-equals', [1], [[2], [1, 1], '1'], [[1]]],
  ['less-than', 5, [4, -1, 4.9], [5, 6, '4', null, true, [4], NaN]],
  ['less-than', 'm', ['a', 'l', ''], ['m', 'z', 1]],
  ['less-than-equals', 5, [5, 4], [6, '5', NaN]],
  ['greater-than', 5, [6], [5, 4, '6', [6], NaN]],
  ['greater-than', '2024-01-01T00:00:00Z', ['2024-06-01T00:00:00Z'], ['2023-06-01T00:00:00Z', 2025]],
  ['greater-than-equals', 5, [5, 6], [4, '5']],
  ['between', [1, 3], [1, 2, 3], [0, 4, '2', null]],
  ['between', ['b', 'd'], ['b', 'cc', 'd'], ['a', 'dd', 2]],
  ['contains', 'bc', ['abcd', 'bc'], ['acb', '', 1, ['bc'], null]],
  ['in', ['us', 1, null], ['us', 1, null], ['1', 'de', undefined, ['us'], true]],
  ['in', [{ a: 1 }, [2]], [{ a: 1 }, [2]], [{ a: 2 }, {}, [], 2]],
  ['in', [], [], ['', null]],
  ['array_contains', 'a', [['a'], ['b', 'a']], [['b'], [], 'a', 'abc', [['a']], { 0: 'a' }]],
  ['array_contains', { id: 1 }, [[{ id: 1 }]], [[{ id: 2 }], { id: 1 }]],
  ['array_subset', ['a', 'b', 'c'], [['a', 'b'], ['c'], [], ['a', 'a']], [['a', 'd'], 'a', {}]],
  ['array_superset', ['a', 'b'], [['a', 'b', 'c'], ['b', 'a']], [['a'], [], 'ab']],
  ['array_intersect', ['c', 'd'], [['a', 'c'], ['d']], [['a'], [], 'c']],
  ['ip_in', '10.0.0.0/8', ['10.0.0.0', '10.255.255.255', '::ffff:10.1.2.3', '::FFFF:0a01:0203'], ['11.0.0.0', '9.255.255.255', '010.0.0.1', '10.0.0.1 ', '10.0.0.1:80', '10.1', 167772161, ['10.0.0.1'], '', null]],
  ['ip_in', ['2001:db8::/32', '192.0.2.7'], ['2001:db8::1', '2001:0DB8:0:0:0:0:0:1', '192.0.2.7'], ['2001:db9::1', '192.0.2.8', '2001:db8::1%eth0', '[2001:db8::1]']],
  ['ip_in', '::/0', ['::1', 'fe80::1'], ['10.0.0.1', '::ffff:10.0.0.1']],
  ['ip_in', '::ffff:10.0.0.0/104', ['10.0.0.1', '::ffff:10.0.0.1'], ['11.0.0.1']],
  ['ip_in', [], [], ['10.0.0.1', '']],
  ['object_match', { match: { city: { equals: 'NY' } } }, [{ city: 'NY', zip: 1 }], [{ city: 'LA' }, {}, 'NY', ['NY'], [{ city: 'NY' }], null]],
  ['object_match', { match: { age: { 'greater-than': 1, 'less-than': 5 }, 'in.ner': { equals: 1 } } }, [{ age: 3, in: { ner: 1 } }], [{ age: 3 }, { age: 7, in: { ner: 1 } }]],
  ['any_match', { match: { role: { equals: 'x' } } }, [[{ role: 'y' }, { role: 'x' }]], [[{ role: 'y' }], [], { role: 'x' }, ['x'], [null]]],
  ['all_match', { match: { ok: { equals: true } } }, [[{ ok: true }, { ok: true }], []], [[{ ok: true }, {}], [{ ok: 1 }], [{ ok: true }, 'x'], { ok: true }]]
]

t.test('every operator is true for these values and false for those', async t => {
  for (const [operator, value, passing, failing] of OPERATORS) {
    const condition = { 'user.it': { [operator]: value } }
    const byReference = { 'user.it': { [operator]: { ref: 'context.value' } } }
    const context = { value }
    for (const it of passing) {
      t.equal(meets(condition, { user: { it } }), true, `${JSON.stringify(it)} ${operator} ${JSON.stringify(value)}`)
      if (!operator.endsWith('_match')) t.equal(meets(byReference, { user: { it }, context }), true, `… by reference: ${operator}`)
    }
    for (const it of failing) {
      t.equal(meets(condition, { user: { it } }), false, `not ${JSON.stringify(it)} ${operator} ${JSON.stringify(value)}`)
      if (!operator.endsWith('_match')) t.equal(meets(byReference, { user: { it }, context }), false, `… by reference: not ${operator}`)
    }
  }
})

t.test('a missing attribute makes every comparison false, not-equals too', async t => {
  for (const [operator, value] of OPERATORS) t.equal(meets({ 'user.missing': { [operator]: value } }, {}), false, operator)
  t.equal(meets({ 'user.a.b': { 'not-equals': 1 } }, { user: { a: 'text' } }), false)
})

t.test('a reference to a missing value makes every comparison false, not-equals too', async t => {
  for (const operator of ['equals', 'not-equals', 'less-than', 'in', 'array_subset', 'contains', 'between']) {
    t.equal(meets({ 'user.it': { [operator]: { ref: 'resource.missing' } } }, { user: { it: 1 } }), false, operator)
  }
})

t.test('a reference to a value of the wrong type makes the comparison false', async t => {
  for (const operator of ['in', 'array_subset', 'array_superset', 'array_intersect', 'between', 'contains']) {
    for (const value of [1, true, null, {}, { length: 1, 0: 'x' }]) {
      t.equal(meets({ 'user.it': { [operator]: { ref: 'context.value' } } }, { user: { it: ['x'] }, context: { value } }), false, `${operator} ${JSON.stringify(value)}`)
    }
  }
})

t.test('not is true around a comparison with a missing attribute, and when none of its conditions is true', async t => {
  t.equal(meets({ not: [{ 'user.blocked': { equals: true } }] }, {}), true)
  t.equal(meets({ not: { 'user.blocked': { equals: true } } }, { user: { blocked: true } }), false)
  t.equal(meets({ not: [{ 'user.a': { equals: 1 } }, { 'user.b': { equals: 1 } }] }, { user: { a: 1, b: 2 } }), false)
  t.equal(meets({ not: [{ 'user.a': { equals: 1 } }, { 'user.b': { equals: 1 } }] }, { user: { a: 2, b: 2 } }), true)
  t.equal(meets({ 'user.a': { not: [{ equals: 1 }, { equals: 2 }] } }, { user: { a: 3 } }), true)
  t.equal(meets({ 'user.a': { not: [{ equals: 1 }, { equals: 3 }] } }, { user: { a: 3 } }), false)
})

t.test('logical operators combine conditions, and tests inside an attribute', async t => {
  const yes = { 'user.a': { equals: 1 } }
  const no = { 'user.a': { equals: 2 } }
  const user = { a: 1 }
  for (const [all, any] of [['allOf', 'anyOf'], ['and', 'or']] as const) {
    t.equal(meets({ [all]: [yes, yes] }, { user }), true)
    t.equal(meets({ [all]: [yes, no] }, { user }), false)
    t.equal(meets({ [any]: [no, yes] }, { user }), true)
    t.equal(meets({ [any]: [no, no] }, { user }), false)
    t.equal(meets({ [all]: [] }, { user }), true, 'all of nothing')
    t.equal(meets({ [any]: [] }, { user }), false, 'any of nothing')
    t.equal(meets({ 'user.a': { [all]: [{ 'greater-than': 0 }, { [any]: [{ equals: 7 }, { equals: 1 }] }] } }, { user }), true)
    t.equal(meets({ 'user.a': { [all]: [{ 'greater-than': 0 }, { 'less-than': 1 }] } }, { user }), false)
  }
  t.equal(meets({ 'user.a': { equals: 1 }, 'user.b': { equals: 1 } }, { user: { a: 1, b: 2 } }), false, 'several keys are all needed')
})

t.test('the older spellings of scopes are accepted', async t => {
  t.equal(meets({ 'subject.a': { equals: 1 } }, { user: { a: 1 } }), true)
  t.equal(meets({ 'environment.a': { equals: { ref: 'subject.a' } } }, { user: { a: 1 }, context: { a: 1 } }), true)
})

t.test('names of properties of Object.prototype are ordinary names', async t => {
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'length']) {
    t.equal(meets({ [`user.${name}`]: { 'not-equals': 1 } }, { user: {} }), false, `${name} is missing`)
    t.equal(meets({ [`user.a.${name}`]: { 'not-equals': 1 } }, { user: { a: {} } }), false, `${name} is missing inside`)
    t.equal(meets({ [`user.a.${name}`]: { 'not-equals': 1 } }, { user: { a: [] } }), false, `${name} of a list is missing`)
    t.equal(meets({ [`user.${name}`]: { equals: 2 } }, { user: JSON.parse(`{"${name}": 2}`) }), true, `${name} is there`)
    t.equal(meets({ 'user.a': { object_match: { match: JSON.parse(`{"${name}": {"not-equals": 1}}`) } } }, { user: { a: {} } }), false)
    t.equal(meets({ 'user.a': { equals: JSON.parse(`{"${name}": 1}`) } }, { user: { a: {} } }), false)
  }
})

t.test('objects with different keys are different, whatever their values are', async t => {
  t.equal(meets({ 'user.a': { equals: { ref: 'user.b' } } }, { user: { a: { x: undefined }, b: { y: undefined } } }), false)
})

t.test('values nested too deep to compare are neither equal nor different', async t => {
  const attributes = { user: { a: deep(50_000) }, context: { b: deep(50_000) } }
  t.equal(meets({ 'user.a': { equals: { ref: 'context.b' } } }, attributes), false)
  t.equal(meets({ 'user.a': { 'not-equals': { ref: 'context.b' } } }, attributes), false)
  t.equal(meets({ 'user.a': { 'not-equals': [1] } }, attributes), true, 'a difference near the top is one')
})

t.test('long lists are compared in time proportional to their lengths', async t => {
  const many = Array.from({ length: 20_000 }, (_, index) => `item${index}`)
  const attributes = { user: { a: many, b: ['x', ...many] } }
  const start = performance.now()
  t.equal(meets({ 'user.a': { array_subset: { ref: 'user.b' } } }, attributes), true)
  t.equal(meets({ 'user.b': { array_superset: { ref: 'user.a' } } }, attributes), true)
  t.ok(performance.now() - start < 5_000)
})

t.test('later changes of the document by the caller do not matter', async t => {
  for (const operator of ['in', 'array_subset', 'array_intersect', 'equals', 'array_contains', 'between', 'array_superset']) {
    const value = ['a', 'b']
    const predicate = compileCondition({ 'user.it': { [operator]: value } }, [], [])
    const changed = ['c', 'd', 'e']
    value.splice(0, 2, ...changed)
    for (const it of [changed, 'c', [changed], 'd']) t.equal(predicate(source(() => it)), false, operator)
  }
})

t.test('mistakes in conditions are reported when the policy is loaded, with the fix', async t => {
  const cases: Array<[unknown, Array<string | number>, RegExp, RegExp]> = [
    [{ 'user.a': { equal: 1 } }, ['user.a', 'equal'], /unknown operator 'equal'/, /did you mean 'equals'/],
    [{ 'user.a': { not_equals: 1 } }, ['user.a', 'not_equals'], /unknown operator/, /did you mean 'not-equals'/],
    [{ 'user.a': { matchesRegex: 1 } }, ['user.a', 'matchesRegex'], /unknown operator/, /write one of equals, not-equals, .*all_match/],
    [{ 'user.a': { constructor: 1 } }, ['user.a', 'constructor'], /unknown operator 'constructor'/, /./],
    [{ 'usr.a': { equals: 1 } }, ['usr.a'], /not an attribute/, /did you mean 'user.a'/],
    [{ allof: [] }, ['allof'], /not an attribute/, /did you mean 'allOf'/],
    [{ constructor: { equals: 1 } }, ['constructor'], /not an attribute/, /write 'user\.'/],
    [{ 'user.': { equals: 1 } }, ['user.'], /not an attribute/, /./],
    [{ 'user.a..b': { equals: 1 } }, ['user.a..b'], /not an attribute/, /./],
    [{ 'user.a': { equals: { ref: 'b' } } }, ['user.a', 'equals', 'ref'], /not an attribute/, /./],
    [{ 'user.a': { equals: { ref: 1 } } }, ['user.a', 'equals', 'ref'], /names an attribute/, /ref/],
    [{ allOf: {} }, ['allOf'], /needs a list/, /\[/],
    [{ 'user.a': 'us' }, ['user.a'], /not a condition/, /equals/],
    [{ 'user.a': {} }, ['user.a'], /empty/, /equals/],
    [{}, [], /empty/, /"allOf": \[\]/],
    [undefined, [], /not a condition/, /./],
    [{ allOf: [{ 'user.a': { in: 'x' } }] }, ['allOf', 0, 'user.a', 'in'], /cannot compare/, /a list/],
    [{ 'user.a': { between: [1] } }, ['user.a', 'between'], /cannot compare/, /two numbers/],
    [{ 'user.a': { between: [1, '2'] } }, ['user.a', 'between'], /cannot compare/, /two numbers/],
    [{ 'user.a': { 'less-than': true } }, ['user.a', 'less-than'], /cannot compare/, /a number/],
    [{ 'user.a': { contains: 1 } }, ['user.a', 'contains'], /cannot compare/, /a text/],
    ...['10.0.0.0/33', '10.0.0/8', '10.0.0.1/', '10.0.0.1/08', '/8', '', '::/129', '::ffff:10.0.0.0/95', 'fe80::1%eth0', '10.0.0.0/8 ', 8, ['10.0.0.0/8', 'x'], [['::1']]]
      .map(value => [{ 'user.a': { ip_in: value } }, ['user.a', 'ip_in'], /cannot compare/, /an IP range such as/] as never),
    [{ 'user.a': { any_match: { role: { equals: 1 } } } }, ['user.a', 'any_match'], /needs the fields/, /"match"/],
    [{ 'user.a': { any_match: { match: {} } } }, ['user.a', 'any_match', 'match'], /nothing to match/, /./],
    [{ 'user.a': { any_match: { match: { role: { eq: 1 } } } } }, ['user.a', 'any_match', 'match', 'role', 'eq'], /unknown operator/, /./]
  ]
  for (const [condition, path, message, hint] of cases) {
    const [problem, ...others] = problemsOf(condition)
    t.same(problem?.path, ['conditions', ...path], JSON.stringify(condition))
    t.match(problem?.message, message)
    t.match(problem?.hint, hint)
    t.same(others, [])
  }
})

t.test('conditions nested too deep are refused, without a stack overflow', async t => {
  const nested = (levels: number): unknown => {
    let condition: unknown = { 'user.a': { equals: 1 } }
    for (let level = 0; level < levels; level++) condition = { not: [condition] }
    return condition
  }
  t.equal(meets(nested(MAX_CONDITION_DEPTH - 2), { user: { a: 1 } }), true)
  t.match(problemsOf(nested(MAX_CONDITION_DEPTH + 1)), [{ message: /nested deeper/ }])
  t.match(problemsOf(nested(100_000)), [{ message: /nested deeper/ }])
})
