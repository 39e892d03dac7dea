// The batcher: few questions leave one by one, many leave together, and each keeps its own answer and deadline.
import fc from 'fast-check'
import t from 'tap'
import { batched, type BatchOptions, type Closable } from '../../../src/decision/stages/batched.js'
import { createQuery } from '../../../src/decision/query.js'
import { PdpError, UnavailableError } from '../../../src/contract/errors.js'
import { Slots } from '../../../src/pdp/http/concurrency-limit.js'
import type { BatchingPdp, Decision, Query } from '../../../src/contract/point.js'
import { guardedApp } from '../../support/app.js'
import { sendJson } from '../../support/fake-pdp.js'

interface Request { queries: readonly Query[], resolve: (decisions: Decision[]) => void, reject: (error: unknown) => void }

const points: Closable[] = []
t.teardown(() => Promise.all(points.map(point => point.close(0))))

/** A PDP whose answers the test gives, when it wants to. */
function byHand ({ connections = 2, ...options }: Partial<BatchOptions> & { connections?: number } = {}, clock?: { now (): number }) {
  const requests: Request[] = []
  const slots = new Slots(connections)
  const ask = (queries: readonly Query[]) => {
    slots.take()
    return new Promise<Decision[]>((resolve, reject) => requests.push({ queries, resolve, reject })).finally(() => slots.release())
  }
  const pdp: BatchingPdp = {
    name: 'by hand',
    slots,
    open: async () => {},
    peek: () => undefined,
    decide: async query => (await ask([query]))[0]!,
    decideAll: ask,
    permissions: () => ({}),
    health: () => ({ ok: true, pdp: 'by hand' }),
    stats: () => ({}),
    close: async () => {}
  }
  const point = batched(pdp, { queue: 100, batch: 5, ...options }, clock)
  points.push(point)
  return {
    requests,
    point,
    check: (key: string, deadline = performance.now() + 60_000, caller?: { destroyed: boolean }) => {
      const answer = Promise.resolve(point.decide(createQuery('ann', 'read', { type: 'task', key }), deadline, undefined, caller))
      // Some tests leave questions unanswered.
      answer.catch(() => {})
      return answer
    },
    /** The keys that were asked for, request by request. */
    asked: () => requests.map(({ queries }) => queries.map(query => query.resource.key).join(' '))
  }
}

const allowIf = (allow: (key: string) => boolean) => ({ queries, resolve }: Request) =>
  resolve(queries.map(query => ({ allow: allow(query.resource.key!), code: query.resource.key! })))
/** Resolves when the turn of the event loop has ended, and no later. */
const endOfTurn = () => new Promise(resolve => setImmediate(resolve))
/** Turns of the event loop enough for whatever waits for others to have left. */
async function turn (): Promise<void> {
  for (let turns = 0; turns < 4; turns++) await new Promise(resolve => setImmediate(resolve))
}
/** Takes steps until a promise has settled; rejects as it does. */
async function whilePending (promise: Promise<unknown>, step: () => Promise<void>) {
  const state = { pending: true }
  const settled = promise.finally(() => { state.pending = false })
  settled.catch(() => {})
  while (state.pending) await step()
  await settled
}
const unavailable = (failure: ConstructorParameters<typeof PdpError>[0], status?: number) => new UnavailableError(new PdpError(failure, 'test', { status }))

t.test('while nothing is in flight, a check is sent by itself at the end of its turn of the event loop', async t => {
  const { check, asked } = byHand()
  check('a')
  await endOfTurn()
  t.same(asked(), ['a'])
})

t.test('checks of one turn of the event loop are sent together, also those of promises that resolve in it', async t => {
  const { check, asked } = byHand()
  for (const key of 'abc') check(key)
  await Promise.resolve()
  check('d')
  t.same(asked(), [], 'no check is sent before the turn ends')
  await endOfTurn()
  t.same(asked(), ['a b c d'])
  check('e')
  await endOfTurn()
  t.same(asked(), ['a b c d', 'e'], 'the next turn does not wait for the answers of the first')
})

t.test('while all connections are busy, checks wait; the next free connection takes them, up to the limit', async t => {
  const { check, asked, requests } = byHand({ connections: 1 })
  check('a')
  await endOfTurn()
  for (const key of 'bcdefgh') check(key)
  await turn()
  t.same(asked(), ['a'])
  requests[0]!.resolve([{ allow: true }])
  await turn()
  await turn()
  t.same(asked(), ['a', 'b c d e f'])
  allowIf(() => true)(requests[1]!)
  await turn()
  await turn()
  t.same(asked(), ['a', 'b c d e f', 'g h'])
})

