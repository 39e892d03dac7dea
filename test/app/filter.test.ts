// `filter`: limits, cursors, and lists of any length, beside checks that do not wait for them.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import plugin, { type PermitOptions } from '../../src/index.js'
import { createLocalPdp } from '../../src/server/index.js'
import { byHeader, fastifyFor, optionsFor, pdpFor } from '../support/app.js'
import { sendJson, type FakePdpOptions, type WireQuestion } from '../support/fake-pdp.js'

const rows = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const toTask = (row: number) => ({ type: 'task', key: String(row) })
const isEven = (question: WireQuestion) => Number(question.resource.key) % 2 === 0

async function appFor (t: Test, fake: FakePdpOptions, options: Partial<PermitOptions> = {}) {
  const pdp = await pdpFor(t, fake)
  const app = fastifyFor(t)
  await app.register(plugin, optionsFor(pdp, options))
  await app.ready()
  return { permit: app.permit, pdp, app }
}

/** A cursor that counts what was read, and whether it was closed. */
function cursorOf (items: readonly number[]) {
  const cursor = {
    read: 0,
    closed: false,
    async * [Symbol.asyncIterator] () {
      try {
        for (const item of items) {
          cursor.read++
          yield item
        }
      } finally {
        cursor.closed = true
      }
    }
  }
  return cursor
}

t.test('a filter of 20,000 rows over HTTP with a cold cache is answered', async t => {
  const policy = {
    resources: { task: { actions: { retrieve: {} }, roles: { owner: { permissions: ['retrieve'] } } } },
    users: { ann: {} },
    role_assignments: rows(100).map(row => ({ user: 'ann', role: 'owner', tenant: 'default', resource_instance: `task:${row * 200}` }))
  }
  const pdp = createLocalPdp({ policy, token: 'secret' })
  t.teardown(() => pdp.close())
  const url = await pdp.listen({ port: 0 })
  const app = fastifyFor(t)
  // By default a check has one second. A machine under load gets more.
  await app.register(plugin, { pdp: url, token: 'secret', user: byHeader, timeout: 4_000 })
  app.get('/inbox', async request => (await request.permit.filter('retrieve', rows(20_000), toTask)).length)
  const response = await app.inject({ url: '/inbox', headers: { 'x-user': 'ann' } })
  t.match(response, { statusCode: 200, body: '100' })
  t.equal((await app.inject({ url: '/inbox', headers: { 'x-user': 'bob' } })).body, '0')
})

t.test('a slow PDP has time by the length of the list', async t => {
  // Each bulk request takes 30 ms: all of them together take longer than one check may.
  const bulk = { intercept: async () => { await sleep(30); return false }, decide: isEven }
  const { permit } = await appFor(t, bulk, { timeout: 1_000, connections: 4, batch: 50 })
  const start = performance.now()
  t.equal((await permit.filter('ann', 'retrieve', rows(2_500), toTask)).length, 1_250)
  t.ok(performance.now() - start > 1_000, 'longer than a check may take')
})

t.test('the time of a filter has a bound, and does not count the time in which the cursor is read', async t => {
  const { permit } = await appFor(t, { intercept: async () => { await sleep(45); return false }, decide: isEven }, { timeout: 60, connections: 1, batch: 1 })
  const start = performance.now()
  await t.rejects(permit.filter('ann', 'retrieve', rows(1_000), toTask), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: /timeout|overload/ } })
  t.ok(performance.now() - start < 60 * 30 + 2_000, 'thirty timeouts at most')
  const slow = { async * [Symbol.asyncIterator] () { for (const row of rows(18)) { if (row === 9) await sleep(1_600); yield row } } }
  const quick = await appFor(t, { decide: isEven }, { timeout: 1_500 })
  t.equal((await quick.permit.filter('ann', 'retrieve', slow, toTask)).length, 9, 'reading took longer than a check may')
})

t.test('a filter with a limit asks no more than it needs, and closes the cursor', async t => {
  const { permit, pdp } = await appFor(t, { decide: isEven })
  t.same(await permit.filter('ann', 'retrieve', rows(20_000), toTask, { limit: 20 }), rows(20).map(row => row * 2))
  t.ok(pdp.questions.length <= 60, `${pdp.questions.length} questions`)
  const cursor = cursorOf(rows(20_000))
  t.same(await permit.filter('ann', 'retrieve', cursor, toTask, { limit: 3 }), [0, 2, 4])
  t.ok(cursor.closed && cursor.read <= 16, `${cursor.read} read`)
  const whole = cursorOf(rows(1_000))
  t.equal((await permit.filter('ann', 'retrieve', whole, toTask)).length, 500)
  t.match(whole, { read: 1_000, closed: true })
})

