// Cache, coalescing and generations: what is remembered, for how long, and what never is.
import fc from 'fast-check'
import t from 'tap'
import { cached, ttlOfInstance } from '../../../src/decision/stages/cached.js'
import { coalesced } from '../../../src/decision/stages/coalesced.js'
import { Generations } from '../../../src/decision/generations.js'
import { createQuery } from '../../../src/decision/query.js'
import { PdpError, UnavailableError } from '../../../src/contract/errors.js'
import type { Decision, DecisionPoint, Query } from '../../../src/contract/point.js'
import type { MaybePromise } from '../../../src/kit/maybe-promise.js'

/** A decision point whose answers the test gives, when it wants to. */
function byHand () {
  const asked: { query: Query, resolve: (decision: Decision) => void, reject: (error: Error) => void }[] = []
  const point: DecisionPoint = {
    peek: () => undefined,
    decide: query => new Promise((resolve, reject) => asked.push({ query, resolve, reject })),
    stats: () => ({})
  }
  return { asked, point }
}

const allow: Decision = { allow: true }
const deny: Decision = { allow: false, code: 'no_permission' }
const ask = (point: DecisionPoint, user = 'ann', action = 'read'): MaybePromise<Decision> => point.decide(createQuery(user, action, 'task'), Infinity)
const settled = async (answer: MaybePromise<Decision>) => answer

/** The cache looks at its clock only while it is not 0, hence the odd start. */
function clockAt (now = 1_000) {
  return { now: () => now, advance (ms: number) { now += ms } }
}

t.test('a decision is cached, allow and deny alike, and then answered at once', async t => {
  for (const decision of [allow, deny]) {
    const { asked, point } = byHand()
    const cache = cached(point, { ttl: 100, max: 10 }, new Generations(), clockAt())
    const first = ask(cache)
    asked[0]!.resolve(decision)
    t.match(await first, decision)
    const second = ask(cache)
    t.notOk(second instanceof Promise, 'in the same tick')
    t.match(second, decision)
    t.equal(asked.length, 1)
    t.match(cache.stats().cache, { hits: 1, misses: 1, size: 1, max: 10 })
  }
})

t.test('a cached decision expires exactly after its time to live', async t => {
  const { asked, point } = byHand()
  const clock = clockAt()
  const cache = cached(point, { ttl: 100, max: 10 }, new Generations(), clock)
  const first = ask(cache)
  asked[0]!.resolve(allow)
  await first
  clock.advance(100)
  t.notOk(ask(cache) instanceof Promise)
  clock.advance(1)
  t.ok(ask(cache) instanceof Promise)
})

t.test('a decision that the time changes is not cached beyond that change, nor used after it while the PDP is away', async t => {
  for (const validFor of [40, 100, 5_000]) {
    const { asked, point } = byHand()
    const clock = clockAt()
    const cache = cached(point, { ttl: 100, max: 10, staleIfError: 1_000 }, new Generations(), clock)
    const first = ask(cache)
    clock.advance(3)
    asked[0]!.resolve({ ...allow, validFor })
    await first
    // A decision without a bound is next to it.
    const other = ask(cache, 'ben')
    asked[1]!.resolve(allow)
    await other
    clock.advance(Math.min(validFor, 100) - 4)
    t.match(ask(cache), allow, 'one ms before')
    clock.advance(1)
    const again = ask(cache)
    if (validFor > 100) {
      t.notOk(again instanceof Promise, 'the ttl is over one ms later')
      continue
    }
    asked[2]!.reject(new UnavailableError(new PdpError('network', 'away')))
    await t.rejects(settled(again), { code: 'FST_PERMIT_UNAVAILABLE' }, 'not stale')
    clock.advance(200)
    const stale = ask(cache, 'ben')
    asked[3]!.reject(new UnavailableError(new PdpError('network', 'away')))
    t.match(await stale, allow, 'the other is used')
  }
})

t.test('the age of a decision starts with its request to the PDP', async t => {
  const { asked, point } = byHand()
  const clock = clockAt()
  const cache = cached(point, { ttl: 100, max: 10 }, new Generations(), clock)
  const first = ask(cache)
  clock.advance(90)
  asked[0]!.resolve(allow)
  await first
  clock.advance(10)
  t.notOk(ask(cache) instanceof Promise)
  clock.advance(1)
  t.ok(ask(cache) instanceof Promise)
})

