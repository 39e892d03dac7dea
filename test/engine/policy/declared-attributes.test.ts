// Conditions keep to the attributes that a policy declares: what is refused could never have decided anything.
import fc from 'fast-check'
import t from 'tap'
import { COMPARISON_OPERATORS, compileCondition, type AttributeSource } from '../../../src/engine/decide/conditions.js'
import { Members } from '../../../src/engine/decide/values.js'
import { WorkBudget } from '../../../src/engine/decide/work-budget.js'
import { compilePolicy } from '../../../src/engine/policy/compile-policy.js'
import { PolicyError, type PolicyProblem } from '../../../src/engine/policy/problems.js'
import { parsePolicy } from '../../support/parse-policy.js'
import permit, { type Policy } from '../../../src/index.js'
import { fastifyFor } from '../../support/app.js'
import { pdpFor } from '../../server/support.js'
import { assertCounted } from '../../support/counted.js'

function problemsOf (policy: Policy): readonly PolicyProblem[] {
  try {
    compilePolicy(policy, { strict: true })
    return []
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    return error.problems
  }
}

const attributes = {
  secret: { type: 'bool' },
  level: { type: 'number' },
  owner: { type: 'string' },
  due: { type: 'time' },
  tags: { type: 'array' },
  meta: { type: 'json' },
  address: { type: 'object' },
  parts: { type: 'object_array' }
} as const

const withSets = (resource: Record<string, unknown>, user: Record<string, unknown> = { allOf: [] }, more: Partial<Policy> = {}): Policy => ({
  resources: { doc: { actions: { read: {} }, attributes }, note: { actions: { read: {} } } },
  user_attributes: { age: { type: 'number' } },
  tenant_attributes: { plan: { type: 'string' } },
  resource_sets: { set: { resource: 'doc', conditions: resource } },
  user_sets: { people: { conditions: user } },
  ...more
})

/** A condition on a resource, the message, and the hint. */
const WRONG: ReadonlyArray<readonly [condition: Record<string, unknown>, message: RegExp, hint: RegExp]> = [
  [{ 'resource.secrt': { equals: true } }, /'resource\.secrt' is not declared/, /did you mean 'secret'/],
  [{ 'resource.secret': { equals: 'no' } }, /declared as bool, and this value is not/, /true or false, without quotes/],
  [{ 'resource.level': { 'less-than': '3' } }, /declared as number/, /a number, without quotes/],
  [{ 'resource.owner': { equals: 7 } }, /declared as string/, /in quotes/],
  [{ 'resource.level': { contains: 'x' } }, /'contains' cannot compare that/, /write one of equals/],
  [{ 'resource.secret': { 'less-than': 3 } }, /'less-than' cannot compare that/, /equals, not-equals, in/],
  [{ 'resource.level': { in: [1, '2'] } }, /declared as number/, /a list of values, each a number/],
  [{ 'resource.level': { between: ['a', 'b'] } }, /declared as number/, /each a number/],
  [{ 'resource.tags': { equals: 'red' } }, /declared as array/, /a list/],
  [{ 'resource.tags': { contains: 'red' } }, /'contains'/, /array_contains/],
  [{ 'resource.owner': { equals: { ref: 'user.agee' } } }, /'user\.agee' is not declared/, /did you mean 'age'/],
  [{ 'resource.owner': { equals: { ref: 'user.age' } } }, /declared as string, and 'user\.age' as number/, /one type/],
  [{ 'resource.level': { equals: { ref: 'user.key' } } }, /'user\.key' as string/, /one type/],
  [{ 'resource.secret.deep': { equals: true } }, /reads a part of 'secret'/, /declare it as object/],
  [{ 'user.emial': { equals: 'x' } }, /'user\.emial' is not declared/, /did you mean 'email'/],
  [{ 'tenant.plam': { equals: 'x' } }, /'tenant\.plam' is not declared/, /did you mean 'plan'/],
  [{ 'subject.agee': { equals: 1 } }, /'subject\.agee' is not declared/, /did you mean 'age'/],
  [{ anyOf: [{ 'resource.level': { not: [{ equals: 'x' }] } }] }, /declared as number/, /a number/],
  [{ not: { 'resource.secrt': { equals: true } } }, /is not declared/, /secret/]
]

t.test('an undeclared attribute or a value of another type is a problem, with its place and the most similar name', async t => {
  for (const [condition, message, hint] of WRONG) {
    const problems = problemsOf(withSets(condition))
    t.equal(problems.length, 1, JSON.stringify(condition))
    t.match(problems[0], { message, hint, path: ['resource_sets', 'set', 'conditions'] })
  }
  t.match(problemsOf(withSets({ allOf: [] }, { 'user.agee': { equals: 1 } })), [{ path: ['user_sets', 'people', 'conditions', 'user.agee'], hint: /age/ }])
})

