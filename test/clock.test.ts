// The wall clock is set forward and back (kind: time that is not what it was): what is remembered ends in time, what waits goes on, and nothing waits for a year.
import fc from 'fast-check'
import t from 'tap'
import permit from '../src/index.js'
import { fastifyFor, guardedApp, optionsFor, pdpFor } from './support/app.js'
import { sendJson } from './support/fake-pdp.js'

const YEAR = 365 * 24 * 3_600_000
const RealDate = Date

/** Everything that asks for the time of day gets it with this offset. */
function shift (ms: number): void {
  globalThis.Date = class extends RealDate {
    constructor (...args: ReadonlyArray<number | string>) {
      super(args[0] ?? RealDate.now() + ms)
    }

    static override now (): number { return RealDate.now() + ms }
  } as DateConstructor
}

t.afterEach(() => { globalThis.Date = RealDate })

const jumps = fc.constantFrom(-YEAR, -3_600_000, -1, 0, 1, 3_600_000, YEAR)

t.test('a decision is cached for its time to live, whatever the wall clock does', async t => {
  const ttl = 60
  const { app, pdp } = await guardedApp(t, { cache: { ttl } })
  await fc.assert(fc.asyncProperty(jumps, jumps, jumps, async (before, during, after) => {
    app.permit.invalidate()
    shift(before)
    const start = performance.now()
    pdp.options.decide = () => true
    if (!await app.permit.check('ann', 'create', 'task')) throw new Error('not allowed')
    const answered = performance.now()
    pdp.options.decide = () => false
    shift(during)
    const isRemembered = await app.permit.check('ann', 'create', 'task')
    if (!isRemembered && performance.now() - start < ttl / 2) throw new Error('forgotten too early')
    while (performance.now() - answered <= ttl) await new Promise(resolve => setTimeout(resolve, ttl - (performance.now() - answered) + 1))
    shift(after)
    if (await app.permit.check('ann', 'create', 'task')) throw new Error('remembered too long')
  }), { numRuns: 12 })
  t.pass()
})

t.test('an open breaker closes when the PDP recovers, also after the clock was set back by a year', async t => {
  for (const jump of [-YEAR, YEAR]) {
    let isDown = true
    const pdp = await pdpFor(t, {
      decide: () => true,
      intercept (_, response) {
        if (isDown) sendJson(response, 500, {})
        return isDown
      }
    })
    const app = fastifyFor(t)
    await app.register(permit, optionsFor(pdp, { breaker: { failures: 2, halfOpenAfter: 50 }, retries: 0 }))
    while (app.permit.stats().pdp?.replicas[0]?.state !== 'open') await app.permit.check('ann', 'create', 'task').catch(() => {})
    shift(jump)
    isDown = false
    const start = performance.now()
    while (!await app.permit.check('ann', 'create', 'task').catch(() => false)) await new Promise(resolve => setTimeout(resolve, 10))
    t.ok(performance.now() - start < 5_000)
    globalThis.Date = RealDate
  }
})

t.test('a Retry-After date of another clock keeps no check beyond its deadline', async t => {
  const { app } = await guardedApp(t, { timeout: 300, retries: 2 }, {
    intercept (_, response) {
      response.setHeader('retry-after', new RealDate(RealDate.now() + 10_000).toUTCString())
      sendJson(response, 503, {})
      return true
    }
  })
  for (const jump of [-YEAR, YEAR, 0]) {
    shift(jump)
    const start = performance.now()
    await t.rejects(app.permit.check('ann', 'create', 'task'), { code: 'FST_PERMIT_UNAVAILABLE' })
    t.ok(performance.now() - start < 3_000)
  }
})

t.test('facts keep the order in which they were created, whatever their timestamps are', async t => {
  const app = fastifyFor(t)
  const data = t.testdir()
  await app.register(permit, { policy: { resources: { task: { actions: { create: {} } } }, roles: { admin: { permissions: ['task:create'] } } }, data })
  for (const [n, jump] of [0, -YEAR, YEAR, -1].entries()) {
    shift(jump)
    await app.permit.write(app.permit.api.syncUser({ key: `u${n}`, roles: [{ role: 'admin' }] }))
    t.equal(await app.permit.check(`u${n}`, 'create', 'task'), true)
  }
  await app.close()
  const again = fastifyFor(t)
  await again.register(permit, { policy: {}, data })
  t.pass('and they are read again')
})
