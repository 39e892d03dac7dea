// Retries: only what may pass is asked again, never a write, and never past the deadline.
import type { ServerResponse } from 'node:http'
import fc from 'fast-check'
import t from 'tap'
import { PdpError } from '../../../src/contract/errors.js'
import { retryDelay } from '../../../src/pdp/http/retry-delay.js'
import { httpTransport } from '../../../src/pdp/http/transport.js'
import { Budget } from '../../../src/pdp/http/retry-budget.js'
import { guardedApp, pdpFor, fastifyFor, optionsFor } from '../../support/app.js'
import { sendJson, startFakePdp } from '../../support/fake-pdp.js'
import { portOf, until } from '../../support/replicas.js'
import permit from '../../../src/index.js'

const status = (code: number, headers = {}) => (response: ServerResponse) => { response.writeHead(code, headers).end() }
const FAILURES: Record<string, { answer: (response: ServerResponse) => void, asked: number, retries?: number }> = {
  'a connection that breaks before the answer': { answer: response => { response.destroy() }, asked: 4 },
  429: { answer: status(429), asked: 4 },
  '429 with a Retry-After that fits': { answer: status(429, { 'retry-after': '0' }), asked: 4 },
  '429 with a Retry-After that does not fit': { answer: status(429, { 'retry-after': '3' }), asked: 1 },
  '429 with a Retry-After that is a date far away': { answer: status(429, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }), asked: 1 },
  502: { answer: status(502), asked: 2 },
  503: { answer: status(503), asked: 2 },
  504: { answer: status(504), asked: 2 },
  500: { answer: status(500), asked: 1 },
  400: { answer: status(400), asked: 1 },
  401: { answer: status(401), asked: 1 },
  403: { answer: status(403), asked: 1 },
  404: { answer: status(404), asked: 1 },
  422: { answer: status(422), asked: 1 },
  302: { answer: status(302, { location: '/elsewhere' }), asked: 1 },
  'an answer that cannot be believed': { answer: response => sendJson(response, 200, { allow: 'true' }), asked: 1 },
  'an answer that is cut off': {
    answer: response => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' })
      response.write('{"allow":true}')
      setImmediate(() => response.destroy())
    },
    asked: 1
  },
  'a connection that breaks, with retries turned off': { answer: response => { response.destroy() }, asked: 1, retries: 0 },
  '503 with retries turned off': { answer: status(503), asked: 1, retries: 0 }
}

for (const [name, { answer, asked, retries = 3 }] of Object.entries(FAILURES)) {
  t.test(`${name}: ${asked} of at most 4 attempts`, async t => {
    const { app, pdp } = await guardedApp(t, { retries, timeout: 2_000, breaker: false }, { intercept: (_request, response) => { answer(response); return true } })
    const start = performance.now()
    await t.rejects(app.permit.check('ann', 'read', 'task'), { code: 'FST_PERMIT_UNAVAILABLE' })
    t.ok(performance.now() - start < 1_000, 'and then it is over')
    t.equal(pdp.requests.length, asked)
    t.match(app.permit.stats().pdp, { requests: 1, failures: 1, retries: asked - 1, replicas: [{ requests: asked, failures: asked }] })
  })
}

t.test('a temporary failure is not noticed: the second answer counts, for single checks and in bulk', async t => {
  const failures = [status(503), status(502), (response: ServerResponse) => { response.destroy() }, status(429, { 'retry-after': '0' })]
  let next: ((response: ServerResponse) => void) | undefined
  const { app } = await guardedApp(t, {}, {
    intercept: (_request, response) => {
      const answer = next
      next = undefined
      answer?.(response)
      return answer !== undefined
    }
  })
  for (const answer of failures) {
    next = answer
    t.equal(await app.permit.check('ann', 'read', 'task'), true)
    next = answer
    t.same(await app.permit.bulkCheck('eve', ['1', '2', '3'].map(key => ({ action: 'read', resource: `task:${key}` }))), [false, false, false])
  }
  t.match(app.permit.stats(), { checks: { failed: 0 }, pdp: { failures: 0, retries: 8 } })
})

t.test('a PDP that recovers within the deadline is used', async t => {
  const gone = await startFakePdp()
  await gone.close()
  const app = fastifyFor(t)
  await app.register(permit, { ...optionsFor(gone, { retries: 10, timeout: 5_000, breaker: false }) })
  const check = app.permit.check('ann', 'read', 'task')
  await pdpFor(t, { port: portOf(gone), decide: () => true })
  t.equal(await check, true)
})

t.test('closing ends the wait for a retry', async t => {
  const pdp = await pdpFor(t, { intercept: (_request, response) => { status(429, { 'retry-after': '30' })(response); return true } })
  const transport = await httpTransport({
    url: new URL(pdp.url), token: pdp.token, connections: 1, maxQueue: 1, maxResponseSize: 1_000, connectTimeout: 1_000, retries: 1
  })
  const answer = transport.send({ method: 'GET', path: '/', deadline: performance.now() + 60_000, read: () => true })
  await until(() => transport.stats().retries === 1)
  await Promise.all([t.rejects(answer, { message: 'the app is closing' }), transport.close(performance.now() + 60_000)])
})

t.test('the delay is full jitter: between zero and a bound that doubles, after Retry-After', async t => {
  const network = new PdpError('network', 'test')
  const failed = { sent: true, status: 0, retryAfter: undefined }
  fc.assert(fc.property(fc.nat(12), fc.integer({ min: 0, max: 10 }), fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), fc.option(fc.nat(5_000), { nil: undefined }), (done, retries, random, retryAfter) => {
    const delay = retryDelay(network, { ...failed, retryAfter }, done, retries, random)
    if (done >= retries) return delay === undefined
    const least = retryAfter ?? 0
    return delay !== undefined && delay >= least && delay <= least + 50 * 2 ** done
  }))
  t.equal(retryDelay(network, failed, 0, 1, 0), 0)
  t.equal(retryDelay(network, failed, 1, 2, 0.5), 50)
})

t.test('retries are a share of the checks: an overloaded PDP does not get twice the load', async t => {
  const { app, pdp } = await guardedApp(t, { retries: 1, timeout: 20_000, batch: 1, breaker: false }, { intercept: (_request, response) => { status(503)(response); return true } })
  const count = 2_000
  for (let round = 0; round < 10; round++) {
    await Promise.allSettled(Array.from({ length: count / 10 }, (_, index) => app.permit.check('ann', `a${round}-${index}`, 'task')))
  }
  const extra = pdp.requests.length - count
  t.ok(extra >= 100 && extra <= 100 + count / 5, `${extra} more than ${count}`)
})

t.test('the budget is a share and a burst, whatever the order', async () => {
  fc.assert(fc.property(fc.array(fc.boolean(), { maxLength: 300 }), steps => {
    const budget = new Budget(0.1, 3)
    let earned = 0
    let taken = 0
    for (const earns of steps) {
      if (earns) {
        budget.earn()
        earned++
      } else if (budget.take()) {
        taken++
      }
    }
    return taken <= 3 + earned * 0.1 + 1e-9
  }))
})
