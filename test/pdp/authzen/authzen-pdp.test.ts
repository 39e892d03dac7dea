// AuthZEN's wire: what is sent for a question, what is believed, and what becomes of what a PDP sends along.
import t, { type Test } from 'tap'
import permit, { ForbiddenError, type Evaluation, type PermitOptions } from '../../../src/index.js'
import { byHeader, fastifyFor, logSink } from '../../support/app.js'
import { authzenPdpFor, type AuthZenPdpOptions } from '../../support/authzen-pdp.js'
import { sendJson } from '../../support/fake-pdp.js'
import { pdpFor as localPdpFor, TOKEN } from '../../server/support.js'

async function appFor (t: Test, options: Partial<PermitOptions> = {}, fake: AuthZenPdpOptions = {}, logger: object | false = false) {
  const pdp = await authzenPdpFor(t, fake)
  const app = fastifyFor(t, { logger })
  await app.register(permit, { pdp: pdp.url, protocol: 'authzen', cache: false, user: byHeader, ...options, authzen: { tenants: 'properties', ...options.authzen as object } })
  return { app, pdp }
}

const EVALUATION = '/access/v1/evaluation'
const EVALUATIONS = '/access/v1/evaluations'

t.test('a check is sent as an evaluation: attributes and tenant as properties, where the query takes precedence over attributes', async t => {
  const { app, pdp } = await appFor(t)
  await app.permit.check(
    { key: 'ann', firstName: 'Ann', email: 'ann@example.com', attributes: { level: 3, email: 'other@example.com' } },
    'read', { type: 'task', key: '7', tenant: 'acme', attributes: { owner: 'ann', tenant: 'other' } }, { context: { ip: '::1' } })
  t.same(pdp.to(EVALUATION)[0]?.body, {
    subject: { type: 'user', id: 'ann', properties: { level: 3, email: 'ann@example.com', first_name: 'Ann' } },
    action: { name: 'read' },
    resource: { type: 'task', id: '7', properties: { owner: 'ann', tenant: 'acme' } },
    context: { ip: '::1' }
  })
})

t.test('missing parts are omitted, the tenant is default, the context is empty, and the id of a whole type is *', async t => {
  const { app, pdp } = await appFor(t)
  await app.permit.check('ann', 'read', 'task')
  t.same(pdp.to(EVALUATION)[0]?.body, {
    subject: { type: 'user', id: 'ann' },
    action: { name: 'read' },
    resource: { type: 'task', id: '*', properties: { tenant: 'default' } },
    context: {}
  })
})

t.test('a resource with the key * is denied without a request, because it would mean the whole type', async t => {
  const { app, pdp } = await appFor(t)
  app.get('/tasks/:id', { config: { permit: { action: 'read', resource: 'task:{id}' } } }, async () => 'ok')
  const ask = (id: string) => app.inject({ url: `/tasks/${id}`, headers: { 'x-user': 'ann' } }).then(answer => answer.statusCode)
  t.same([await ask('*'), await ask('%2A'), await ask('1')], [403, 403, 200])
  t.same(await Promise.all(['1', '*', '2', '*'].map(ask)), [200, 403, 200, 403])
  t.notMatch(JSON.stringify(pdp.requests.map(({ body }) => body)), '"id":"\\*"')
  t.match(await app.permit.explain('ann', 'read', 'task:*'), { allow: false, code: 'reserved_key' })
})

t.test('without the option token none is sent, not even Permit\'s from the environment', async t => {
  process.env.PERMIT_API_KEY = 'the-key-of-another-vendor'
  t.teardown(() => { delete process.env.PERMIT_API_KEY })
  for (const token of [undefined, 'a-token']) {
    const { app, pdp } = await appFor(t, { token })
    t.equal(await app.permit.check('ann', 'read', 'task'), true)
    t.same(pdp.requests.map(({ url, headers }) => [url, headers.authorization]), ['/.well-known/authzen-configuration', EVALUATION].map(url => [url, token && `Bearer ${token}`]))
  }
})