t.test('joining an answer in flight does not make it younger', async t => {
  const { asked, point } = byHand()
  const clock = clockAt()
  const generations = new Generations()
  const cache = cached(coalesced(point, generations), { ttl: 100, max: 10 }, generations, clock)
  const first = ask(cache)
  clock.advance(90)
  const second = ask(cache)
  asked[0]!.resolve(allow)
  await Promise.all([first, second])
  clock.advance(10)
  t.notOk(ask(cache) instanceof Promise)
  clock.advance(1)
  t.ok(ask(cache) instanceof Promise)
})

t.test('an error is never cached', async t => {
  const { asked, point } = byHand()
  const cache = cached(point, { ttl: 100, max: 10 }, new Generations(), clockAt())
  const first = settled(ask(cache))
  asked[0]!.reject(new Error('no decision'))
  await t.rejects(first)
  t.ok(ask(cache) instanceof Promise)
  t.equal(asked.length, 2)
})

t.test('the cache has a size limit', async t => {
  const point: DecisionPoint = { peek: () => undefined, decide: () => allow, stats: () => ({}) }
  const cache = cached(point, { ttl: 100, max: 3 }, new Generations(), clockAt())
  for (let i = 0; i < 100; i++) ask(cache, `user${i}`)
  t.equal(cache.stats().cache?.size, 3)
})

t.test('the cache grows up to its limit and keeps its decisions, in order, and with their expiry', async t => {
  const point: DecisionPoint = { peek: () => undefined, decide: () => allow, stats: () => ({}) }
  const clock = clockAt()
  const cache = cached(point, { ttl: 100, max: 9_500 }, new Generations(), clock)
  const has = (name: string) => cache.peek(createQuery(name, 'read', 'task')) !== undefined
  for (let i = 0; i < 1_000; i++) ask(cache, `user${i}`)
  clock.advance(90)
  ask(cache, 'late')
  t.match(cache.stats().cache, { size: 1_001, max: 9_500 })
  t.ok(has('user0'), 'the first is still there')
  clock.advance(11)
  t.notOk(has('user1'), 'it expires when it would have expired')
  t.ok(has('late'))
  for (let i = 0; i < 9_600; i++) ask(cache, `other${i}`)
  t.equal(cache.stats().cache?.size, 9_500)
  t.notOk(has('other99'), 'the least recently used are dropped')
  t.ok(has('other100'))
})

t.test('debug output is returned to the caller that asked for it, and not cached', async t => {
  const point: DecisionPoint = { peek: () => undefined, decide: () => ({ ...deny, debug: { much: 'x' } }), stats: () => ({}) }
  const cache = cached(point, { ttl: 100, max: 3 }, new Generations(), clockAt())
  t.match(ask(cache), { debug: { much: 'x' } })
  t.same(ask(cache), { allow: false, code: 'no_permission', reason: undefined })
})

t.test('invalidating a user drops only the decisions of that user', async t => {
  const point: DecisionPoint = { peek: () => undefined, decide: () => allow, stats: () => ({}) }
  const generations = new Generations()
  const cache = cached(point, { ttl: 100, max: 10 }, generations, clockAt())
  ask(cache, 'ann')
  ask(cache, 'bob')
  generations.invalidate('ann')
  t.equal(cache.peek(createQuery('ann', 'read', 'task')), undefined)
  t.ok(cache.peek(createQuery('bob', 'read', 'task')))
  generations.invalidate()
  t.equal(cache.peek(createQuery('bob', 'read', 'task')), undefined)
})

t.test('a decision that is invalidated in flight is returned, but not cached', async t => {
  for (const user of ['ann', undefined]) {
    const { asked, point } = byHand()
    const generations = new Generations()
    const cache = cached(point, { ttl: 100, max: 10 }, generations, clockAt())
    const first = ask(cache)
    generations.invalidate(user)
    asked[0]!.resolve(allow)
    t.match(await first, allow)
    t.ok(ask(cache) instanceof Promise, 'the next one asks again')
  }
})

t.test('when too many invalidations are remembered, everything is dropped rather than too little', async t => {
  const generations = new Generations(2)
  const stamp = generations.stampFor('a')
  generations.invalidate('a')
  generations.invalidate('b')
  t.ok(generations.isCurrent(stamp, 'c'))
  generations.invalidate('c')
  for (const user of ['a', 'b', 'c', 'd']) t.notOk(generations.isCurrent(stamp, user))
  t.ok(generations.isCurrent(generations.stampFor('a'), 'a'))
})

