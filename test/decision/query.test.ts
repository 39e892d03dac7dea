// Promise 3: the key of a query is injective, and what is asked is what the wire carries.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import type { FastifyRequest } from 'fastify'
import { compileAnnotation, type AskPermission } from '../../src/guard/compile-annotation.js'
import { createQuery, normaliseUser, type Question, type ContextInput, type ResourceInput, type UserInput } from '../../src/decision/query.js'
import { Keys } from '../../src/decision/cache-key.js'

type Parts = [UserInput, string, ResourceInput, string?, ContextInput?]
const keyOf = (parts: Parts) => createQuery(...parts).key

t.test('a resource as a string is split at the first colon', async t => {
  t.same(createQuery('u', 'a', 'task').resource, { type: 'task', key: undefined, tenant: 'default' })
  t.same(createQuery('u', 'a', 'task:1:2').resource, { type: 'task', key: '1:2', tenant: 'default' })
})

t.test('equal queries have equal keys, however they are written', async t => {
  t.equal(keyOf(['u', 'a', 'task:1']), keyOf([{ key: 'u' }, 'a', { type: 'task', key: '1' }]))
  t.equal(keyOf(['u', 'a', 'task']), keyOf(['u', 'a', 'task', 'default']))
  t.equal(keyOf(['u', 'a', 'task', 'x']), keyOf(['u', 'a', { type: 'task', tenant: 'x' }, 'y']))
  t.equal(
    keyOf(['u', 'a', { type: 'task', attributes: { a: 1, b: { c: 2, d: 3 } } }]),
    keyOf(['u', 'a', { type: 'task', attributes: { b: { d: 3, c: 2 }, a: 1 } }]))
  t.equal(keyOf(['u', 'a', 'task', undefined, { a: undefined }]), keyOf(['u', 'a', 'task', undefined, {}]))
})

t.test('queries that look alike have different keys', async t => {
  const alike: Parts[] = [
    ['u', 'a', 'task'],
    ['u', 'a', 'task:1'],
    ['u', 'a', 'task:1:'],
    ['ua', '-', 'task'],
    ['u', 'at', 'ask'],
    ['u', 'a', 'task', 'tenant'],
    ['u', 'a', 'task:tenant'],
    ['u', 'a', { type: 'task', key: '-' }],
    ['u', 'a', { type: 'task', key: 'default' }],
    ['u', 'a', { type: 'task', attributes: {} }],
    ['u', 'a', { type: 'task', attributes: { n: 1 } }],
    ['u', 'a', { type: 'task', attributes: { n: '1' } }],
    ['u', 'a', { type: 'task', attributes: { n: null } }],
    ['u', 'a', { type: 'task', attributes: { n: [1] } }],
    ['u', 'a', { type: 'task', attributes: { n: { 0: 1 } } }],
    ['u', 'a', 'task', undefined, { n: 1 }],
    [{ key: 'u', attributes: { n: 1 } }, 'a', 'task'],
    [{ key: 'u', attributes: {} }, 'a', 'task'],
    [{ key: 'u', email: 'e' }, 'a', 'task'],
    [{ key: 'u', firstName: 'e' }, 'a', 'task'],
    [{ key: 'u', lastName: 'e' }, 'a', 'task'],
    ['\u00e9', 'a', 'task'],
    ['e\u0301', 'a', 'task'],
    ['\ud800', 'a', 'task'],
    ['\ufffd', 'a', 'task'],
    ['1:u', 'a', 'task'],
    ['u1:a', 'a', 'task'],
    ['__proto__', 'a', 'task'],
    ['u', '__proto__', 'task'],
    ['u', 'a', { type: 'task', attributes: JSON.parse('{"__proto__":{"n":1}}') }]
  ]
  t.equal(new Set(alike.map(keyOf)).size, alike.length)
})

