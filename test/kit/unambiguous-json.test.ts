// JSON says one thing to everybody who reads it: a name that is twice in an object is refused, by the app and by the local PDP.
import fc from 'fast-check'
import t from 'tap'
import { readJson } from '../../src/kit/read-json.js'
import { readUnambiguousJson } from '../../src/kit/unambiguous-json.js'
import permit from '../../src/index.js'
import { createLocalPdp } from '../../src/server/index.js'
import { runSync } from '../../src/kit/time-slices.js'
import { parseJson } from '../../src/server/http/incremental-json.js'
import { fastifyFor, optionsFor, pdpFor } from '../support/app.js'

/** A name in one of its spellings. */
const spell = (name: string, isEscaped: boolean): string => isEscaped
  ? `"${Array.from({ length: name.length }, (_, index) => `\\u${name.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')}"`
  : JSON.stringify(name)

/** A text of JSON, and whether an object in it has a name twice. */
interface Written { readonly text: string, readonly isTwice: boolean }

const scalar = fc.constantFrom('null', 'true', '-1.5e-7', '""', '":"', '"{\\"a\\":1}"', '"\\\\"').map((text): Written => ({ text, isTwice: false }))
const member = (value: fc.Arbitrary<Written>) =>
  fc.record({ name: fc.constantFrom('a', 'allow', '', '__proto__', 'constructor', '0', ':', '"', '\\', '\n'), isEscaped: fc.boolean(), value })
const { value: texts } = fc.letrec<{ value: Written }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }).map(items => ({ text: `[${items.map(({ text }) => text).join(', ')}]`, isTwice: items.some(({ isTwice }) => isTwice) })),
    fc.array(member(tie('value')), { maxLength: 4 }).map(members => ({
      text: `{${members.map(({ name, isEscaped, value }) => `${spell(name, isEscaped)} :${value.text}`).join(',')}}`,
      isTwice: new Set(members.map(({ name }) => name)).size < members.length || members.some(({ value }) => value.isTwice)
    }))
  )
}))

const read = (parse: () => unknown): { value: unknown } | 'twice' => {
  try {
    return { value: parse() }
  } catch (error) {
    if ((error as Error).name === 'DuplicateNameError') return 'twice'
    throw error
  }
}

t.test('a text is refused exactly when an object in it has a name twice, whole and in pieces', t => {
  let [accepted, refused] = [0, 0]
  const property = fc.property(texts, fc.integer({ min: 1, max: 20 }), ({ text, isTwice }, piece) => {
    // Not JSON.parse, which takes one name for another since V8 12.8 (kit/read-json).
    for (const result of [read(() => readUnambiguousJson(text)), read(() => runSync(parseJson(text, 64, piece)))]) {
      if ((result === 'twice') !== isTwice) throw new Error(`${text} in pieces of ${piece} was ${JSON.stringify(result)}`)
      if (result !== 'twice' && JSON.stringify(result.value) !== JSON.stringify(readJson(text))) throw new Error(`${text} was read as another value`)
    }
    if (isTwice) refused++
    else accepted++
  })
  const examples: Array<[Written, number]> = [
    [{ text: '{"a":1,"b":[{"\\u0061":1}]}', isTwice: false }, 3], [{ text: '{"a":[1,2,3],"b":{},"a":[]}', isTwice: true }, 3],
    [{ text: '[{"a":{"a":1,"a":1}}]', isTwice: true }, 1]
  ]
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2_000, examples }))
  t.ok(accepted > 0 && refused > 0)
  t.end()
})

t.test('an answer of a PDP that says two things is no decision, in whatever order it says them and however it spells them', async t => {
  let answer = ''
  const pdp = await pdpFor(t, {
    intercept ({ url }, response) {
      if (url !== '/allowed' && !url.startsWith('/access/')) return false
      response.writeHead(200, { 'content-type': 'application/json' }).end(answer)
      return true
    }
  })
  for (const [protocol, word] of [['permit', 'allow'], ['authzen', 'decision']] as const) {
    const app = fastifyFor(t)
    await app.register(permit, optionsFor(pdp, {
      protocol, retries: 0, breaker: false, user: () => 'ann', ...protocol === 'authzen' ? { authzen: { discovery: false } } : {}
    }))
    app.get(`/${protocol}`, { config: { permit: 'task:read' } }, async () => 'in')
    const statusFor = async (text: string) => {
      answer = text
      return (await app.inject(`/${protocol}`)).statusCode
    }
    t.equal(await statusFor(`{"${word}":true}`), 200)
    for (const [first, second] of [[false, true], [true, false], [true, true]]) {
      for (const spelling of [`"${word}"`, spell(word, true)]) {
        t.equal(await statusFor(`{"${word}":${first},${spelling}:${second}}`), 503, `${first}, ${spelling}: ${second}`)
      }
    }
    t.equal(await statusFor(`{"${word}":true,"context":{"a":1,"a":2},"debug":{"a":1,"a":2}}`), 503)
  }
})

t.test('a question to the local PDP that names two users is refused, short and long', async t => {
  const local = createLocalPdp({
    token: 'test-token',
    policy: {
      resources: { task: { actions: { read: {} } } },
      roles: { admin: { permissions: ['task:read'] } },
      users: { ann: {}, bob: {} },
      role_assignments: [{ user: 'ann', role: 'admin', tenant: 'default' }]
    }
  })
  t.teardown(() => local.close())
  const ask = async (url: string, payload: string) =>
    local.inject({ method: 'POST', url, payload, headers: { authorization: 'Bearer test-token', 'content-type': 'application/json' } })
  const rest = '"action":"read","resource":{"type":"task","tenant":"default"}'
  t.match((await ask('/allowed', `{"user":{"key":"ann"},${rest}}`)).json(), { allow: true })
  for (const padding of ['', `"context":{"a":"${'x'.repeat(70_000)}"},`]) {
    for (const users of ['"user":{"key":"bob"},"user":{"key":"ann"}', '"user":{"key":"bob","key":"ann"}', '"user":{"key":"bob"},"\\u0075ser":{"key":"ann"}']) {
      const { statusCode, body } = await ask('/allowed', `{${padding}${users},${rest}}`)
      t.equal(statusCode, 422)
      t.match(body, /has a name twice/)
    }
  }
})
