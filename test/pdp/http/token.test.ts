// Tokens that change: from a function, sync or async, or from a file; asked for when needed, shared, within the deadline, and in no log.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import permit from '../../../src/index.js'
import { Token } from '../../../src/pdp/http/token.js'
import type { TokenSource } from '../../../src/pdp/http/token.js'
import { fastifyFor, pdpFor } from '../../support/app.js'
import type { FakePdp } from '../../support/fake-pdp.js'

/** An app whose PDP accepts the token that the test says at the time. */
async function appWith (t: Test, token: TokenSource, options: object = {}) {
  const pdp = await pdpFor(t, { decide: ({ user }) => user.key === 'ann' })
  const accepted = { token: 'one', status: 401 }
  pdp.options.intercept = (request, response) => {
    if (request.headers.authorization === `Bearer ${accepted.token}`) {
      request.headers.authorization = `Bearer ${pdp.token}`
      return false
    }
    response.writeHead(accepted.status).end()
    return true
  }
  const logged: string[] = []
  const app = fastifyFor(t, { logger: { level: 'trace', stream: { write: (line: string) => { logged.push(line) } } } })
  await app.register(permit, { pdp: pdp.url, token, cache: false, timeout: 2_000, user: () => 'ann', ...options })
  app.get('/', { config: { permit: 'task:read' } }, async () => 'in')
  await app.ready()
  const ask = async () => (await app.inject('/')).statusCode
  return { app, pdp, accepted, ask, logged }
}

const asked = (pdp: FakePdp) => pdp.requests.length

t.test('a function is asked once for many requests, and again when the PDP rejects its token; the rejected requests are sent again', async t => {
  for (const status of [401, 403]) {
    let calls = 0
    let token = 'one'
    const { accepted, ask, pdp } = await appWith(t, async () => { calls++; return token })
    accepted.status = status
    t.same(await Promise.all(Array.from({ length: 20 }, ask)), Array(20).fill(200))
    t.equal(calls, 1)
    token = accepted.token = 'two'
    t.same(await Promise.all(Array.from({ length: 20 }, ask)), Array(20).fill(200), `after ${status}`)
    t.equal(calls, 2, 'one call for all of them')
    t.ok(asked(pdp) > 0)
  }
})

t.test('a token that stays wrong is 503, and the function is not asked for each request', async t => {
  let calls = 0
  const { accepted, ask } = await appWith(t, () => { calls++; return 'one' })
  t.equal(await ask(), 200)
  accepted.token = 'another'
  for (let i = 0; i < 10; i++) t.equal(await ask(), 503)
  t.ok(calls <= 3, `${calls} calls`)
})

t.test('any failure of a token function is 503 within the deadline, and its messages and tokens are not logged', async t => {
  const secret = 'token-5ecret'
  const wrong: Array<() => unknown> = [
    () => { throw new Error(`refused: ${secret}`) },
    async () => { throw Object.assign(new Error(secret), { code: 'ECONNREFUSED' }) },

    () => { throw secret },
    () => undefined,
    () => ({}),
    () => `${secret}\r\nx-evil: 1`,
    () => ({ token: secret, expiresIn: 'soon' }),
    () => new Promise(() => {})
  ]
  for (const source of wrong) {
    const { ask, logged, app } = await appWith(t, source as () => string, { timeout: 300 })
    const start = performance.now()
    t.equal(await ask(), 503)
    t.ok(performance.now() - start < 5_000)
    t.notMatch(logged.join(''), secret)
    await t.rejects(app.permit.check('ann', 'read', 'task'), { cause: { failure: 'token' } })
  }
})

t.test('a file is read when a request needs it, and again after the PDP has rejected its token', async t => {
  const file = join(t.testdir({ token: 'one\n' }), 'token')
  const { accepted, ask } = await appWith(t, { file })
  t.equal(await ask(), 200)
  await writeFile(file, 'two')
  accepted.token = 'two'
  t.equal(await ask(), 200)
})

t.test('a file that is missing is 503, and requests are answered once it is there', async t => {
  const file = join(t.testdir({}), 'token')
  const { ask, app } = await appWith(t, { file })
  t.equal(await ask(), 503)
  await t.rejects(app.permit.check('ann', 'read', 'task'), { cause: { failure: 'token', message: /token file .* cannot be read \(ENOENT\)/ } })
  await writeFile(file, 'one')
  t.equal(await ask(), 200)
})

t.test('an app that closes while it waits for a token closes within the deadline of a check', async t => {
  const { app } = await appWith(t, () => new Promise(() => {}), { timeout: 1_500 })
  const answer = t.rejects(app.permit.check('ann', 'read', 'task'), { code: 'FST_PERMIT_UNAVAILABLE' })
  await new Promise(resolve => setImmediate(resolve))
  await app.close()
  await answer
})

t.test('a token is renewed before it expires, once, and none is used after it', async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.record({ after: fc.integer({ min: 0, max: 400 }), lifetime: fc.integer({ min: 1, max: 1_000 }) }), { minLength: 1, maxLength: 30 }),
    async steps => {
      let now = 0
      let calls = 0
      let lifetime = 1
      const expires = new Map<string, number>()
      const token = new Token(() => {
        const name = `t${++calls}`
        expires.set(name, now + lifetime)
        return { token: name, expiresIn: lifetime / 1_000 }
      })
      for (const step of steps) {
        now += step.after
        lifetime = step.lifetime
        if (!token.isReady(now)) await token.ready(now)
        const sent = token.current as string
        if (now > (expires.get(sent) as number)) return false
        // A renewal ahead of time is on its way: the one that follows joins it or finds it done.
        await new Promise(resolve => setImmediate(resolve))
        if (calls > steps.length * 2) return false
      }
      return true
    }
  ), { numRuns: 300 })
})

t.test('requests that are rejected together get one new token, in any order of rejections and renewals', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 20 }), async order => {
    let calls = 0
    const token = new Token(async () => `t${++calls}`)
    await token.ready(0)
    for (const age of order) {
      const rejected = `t${Math.max(1, calls - age)}`
      const before = calls
      if (!await token.replace(rejected, 10)) return false
      if (calls - before !== (rejected === `t${before}` ? 1 : 0)) return false
    }
    return true
  }), { numRuns: 300 })
})