t.test('every caller gets the right answer, for any checks, limits, connections and order of answers', async t => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.boolean()), { minLength: 1, maxLength: 60 }),
    fc.record({ connections: fc.integer({ min: 1, max: 4 }), batch: fc.integer({ min: 1, max: 7 }) }),
    fc.infiniteStream(fc.nat(1_000)),
    async (plan, options, choices) => {
      const { check, requests } = byHand({ ...options, queue: 1_000 })
      const answers: Promise<void>[] = []
      const open = new Set<Request>()
      let known = 0
      const step = async () => {
        await turn()
        for (; known < requests.length; known++) open.add(requests[known]!)
        if (open.size > options.connections) throw new Error(`${open.size} requests at a time`)
        const all = [...open]
        const next = all[(choices.next().value as number) % (all.length || 1)]
        if (next === undefined) return
        open.delete(next)
        if (next.queries.length > options.batch) throw new Error('a batch over the limit')
        // One in ten requests fails in a way that splits it.
        if ((choices.next().value as number) % 10 === 0 && next.queries.length > 1) next.reject(unavailable('answer'))
        else allowIf(key => Number(key.split('-')[1]) % 2 === 0)(next)
      }
      for (const [index, [number, pause]] of plan.entries()) {
        const key = `${index}-${number}`
        answers.push(check(key).then(({ allow, code }) => {
          if (code !== key || allow !== (number % 2 === 0)) throw new Error(`${key} was told ${code}`)
        }))
        if (pause) await step()
      }
      await whilePending(Promise.all(answers), step)
    }), { numRuns: 300 })
  t.pass('300 plans')
})

t.test('when the queue is full, a check is refused at once', async t => {
  const { check, requests } = byHand({ connections: 1, queue: 2 })
  const open = [check('a')]
  await endOfTurn()
  open.push(check('b'), check('c'))
  await t.rejects(check('d'), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'overload' } })
  requests[0]!.resolve([{ allow: true }])
  await turn()
  await turn()
  allowIf(() => true)(requests[1]!)
  t.same((await Promise.all(open)).map(decision => decision.allow), [true, true, true])
})

t.test('a bulk answer with the wrong length or invalid content is split and retried', async t => {
  const { check, asked, requests, point } = byHand({ connections: 1, batch: 10 })
  const first = check('first')
  await endOfTurn()
  const answers = ['a', 'b', 'poison', 'd'].map(key => check(key))
  requests[0]!.resolve([{ allow: true }])
  await first
  await turn()
  let next = 1
  const settled = Promise.allSettled(answers)
  await whilePending(settled, async () => {
    const request = requests[next]
    if (request !== undefined) {
      next++
      if (!request.queries.some(query => query.resource.key === 'poison')) allowIf(() => true)(request)
      else if (request.queries.length === 4) request.resolve([{ allow: true }])
      else request.reject(unavailable('status', 500))
    }
    await turn()
  })
  t.same(asked().slice(1), ['a b poison d', 'a b', 'poison d', 'poison', 'd'])
  t.match(await settled, [
    { status: 'fulfilled', value: { allow: true, code: 'a' } }, { status: 'fulfilled', value: { code: 'b' } },
    { status: 'rejected', reason: { code: 'FST_PERMIT_UNAVAILABLE', cause: { status: 500 } } }, { status: 'fulfilled', value: { code: 'd' } }
  ])
  t.match(point.stats().batches, { requests: 3, checks: 8, largest: 4, splits: 2 })
})

t.test('a failure that splitting cannot fix fails the batch, without a retry', async t => {
  for (const error of [unavailable('timeout'), unavailable('network'), unavailable('token', 403), unavailable('status', 503), unavailable('status', 429), unavailable('closed'), new Error('bug')]) {
    const { check, requests } = byHand({ connections: 2 })
    check('first').catch(() => {})
    await endOfTurn()
    const answers = ['a', 'b', 'c'].map(key => check(key))
    await turn()
    requests[1]!.reject(error)
    for (const answer of answers) await t.rejects(answer)
    await turn()
    t.equal(requests.length, 2)
  }
})

t.test('a PDP without the bulk endpoint gets single checks, until the endpoint is tried again', async t => {
  for (const status of [404, 405, 501]) {
    let now = 0
    const { check, asked, requests } = byHand({ connections: 2 }, { now: () => now })
    check('first')
    await endOfTurn()
    const answers = ['a', 'b', 'c'].map(key => check(key))
    await turn()
    requests[1]!.reject(unavailable('status', status))
    let next = 2
    const all = Promise.all(answers)
    await whilePending(all, async () => {
      const request = requests[next]
      if (request !== undefined) { allowIf(() => true)(request); next++ }
      await turn()
    })
    t.same((await all).map(decision => decision.code), ['a', 'b', 'c'])
    t.same(asked(), ['first', 'a b c', 'a', 'b', 'c'])
    check('d')
    check('e').catch(() => {})
    await turn()
    t.equal(asked().at(-1), 'd', 'the next ones are not asked in bulk')
    now += 5 * 60_000
    requests[next]!.resolve([{ allow: true }])
    check('f').catch(() => {})
    await turn()
    await turn()
    t.equal(asked().at(-1), 'e f', 'after a while they are')
  }
})

t.test('a check that expires in the queue is not sent', async t => {
  const { check, asked, requests } = byHand({ connections: 1 })
  const first = check('first')
  await endOfTurn()
  const late = check('late', performance.now() + 20)
  const patient = check('patient')
  await t.rejects(late, { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'timeout' } })
  requests[0]!.resolve([{ allow: true }])
  await first
  await turn()
  await turn()
  t.same(asked(), ['first', 'patient'])
  allowIf(() => true)(requests[1]!)
  await patient
})