t.test('a cursor is closed when the filter fails, and its own error comes through', async t => {
  const { permit } = await appFor(t, { decide: isEven })
  const cursor = cursorOf(rows(100))
  await t.rejects(permit.filter('ann', 'retrieve', cursor, () => ({ type: '' })), { code: 'FST_PERMIT_QUERY' })
  t.ok(cursor.closed)
  const broken = { async * [Symbol.asyncIterator] () { yield 1; throw new Error('the database is away') } }
  await t.rejects(permit.filter('ann', 'retrieve', broken, toTask), { message: 'the database is away' })
})

t.test('arrays, iterables and cursors of any length, with any limit, give the first allowed items in order', async t => {
  const allowed = new Set<number>()
  const { permit } = await appFor(t, { decide: ({ resource }) => allowed.has(Number(resource.key)) }, { batch: 3, connections: 2, queue: 20 })
  const embedded = fastifyFor(t)
  await embedded.register(plugin, { policy: { resources: { task: { actions: { retrieve: {} } } }, resource_sets: { odd: { resource: 'task', conditions: { 'resource.open': { equals: true } } } }, user_sets: { all: { conditions: { allOf: [] } } }, set_rules: [{ user_set: 'all', permission: 'task:retrieve', resource_set: 'odd' }] } })
  await embedded.ready()
  await fc.assert(fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 90 }), fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }), fc.constantFrom('array', 'set', 'cursor'), async (answers, limit, kind) => {
    allowed.clear()
    answers.forEach((answer, index) => { if (answer) allowed.add(index) })
    const all = rows(answers.length)
    const items = kind === 'array' ? all : kind === 'set' ? new Set(all) : cursorOf(all)
    const expected = all.filter(row => allowed.has(row)).slice(0, limit)
    const options = limit === undefined ? undefined : { limit }
    assert.deepEqual(await permit.filter('ann', 'retrieve', items, toTask, options), expected)
    assert.deepEqual(await embedded.permit.filter('ann', 'retrieve', kind === 'cursor' ? cursorOf(all) : items, row => ({ type: 'task', attributes: { open: allowed.has(row) } }), options), expected)
  }), { numRuns: 60 })
})

t.test('items that are none, and limits that are none, are refused', async t => {
  const { permit } = await appFor(t, { decide: isEven })
  for (const items of ['text', 7, null, undefined, {}, () => []]) {
    await t.rejects(permit.filter('ann', 'retrieve', items as never, toTask), { code: 'FST_PERMIT_QUERY', message: /an array or an async iterable/ }, String(items))
  }
  for (const limit of [0, -1, 1.5, '5', NaN, null]) {
    await t.rejects(permit.filter('ann', 'retrieve', [], toTask, { limit: limit as never }), { code: 'FST_PERMIT_QUERY', message: /"limit"/ }, String(limit))
  }
  await t.rejects(permit.filter('ann', 'retrieve', [], toTask, { limits: 5 } as object), { message: /did you mean "limit"/ })
})

t.test('a check of another request does not wait for a filter of 20,000 rows', async t => {
  // Each request takes 20 ms at the PDP, whatever is in it.
  let asked = 0
  const { permit } = await appFor(t, {
    async intercept (request, response) {
      if (!request.url.endsWith('/allowed/bulk')) return false
      const questions = request.body as WireQuestion[]
      asked += questions.length
      await sleep(20)
      sendJson(response, 200, { allow: questions.map(question => ({ allow: isEven(question) })) })
      return true
    },
    decide: isEven
  })
  const running = { filter: true }
  const filter = permit.filter('ann', 'retrieve', rows(20_000), toTask).finally(() => { running.filter = false })
  const waits: number[] = []
  while (running.filter) {
    const before = asked
    await permit.check('bob', 'retrieve', `task:${2 * waits.length}`)
    // How many checks of the filter came to the PDP while this one was on its way: it waits for none of them.
    waits.push(asked - before)
    await sleep(10)
  }
  t.equal((await filter).length, 10_000)
  t.ok(waits.length > 10, `${waits.length} checks`)
  const median = waits.sort((a, b) => a - b)[waits.length >> 1] as number
  t.ok(median <= 800, `at the median ${median} of ${asked} checks came in between; a queue before it would be 2,000`)
})