const hostile = fc.oneof(
  fc.string({ minLength: 1, unit: 'binary' }),
  fc.stringMatching(/^[-:0-9"{},a\\]{1,8}$/),
  fc.constantFrom('1:a', '-', '--', '2:{}', '__proto__', 'default', '\ud83d', 'é', 'é', '1', 'true', 'null'))
const attributes = fc.option(fc.dictionary(hostile, fc.oneof(fc.jsonValue({ maxDepth: 2 }), hostile) as fc.Arbitrary<unknown>, { maxKeys: 3 }), { nil: undefined })
const parts: fc.Arbitrary<Parts> = fc.tuple(
  fc.oneof(hostile, fc.record({ key: hostile, email: fc.option(hostile, { nil: undefined }), attributes })),
  hostile,
  fc.record({ type: hostile.filter(type => !type.includes(':')), key: fc.option(hostile, { nil: undefined }), tenant: fc.option(hostile, { nil: undefined }), attributes }),
  fc.option(hostile, { nil: undefined }),
  attributes)

/** The question, independent of the code under test: its wire form with names sorted. */
function canonicalQuestion ([user, action, resource, tenant, context]: Parts): string {
  const who = typeof user === 'string' ? { key: user } : user
  const what = resource as { tenant?: string }
  return JSON.stringify(sortNames({ who, action, what: { ...what, tenant: what.tenant ?? tenant ?? 'default' }, context }))
}

function sortNames (value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sortNames)
  // Pairs instead of an object: __proto__ and integer-like names would not survive as they are.
  return Object.keys(value).filter(name => (value as Record<string, unknown>)[name] !== undefined).sort()
    .map(name => [name, sortNames((value as Record<string, unknown>)[name])])
}

t.test('two queries have the same key exactly when they are the same query', async t => {
  fc.assert(fc.property(parts, parts, (a, b) => {
    return (keyOf(a) === keyOf(b)) === (canonicalQuestion(a) === canonicalQuestion(b))
  }), { numRuns: 5_000 })
  // Pairs that differ in little are the dangerous ones: all keys of a crowd of questions at once.
  fc.assert(fc.property(fc.array(parts, { minLength: 20, maxLength: 40 }), crowd => {
    return new Set(crowd.map(keyOf)).size === new Set(crowd.map(canonicalQuestion)).size
  }), { numRuns: 300 })
  // And the same text cut at every place: user|action|type|key.
  fc.assert(fc.property(fc.stringMatching(/^[-0-9a:]{4,9}$/), text => {
    const cuts: Parts[] = []
    for (let i = 1; i < text.length - 2; i++) {
      for (let j = i + 1; j < text.length - 1; j++) {
        for (let k = j + 1; k < text.length; k++) {
          const type = text.slice(j, k)
          if (!type.includes(':')) cuts.push([text.slice(0, i), text.slice(i, j), { type, key: text.slice(k) }])
        }
      }
    }
    return new Set(cuts.map(keyOf)).size === cuts.length
  }), { numRuns: 1_000 })
  t.pass('5,000 pairs, 300 crowds, 1,000 texts cut everywhere')
})

t.test('no two queries with texts that look like boundaries have the same key', async t => {
  const keys = new Set<string>()
  let count = 0
  for (const user of ['u', 'u-', 'u---', '1:u', { key: 'u', email: '-' }, { key: 'u', email: 'e' }]) {
    for (const action of ['a', 'a:t', '1:a', 'a-', '-', 'a:t:k']) {
      for (const type of ['t', 'k', 't-', '-', '1', 'k-']) {
        for (const key of [undefined, 'k', 'k-', '-', 't', 'k:d', 'k-:d', '1:t']) {
          for (const tenant of ['d', 'k:d', '-:d', 'd-', '1:d']) {
            keys.add(keyOf([user, action, { type, key, tenant }]))
            count++
          }
        }
      }
    }
  }
  t.equal(keys.size, count)
})

t.test('a long key is hashed, and still unique', async t => {
  const long = 'x'.repeat(10_000)
  const keys = [long, long + 'y', long + '\ud800', long + '\ufffd', long + '\udc00'].map(key => keyOf(['u', 'a', { type: 'task', key }]))
  t.equal(new Set(keys).size, keys.length)
  for (const key of keys) t.ok(key.length < 100)
  t.equal(keyOf(['u', 'a', { type: 'task', key: long }]), keys[0])
})

const units = fc.array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff }), fc.integer({ min: 0x2d, max: 0x3a })), { minLength: 470, maxLength: 560 })