t.test('a check that expires in flight fails, and the others get their answers', async t => {
  const { check, requests } = byHand({ connections: 2 })
  check('first').catch(() => {})
  await endOfTurn()
  const late = check('late', performance.now() + 20)
  const patient = check('patient')
  await turn()
  t.equal(requests[1]!.queries.length, 2)
  await t.rejects(late, { cause: { failure: 'timeout' } })
  allowIf(() => true)(requests[1]!)
  t.equal((await patient).code, 'patient')
})

t.test('the checks of a bulk check share one deadline, also those that join a check in flight', async t => {
  const { app, pdp } = await guardedApp(t, { timeout: 200, queue: 0, connections: 4 })
  pdp.options.decide = async ({ action }) => { await new Promise(resolve => setTimeout(resolve, action === 'first' ? 150 : 190)); return true }
  await app.ready()
  const bulk = app.permit.bulkCheck('ann', [{ action: 'first', resource: 'a' }, { action: 'second', resource: 'a' }])
  const late = t.rejects(bulk, { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'timeout' } })
  await new Promise(resolve => setTimeout(resolve, 100))
  const other = app.permit.check('ann', 'second', 'a')
  await late
  await other.catch(() => {})
})

t.test('a check whose caller is gone is not sent', async t => {
  const { check, asked, requests } = byHand({ connections: 1 })
  check('first').catch(() => {})
  await endOfTurn()
  const caller = { destroyed: false }
  const gone = check('gone', undefined, caller)
  const staying = check('staying', undefined, { destroyed: false })
  caller.destroyed = true
  requests[0]!.resolve([{ allow: true }])
  await t.rejects(gone, { cause: { failure: 'abandoned' } })
  t.same(asked(), ['first', 'staying'])
  allowIf(() => true)(requests[1]!)
  await staying
})

t.test('1,000 different checks in one tick are few requests', async t => {
  const { app, pdp } = await guardedApp(t, { timeout: 30_000 }, { decide: q => Number(q.resource.key) % 7 === 0 })
  const keys = Array.from({ length: 1_000 }, (_, index) => String(index))
  const answers = await Promise.all(keys.map(key => app.permit.check('ann', 'read', { type: 'task', key })))
  t.same(answers, keys.map(key => Number(key) % 7 === 0))
  t.ok(pdp.requests.length <= 25, `${pdp.requests.length} requests`)
})

t.test('a bulk answer is used only when all of it is valid', async t => {
  const lies: unknown[] = [
    { allow: [] }, { allow: [{ allow: true }] }, { allow: [{ allow: true }, { allow: true }, { allow: true }] }, { allow: true }, { allow: { 0: { allow: true }, 1: { allow: true }, length: 2 } },
    { allow: [true, true] }, { allow: [{ allow: true }, { allow: 'true' }] }, { allow: [{ allow: true }, null] }, [{ allow: true }, { allow: true }], { result: [{ allow: true }, { allow: true }] }
  ]
  for (const lie of lies) {
    const { app, pdp } = await guardedApp(t, {}, {
      decide: () => false,
      intercept: (request, response) => {
        if (request.url !== '/allowed/bulk') return false
        sendJson(response, 200, lie)
        return true
      }
    })
    const check = (key: string) => app.permit.check('ann', 'read', { type: 'task', key })
    const first = check('a')
    await endOfTurn()
    const answers = await Promise.all([first, check('b'), check('c')])
    t.same(answers, [false, false, false], `${JSON.stringify(lie)}: each was asked by itself instead`)
    t.same(pdp.requests.map(request => request.url), ['/allowed', '/allowed/bulk', '/allowed', '/allowed'])
  }
})

t.test('the batch limit of a PDP is learned from its refusals, and forgotten after a while', async t => {
  let now = 0
  const { check, requests, asked } = byHand({ connections: 1, batch: 40 }, { now: () => now })
  const answered: number[] = []
  const answer = async () => {
    for (; answered.length < requests.length; await turn()) {
      const request = requests[answered.length] as Request
      answered.push(request.queries.length)
      if (request.queries.length > 25) request.reject(unavailable('status', 413))
      else allowIf(() => true)(request)
    }
  }
  const ask = async (prefix: string) => {
    answered.length = 0
    requests.length = 0
    const answers = [check(`${prefix}0`)]
    await endOfTurn()
    for (let index = 1; index <= 40; index++) answers.push(check(`${prefix}${index}`))
    await turn()
    await answer()
    t.ok((await Promise.all(answers)).every(({ allow }) => allow))
    t.equal(asked().join(' ').split(' ').filter(key => key.endsWith(`${prefix}40`)).length >= 1, true)
    return [...answered]
  }
  t.same(await ask('a'), [1, 40, 20, 20])
  t.same(await ask('b'), [1, 20, 20])
  now += 5 * 60_000 + 1
  t.same(await ask('c'), [1, 40, 20, 20])
})
