// JSON says what is written in it, whatever was read before it.
import fc from 'fast-check'
import t from 'tap'
import { readJson } from '../../src/kit/read-json.js'

const names = fc.oneof(
  fc.constantFrom('', '\\', '\n', '"', '/', 'a', 'a\\', 'a"', 'a\n', '\\u006', 'admin', '\\n', '__proto__', 'toString', '\u2028', '\ud800', '0'),
  fc.string({ unit: 'binary', maxLength: 3 })
)

/** A value, and the texts that say it: with the escape sequences that JSON.stringify writes, and with as many as there can be. */
const { value: values } = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.oneof(fc.constantFrom(null, true, false, 0, -1.5e-7, '', '\\', '":'), names),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(names, tie('value')), { maxLength: 4 }).map(entries => Object.fromEntries(entries))
  )
}))

function written (value: unknown, text: (text: string) => string, blank: string): string {
  if (typeof value === 'string') return text(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const between = `${blank},${blank}`
  if (Array.isArray(value)) return `[${blank}${value.map(item => written(item, text, blank)).join(between)}${blank}]`
  return `{${blank}${Object.entries(value).map(([name, member]) => `${text(name)}${blank}:${blank}${written(member, text, blank)}`).join(between)}${blank}}`
}

const escaped = (text: string): string => `"${Array.from({ length: text.length }, (_, index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')}"`

/** Names in their order, and prototypes, included. */
function isAlike (a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return Object.is(a, b)
  const [entries, others] = [Object.entries(a), Object.entries(b)]
  return Object.getPrototypeOf(a) === Object.getPrototypeOf(b) && Array.isArray(a) === Array.isArray(b) && entries.length === others.length &&
    entries.every(([name, value], index) => name === others[index]?.[0] && isAlike(value, others[index]?.[1]))
}

t.test('a value is read from each text that says it', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(values, fc.constantFrom('', ' ', '\r\n\t'), (value, blank) => {
    for (const text of [JSON.stringify, escaped]) if (!isAlike(readJson(`${blank}${written(value, text, blank)}${blank}`), value)) return false
    return true
  }), { numRuns: 3_000 }))
})

t.test('a name is read as it is written, after a text whose name is the beginning of what is written', async t => {
  for (const name of ['\n', '"', 'a\n', 'a"b', 'role\t', 'admin', 'a/b', '\u0001']) {
    for (const literal of [JSON.stringify(name), escaped(name)]) {
      const begin = literal.slice(1, 1 + name.length)
      for (const before of ['', '"h":0,', '"h":[],"i":{},']) {
        readJson(`{${before}${JSON.stringify(begin)}:0}`)
        const names = Object.keys(readJson(`{${before}${literal}:0}`) as object)
        t.equal(names.at(-1), name, `${literal} after ${JSON.stringify(begin)}`)
      }
    }
  }
})

t.test('of a name that is there twice, the last one counts', async t => {
  t.same(readJson('{"\\u0061":1,"b":2,"a":3}'), { a: 3, b: 2 })
})

t.test('what is not JSON is refused with the error of JSON.parse', async t => {
  t.doesNotThrow(() => fc.assert(fc.property(values, fc.nat(), fc.constantFrom('', '"', '\\', '{', '}', ',', ':', '\\u12'), (value, place, piece) => {
    const text = written(value, escaped, ' ')
    const at = place % (text.length + 1)
    const altered = text.slice(0, at) + piece + text.slice(at + 1)
    const outcome = (parse: (text: string) => unknown): string => {
      try {
        parse(altered)
        return 'parsed'
      } catch (error) {
        return String(error)
      }
    }
    return outcome(readJson) === outcome(text => JSON.parse(text))
  }), { numRuns: 2_000 }))
  for (const text of ['', '\\', '"\\', '{"\\', '{"a\\"', '{"\\u0061":', '{"\\u0061":1', '{"\\u0061":1}}']) t.throws(() => readJson(text), SyntaxError, text)
})

t.test('a text of many escape sequences is read in the time of its length', async t => {
  for (const text of [`"${'\\n'.repeat(500_000)}"`, `["${'\\"'.repeat(500_000)}",{"\\n":1}]`, `[${'"\\n" ,'.repeat(150_000)}{}]`]) {
    const { user } = process.cpuUsage()
    readJson(text)
    const { user: after } = process.cpuUsage()
    t.ok(after - user < 2_000_000, `${after - user} µs`)
  }
})
