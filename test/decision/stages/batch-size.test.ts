// The batch size that is learned, in front of PDPs in virtual time: cores that share their work among the requests in flight.
import t from 'tap'
import { createQuery } from '../../../src/decision/query.js'
import { batched } from '../../../src/decision/stages/batched.js'
import { Slots } from '../../../src/pdp/http/concurrency-limit.js'
import type { BatchingPdp, Decision, Query } from '../../../src/contract/point.js'

interface Pdp {
  readonly cores: number
  /** Milliseconds of a core for each check, and for each request. */
  readonly check: number
  readonly request: number
}

interface Outcome { readonly perSecond: number, readonly p99: number, readonly largest: number }

const CONNECTIONS = 32
const CHECKS = 12_000

/**
 * So many callers ask again and again, each as soon as it has its answer.
 * @param learns - without a clock, all requests seem to be answered at once, and nothing is learned
 * @returns what the second half of the checks saw
 */
async function run ({ cores, check, request }: Pdp, callers: number, learns: boolean): Promise<Outcome> {
  let now = 1
  let largest = 0
  const jobs = new Set<{ left: number, done: () => void }>()
  const pauses = new Set<{ readonly until: number, readonly done: () => void }>()
  const pause = (time: number) => new Promise<void>(resolve => { pauses.add({ until: now + time, done: resolve }) })
  const slots = new Slots(CONNECTIONS)
  const ask = async (queries: readonly Query[]): Promise<Decision[]> => {
    slots.take()
    largest = Math.max(largest, queries.length)
    await pause(0.1)
    await new Promise<void>(resolve => { jobs.add({ left: request + check * queries.length, done: resolve }) })
    await pause(0.1)
    slots.release()
    return queries.map(() => ({ allow: true, code: 'test' }))
  }
  const pdp = { name: 'virtual', slots, decide: async (query: Query) => (await ask([query]))[0], decideAll: ask, stats: () => ({}) } as unknown as BatchingPdp
  const point = batched(pdp, { queue: 1_000, batch: 50 }, { now: () => learns ? now : 1 })

  const times: number[] = []
  let half = 0
  let asked = 0
  const caller = async (): Promise<void> => {
    while (asked < CHECKS) {
      const turn = asked++
      const began = now
      await point.decide(createQuery('ann', 'read', { type: 'task', key: String(turn) }), performance.now() + 600_000)
      times.push(now - began)
      if (times.length === CHECKS / 2) {
        half = now
        largest = 0
      }
      await pause(turn * 7_919 % 20 / 100)
    }
  }
  const all = Promise.all(Array.from({ length: callers }, caller))
  while (times.length < CHECKS) {
    // What was answered is asked again, and sent, before the time goes on.
    for (let turns = 0; turns < 4; turns++) await new Promise(resolve => setImmediate(resolve))
    const speed = Math.min(1, cores / jobs.size)
    const next = Math.min(...[...jobs].map(({ left }) => now + left / speed), ...[...pauses].map(({ until }) => until))
    if (next === Infinity) continue
    for (const job of jobs) job.left -= (next - now) * speed
    now = next
    for (const job of jobs) if (job.left < 1e-9 && jobs.delete(job)) job.done()
    for (const one of pauses) if (one.until <= now && pauses.delete(one)) one.done()
  }
  for (const one of pauses) one.done()
  await all
  const late = times.slice(CHECKS / 2).sort((a, b) => a - b)
  return { perSecond: late.length / (now - half) * 1_000, p99: late[Math.floor(late.length * 0.99)]!, largest }
}

const SLOW: Pdp = { cores: 2, check: 2, request: 0.5 }
const FAST: Pdp = { cores: 2, check: 0.02, request: 0.3 }

t.test('a PDP that takes 2 ms for a check gets smaller batches, and the slowest callers are answered sooner', async t => {
  const fixed = await run(SLOW, 200, false)
  const learned = await run(SLOW, 200, true)
  const found = JSON.stringify({ fixed, learned })
  t.equal(fixed.largest, 50, found)
  t.ok(learned.largest < 25, found)
  t.ok(learned.p99 < 0.5 * fixed.p99, found)
  t.ok(learned.perSecond > 0.97 * fixed.perSecond, found)
})

t.test('a PDP that takes longer for a request than for a check keeps its large batches', async t => {
  const fixed = await run(FAST, 200, false)
  const learned = await run(FAST, 200, true)
  const found = JSON.stringify({ fixed, learned })
  t.ok(learned.perSecond > 0.95 * fixed.perSecond, found)
  t.ok(learned.p99 < 1.2 * fixed.p99, found)
})
