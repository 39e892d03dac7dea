// Hedging: off unless asked for, bounded, and only ever a second way to the same believable answer.
import type { ServerResponse } from 'node:http'
import t from 'tap'
import { Hedging } from '../../../src/pdp/http/hedging.js'
import { RecentLatency } from '../../../src/pdp/http/recent-latency.js'
import { appWithReplicas, until } from '../../support/replicas.js'

t.test('the percentile is of recent requests, and undefined until there are enough', async t => {
  let now = 0
  const latency = new RecentLatency(90, () => now)
  t.equal(latency.value, undefined)
  for (let index = 0; index < 19; index++) latency.record(5)
  now += 100
  t.equal(latency.value, undefined)
  for (let index = 1; index <= 100; index++) latency.record(index)
  now += 100
  const usual = latency.value!
  t.ok(usual > 80 && usual < 95, String(usual))

  now += 10_000
  for (let index = 0; index < 100; index++) latency.record(2)
  now += 100
  t.equal(latency.value, usual, 'the slower of two windows')
  now += 10_000
  for (let index = 0; index < 100; index++) latency.record(2)
  now += 100
  t.ok(latency.value! < 3, 'what is older than two windows is forgotten')
  now += 60_000
  t.equal(latency.value, undefined, 'after a silence nothing is known')
})

t.test('there are at most ten hedges, and one more for each ten requests', async t => {
  const hedging = new Hedging({ percentile: 99, min: 5 })
  const taken = () => {
    let count = 0
    while (hedging.take()) count++
    return count
  }
  t.equal(taken(), 10)
  for (let index = 0; index < 55; index++) hedging.earn()
  t.equal(taken(), 5)
  for (let index = 0; index < 10_000; index++) hedging.earn()
  t.equal(taken(), 10)
  t.equal(hedging.count, 25)
})

t.test('it is sent at the percentile, and not before the minimum', async t => {
  let now = 0
  const hedging = new Hedging({ percentile: 99, min: 5 }, new RecentLatency(99, () => now))
  t.equal(hedging.delay, undefined)
  for (let index = 0; index < 50; index++) hedging.record(1)
  now += 100
  t.equal(hedging.delay, 5)
  for (let index = 0; index < 50; index++) hedging.record(40)
  now += 100
  t.ok(hedging.delay! >= 39 && hedging.delay! <= 41)
})

/** A PDP that makes the questions about some keys wait, once each. */
const slowFor = (slow: Set<string>) => ({
  decide: ({ resource: { key = '' } }: { resource: { key?: string } }) =>
    slow.delete(key) ? new Promise<boolean>(resolve => { setTimeout(resolve, 2_000, true).unref() }) : true
})

t.test('a slow answer is overtaken by a second replica, and at most one in ten requests is hedged', async t => {
  const slow = new Set<string>()
  const { app, pdps } = await appWithReplicas(t, [slowFor(slow), slowFor(slow)], { hedge: { percentile: 90, min: 20 }, timeout: 1_900 })
  for (let index = 0; index < 60; index++) await app.permit.check('ann', 'read', `task:warm${index}`)
  const before = app.permit.stats().pdp!.hedges
  slow.add('slow')
  const start = performance.now()
  t.equal(await app.permit.check('ann', 'read', 'task:slow'), true)
  await until(() => app.permit.stats().pdp?.inFlight === 0)
  t.ok(performance.now() - start < 1_500, `and the first was given up, after ${performance.now() - start} ms`)
  const { pdp } = app.permit.stats()
  t.equal(pdp!.hedges, before + 1)
  t.equal(pdp!.failures, 0)
  t.ok(pdps[0]!.questions.some(({ resource }) => resource.key === 'slow') && pdps[1]!.questions.some(({ resource }) => resource.key === 'slow'))

  for (let index = 0; index < 40; index++) slow.add(`all${index}`)
  await Promise.all(Array.from({ length: 40 }, (_, index) => app.permit.check('ann', 'read', `task:all${index}`)))
  const { pdp: after } = app.permit.stats()
  t.ok(after!.hedges <= 10 + after!.requests / 10)
  t.equal(after!.failures, 0)
})

t.test('with one PDP the hedge uses another connection', async t => {
  const slow = new Set<string>()
  const { app, pdps } = await appWithReplicas(t, [slowFor(slow)], { hedge: { percentile: 90, min: 20 }, timeout: 1_900 })
  for (let index = 0; index < 30; index++) await app.permit.check('ann', 'read', `task:warm${index}`)
  slow.add('slow')
  const start = performance.now()
  t.equal(await app.permit.check('ann', 'read', 'task:slow'), true)
  t.ok(performance.now() - start < 1_500)
  t.equal(pdps[0]!.questions.filter(({ resource }) => resource.key === 'slow').length, 2)
})

t.test('an invalid second answer does not win, and the failure of the loser is ignored', async t => {
  let first: string | undefined
  const misbehave = (name: string) => ({
    intercept: async (request: { url: string, body: unknown }, response: ServerResponse) => {
      if ((request.body as { action?: string } | undefined)?.action !== 'odd') return false
      first ??= name
      if (first !== name) {
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"allow":"true"}')
      } else {
        await new Promise(resolve => setTimeout(resolve, 200))
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"allow":false}')
      }
      return true
    }
  })
  const { app } = await appWithReplicas(t, [misbehave('a'), misbehave('b')], { hedge: { percentile: 90, min: 10 }, timeout: 1_900 })
  for (let index = 0; index < 60; index++) await app.permit.check('ann', 'read', `task:warm${index}`)
  t.equal(await app.permit.check('ann', 'odd', 'task'), false)
  t.match(app.permit.stats().pdp, { failures: 0 })
})

t.test('it is off by default', async t => {
  const slow = new Set<string>(['slow'])
  const { app } = await appWithReplicas(t, [{ decide: q => q.resource.key === 'slow' ? new Promise(resolve => setTimeout(resolve, 150, true)) : true }, {}])
  for (let index = 0; index < 60; index++) await app.permit.check('ann', 'read', `task:warm${index}`)
  await Promise.all([...slow].map(key => app.permit.check('ann', 'read', `task:${key}`)))
  t.equal(app.permit.stats().pdp?.hedges, 0)
})
