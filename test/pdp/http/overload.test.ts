// Promise 7 under load: past the bounds 503 at once, and whoever is admitted is answered or refused by the deadline.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import t from 'tap'
import { guardedApp } from '../../support/app.js'

interface Outcome { status: number, took: number, retryAfter: string | undefined }

t.test('a slow PDP with ten times its capacity: checks are refused at once, or answered by the deadline', async t => {
  const timeout = 300
  const queue = 40
  // 2 connections with up to 10 questions each, every 50 ms: 400 a second.
  const { app } = await guardedApp(t, { connections: 2, batch: 10, queue, timeout }, { decide: () => new Promise(resolve => setTimeout(resolve, 50, true)) })
  app.get('/tasks/:id', { config: { permit: { action: 'retrieve', resource: 'task:{id}' } } }, async () => 'ok')
  await app.ready()

  const turns = monitorEventLoopDelay({ resolution: 5 })
  turns.enable()
  const outcomes: Promise<Outcome>[] = []
  let waiting = 0
  const ask = async (id: number): Promise<Outcome> => {
    const start = performance.now()
    const { statusCode, headers } = await app.inject({ url: `/tasks/${id}`, headers: { 'x-user': 'ann' } })
    return { status: statusCode, took: performance.now() - start, retryAfter: headers['retry-after'] as string | undefined }
  }
  // 40 every 10 ms, for a second: 4,000 a second.
  for (let tick = 0; tick < 100; tick++) {
    for (let index = 0; index < 40; index++) outcomes.push(ask(tick * 40 + index))
    await new Promise(resolve => setTimeout(resolve, 10))
    const { batches, pdp } = app.permit.stats()
    waiting = Math.max(waiting, batches!.waiting)
    t.ok(pdp!.inFlight <= 2)
  }
  const all = await Promise.all(outcomes)
  const admitted = all.filter(({ status }) => status === 200)
  const refused = all.filter(({ status }) => status === 503)
  t.equal(admitted.length + refused.length, all.length)
  t.ok(admitted.length > 100, `${admitted.length} of ${all.length} were answered`)
  t.ok(refused.length > all.length / 2)
  t.ok(refused.every(({ retryAfter }) => retryAfter === '1'), 'each refusal says when to come back')
  t.ok(waiting <= queue + 2, `${waiting} waited at most`)
  // The slack is for one process that is client, app and PDP on a busy machine: what a turn of its loop took, nobody could answer in.
  turns.disable()
  const stalled = turns.max / 1e6
  const slowest = Math.max(...all.map(({ took }) => took))
  t.ok(slowest < timeout + 400 + 2 * stalled, `the slowest took ${slowest} ms, the slowest turn ${stalled} ms`)
  const median = refused.map(({ took }) => took).sort((a, b) => a - b)[Math.floor(refused.length / 2)]!
  t.ok(median < 100, `half of the refusals took less than ${median} ms`)
  t.match(app.permit.stats(), { batches: { waiting: 0 }, pdp: { inFlight: 0 } })
  t.equal(await app.permit.check('ann', 'after', 'task'), true, 'and afterwards all is as before')
})
