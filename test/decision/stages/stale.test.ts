// cache.staleIfError: an old decision serves while no PDP can be reached, and never one that was invalidated or is too old.
import fc from 'fast-check'
import t from 'tap'
import { cached } from '../../../src/decision/stages/cached.js'
import { Generations } from '../../../src/decision/generations.js'
import { createQuery } from '../../../src/decision/query.js'
import { PdpError, UnavailableError, type PdpFailure } from '../../../src/contract/errors.js'
import type { Decision, DecisionPoint, Trace } from '../../../src/contract/point.js'
import { deferred, guardedApp } from '../../support/app.js'
import { startFakePdp } from '../../support/fake-pdp.js'
import { portOf } from '../../support/replicas.js'
import { assertCounted } from '../../support/counted.js'

const unavailable = (failure: PdpFailure, status?: number) => new UnavailableError(new PdpError(failure, 'test', { status }))
const query = createQuery('ann', 'read', 'task')

function setUp (staleIfError: number | null = 1_000) {
  let now = 1_000
  let answer: () => Promise<Decision> = async () => ({ allow: true, code: 'first' })
  const generations = new Generations()
  const point: DecisionPoint = { peek: () => undefined, decide: () => answer(), stats: () => ({}) }
  const cache = cached(point, { ttl: 100, max: 10, ...(staleIfError === null ? {} : { staleIfError }) }, generations, { now: () => now })
  return {
    cache,
    generations,
    advance: (ms: number) => { now += ms },
    answerWith: (next: typeof answer) => { answer = next },
    failWith: (error: Error) => { answer = () => Promise.reject(error) },
    ask: (trace?: Trace) => Promise.resolve(cache.decide(query, Infinity, trace))
  }
}

const SERVES: [PdpFailure, number?][] = [['network'], ['timeout'], ['circuit'], ['status', 502], ['status', 503], ['status', 504]]
const REFUSES: [PdpFailure, number?][] = [['token', 401], ['token', 403], ['answer'], ['overload'], ['closed'], ['abandoned'], ['status', 400], ['status', 404], ['status', 422], ['status', 429], ['status', 500]]

t.test('it is used only when no PDP can be reached, and for no other failure', async t => {
  for (const [failure, status] of SERVES) {
    const { ask, advance, failWith, cache } = setUp()
    await ask()
    advance(101)
    failWith(unavailable(failure, status))
    const trace: Trace = { source: undefined }
    t.match(await ask(trace), { allow: true, code: 'first' }, `${failure} ${status}`)
    t.equal(trace.source, 'stale')
    t.equal(cache.peek(query), undefined, 'and is asked for each time')
    t.equal(cache.stats().cache?.stale, 1)
  }
  for (const [failure, status] of REFUSES) {
    const { ask, advance, failWith } = setUp()
    await ask()
    advance(101)
    failWith(unavailable(failure, status))
    await t.rejects(ask(), { cause: { failure } }, `${failure} ${status}`)
  }
  const { ask, advance, failWith } = setUp()
  await ask()
  advance(101)
  failWith(new TypeError('a mistake of ours'))
  await t.rejects(ask(), { name: 'TypeError' })
})

t.test('its age starts with its request, to the millisecond', async t => {
  const { ask, advance, failWith, answerWith } = setUp()
  const first = deferred<Decision>()
  answerWith(() => first.promise)
  const answer = ask()
  advance(90)
  first.resolve({ allow: true })
  await answer
  failWith(unavailable('network'))
  advance(910)
  t.match(await ask(), { allow: true })
  advance(1)
  await t.rejects(ask(), { cause: { failure: 'network' } })
})

t.test('an invalidated decision is not used, also when it is invalidated while the PDP is asked', async t => {
  for (const user of ['ann', undefined]) {
    const { ask, advance, failWith, generations, answerWith } = setUp()
    await ask()
    advance(101)
    const failure = deferred<never>()
    answerWith(() => failure.promise.then(() => { throw unavailable('network') }))
    const answer = ask()
    generations.invalidate(user)
    failure.resolve(undefined as never)
    await t.rejects(answer, { cause: { failure: 'network' } })
    failWith(unavailable('network'))
    await t.rejects(ask(), { cause: { failure: 'network' } })
  }
})

t.test('the newest decision is used, and an answer of the PDP takes precedence', async t => {
  const { ask, advance, failWith, answerWith } = setUp()
  await ask()
  advance(101)
  answerWith(async () => ({ allow: false, code: 'second' }))
  t.match(await ask(), { allow: false, code: 'second' })
  advance(101)
  failWith(unavailable('circuit'))
  t.match(await ask(), { allow: false, code: 'second' })
})

t.test('when it is off, no expired decision is used', async t => {
  const { ask, advance, failWith, cache } = setUp(null)
  await ask()
  advance(101)
  failWith(unavailable('network'))
  await t.rejects(ask(), { cause: { failure: 'network' } })
  t.equal(cache.stats().cache?.size, 0, 'nor is it kept')
})

