// Questions that make a batch fail: they are found, sent by themselves, and cost the others little; what no PDP takes is not sent.
import fc from 'fast-check'
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import { BatchLimit } from '../../src/decision/stages/batch-limit.js'
import { unsendable } from '../../src/pdp/sendable-queries.js'
import { fastifyFor, logSink, optionsFor, pdpFor } from '../support/app.js'
import { authzenPdpFor } from '../support/authzen-pdp.js'
import { sendJson, type WireQuestion } from '../support/fake-pdp.js'

const keyOf = (question: WireQuestion) => question.resource.key ?? ''

async function start (t: Test, options: Partial<PermitOptions> = {}) {
  const pdp = await pdpFor(t, {
    decide: () => true,
    intercept: ({ url, body }, response) => {
      if (!url.startsWith('/allowed') || !([body].flat() as WireQuestion[]).some(question => keyOf(question).startsWith('bad'))) return false
      sendJson(response, 400, {})
      return true
    }
  })
  const log = logSink()
  const app = fastifyFor(t, { logger: log.logger })
  await app.register(permit, optionsFor(pdp, { timeout: 10_000, ...options }))
  await app.ready()
  const ask = (keys: string[]) => Promise.all(keys.map(key => app.permit.check('ann', 'read', { type: 'task', key }).catch(error => error.cause.failure)))
  return { app, pdp, ask, log }
}

const good = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `good-${from + index}`)

t.test('a question that failed by itself is not put into a batch again', async t => {
  const { app, ask, pdp } = await start(t)
  t.same(await ask(['bad', ...good(19)]), ['status', ...new Array(19).fill(true)])
  const { splits } = app.permit.stats().batches ?? {}
  t.ok((splits ?? 0) > 0)
  for (let round = 1; round <= 3; round++) {
    pdp.requests.length = 0
    t.same(await ask(['bad', ...good(19, 100 * round)]), ['status', ...new Array(19).fill(true)])
    t.equal(pdp.requests.length, 2, 'one for it, and one for all others')
  }
  t.equal(app.permit.stats().batches?.splits, splits)
})

t.test('while everything fails, questions are not taken for the reason', async t => {
  let works = false
  const { ask, pdp } = await start(t, { breaker: false })
  pdp.options.intercept = ({ url }, response) => {
    if (works || !url.startsWith('/allowed')) return false
    sendJson(response, 500, {})
    return true
  }
  t.same(new Set(await ask(good(8))), new Set(['status']))
  works = true
  pdp.requests.length = 0
  t.same(new Set(await ask(good(8))), new Set([true]))
  t.equal(pdp.requests.length, 1, 'one batch')
})

t.test('batches that keep failing get smaller, and grow again', t => {
  const limit = new BatchLimit(64, { now: () => 0 })
  for (let failed = 0; failed < 3; failed++) limit.failed(64)
  t.equal(limit.now, 64, 'a few do not count')
  const sizes = Array.from({ length: 6 }, () => { limit.failed(limit.now); return limit.now })
  t.same(sizes, [32, 16, 8, 4, 4, 4])
  for (let answered = 0; answered < 12; answered++) limit.succeeded(limit.now)
  t.equal(limit.now, 4, 'not at once')
  for (let answered = 0; answered < 100; answered++) limit.succeeded(limit.now)
  t.equal(limit.now, 64)
  t.end()
})

t.test('what no PDP takes is not sent, alone and in a batch, and does not affect others', async t => {
  const nested = (depth: number): object => depth === 0 ? {} : { a: nested(depth - 1) }
  const resources = [
    { type: 'task', key: '\ud800' }, { type: 'task', key: 'a\udfff b' }, { type: 'task', attributes: { a: '\ud800' } },
    { type: 'task', attributes: nested(126) as Record<string, object> }, { type: 'task', attributes: { a: 'x'.repeat(1024 * 1024) } }
  ]
  const fake = await authzenPdpFor(t)
  const { pdp } = await start(t)
  for (const options of [optionsFor(pdp), { pdp: fake.url, protocol: 'authzen' as const, authzen: { discovery: false }, cache: false as const }]) {
    const app = fastifyFor(t)
    await app.register(permit, { ...options, timeout: 10_000 })
    const ask = (resource: object) => app.permit.check('ann', 'read', resource as { type: 'task' }).catch(error => error.cause.failure)
    for (const resource of resources) t.equal(await ask(resource), 'unsendable')
    t.same([...pdp.requests, ...fake.requests], [], 'nothing was sent')
    const together = await Promise.all([...resources, { type: 'task', key: '1' }, { type: 'task', key: '😀' }, { type: 'task', key: '\\ud800' }].map(ask))
    t.same(together, [...resources.map(() => 'unsendable'), true, true, true])
    pdp.requests.length = 0
    fake.requests.length = 0
  }
})

t.test('large questions are not all in one request', async t => {
  const { app, pdp } = await start(t, { connections: 4 })
  const answers = await Promise.all(good(10).map(key => app.permit.check('ann', 'read', { type: 'task', key, attributes: { a: key.padEnd(100_000) } })))
  t.same(answers, new Array(10).fill(true))
  t.ok(pdp.requests.every(({ body }) => JSON.stringify(body).length < 300 * 1024))
  t.equal(app.permit.stats().batches?.splits, 0)
})

t.test('exactly the texts with a lone surrogate are refused, and depth is counted outside of texts', t => {
  fc.assert(fc.property(fc.array(fc.oneof(fc.constantFrom('\ud800', '\udc00', '\\', '"', '\\ud800', '😀', '{', 'u'), fc.string())), parts => {
    const text = parts.join('')
    const isLone = /\p{Surrogate}/u.test(text)
    if ((unsendable(JSON.stringify({ text })) !== undefined) !== isLone) throw new Error(JSON.stringify(text))
  }), { numRuns: 300, examples: [[['\ud800']], [['\\ud800']], [['\\', '\ud800']], [['😀']]] })
  t.equal(unsendable(JSON.stringify('[{"'.repeat(500))), undefined)
  t.equal(unsendable(`${'['.repeat(100)}${']'.repeat(100)}  `), undefined)
  t.match(unsendable(`${'['.repeat(101)}${']'.repeat(101)}`), { failure: 'unsendable' })
  t.end()
})
