// Permit's wire: what is sent for a question.
import t from 'tap'
import { guardedApp } from '../../support/app.js'

t.test('a check is sent as the protocol defines it', async t => {
  const { app, pdp } = await guardedApp(t)
  await app.permit.check({ key: 'ann', firstName: 'Ann', attributes: { level: 3 } }, 'read', { type: 'task', key: '7', tenant: 'acme', attributes: { owner: 'ann' } }, { context: { ip: '::1' } })
  t.match(pdp.requests[0], {
    method: 'POST',
    url: '/allowed',
    headers: { authorization: `Bearer ${pdp.token}`, 'content-type': 'application/json', accept: 'application/json' },
    body: {
      user: { key: 'ann', first_name: 'Ann', attributes: { level: 3 } },
      action: 'read',
      resource: { type: 'task', key: '7', tenant: 'acme', attributes: { owner: 'ann' } },
      context: { ip: '::1' }
    }
  })
})

t.test('missing parts are omitted, the tenant is default and the context is empty', async t => {
  const { app, pdp } = await guardedApp(t)
  await app.permit.check('ann', 'read', 'task')
  t.strictSame(pdp.requests[0]?.body, { user: { key: 'ann' }, action: 'read', resource: { type: 'task', tenant: 'default' }, context: {} })
})

t.test('the number of sockets is limited, and they are reused', async t => {
  let most = 0
  let open = 0
  const ports = new Set<number | undefined>()
  const { app } = await guardedApp(t, { connections: 4 }, {
    intercept: async ({ body }, response) => {
      // The look at boot has a connection of its own.
      if (Array.isArray(body) && body.length === 0) return false
      ports.add(response.socket?.remotePort)
      most = Math.max(most, ++open)
      await new Promise(resolve => setImmediate(resolve))
      open--
      return false
    },
    decide: () => true
  })
  for (let round = 0; round < 5; round++) {
    await Promise.all(Array.from({ length: 400 }, (_, index) => app.permit.check('ann', `a${index}`, 'task')))
  }
  t.ok(most <= 4 && most > 1, `${most} at a time`)
  t.ok(ports.size <= 4, `${ports.size} sockets`)
})

t.test('permissions in an invalid format are no answer', async t => {
  for (const answer of ['[]', 'null', '{"a":{}}', '{"a":{"permissions":"task:read"}}', '{"a":{"permissions":[7]}}', '{"a":{"permissions":[],"tenant":{"key":7}}}']) {
    const { app } = await guardedApp(t, {}, {
      intercept: (_request, response) => { response.writeHead(200, { 'content-type': 'application/json' }).end(answer); return true }
    })
    await t.rejects(app.permit.permissions('ann'), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'answer' } }, answer)
  }
})

t.test('interim responses are ignored, and a flood of them ends the check long before its deadline', async t => {
  for (const [many, outcome] of [[3, true], [1_000, 'answer']] as const) {
    const { app } = await guardedApp(t, { timeout: 20_000 }, {
      intercept: async (_request, response) => {
        for (let one = 0; one < many && !response.destroyed; one++) await new Promise<void>(resolve => response.writeEarlyHints({ link: '</x>' }, resolve))
        return false
      },
      decide: () => true
    })
    const start = performance.now()
    t.equal(await app.permit.check('ann', 'read', 'task').catch((error: { cause: { failure: string } }) => error.cause.failure), outcome)
    t.ok(performance.now() - start < 10_000)
  }
})