t.test('only an own property decision with a boolean counts', async t => {
  for (const answer of ['{"decision":"true"}', '{"decision":1}', '{"decision":null}', '{"decision":[true]}', '{"allow":true}', '{"__proto__":{"decision":true}}', '[]', 'null', 'true', '{"evaluations":[{"decision":true}]}']) {
    const { app } = await appFor(t, { authzen: { discovery: false } }, {
      intercept: (_request, response) => { response.writeHead(200, { 'content-type': 'application/json' }).end(answer); return true }
    })
    await t.rejects(app.permit.check('ann', 'read', 'task'), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'answer' } }, answer)
  }
})

t.test('a decision on Object.prototype does not count', async t => {
  const { app } = await appFor(t, { authzen: { discovery: false } }, {
    intercept: ({ url, body }, response) => {
      sendJson(response, 200, url === EVALUATION && JSON.stringify(body).includes('write') ? { decision: false } : {})
      return true
    }
  })
  const everything = Object.prototype as { decision?: boolean, evaluations?: unknown }
  everything.decision = true
  everything.evaluations = [{ decision: true }, { decision: true }]
  t.teardown(() => {
    delete everything.decision
    delete everything.evaluations
  })
  await t.rejects(app.permit.check('ann', 'read', 'task'), { code: 'FST_PERMIT_UNAVAILABLE' })
  t.same(await app.permit.bulkCheck('ann', ['1', '2', '3'].map(key => ({ action: 'write', resource: `task:${key}` }))), [false, false, false])
})

t.test('the option map changes what is sent; equal checks still share a request', async t => {
  const { app, pdp } = await appFor(t, {
    cache: {},
    authzen: {
      map: (evaluation, query) => ({ ...evaluation, subject: { type: 'identity', id: `u-${evaluation.subject.id}` }, resource: { type: evaluation.resource.type, id: query.resource.key ?? 'any' } })
    }
  })
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  t.same(pdp.to(EVALUATION).map(({ body }) => body), [{ subject: { type: 'identity', id: 'u-ann' }, action: { name: 'read' }, resource: { type: 'task', id: 'any' }, context: {} }])
})

t.test('a map that throws, or returns no evaluation, never allows, and does not affect other checks', async t => {
  const wrong: Readonly<Record<string, (evaluation: Evaluation) => unknown>> = {
    throws: () => { throw new Error('of the app') },
    nothing: () => undefined,
    promise: async evaluation => evaluation,
    'an empty id': evaluation => ({ ...evaluation, subject: { type: 'user', id: '' } }),
    'a number for an id': evaluation => ({ ...evaluation, resource: { type: 'task', id: 7 } }),
    'no action': ({ action: _, ...rest }) => rest,
    'properties that are a list': evaluation => ({ ...evaluation, subject: { ...evaluation.subject, properties: [] } }),
    'properties that JSON cannot carry': evaluation => ({ ...evaluation, subject: { ...evaluation.subject, properties: { big: 1n } } }),
    'a subject with something else that JSON cannot carry': evaluation => ({ ...evaluation, subject: { ...evaluation.subject, big: 1n } }),
    'a subject that JSON makes a text': evaluation => ({ ...evaluation, subject: { ...evaluation.subject, toJSON: () => 'user:ann' } }),
    'a subject that JSON leaves out': evaluation => ({ ...evaluation, subject: { ...evaluation.subject, toJSON: () => undefined } }),
    'a context that is a text': evaluation => ({ ...evaluation, context: 'x' })
  }
  for (const [name, make] of Object.entries(wrong)) {
    const { app } = await appFor(t, { authzen: { map: ((evaluation: Evaluation) => evaluation.subject.id === 'bad' ? make(evaluation) : evaluation) as never } })
    await t.rejects(app.permit.check('bad', 'read', 'task'), { code: 'FST_PERMIT_QUERY', message: /authzen\.map/ }, name)
    const answers = await Promise.allSettled(['ann', 'bob', 'bad', 'eve', 'cid'].map(user => app.permit.check(user, 'read', 'task')))
    t.same(answers.map(answer => answer.status === 'fulfilled' ? answer.value : answer.reason.code), [true, true, 'FST_PERMIT_QUERY', false, true], name)
    app.get('/', { config: { permit: 'task:read' } }, async () => 'ok')
    const refused = await app.inject({ url: '/', headers: { 'x-user': 'bad' } })
    t.equal(refused.statusCode, 500, name)
    t.notMatch(refused.body, 'map', name)
  }
})