t.test('queries near the length at which keys are hashed differ by a single code unit', async t => {
  const places: ((text: string) => Parts)[] = [
    text => [text, 'a', 'task'],
    text => [{ key: 'u', lastName: text }, 'a', 'task'],
    text => ['u', text, 'task'],
    text => ['u', 'a', { type: 'task', key: text }],
    text => ['u', 'a', 'task', text],
    text => ['u', 'a', { type: 'task', attributes: { name: text } }],
    text => ['u', 'a', 'task', undefined, { [text]: 1 }]
  ]
  fc.assert(fc.property(units, fc.nat(), fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(...places), (codes, at, code, place) => {
    const text = String.fromCharCode(...codes)
    const other = String.fromCharCode(...codes.map((old, index) => index === at % codes.length ? code : old))
    return (keyOf(place(text)) === keyOf(place(other))) === (text === other)
  }), { numRuns: 2_000 })
  // And a boundary that moves by one in a text that stays.
  fc.assert(fc.property(units, fc.integer({ min: 1, max: 460 }), (codes, at) => {
    const text = String.fromCharCode(...codes)
    const cut = (place: number): Parts => [text.slice(0, place), text.slice(place), 'task']
    return keyOf(cut(at)) !== keyOf(cut(at + 1))
  }), { numRuns: 1_000 })
  t.pass('2,000 pairs, 1,000 boundaries')
})

t.test('the queries of an annotation and of the app have the same key exactly when they are the same query', async t => {
  // One shares the other's remembered decision, though their keys are put together in different places.
  const text = fc.oneof(fc.stringMatching(/^[-0-9a]{1,3}$/), fc.constantFrom('default', 'a', '1'))
  const question = fc.record({ user: text, action: text, type: text, key: fc.option(text, { nil: undefined }), tenant: fc.option(text, { nil: undefined }), context: fc.option(fc.constantFrom({}, { a: 1 }, { a: '1' }), { nil: undefined }) })
  fc.assert(fc.property(question, question, (annotated, asked) => {
    const { action, type, key, tenant, context } = annotated
    const compiled = compileAnnotation({ action, resource: { type, key }, tenant, context }, undefined) as { ask: AskPermission<FastifyRequest> }
    const guards = compiled.ask({} as FastifyRequest, { key: annotated.user }) as Question
    const apps = ({ user, action, type, key, tenant, context }: typeof asked) => createQuery(user, action, { type, key, tenant }, undefined, context)
    const same = JSON.stringify({ ...annotated, tenant: tenant ?? 'default' }) === JSON.stringify({ ...asked, tenant: asked.tenant ?? 'default' })
    return guards.key === apps(annotated).key && (guards.key === apps(asked).key) === same
  }), { numRuns: 2_000 })
  t.pass('2,000 pairs')
})

t.test('a key that an annotation caches for a user is never used for another user', async t => {
  const resource = { type: 'task', tenant: 'default' }
  const user = fc.oneof(hostile, fc.record({ key: hostile, email: fc.option(hostile, { nil: undefined }), firstName: fc.option(hostile, { nil: undefined }), lastName: fc.option(hostile, { nil: undefined }), attributes }))
  fc.assert(fc.property(fc.array(user, { minLength: 2, maxLength: 12 }), crowd => {
    const keys = new Keys('a', resource, undefined)
    // Each once more with the key alone, and all of them twice: now and as they are remembered.
    const all = crowd.flatMap(one => [one, typeof one === 'string' ? { key: one, email: 'e' } : one.key])
    return [...all, ...all].every(one => keys.of(normaliseUser(one)) === createQuery(one, 'a', 'task').key)
  }), { numRuns: 2_000 })

  const keys = new Keys('a', resource, undefined)
  const many = Array.from({ length: 3_000 }, (_, index) => index % 7 === 0 ? `${'x'.repeat(200 + index)}${index}` : `user${index}`)
  for (const one of [...many, ...many.toReversed()]) {
    if (keys.of({ key: one }) !== createQuery(one, 'a', 'task').key) t.fail(one)
  }
  t.pass('2,000 crowds, 3,000 users')
})