t.test('promise 4 with staleIfError: under any interleaving, no invalidated and no too old decision is used', async t => {
  const users = ['ann', 'bob'] as const
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant('ask' as const), user: fc.constantFrom(...users) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(5) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('fail' as const), which: fc.nat(5), failure: fc.constantFrom<PdpFailure>('network', 'timeout', 'circuit', 'token') }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('change' as const), user: fc.constantFrom(...users, undefined) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 80 }) }) })
  let stale = 0

  await assertCounted(fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 100, size: 'max' }), async steps => {
    let now = 1_000
    const asked: { user: string, version: number, at: number, resolve: (decision: Decision) => void, reject: (error: Error) => void }[] = []
    // The truth: a version for each user, which a change of facts raises. An answer tells the version and the time of its question.
    const version: Record<string, number> = { ann: 0, bob: 0 }
    const point: DecisionPoint = {
      peek: () => undefined,
      decide: ({ user }) => new Promise((resolve, reject) => asked.push({ user: user.key, version: version[user.key]!, at: now, resolve, reject })),
      stats: () => ({})
    }
    const generations = new Generations(1)
    const cache = cached(point, { ttl: 50, max: 10, staleIfError: 200 }, generations, { now: () => now })
    const open = new Set<number>()
    const given: Promise<void>[] = []

    for (const action of steps) {
      if (action.do === 'ask') {
        const trace: Trace = { source: undefined }
        const before = asked.length
        const answer = cache.decide(createQuery(action.user, 'read', 'task'), Infinity, trace)
        if (asked.length > before) open.add(before)
        if (!(answer instanceof Promise)) continue
        given.push(answer.then(({ code }) => {
          if (trace.source !== 'stale') return
          stale++
          const [was, at] = JSON.parse(code!) as [number, number]
          if (was !== version[action.user]) throw new Error(`served version ${was} at version ${version[action.user]}`)
          if (now - at > 200) throw new Error(`served after ${now - at} ms`)
        }, (error: UnavailableError) => { if (!(error instanceof UnavailableError)) throw error }))
      } else if (action.do === 'answer' || action.do === 'fail') {
        const index = [...open][action.which % (open.size || 1)]
        if (index === undefined) continue
        open.delete(index)
        const question = asked[index]!
        if (action.do === 'fail') question.reject(unavailable(action.failure))
        else question.resolve({ allow: true, code: JSON.stringify([question.version, question.at]) })
        await new Promise(resolve => setImmediate(resolve))
      } else if (action.do === 'change') {
        for (const user of users) if (action.user === undefined || action.user === user) version[user]!++
        generations.invalidate(action.user)
      } else {
        now += action.ms
      }
    }
    for (const index of open) asked[index]!.reject(unavailable('closed'))
    await Promise.all(given)
  }), { numRuns: 500 }, runs => {
    t.ok(stale > 50, `${stale} times a decision past its time served, in ${runs} interleavings`)
  })
})

t.test('an app continues during an outage, and drops the decisions that are invalidated', async t => {
  const { app, pdp } = await guardedApp(t, { cache: { ttl: 1, staleIfError: 60_000 } })
  app.get('/tasks', { config: { permit: 'task:list' } }, async () => 'ok')
  const ask = async (user: string) => (await app.inject({ url: '/tasks', headers: { 'x-user': user } })).statusCode
  t.same([await ask('ann'), await ask('eve')], [200, 403])
  await pdp.close()
  await new Promise(resolve => setTimeout(resolve, 5))
  for (let round = 0; round < 10; round++) t.same([await ask('ann'), await ask('eve'), await ask('bob')], [200, 403, 503])
  t.match(await app.permit.explain('ann', 'list', 'task'), { allow: true, source: 'stale' })
  app.permit.invalidate('ann')
  t.same([await ask('ann'), await ask('eve')], [503, 403])
  const back = await startFakePdp({ port: portOf(pdp), decide: () => false })
  t.teardown(() => back.close())
  while (app.permit.stats().pdp?.replicas[0]?.state !== 'closed') await new Promise(resolve => setTimeout(resolve, 5))
  t.same([await ask('ann'), await ask('eve')], [403, 403])
})

t.test('checks that expire in the queue because of load do not bring back old decisions', async t => {
  let allow = true
  const { app } = await guardedApp(t, { cache: { ttl: 1, staleIfError: 60_000 }, timeout: 500, connections: 1, batch: 1 }, {
    decide: async () => { await new Promise(resolve => setTimeout(resolve, 60)); return allow }
  })
  await app.ready()
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  allow = false
  await new Promise(resolve => setTimeout(resolve, 5))
  const flood = Promise.allSettled(Array.from({ length: 50 }, (_, index) => app.permit.check('ann', 'read', `task:${index}`)))
  await t.rejects(app.permit.check('ann', 'read', 'task'), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'overload' } })
  await flood
  t.equal(app.permit.stats().cache?.stale, 0)
})
