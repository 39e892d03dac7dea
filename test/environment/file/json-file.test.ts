// JSON is parsed as JSON, and everything is said of it that is said of the same text as YAML.

import t from 'tap'
import fc from 'fast-check'
import { parseJson } from '../../../src/environment/file/json-file.js'
import { syntaxErrorAt } from '../../../src/environment/file/json-places.js'
import { byPlace, type ParsedFile } from '../../../src/environment/file/parsed-file.js'
import { parseYaml } from '../../../src/environment/file/yaml-file.js'
import { PolicyError, type PolicyProblem } from '../../../src/engine/policy/problems.js'
import { assertCounted } from '../../support/counted.js'

const OPTIONS = { file: 'p', maxBytes: 1_000_000, words: { noun: 'policy', begin: 'begin', shorten: 'shorten' } }
const RUNS = Number(process.env.RUNS ?? 1_000)

type Path = ReadonlyArray<string | number>

/** Assertions that throw: a property reports the smallest document for which one does. */
interface Asserts {
  fail (message: string): never
  strictSame (found: unknown, wanted: unknown, message: string): void
  equal (found: unknown, wanted: unknown, message: string): void
}

/** A document as people and programs write it: members in a list, so that a key can be there twice, and every text in several ways. */
type Written =
  | { readonly kind: 'scalar', readonly text: string }
  | { readonly kind: 'list', readonly items: readonly Written[], readonly space: string }
  | { readonly kind: 'object', readonly members: ReadonlyArray<readonly [key: string, value: Written]>, readonly space: string }

