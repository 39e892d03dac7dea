// Two questions for a plan share a plan only if they are the same question: the cache's key is injective.
import fc from 'fast-check'
import t from 'tap'
import type { PlanQuestion } from '../../src/contract/point.js'
import { keyOfPlan, planQuestions } from '../../src/decision/plan-question.js'
import { normaliseUser } from '../../src/decision/query.js'

/** Texts that separators, quotes and unicode forms could make alike. */
const text = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'a:b', 'a b', '"', '","', '\\', '\0', '\u0001', '[]', '{}', 'null', 'none', 'stored', '1', 'é', 'e\u0301', '\ud800', '\ufffd') },
  { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 4, unit: 'binary' }) }
)
const value = fc.oneof(text, fc.constantFrom(1, 0, true, false, null), fc.array(text, { maxLength: 2 }))
const object = fc.dictionary(fc.constantFrom('a', 'b', '1', '__proto__', 'constructor'), value, { maxKeys: 2 })
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 })

/** The types are without colons, as `plan` requires. */
const question = fc.record({
  user: fc.record({ key: text, email: optional(text), attributes: optional(object) }),
  action: text,
  type: text.map(type => type.replaceAll(':', '') || 't'),
  tenant: text,
  context: optional(object),
  relations: optional(fc.array(text, { maxLength: 3 })),
  conditions: optional(fc.constantFrom('none' as const, 'stored' as const))
}).map(({ user, action, type, ...options }): PlanQuestion => planQuestions(normaliseUser(user), [action], type, options)[0] as PlanQuestion)

/** The question in full, written so that nothing can be confused: every part by itself, sorted, with its type. */
function spelledOut (value: unknown): string {
  if (Array.isArray(value)) return `list(${value.map(spelledOut).join(',')})`
  if (typeof value === 'object' && value !== null) {
    const members = Object.keys(value).sort().filter(name => (value as Record<string, unknown>)[name] !== undefined)
    return `object(${members.map(name => `${spelledOut(name)}=${spelledOut((value as Record<string, unknown>)[name])}`).join(',')})`
  }
  const written = typeof value === 'string' ? Array.from({ length: value.length }, (_, index) => value.charCodeAt(index)).join('.') : String(value)
  return `${typeof value}(${written})`
}

t.test('different questions have different keys, and equal ones the same', async t => {
  const known = new Map<string, string>()
  fc.assert(fc.property(question, asked => {
    const key = keyOfPlan(asked)
    const spelled = spelledOut(asked)
    const before = known.get(key)
    if (before !== undefined && before !== spelled) throw new Error(`one key for ${before} and ${spelled}`)
    known.set(key, spelled)
    if (keyOfPlan(structuredClone(asked)) !== key) throw new Error(`two keys for ${spelled}`)
  }), { numRuns: 3_000 })
  const sizes = [new Set(known.keys()).size, new Set(known.values()).size]
  t.equal(sizes[0], sizes[1], `${sizes[0]} keys`)
})

t.test('a question that differs in one part has another key', async t => {
  fc.assert(fc.property(question, question, fc.constantFrom('user', 'action', 'type', 'tenant', 'context', 'relations', 'conditions'), (asked, other, part) => {
    const changed = { ...asked, [part]: other[part] } as PlanQuestion
    const isSame = spelledOut(changed) === spelledOut(asked)
    if ((keyOfPlan(changed) === keyOfPlan(asked)) !== isSame) throw new Error(`${part}: ${spelledOut(asked)} and ${spelledOut(changed)}`)
  }), { numRuns: 2_000 })
  const plain = planQuestions({ key: 'ann' }, ['read'], 'task', {})[0] as PlanQuestion
  const keys = [
    plain, { ...plain, tenant: 'acme' }, { ...plain, user: { key: 'bob' } }, { ...plain, context: {} }, { ...plain, context: { a: 1 } }, { ...plain, context: { a: '1' } },
    { ...plain, relations: ['none'] }, { ...plain, conditions: 'none' as const }, { ...plain, relations: ['a', 'b'] }, { ...plain, relations: ['a,b'] },
    { ...plain, user: { key: 'ann', attributes: {} } }
  ].map(keyOfPlan)
  t.equal(new Set(keys).size, keys.length)
})

t.test('the order and repetition of relations make no other question', async t => {
  const key = (...relations: string[]) => keyOfPlan(planQuestions({ key: 'ann' }, ['read'], 'task', { relations })[0] as PlanQuestion)
  t.equal(key('a', 'b'), key('b', 'a', 'b'))
  t.equal(key(), keyOfPlan(planQuestions({ key: 'ann' }, ['read'], 'task', {})[0] as PlanQuestion))
  t.not(key('a'), key('b'))
})