t.test('without a bulk endpoint, checks are sent one by one, and it is not tried again for each', async t => {
  for (const status of [404, 405, 501]) {
    const { app, pdp } = await appFor(t, { connections: 4 }, {
      intercept: ({ url }, response) => {
        if (url !== EVALUATIONS) return false
        sendJson(response, status, {})
        return true
      }
    })
    for (let round = 0; round < 3; round++) {
      const users = ['ann', 'eve', 'bob', 'cid', 'dan']
      t.same(await Promise.all(users.map(user => app.permit.check(user, 'read', `task:${round}`))), users.map(user => user !== 'eve'), String(status))
    }
    t.equal(pdp.to(EVALUATIONS).length, 1, String(status))
  }
})

t.test('batches that are refused as too large are halved, and stay small', async t => {
  for (const status of [400, 413]) {
    const { app, pdp } = await appFor(t, { connections: 1, batch: 100 }, {
      intercept: ({ url, body }, response) => {
        if (url !== EVALUATIONS || (body as { evaluations: unknown[] }).evaluations.length <= 30) return false
        sendJson(response, status, { message: 'too many' })
        return true
      }
    })
    const sizes = () => pdp.to(EVALUATIONS).map(({ body }) => (body as { evaluations: unknown[] }).evaluations.length)
    const ask = (from: number) => app.permit.bulkCheck('ann', Array.from({ length: 101 }, (_, index) => ({ action: 'read', resource: `task:${from + index}` })))
    t.notOk((await ask(0)).includes(false))
    t.same(sizes(), [100, 50, 25, 25, 50, 25, 25], String(status))
    t.notOk((await ask(1_000)).includes(false))
    t.same(sizes().slice(7), [25, 25, 25, 25], String(status))
  }
})

t.test('checks that cannot share a batch are sent one after the other when there is no room for all', async t => {
  for (const options of [{ connections: 1, queue: 20 }, { connections: 3 }, {}]) {
    const { app, pdp } = await appFor(t, { timeout: 5_000, ...options }, { decide: ({ resource }) => ({ decision: resource.properties?.tenant === 't7' }) })
    const answers = await Promise.all(Array.from({ length: 15 }, (_, index) => app.permit.check('ann', 'read', { type: 'task', tenant: `t${index}` })))
    t.same(answers, Array.from({ length: 15 }, (_, index) => index === 7), JSON.stringify(options))
    t.equal(pdp.to(EVALUATION).length, 15)
  }
})

t.test('a few checks that are refused together do not make all batches small', async t => {
  const { app, pdp } = await appFor(t, { connections: 1 }, {
    intercept: ({ url, body }, response) => {
      if (url !== EVALUATIONS || !JSON.stringify(body).includes('odd')) return false
      sendJson(response, 400, {})
      return true
    }
  })
  await Promise.all(['a', 'odd-1', 'odd-2'].map(key => app.permit.check('ann', 'read', { type: 'task', key })))
  const before = pdp.requests.length
  await app.permit.bulkCheck('ann', Array.from({ length: 41 }, (_, index) => ({ action: 'read', resource: `task:${index}` })))
  t.ok(pdp.requests.length - before <= 6, `${pdp.requests.length - before} requests for 41 questions`)
})