t.test('the cached keys of an annotation do not keep the header of the request in memory', async t => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const header = 20_000
  const keys = new Keys('a', { type: 'task', tenant: 'default' }, undefined)
  collect()
  const before = process.memoryUsage().heapUsed
  for (let index = 0; index < 1_000; index++) {
    const text = `${'x'.repeat(header)}${Math.random()}`
    // Looked into, so that it is a text of its own, as what came from a socket is.
    Buffer.from(text)
    keys.of({ key: text.slice(header) })
  }
  collect()
  const kept = (process.memoryUsage().heapUsed - before) / 1_000
  t.ok(kept < header / 10, `${Math.round(kept)} bytes for each user`)
  t.equal(keys.of({ key: 'ann' }), createQuery('ann', 'a', 'task').key)
})

t.test('a query copies the attributes: later changes do not matter', async t => {
  const attributes = { level: 1, deep: { list: [1] } }
  const query = createQuery({ key: 'u', attributes }, 'a', { type: 'task', attributes }, undefined, attributes)
  attributes.level = 2
  attributes.deep.list.push(2)
  const expected = { level: 1, deep: { list: [1] } }
  t.same(query.user.attributes, expected)
  t.same(query.resource.attributes, expected)
  t.same(query.context, expected)
})

t.test('values that JSON changes are sent as JSON changes them', async t => {
  const query = createQuery('u', 'a', 'task', undefined, { at: new Date(0), gone: undefined, zero: -0 })
  t.same(query.context, { at: '1970-01-01T00:00:00.000Z', zero: 0 })
})

t.test('an invalid query is refused, without quoting attribute values', async t => {
  const cyclic: Record<string, unknown> = { password: 'hunter2' }
  cyclic.self = cyclic
  let deep: Record<string, unknown> = {}
  for (let i = 0; i < 100_000; i++) deep = { deep }
  const wrong: unknown[][] = [
    [undefined, 'a', 'task'], [null, 'a', 'task'], ['', 'a', 'task'], [7, 'a', 'task'], [{}, 'a', 'task'], [{ key: 7 }, 'a', 'task'], [{ key: 'u', email: 7 }, 'a', 'task'],
    ['u', '', 'task'], ['u', undefined, 'task'], ['u', 7, 'task'],
    ['u', 'a', ''], ['u', 'a', undefined], ['u', 'a', null], ['u', 'a', 7], ['u', 'a', ':'], ['u', 'a', 'task:'], ['u', 'a', ':1'], ['u', 'a', {}],
    ['u', 'a', { type: '' }], ['u', 'a', { type: 'a:b' }], ['u', 'a', { type: 'task', key: '' }], ['u', 'a', { type: 'task', key: 7 }], ['u', 'a', { type: 'task', tenant: '' }],
    ['u', 'a', { type: 'task', tenant: ['x'] }], ['u', 'a', 'task', ''], ['u', 'a', 'task', 7],
    ['u', 'a', 'task', undefined, []], ['u', 'a', 'task', undefined, 'x'], ['u', 'a', 'task', undefined, { n: NaN }], ['u', 'a', 'task', undefined, { n: 1n }],
    ['u', 'a', 'task', undefined, { f () {} }], ['u', 'a', 'task', undefined, cyclic], ['u', 'a', 'task', undefined, deep],
    ['u', 'a', 'task', undefined, { toJSON: () => 'text' }], [{ key: 'u', attributes: 'hunter2' }, 'a', { type: 'task', attributes: [cyclic] }]
  ]
  for (const parts of wrong) {
    t.throws(() => createQuery(...parts as Parts), { code: 'FST_PERMIT_QUERY', message: /^(?!.*hunter2)/ })
  }
})
