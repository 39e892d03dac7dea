// What stands between the plugin and a real Cerbos breaks, in every way that answers break: nobody gets in, and when it is over, all is as before.
import { setTimeout as delay } from 'node:timers/promises'
import type { ServerResponse } from 'node:http'
import t from 'tap'
import permit from '../../src/index.js'
import { byHeader, fastifyFor } from '../support/app.js'
import { POLICIES } from './policies.js'
import { startProxy, type Fault } from './proxy.js'
import { binary, startCerbos } from './server.js'

const send = (response: ServerResponse, body: string | Buffer, status = 200, type = 'application/json') => response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) }).end(body)

/** An answer of Cerbos, with each decision replaced. */
function withDecisions (replace: (decision: object) => unknown): Fault {
  return (response, answer, { path }) => {
    const parsed = JSON.parse(answer.toString())
    if (path === '/access/v1/evaluation') send(response, JSON.stringify(replace(parsed)))
    else if (path === '/access/v1/evaluations') send(response, JSON.stringify({ evaluations: parsed.evaluations.map(replace) }))
    else send(response, answer)
  }
}

/** An answer to a batch with another number of decisions; one to a single question is none. */
function withEvaluations (change: (evaluations: object[]) => unknown): Fault {
  return (response, answer, { path }) => {
    if (path === '/access/v1/evaluations') send(response, JSON.stringify({ evaluations: change(JSON.parse(answer.toString()).evaluations) }))
    else send(response, '{}')
  }
}

/** Those that any answer can have. */
const BROKEN: Readonly<Record<string, Fault>> = {
  'no answer at all': () => {},
  'a connection that is reset': response => { response.socket?.resetAndDestroy() },
  'a connection that is closed': response => { response.destroy() },
  'a head without a body': response => { response.writeHead(200, { 'content-type': 'application/json', 'content-length': '17' }).flushHeaders() },
  'half an answer': (response, answer) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
    response.write(answer.subarray(0, answer.length / 2), () => response.destroy())
  },
  'half an answer, as if it were whole': (response, answer) => send(response, answer.subarray(0, answer.length / 2)),
  'something that is not JSON': response => send(response, '<html>{"decision":true}</html>'),
  'a page': response => send(response, '{"decision":true,"evaluations":[{"decision":true}]}', 200, 'text/html'),
  nothing: response => send(response, ''),
  null: response => send(response, 'null'),
  'a bare yes': response => send(response, 'true'),
  'a list': response => send(response, '[{"decision":true}]'),
  'status 500': (response, answer) => send(response, answer, 500),
  'status 503': (response, answer) => send(response, answer, 503),
  'status 429': (response, answer) => send(response, answer, 429),
  'status 401': (response, answer) => send(response, answer, 401),
  'status 201': (response, answer) => send(response, answer, 201),
  'a redirect': response => { response.writeHead(302, { location: 'http://127.0.0.1:1/', 'content-length': 0 }).end() },
  'more than 1 MiB': response => send(response, `{"decision":true,"x":"${'x'.repeat(1024 * 1024)}"}`)
}

/** Those of decisions only. */
const WRONG: Readonly<Record<string, Fault>> = {
  'a text for a decision': withDecisions(() => ({ decision: 'true' })),
  'a number for a decision': withDecisions(() => ({ decision: 1 })),
  'an object for a decision': withDecisions(() => ({ decision: { decision: true } })),
  'no decision': withDecisions(() => ({ allow: true, result: true })),
  'an inherited decision': withDecisions(() => JSON.parse('{"__proto__":{"decision":true}}')),
  'a null for an evaluation': withDecisions(() => null),
  'a decision too few': withEvaluations(evaluations => evaluations.slice(1)),
  'a decision too many': withEvaluations(evaluations => [...evaluations, { decision: true }]),
  'no list of decisions': withEvaluations(evaluations => ({ ...evaluations })),
  'an empty list of decisions': withEvaluations(() => [])
}

/** Without help, within a second: a circuit breaker may have to notice first. The rest is slack for a busy machine. */
async function recovered (ask: () => Promise<boolean>, name: string): Promise<void> {
  const start = performance.now()
  while (!await ask().catch(() => false)) {
    if (performance.now() - start > 3_000) throw new Error(`still no decision 3 s after ${name}`)
    await delay(10)
  }
}

if (binary === undefined) t.plan(0, 'Cerbos is not to be had on this platform')
else {
  const cerbos = await startCerbos(t, { policies: POLICIES })

  t.test('broken answers, alone or in a batch, never allow; valid answers are used again', async t => {
    const proxy = await startProxy(t, cerbos)
    const app = fastifyFor(t)
    const user = (key: string) => ({ key, attributes: { 'cerbos.roles': ['viewer'] } })
    await app.register(permit, { pdp: proxy.url, protocol: 'authzen', cache: false, timeout: 400, user: request => user(byHeader(request) as string) })
    let reached = 0
    app.get('/tasks/:id', { config: { permit: { action: 'read', resource: 'task:{id}' } } }, async () => { reached++; return 'ok' })
    const ask = (id: string) => app.inject({ url: `/tasks/${id}`, headers: { 'x-user': 'ann' } }).then(answer => answer.statusCode)

    t.equal(await ask('0'), 200)
    for (const [name, fault] of Object.entries({ ...BROKEN, ...WRONG })) {
      reached = 0
      proxy.fault = fault
      const before = proxy.exchanges.length
      t.same(await Promise.all(['1', '2', '3', '4', '5'].map(ask)), [503, 503, 503, 503, 503], name)
      t.equal(reached, 0, name)
      t.ok(proxy.exchanges.slice(before).some(({ path }) => path.endsWith('evaluations')), `${name}: in a batch, too`)
      proxy.fault = undefined
      const all = async () => (await Promise.all(['0', '1', '2', '3'].map(ask))).every(status => status === 200)
      // Twice: the breaker may open while the first answers are on their way, by a probe that met the fault.
      await recovered(async () => await all() && await all(), name)
      t.equal(await app.permit.check(user('ann'), 'write', 'task:1'), false, `after ${name}`)
    }
  })

  t.test('broken discovery answers never allow; valid answers are used again', async t => {
    for (const [name, fault] of Object.entries(BROKEN)) {
      const proxy = await startProxy(t, cerbos)
      proxy.fault = (response, answer, exchange) => exchange.path.startsWith('/.well-known/') ? fault(response, answer, exchange) : send(response, answer)
      const app = fastifyFor(t)
      await app.register(permit, { pdp: proxy.url, protocol: 'authzen', cache: false, timeout: 150 })
      const ask = () => app.permit.check({ key: 'ann', attributes: { 'cerbos.roles': ['viewer'] } }, 'read', 'task:1')
      await t.rejects(ask(), { code: 'FST_PERMIT_UNAVAILABLE' }, name)
      t.match(await app.permit.health(), { ok: false }, name)
      proxy.fault = undefined
      await recovered(ask, name)
      t.equal(await ask(), true, `after ${name}`)
      t.match(await app.permit.health(), { ok: true }, `after ${name}`)
      await app.close()
    }
  })
}