t.test('an invalid batch answer is split and retried, and no check gets the answer of another', async t => {
  const { app } = await appFor(t, { connections: 1 }, {
    decide: ({ resource }) => ({ decision: Number(resource.id) % 2 === 0 }),
    intercept: ({ url, body }, response) => {
      const { evaluations = [] } = body as { evaluations?: unknown[] } ?? {}
      if (url !== EVALUATIONS || evaluations.length < 3) return false
      sendJson(response, 200, { evaluations: evaluations.slice(1).map(() => ({ decision: true })) })
      return true
    }
  })
  const answers = await app.permit.bulkCheck('ann', Array.from({ length: 21 }, (_, index) => ({ action: 'read', resource: `task:${index}` })))
  t.same(answers, Array.from({ length: 21 }, (_, index) => index % 2 === 0))
})

t.test('the context of a denial is in explain and in the error, but neither in the response nor in the log', async t => {
  const context = { reason_admin: { en: 'no second factor' }, step_up: { acr_values: 'the-way-to-a-yes' } }
  const log = logSink()
  const { app } = await appFor(t, {}, { decide: () => ({ decision: false, context }) }, log.logger)
  let seen: ForbiddenError['denial']
  app.addHook('onError', async (_request, _reply, error) => { if (error instanceof ForbiddenError) seen = error.denial })
  app.get('/', { config: { permit: 'task:read' } }, async () => 'ok')
  const answer = await app.inject({ url: '/', headers: { 'x-user': 'ann' } })
  t.equal(answer.statusCode, 403)
  t.notMatch(answer.body + JSON.stringify(answer.headers), /way-to-a-yes|second factor/)
  t.same(seen?.context, context)
  t.equal(seen?.reason, 'no second factor')
  t.notMatch(JSON.stringify({ ...seen }), 'way-to-a-yes')
  t.match(log.lines.find(({ msg }) => msg === 'permit: denied'), { permit: { reason: 'no second factor' } })
  t.notMatch(log.text(), 'way-to-a-yes')
  t.match(await app.permit.explain('ann', 'read', 'task'), { allow: false, reason: 'no second factor', context })
  t.same(await app.permit.assert('ann', 'read', 'task').catch((error: ForbiddenError) => error.denial?.context), context)
})

t.test('a small context of a denial is cached with it; a large one, and that of an allow, is not; a huge one is dropped', async t => {
  const contexts: Readonly<Record<string, object>> = { small: { hint: 'x'.repeat(400) }, large: { hint: 'x'.repeat(4_000) }, huge: { hint: 'x'.repeat(20_000) }, many: Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [index, 0])) }
  const { app } = await appFor(t, { cache: {} }, { decide: ({ subject, action }) => ({ decision: action.name === 'yes', context: contexts[subject.id] }) })
  const kept = async (user: string, action: string) => {
    const answers = [await app.permit.explain(user, action, 'task'), await app.permit.explain(user, action, 'task')]
    t.same(answers.map(({ source, allow }) => [source, allow]), [['pdp', action === 'yes'], ['cache', action === 'yes']])
    return answers.map(({ context }) => context !== undefined)
  }
  t.same(await kept('small', 'no'), [true, true])
  t.same(await kept('small', 'yes'), [true, false])
  t.same(await kept('large', 'no'), [true, false])
  t.same(await kept('huge', 'no'), [false, false])
  t.same(await kept('many', 'no'), [false, false])
})

t.test('a reason is found where PDPs send it, shortened, and another format does no harm', async t => {
  const found: Array<[unknown, string | undefined]> = [
    [{ reason: 'resource not found' }, 'resource not found'],
    [{ reason: { en: 'in words' } }, 'in words'],
    [{ reason_user: { 'en-403': 'for users' }, reason_admin: { en: 'for administrators' } }, 'for administrators'],
    [{ reason_user: { 'en-403': 'for users' } }, 'for users'],
    [{ rbac: { allow: false, code: 'no_permission', reason: 'as Permit says it' } }, 'as Permit says it'],
    [{ reason: 'x'.repeat(1_000) }, 'x'.repeat(300)],
    [{ reason: 7, reason_admin: [], error: null }, undefined], [{}, undefined], ['text', undefined], [null, undefined], [['reason'], undefined], [7, undefined]
  ]
  const { app } = await appFor(t, {}, { decide: ({ resource }) => ({ decision: false, context: found[Number(resource.id)]?.[0] }) })
  for (const [index, [context, reason]] of found.entries()) t.match(await app.permit.explain('ann', 'read', `task:${index}`), { allow: false, reason }, JSON.stringify(context).slice(0, 80))
})