t.test('declared attributes of the right type, and built-in ones, are no problem', async t => {
  for (const condition of [
    { 'resource.secret': { equals: true } }, { 'resource.secret': { in: [true, null] } }, { 'resource.level': { between: [1, 2], 'not-equals': 3 } },
    { 'resource.due': { 'greater-than': '2026-01-01' } }, { 'resource.due': { 'less-than': 17 } }, { 'resource.tags': { array_contains: 'red' } },
    { 'resource.parts': { any_match: { match: { weight: { equals: 1 } } } } }, { 'resource.meta': { 'less-than': 1 } }, { 'resource.meta.deep.er': { contains: 'x' } },
    { 'resource.address.city': { equals: 7 } }, { 'resource.type': { equals: 'doc' } }, { 'resource.owner': { equals: { ref: 'user.key' } } },
    { 'resource.level': { equals: { ref: 'user.age' } } }, { 'resource.owner': { in: { ref: 'user.roles' } } }, { 'user.roles': { array_contains: 'admin' } },
    { 'user.tenants': { array_contains: { ref: 'tenant.plan' } } }, { 'context.anything': { equals: 'x' } }, { 'resource.owner': { equals: { ref: 'context.who' } } },
    { 'resource.owner': { equals: null } }, { allOf: [] }
  ]) t.same(problemsOf(withSets(condition)), [], JSON.stringify(condition))
})

t.test('without declarations, any attribute can be used', async t => {
  const conditions = { allOf: [{ 'resource.secrt': { equals: 'no' } }, { 'user.agee': { equals: 1 } }, { 'tenant.plam': { equals: 1 } }] }
  t.same(problemsOf(withSets({ allOf: [] }, conditions, { user_attributes: {}, tenant_attributes: {}, resource_sets: { set: { resource: 'note', conditions } } })), [])
  t.same(problemsOf(withSets({ allOf: [] }, { 'resource.secrt': { equals: 'no' } })), [], 'a user set is about no type')
})

const VALUES: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  bool: fc.boolean(),
  number: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ noNaN: true })),
  string: fc.oneof(fc.constantFrom('', 'a', 'ab', '1', 'true'), fc.string()),
  time: fc.oneof(fc.integer(), fc.constantFrom('2026-01-01', '2026-01-01T00:00:00Z')),
  array: fc.array(fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom('a', 'b'))),
  object_array: fc.array(fc.record({ a: fc.integer({ min: 0, max: 3 }) })),
  object: fc.dictionary(fc.constantFrom('a', 'b'), fc.integer({ min: 0, max: 3 }))
}

/** Whether a value passes a test, as decisions say. */
function passes (test: Record<string, unknown>, value: unknown): boolean {
  const problems: PolicyProblem[] = []
  const predicate = compileCondition({ 'resource.x': test }, [], problems)
  if (problems.length > 0) throw new Error('malformed')
  const source: AttributeSource = {
    work: new WorkBudget(), lookup: () => value, now: undefined, changesAt () {}, members: list => new Members(list), only: one => new Members([one])
  }
  return predicate(source)
}

t.test('a comparison that is refused decides the same for every value of the declared type', async t => {
  let refused = 0
  const literal = fc.oneof(fc.boolean(), fc.integer({ min: -3, max: 3 }), fc.constantFrom('', 'a', 'ab', '1', 'no'), VALUES['array'] as fc.Arbitrary<unknown>, VALUES['object'] as fc.Arbitrary<unknown>)
  await assertCounted(fc.property(
    fc.constantFrom(...Object.keys(VALUES)), fc.constantFrom(...COMPARISON_OPERATORS.map(({ key }) => key)), literal, fc.context(),
    (type, operator, given, context) => {
      const value = operator === 'in' || operator.startsWith('array_s') || operator === 'array_intersect' ? [given] : operator === 'between' ? [given, given] : given
      const test = { [operator]: value }
      const problems = problemsOf({
        resources: { doc: { actions: { read: {} }, attributes: { x: { type: type as 'bool' } } } }, resource_sets: { set: { resource: 'doc', conditions: { 'resource.x': test } } }
      })
      if (problems.length === 0 || problems.some(({ message }) => !message.includes('declared'))) return
      refused++
      context.log(JSON.stringify(test))
      const outcomes = new Set(fc.sample(VALUES[type] as fc.Arbitrary<unknown>, 30).map(value => passes(test, value)))
      if (outcomes.size !== 1) throw new Error(`${type}: ${JSON.stringify(test)} is refused, and says yes to some and no to others`)
    }
  ), { numRuns: 3_000 }, () => {
    t.ok(refused > 250, `${refused} were refused`)
  })
})

t.test('a file is refused with the line, and an object at the start of the app; Permit\'s API is less strict', async t => {
  const text = `resources:
  doc: { actions: { read: {} }, attributes: { secret: { type: bool } } }
resource_sets:
  open:
    resource: doc
    conditions:
      allOf:
        - resource.secrt: { equals: "no" }
        - resource.secret: { equals: "no" }
`
  t.throws(() => parsePolicy(text, { file: 'permit.yaml' }), {
    message: /permit\.yaml:8:.*'resource\.secrt' is not declared — did you mean 'secret'\?[^]*permit\.yaml:9:.*declared as bool, and this value is not — write true or false, without quotes/
  })
  const policy = withSets({ 'resource.secrt': { equals: true } })
  const app = fastifyFor(t)
  app.register(permit, { policy })
  await t.rejects(async () => { await app.ready() }, { code: 'FST_PERMIT_POLICY', message: /'resource\.secrt' is not declared/ })

  const { post } = await pdpFor(t, { policy: withSets({ allOf: [] }) })
  const answer = await post('/v2/schema/default/default/condition_sets', { key: 'x', name: 'x', type: 'resourceset', resource_id: 'doc', conditions: { 'resource.secrt': { equals: true } } })
  t.equal(answer.status, 200)
})