t.test('equal checks in flight share one request', async t => {
  const { asked, point } = byHand()
  const flights = coalesced(point, new Generations())
  const answers = Array.from({ length: 50 }, () => ask(flights))
  const other = ask(flights, 'bob')
  t.equal(asked.length, 2)
  asked[0]!.resolve(allow)
  asked[1]!.resolve(deny)
  t.strictSame(await Promise.all(answers), Array(50).fill(allow))
  t.match(await other, deny)
  t.equal(flights.stats().coalesced, 49)
  ask(flights)
  t.equal(asked.length, 3, 'and when they have landed, the next one asks')
})

t.test('a failed request fails all checks that share it, and no later one', async t => {
  const { asked, point } = byHand()
  const flights = coalesced(point, new Generations())
  const answers = [settled(ask(flights)), settled(ask(flights))]
  asked[0]!.reject(new Error('no decision'))
  for (const answer of answers) await t.rejects(answer, { message: 'no decision' })
  ask(flights)
  t.equal(asked.length, 2)
})

t.test('no check joins a request that was invalidated, and its answer does not affect the newer one', async t => {
  const { asked, point } = byHand()
  const generations = new Generations()
  const flights = coalesced(point, generations)
  const old = ask(flights)
  generations.invalidate('ann')
  const fresh = ask(flights)
  t.equal(asked.length, 2)
  asked[0]!.resolve(allow)
  await old
  const third = ask(flights)
  t.equal(asked.length, 2, 'the third joined the second')
  asked[1]!.resolve(deny)
  t.match(await fresh, deny)
  t.match(await third, deny)
})

t.test('promise 4: under any interleaving, no decision older than the last invalidation is used', async t => {
  const users = ['ann', 'bob'] as const
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('ask' as const), user: fc.constantFrom(...users) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('answer' as const), which: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const), which: fc.nat(5) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('change' as const), user: fc.constantFrom(...users, undefined) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 60 }) }) })

  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
    const { asked, point } = byHand()
    const clock = clockAt()
    const generations = new Generations(1)
    const path = cached(coalesced(point, generations), { ttl: 50, max: 10 }, generations, clock)
    // The truth: a version for each user, which a change of facts raises. An answer tells the version that the PDP saw when it was asked.
    const version: Record<string, number> = { ann: 0, bob: 0 }
    const seen: number[] = []
    const answered = new Set<number>()
    const storedAt = new Map<string, number>()
    const given: Promise<void>[] = []

    for (const action of steps) {
      if (action.do === 'ask') {
        const least = version[action.user]!
        const answer = path.decide(createQuery(action.user, 'read', 'task'), Infinity)
        while (seen.length < asked.length) seen.push(version[asked[seen.length]!.query.user.key]!)
        const check = ({ code }: Decision) => {
          // Whoever asks after a change never hears of before it.
          if (Number(code) < least) throw new Error(`asked at version ${least}, got ${code}`)
        }
        if (answer instanceof Promise) {
          given.push(answer.then(check, error => { if (error.message !== 'failed') throw error }))
        } else {
          check(answer)
          if (Number(answer.code) !== least) throw new Error(`remembered ${answer.code} at version ${least}`)
          if (clock.now() - storedAt.get(action.user)! > 50) throw new Error('remembered for too long')
        }
      } else if (action.do === 'answer' || action.do === 'fail') {
        const open = asked.map((_, index) => index).filter(index => !answered.has(index))
        const index = open[action.which % (open.length || 1)]
        if (index === undefined) continue
        answered.add(index)
        if (action.do === 'fail') asked[index]!.reject(new Error('failed'))
        else asked[index]!.resolve({ allow: true, code: String(seen[index]) })
        await new Promise(resolve => setImmediate(resolve))
        storedAt.set(asked[index]!.query.user.key, clock.now())
      } else if (action.do === 'change') {
        for (const user of users) if (action.user === undefined || action.user === user) version[user]!++
        generations.invalidate(action.user)
      } else {
        clock.advance(action.ms)
      }
    }
    asked.forEach(({ resolve }, index) => resolve({ allow: true, code: String(seen[index]) }))
    await Promise.all(given)
  }), { numRuns: 500 })
  t.pass('500 interleavings')
})

t.test('the ttl of one instance is 90 to 100 % of the option, at least a millisecond, and not that of the others', async t => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 86_400_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (ttl, random) => {
    const own = ttlOfInstance(ttl, random)
    if (!Number.isInteger(own) || own < 1 || own > ttl || own < ttl * 0.9) throw new Error(`${own} of ${ttl}`)
  }))
  t.same([ttlOfInstance(60_000, 0), ttlOfInstance(60_000, 0.5), ttlOfInstance(60_000, 1)], [60_000, 57_000, 54_000])
})