t.test('the id of a request is sent, unless a header cannot contain it', async t => {
  const pdp = await authzenPdpFor(t)
  const app = fastifyFor(t, { requestIdHeader: 'x-trace' })
  await app.register(permit, { pdp: pdp.url, protocol: 'authzen', cache: false, user: byHeader, authzen: { discovery: false } })
  app.get('/', { config: { permit: 'task:read' } }, async request => request.permit.bulkCheck(['1', '2', '3', '4'].map(key => ({ action: 'read', resource: `task:${key}` }))))
  for (const id of ['trace-1', 'a b', 'x'.repeat(200), 'ü']) {
    pdp.requests.length = 0
    t.equal((await app.inject({ url: '/', headers: { 'x-user': 'ann', 'x-trace': id } })).statusCode, 200, id)
    t.same(pdp.requests.map(({ headers }) => headers['x-request-id']), new Array(2).fill(id === 'trace-1' ? id : undefined), id)
  }
  pdp.requests.length = 0
  await app.permit.check('ann', 'read', 'task')
  t.equal(pdp.requests[0]?.headers['x-request-id'], undefined, 'a question without a request has none')
})

t.test('calls without an AuthZEN equivalent are refused, with what to do instead', async t => {
  const { app, pdp } = await appFor(t)
  await t.rejects(app.permit.permissions('ann'), { code: 'FST_PERMIT_UNSUPPORTED', message: /Name the resources, such as \{ resources/ })
  await t.rejects(app.permit.write(app.permit.api.assignRole('ann', 'viewer')), { code: 'FST_PERMIT_UNSUPPORTED', message: /assignRole .* invalidate\(\)/ })
  await t.rejects(async () => { await app.permit.api.deleteUser('ann') }, { code: 'FST_PERMIT_UNSUPPORTED' })
  t.notOk(pdp.requests.some(({ url }) => !url.startsWith('/.well-known/')))
})

t.test('our local PDP speaks it: decisions, reasons, cache, batches and metadata', async t => {
  const { url } = await localPdpFor(t)
  const app = fastifyFor(t)
  await app.register(permit, { pdp: url, protocol: 'authzen', token: TOKEN, user: byHeader, batch: 10, authzen: 'permit' })
  t.equal(await app.permit.check('ada', 'read', { type: 'task', tenant: 'acme' }), true)
  t.equal(await app.permit.check('ada', 'read', 'task'), false)
  t.equal(await app.permit.check({ key: 'bob', attributes: { age: 20 } }, 'approve', 'task'), true)
  t.match(await app.permit.explain('ada', 'write', { type: 'task', tenant: 'acme' }), { allow: false, code: 'no_permission', context: { rbac: { allow: false } } })
  const many = await app.permit.bulkCheck('bob', Array.from({ length: 40 }, (_, index) => ({ action: 'write', resource: `task:${index}` })))
  t.same(many, Array.from({ length: 40 }, (_, index) => index === 1))
  t.match(app.permit.stats(), { batches: { splits: 0 }, checks: { failed: 0 } })
  t.match(await app.permit.health(), { ok: true })

  const stranger = fastifyFor(t)
  await stranger.register(permit, { pdp: url, protocol: 'authzen', user: byHeader, authzen: 'permit' })
  await t.rejects(stranger.permit.check('ada', 'read', { type: 'task', tenant: 'acme' }), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'token' } })
})
