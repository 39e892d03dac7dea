// Canonical JSON: the text that a library with the same purpose writes, and an error for what JSON cannot represent.
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { configure, stringify } from 'safe-stable-stringify'
import t from 'tap'
import { canonicalJson } from '../../src/kit/canonical-json.js'

const strict = configure({ deterministic: true, strict: true, bigint: false })

/** Values as an app may give them: JSON, and what JSON has other texts for. */
const values = fc.anything({
  maxDepth: 4,
  withDate: true,
  withNullPrototype: true,
  withSparseArray: true,
  withBigInt: true,
  key: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', '10', '9', 'a', 'B'))
}).filter(value => !hasToJson(value))

function hasToJson (value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'toJSON' in value && !(value instanceof Date)
}

function outcomeOf (work: () => string | undefined): string | undefined {
  try {
    return work()
  } catch {
    return 'refused'
  }
}

t.test('the text is that of safe-stable-stringify, and the same values are refused', async () => {
  fc.assert(fc.property(values, value => outcomeOf(() => canonicalJson(value)) === outcomeOf(() => strict(value))), { numRuns: 20_000 })
})

t.test('an object whose content JSON does not have is refused, wherever it is', async t => {
  class Hidden {
    #secret = 1
    get secret () { return this.#secret }
  }
  const opaque = fc.constantFrom<() => object>(
    () => Promise.resolve({ a: 1 }), () => new Map([['a', 1]]), () => new Set([1]), () => new Hidden(), () => new Headers({ a: '1' }),
  () => new URLSearchParams('a=1'), () => new Error('a'), () => /a/, () => new WeakMap(), () => Object(1) as object, () => new ArrayBuffer(1))
  const around = fc.letrec<{ value: (inner: unknown) => unknown }>(tie => ({
    value: fc.oneof({ maxDepth: 4 }, fc.constant((inner: unknown) => inner),
      fc.tuple(tie('value'), fc.jsonValue({ maxDepth: 2 })).map(([more, beside]) => (inner: unknown) => [beside, more(inner)]),
      fc.tuple(tie('value'), fc.jsonValue({ maxDepth: 2 })).map(([more, beside]) => (inner: unknown) => ({ beside, more: more(inner) })))
  })).value
  fc.assert(fc.property(opaque, around, (make, wrap) => {
    const written = outcomeOf(() => canonicalJson(wrap(make())))
    if (written !== 'refused') throw new Error(`written as ${written}`)
  }), { numRuns: 2_000 })
  t.equal(canonicalJson({ a: new Date(0), b: Buffer.from('x'), c: Object.create(null), d: {}, e: runInNewContext('({})') }),
    '{"a":"1970-01-01T00:00:00.000Z","b":{"data":[120],"type":"Buffer"},"c":{},"d":{},"e":{}}')
})

t.test('JSON has one text, whatever the order of names: digests of earlier versions stay valid', async () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 5 }), value => {
    const text = canonicalJson(value)
    return text === stringify(value) && text === canonicalJson(reversed(value)) && JSON.stringify(JSON.parse(text as string)) === JSON.stringify(JSON.parse(stringify(value) as string))
  }), { numRuns: 20_000 })
})

t.test('a cycle is an error', async t => {
  const value: Record<string, unknown> = {}
  value.self = { value }
  t.throws(() => canonicalJson(value), RangeError)
})

function reversed (value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(reversed)
  return Object.fromEntries(Object.entries(value).reverse().map(([name, inner]) => [name, reversed(inner)]))
}