const space = fc.constantFrom('', ' ', '\n', '\r\n', '\t', '\n  ', ' \n\t ')
const plain = fc.constantFrom('a', 'b', '__proto__', 'constructor', '', '1', '01', 'a b', ': ', '# c', '- d', '<<', 'é', '\u2028', '😀', '\ud800', '\u0085', '{', ']', ',', "'", '*x', '&x', '!t', '%', '---', 'null', 'true', '~')
const character = (text: string): fc.Arbitrary<string> => fc.constantFrom(
  JSON.stringify(text).slice(1, -1),
  Array.from(text, one => Array.from({ length: one.length }, (_, index) => `\\u${one.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')).join(''))
const quoted = fc.array(fc.oneof({ weight: 5, arbitrary: plain.chain(character) }, { weight: 1, arbitrary: fc.constantFrom('\\\\', '\\"', '\\/', '\\n', '\\t', '\\u0000', '\\ud83d\\ude00', 'a'.repeat(1100)) }), { maxLength: 3 })
  .map(parts => `"${parts.join('')}"`)
const number = fc.oneof(fc.constantFrom('0', '-0', '1e400', '-1E+3', '0.1', '1.0', '-0.0', '123456789012345678901234567890', '1e-400', '9007199254740993', '5e-324'), fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => JSON.stringify(value)))
const { written } = fc.letrec<{ written: Written }>(tie => ({
  written: fc.oneof({ depthSize: 'small', withCrossShrink: true },
    fc.oneof(quoted, number, fc.constantFrom('true', 'false', 'null')).map((text): Written => ({ kind: 'scalar', text })),
    fc.record({ kind: fc.constant('list' as const), items: fc.array(tie('written'), { maxLength: 4 }), space }),
    fc.record({ kind: fc.constant('object' as const), members: fc.array(fc.tuple(quoted, tie('written')), { maxLength: 4 }), space }))
}))

function print (value: Written): string {
  if (value.kind === 'scalar') return value.text
  const { space } = value
  if (value.kind === 'list') return `[${space}${value.items.map(print).join(`${space},${space}`)}${space}]`
  return `{${space}${value.members.map(([key, member]) => `${key}${space}:${space}${print(member)}`).join(`${space},${space}`)}${space}}`
}

const text = fc.tuple(fc.constantFrom('', '', '', '\uFEFF', '\n', ' '), written, space).map(([before, value, after]) => before + print(value) + after)

/** Paths to everything in the value, some that lead nowhere, and some with an index that is written as a key. */
function pathsIn (value: unknown, path: Path = []): Path[] {
  const parts: Array<readonly [string | number, unknown]> = Array.isArray(value) ? [...value.entries()] : typeof value === 'object' && value !== null ? Object.keys(value).map(key => [key, (value as Record<string, unknown>)[key]]) : []
  return [path, [...path, 'nowhere'], [...path, 7], ...parts.flatMap(([step, part]) => [[...path, typeof step === 'number' ? String(step) : step], ...pathsIn(part, [...path, step])])]
}

const problemAt = (path: Path): PolicyProblem => ({ path, message: path.join('/'), hint: '' })

function asYaml (text: string): ParsedFile | PolicyError {
  try {
    return parseYaml(text, OPTIONS)
  } catch (error) {
    if (error instanceof PolicyError) return error
    throw error
  }
}

/** Both say the same, or JSON says nothing. Returns whether it was JSON. */
function compare (t: Asserts, text: string): boolean {
  const json = parseJson(text, OPTIONS)
  if (json === undefined) return false
  const yaml = asYaml(text)
  const where = JSON.stringify(text)
  if (yaml instanceof PolicyError) return t.fail(`${where} is refused as YAML: ${yaml.message}`)
  t.strictSame(json.value, yaml.value, where)
  t.equal(JSON.stringify(json.value), JSON.stringify(yaml.value), where)
  t.strictSame([...json.duplicates].sort(byPlace), [...yaml.duplicates].sort(byPlace), `duplicates of ${where}`)
  const problems = pathsIn(json.value).map(problemAt)
  t.strictSame(json.locate(problems), yaml.locate(problems), `places in ${where}`)
  return true
}

const quiet: Asserts = {
  fail (message: string) { throw new Error(message) },
  strictSame (found: unknown, wanted: unknown, message: string) {
    if (JSON.stringify(found) !== JSON.stringify(wanted) || !isAlike(found, wanted)) throw new Error(`${message}\nfound  ${JSON.stringify(found)}\nwanted ${JSON.stringify(wanted)}`)
  },
  equal (found: unknown, wanted: unknown, message: string) {
    if (found !== wanted) throw new Error(`${message}: ${String(found)} instead of ${String(wanted)}`)
  }
}

function isAlike (a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return Object.is(a, b)
  const keys = Object.keys(a)
  return Object.getPrototypeOf(a) === Object.getPrototypeOf(b) && keys.length === Object.keys(b).length &&
    keys.every(key => isAlike((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
}

t.test('a random document in JSON has the value, the duplicate keys and the places that it has as YAML', async t => {
  let documents = 0
  let withDuplicates = 0
  await assertCounted(fc.property(text, text => {
    if (!compare(quiet, text)) return
    documents++
    if ((parseJson(text, OPTIONS)?.duplicates.length ?? 0) > 0) withDuplicates++
  }), { numRuns: RUNS }, runs => {
    t.ok(documents > runs / 4, `${documents} documents began with a bracket`)
    t.ok(withDuplicates > runs / 100, `${withDuplicates} had a key twice`)
  })
})

t.test('an altered document is accepted as JSON only if JSON.parse accepts it, and then has the same value as YAML', async t => {
  const mutation = fc.record({ at: fc.nat(), remove: fc.nat({ max: 2 }), insert: fc.constantFrom('', '', '{', '}', '[', ']', ',', ':', '"', '\\', '\n', '\t', '1', 'a', '#', '-', '\uFEFF', '\u0001') })
  let stillJson = 0
  await assertCounted(fc.property(text, fc.array(mutation, { minLength: 1, maxLength: 3 }), (text, mutations) => {
    const altered = mutations.reduce((text, { at, remove, insert }) => {
      const from = at % (text.length + 1)
      return text.slice(0, from) + insert + text.slice(from + remove)
    }, text)
    // A line end of old Macs is white space in JSON, and part of a text in YAML.
    if (/\r(?!\n)/.test(altered)) return
    if (compare(quiet, altered)) stillJson++
    else if (/^\uFEFF?\s*[{[]/.test(altered)) assertNotJson(altered)
  }), { numRuns: RUNS }, runs => {
    t.ok(stillJson > runs / 50, `${stillJson} were still JSON`)
  })
})

function assertNotJson (text: string): void {
  try {
    JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    return
  }
  throw new Error(`${JSON.stringify(text)} is JSON, and was not taken as such`)
}

t.test('a duplicate key is found however it is written, with the line and column of the second', async t => {
  const found = (text: string) => parseJson(text, OPTIONS)?.duplicates.map(({ path, line, column, hint }) => ({ path, line, column, hint: hint.slice(0, 24) }))
  t.strictSame(found('{"a": 1,\n "\\u0061": 2}'), [{ path: ['a'], line: 2, column: 2, hint: 'it is already on line 1:' }])
  t.strictSame(found('[{"__proto__": {},\n\n"__proto__": {}}]'), [{ path: [0, '__proto__'], line: 3, column: 1, hint: 'it is already on line 1:' }])
  t.strictSame(found('{"1": {}, "a": {"1": 0}, "1": {}}')?.length, 1, 'keys that are numbers')
  t.strictSame(found('{"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}, {"x": 1}]}'), [], 'the same key in several objects')
  t.strictSame(found('{"a:b": "c:d", "\\"": ":"}'), [], 'colons in texts are no members')
})

t.test('nesting is bounded as it is in YAML, in objects, lists and both', async t => {
  const nested = (depth: number, open: string, close: string) => `${open.repeat(depth)}1${close.repeat(depth)}`
  for (const [open, close, per] of [['[', ']', 1], ['{"a":', '}', 1], ['[{"a":', '}]', 2], ['{"a":[', ']}', 2]] as const) {
    for (const depth of [Math.floor(127 / per), Math.floor(127 / per) + 1, 100_000]) {
      const text = nested(depth, open, close)
      const json = parseJson(text, OPTIONS)
      t.equal(json !== undefined, depth * per <= 127, `${open} × ${depth}`)
      t.equal(asYaml(text) instanceof PolicyError, json === undefined, `${open} × ${depth} as YAML`)
    }
  }
  t.notOk(parseJson(`{"a": "${'['.repeat(1_000)}", "b": [${'['.repeat(1_000)}`, OPTIONS))
  t.ok(parseJson(`{"a": "${'['.repeat(1_000)}\\"${'{'.repeat(1_000)}"}`, OPTIONS), 'brackets in texts are no nesting')
})

t.test('the place where a text stops being JSON is found, wherever it is', async t => {
  fc.assert(fc.property(text.filter(text => /^\s*[{[]/.test(text)), fc.nat(), fc.constantFrom('§', '}', ',', ':', '"', '\\x', '0 0', 'nul'), (text, at, insert) => {
    const from = at % (text.length + 1)
    const altered = text.slice(0, from) + insert + text.slice(from)
    try {
      JSON.parse(altered)
    } catch {
      const offset = syntaxErrorAt(altered)
      // What was there before is not to blame, but for the text or number in which it was put.
      if (offset > altered.length) throw new Error(`${offset} is outside of ${JSON.stringify(altered)}`)
      if (!isPrefix(altered.slice(0, offset))) throw new Error(`${JSON.stringify(altered.slice(0, offset))} is wrong already`)
    }
  }), { numRuns: RUNS })
  t.equal(syntaxErrorAt('{"a": 1,}'), 8)
  t.equal(syntaxErrorAt('{"a": [1, 2'), 11)
  t.equal(syntaxErrorAt('{"a": 1} x'), 9)
  t.equal(syntaxErrorAt('{"a": 01}'), 7)
  t.equal(syntaxErrorAt('{a: 1}'), 1)
})

/** Whether something can follow that makes the text JSON: tried with what its brackets ask for. */
function isPrefix (text: string): boolean {
  const open: string[] = []
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/gs)) {
    if (token === '{' || token === '[') open.push(token === '{' ? '}' : ']')
    else if (token === '}' || token === ']') open.pop()
  }
  const close = open.reverse().join('')
  return ['', '1', '"a":1', ':1', ':1', '1'].some(middle => {
    try {
      JSON.parse(text.replace(/^\uFEFF/, '') + middle + close)
      return true
    } catch {
      return false
    }
  })
}

t.test('a document of megabytes is parsed in little more time than by JSON.parse', async t => {
  const text = JSON.stringify({ users: Object.fromEntries(Array.from({ length: 40_000 }, (_, index) => [`user${index}`, { email: `user${index}@example.com`, attributes: { level: index } }])) }, null, 2)
  const time = (work: () => unknown) => Math.min(...Array.from({ length: 5 }, () => {
    const start = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(start)
    return (user + system) / 1_000
  }))
  const plain = time(() => JSON.parse(text))
  const checked = time(() => parseJson(text, { ...OPTIONS, maxBytes: 10_000_000 }))
  t.ok(checked < 4 * plain + 20, `${checked} ms, JSON.parse ${plain} ms`)
})
