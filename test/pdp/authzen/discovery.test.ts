// Where the endpoints are: what the PDP says is believed only about itself, and never takes what is asked to somebody else.
import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import { createServer, type AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import permit, { PdpError, type PermitOptions } from '../../../src/index.js'
import { Discovery } from '../../../src/pdp/authzen/discovery.js'
import type { TransportRequest } from '../../../src/pdp/http/transport.js'
import { byHeader, deferred, fastifyFor, logSink } from '../../support/app.js'
import { authzenPdpFor, type AuthZenPdpOptions } from '../../support/authzen-pdp.js'
import { createAuthority } from '../../faults/certificates.js'
import { sendJson } from '../../support/fake-pdp.js'

const WELL_KNOWN = '/.well-known/authzen-configuration'

async function appFor (t: Test, fake: AuthZenPdpOptions = {}, options: Partial<PermitOptions> = {}, path = '') {
  const pdp = await authzenPdpFor(t, fake)
  const log = logSink('warn')
  const app = fastifyFor(t, { logger: log.logger })
  await app.register(permit, { pdp: pdp.url + path, protocol: 'authzen', token: 'the-token', cache: false, user: byHeader, ...options })
  return { app, pdp, log }
}

const paths = (pdp: { requests: ReadonlyArray<{ url: string }> }) => [...new Set(pdp.requests.map(({ url }) => url))]
/** The answers to a check that is sent by itself, and to some that are sent in a batch. */
const oneAndMany = async (app: FastifyInstance) => [await app.permit.check('ann', 'read', 'task:0'), ...await app.permit.bulkCheck('ann', many)]
const many = ['1', '2', '3'].map(key => ({ action: 'read', resource: `task:${key}` }))

t.test('the endpoints of the metadata are used, for one and for many, including their query', async t => {
  const { app, pdp, log } = await appFor(t, {
    metadata: url => ({ policy_decision_point: url, access_evaluation_endpoint: `${url}/v2/evaluation`, access_evaluations_endpoint: `${url}/v2/evaluations`, what_nobody_knows: 7 })
  })
  t.same(await oneAndMany(app), [true, true, true, true])
  t.same(paths(pdp), [WELL_KNOWN, '/v2/evaluation', '/v2/evaluations'])
  t.same(log.lines, [])
})

t.test('a PDP without a bulk endpoint in its metadata gets single checks', async t => {
  const { app, pdp } = await appFor(t, { metadata: url => ({ policy_decision_point: url, access_evaluation_endpoint: `${url}/only/evaluation` }) })
  t.same(await app.permit.bulkCheck('ann', many), [true, true, true])
  t.same(paths(pdp), [WELL_KNOWN, '/only/evaluation'])
})

t.test('without metadata the default paths are used, below the path of the URL; the metadata URL follows the standard', async t => {
  for (const status of [404, 405, 410, 501]) {
    const { app, pdp, log } = await appFor(t, {
      intercept: ({ url }, response) => {
        if (!url.startsWith(WELL_KNOWN)) return false
        sendJson(response, status, {})
        return true
      }
    }, {}, '/tenants/7/')
    t.same(await oneAndMany(app), [true, true, true, true])
    t.same(paths(pdp), [`${WELL_KNOWN}/tenants/7`, '/tenants/7/access/v1/evaluation', '/tenants/7/access/v1/evaluations'])
    t.same(await app.permit.health(), { ok: true, pdp: `${pdp.url}/tenants/7` })
    t.same(log.lines, [])
  }
})

t.test('metadata about another URL is ignored, with one warning', async t => {
  const others: Array<(url: string) => string> = [
    () => 'https://pdp.example.com', url => `${url}/other`, url => url.replace('http:', 'https:'), url => `${url}?a=1`, url => `${url}#a`,
    url => url.replace('http://', 'http://me@'), () => 'not a url', () => '', url => url.replace(/\d+$/, '1')
  ]
  for (const other of others) {
    const { app, pdp, log } = await appFor(t, {
      metadata: url => ({ policy_decision_point: other(url), access_evaluation_endpoint: `${url}/trap/evaluation`, access_evaluations_endpoint: `${url}/trap/evaluations` })
    })
    t.same(await oneAndMany(app), [true, true, true, true])
    t.same(paths(pdp), [WELL_KNOWN, '/access/v1/evaluation', '/access/v1/evaluations'], other(pdp.url))
    await app.permit.health()
    t.equal(log.lines.length, 1)
    t.match(log.lines[0], { msg: 'permit: the AuthZEN metadata of the PDP cannot be used', permit: { reason: /another URL/ } })
  }
})

t.test('a trailing slash does not matter', async t => {
  const { app, pdp } = await appFor(t, { metadata: url => ({ policy_decision_point: `${url}/`, access_evaluation_endpoint: `${url}/v2/evaluation` }) })
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  t.same(paths(pdp), [WELL_KNOWN, '/v2/evaluation'])
})

t.test('an endpoint at another origin gets neither the token nor a check, and nothing is allowed', async t => {
  const stranger = await authzenPdpFor(t, { decide: () => ({ decision: true }) })
  for (const endpoint of ['evaluation', 'evaluations'] as const) {
    const { app, pdp, log } = await appFor(t, {
      metadata: url => ({
        policy_decision_point: url,
        access_evaluation_endpoint: `${url}/access/v1/evaluation`,
        access_evaluations_endpoint: `${url}/access/v1/evaluations`,
        [`access_${endpoint}_endpoint`]: `${stranger.url}/access/v1/${endpoint}`
      })
    })
    await t.rejects(app.permit.check('ann', 'read', 'task'), { code: 'FST_PERMIT_UNAVAILABLE', cause: { message: /another origin/ } })
    await t.rejects(app.permit.bulkCheck('ann', many), { code: 'FST_PERMIT_UNAVAILABLE' })
    t.match(await app.permit.health(), { ok: false, reason: /another origin/ })
    t.same(stranger.requests, [])
    t.same(paths(pdp), [WELL_KNOWN])
    t.equal(log.lines.filter(({ msg }) => msg === 'permit: the AuthZEN metadata of the PDP cannot be used').length, 1)
    t.notMatch(log.text(), 'the-token')
  }
})

t.test('invalid metadata never allows, and the error says how to turn discovery off', async t => {
  const good = (url: string) => ({ policy_decision_point: url, access_evaluation_endpoint: `${url}/access/v1/evaluation` })
  const broken: Array<(url: string) => unknown> = [
    () => null, () => [], () => 'text', () => ({}), url => ({ ...good(url), policy_decision_point: undefined }), url => ({ ...good(url), access_evaluation_endpoint: 7 }),
    url => ({ ...good(url), access_evaluation_endpoint: '/access/v1/evaluation' }), url => ({ ...good(url), access_evaluation_endpoint: 'javascript:alert(1)' }),
    url => ({ ...good(url), access_evaluation_endpoint: url.replace('http://', 'http://me:pw@') }), url => ({ ...good(url), access_evaluation_endpoint: `${url}/evaluation#a` }),
    url => ({ ...good(url), access_evaluations_endpoint: '' }), url => ({ ...good(url), access_evaluations_endpoint: null }), url => ({ ...good(url), access_evaluation_endpoint: `${url}/${'x'.repeat(3_000)}` })
  ]
  for (const metadata of broken) {
    const { app, pdp } = await appFor(t, { metadata })
    await t.rejects(app.permit.check('ann', 'read', 'task'), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'answer' } }, JSON.stringify(metadata(pdp.url)))
    t.same(paths(pdp), [WELL_KNOWN])
  }
})

t.test('with discovery: false no metadata is requested, and health works', async t => {
  const { app, pdp, log } = await appFor(t, { metadata: () => ({}) }, { authzen: { discovery: false } })
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  t.same(paths(pdp), ['/access/v1/evaluation'])
  t.match(await app.permit.health(), { ok: true })
  t.same(log.lines, [])
})

t.test('an app starts without its PDP', async t => {
  // A port that is nobody's any more.
  const place = createServer().listen(0, '127.0.0.1')
  await once(place, 'listening')
  const { port } = place.address() as AddressInfo
  await new Promise(resolve => place.close(resolve))
  const app = fastifyFor(t)
  await app.register(permit, { pdp: `http://127.0.0.1:${port}`, protocol: 'authzen', cache: false, user: byHeader })
  await app.ready()
  await t.rejects(app.permit.check('ann', 'read', 'task'), { code: 'FST_PERMIT_UNAVAILABLE', cause: { failure: 'network' } })
  t.match(await app.permit.health(), { ok: false })
})

t.test('while discovery is pending, the number of waiting checks and their time is limited', async t => {
  const gate = deferred<void>()
  const { app, pdp } = await appFor(t, {
    intercept: async ({ url }) => {
      if (url === WELL_KNOWN) await gate.promise
      return false
    }
  }, { connections: 3, queue: 10, batch: 4, timeout: 300 })
  const answers: Promise<boolean>[] = []
  for (let wave = 0; wave < 10; wave++) {
    for (let index = 0; index < 6; index++) answers.push(app.permit.check('ann', 'read', `task:${wave}-${index}`))
    for (const answer of answers) answer.catch(() => {})
    for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
  }
  const settled = await Promise.allSettled(answers)
  const failures = settled.map(answer => answer.status === 'rejected' ? answer.reason.cause.failure as string : 'none')
  // At most three batches of four on their way, and ten that wait.
  t.ok(failures.filter(failure => failure === 'overload').length >= 60 - (3 * 4 + 10 + 3), failures.join())
  t.notOk(failures.includes('none'))
  t.same(paths(pdp), [WELL_KNOWN])
  gate.resolve()
  t.same(await app.permit.bulkCheck('ann', many), [true, true, true])
})

t.test('closing does not wait for discovery', async t => {
  const { app } = await appFor(t, { intercept: () => new Promise(() => {}) }, { timeout: 200 })
  const asked = app.permit.check('ann', 'read', 'task')
  asked.catch(() => {})
  const start = performance.now()
  await app.close()
  t.ok(performance.now() - start < 2_000)
  await t.rejects(asked, { code: 'FST_PERMIT_UNAVAILABLE' })
})

t.test('the metadata is requested again after a while, and the known endpoints are used meanwhile', async t => {
  let now = 0
  let answer: unknown
  let looks = 0
  const transport = {
    send: async <T> ({ read }: TransportRequest<T>): Promise<T> => {
      looks++
      if (answer instanceof Error) throw answer
      return read(answer, 200)
    }
  }
  const url = new URL('https://pdp.example.com')
  const metadata = (path: string) => ({ policy_decision_point: 'https://pdp.example.com', access_evaluation_endpoint: `https://pdp.example.com/${path}` })
  const discovery = new Discovery(transport, { urls: [url], enabled: true, timeout: 1_000 }, { now: () => now })
  const turn = () => new Promise(resolve => setImmediate(resolve))

  answer = new PdpError('network', 'away')
  await t.rejects(discovery.find(), { message: 'away' })
  answer = metadata('one')
  t.equal((await discovery.find()).evaluation, '/one')
  t.equal(looks, 2)

  answer = metadata('two')
  now += 299_000
  t.equal(discovery.known?.evaluation, '/one')
  await turn()
  t.equal(looks, 2)
  now += 2_000
  t.equal(discovery.known?.evaluation, '/one', 'nobody waits')
  await turn()
  t.equal(discovery.known?.evaluation, '/two')

  answer = new PdpError('network', 'away')
  now += 301_000
  t.equal(discovery.known?.evaluation, '/two')
  await turn()
  t.equal(discovery.known?.evaluation, '/two')
  t.equal(looks, 4)

  answer = { ...metadata('two'), access_evaluation_endpoint: 'https://elsewhere.example.com/two' }
  now += 11_000
  t.ok(discovery.known)
  await turn()
  t.equal(discovery.known, undefined, 'a PDP that has gone elsewhere is not asked at the old place')
  await t.rejects(discovery.find(), { message: /another origin/ })
})

t.test('metadata below the id of the store is found, where OpenFGA has it; without it the default paths are used', async t => {
  for (const [status, evaluation] of [[200, '/of/the/store'], [500, '/stores/7/access/v1/evaluation'], [404, '/stores/7/access/v1/evaluation']] as const) {
    const { app, pdp } = await appFor(t, {
      intercept (request, response) {
        const { url } = request
        if (url !== '/of/the/store' && !url.startsWith(WELL_KNOWN)) return false
        const found = url === `${WELL_KNOWN}/7`
        if (url === '/of/the/store') sendJson(response, 200, { decision: true })
        else sendJson(response, found ? status : 404, { policy_decision_point: `http://${request.headers.host}/stores/7`, access_evaluation_endpoint: `http://${request.headers.host}/of/the/store` })
        return true
      }
    }, {}, '/stores/7')
    t.equal(await app.permit.check('ann', 'read', 'task'), true)
    t.same(paths(pdp), [`${WELL_KNOWN}/stores/7`, `${WELL_KNOWN}/7`, evaluation])
  }
})

t.test('behind a proxy that ends TLS, metadata with http: is about the same PDP: no warning, and everything goes by TLS', async t => {
  const authority = createAuthority('metadata')
  const seen: string[] = []
  let origin = (host: string): string => `http://${host}`
  const server = createTlsServer(authority.issue({ name: '127.0.0.1', from: -1, to: 1 }), (request, response) => {
    seen.push(`${request.url} ${request.headers.authorization}`)
    const pdp = origin(request.headers.host as string)
    const isMetadata = request.url === WELL_KNOWN
    sendJson(response, 200, isMetadata ? { policy_decision_point: pdp, access_evaluation_endpoint: `${pdp}/inside/evaluation` } : { decision: true })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => { server.close(); server.closeAllConnections() })
  const pdp = `https://127.0.0.1:${(server.address() as AddressInfo).port}`

  const appOf = async () => {
    const log = logSink('warn')
    const app = fastifyFor(t, { logger: log.logger })
    await app.register(permit, { pdp, tls: { ca: authority.cert }, protocol: 'authzen', token: 'the-token', cache: false, user: byHeader })
    return { app, log }
  }
  const { app, log } = await appOf()
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  t.ok(seen.includes('/inside/evaluation Bearer the-token'))
  t.same(log.lines, [])

  // Another host or port stays another server.
  for (const other of [(host: string) => `http://localhost:${host.split(':')[1]}`, () => 'http://127.0.0.1:1', () => 'http://127.0.0.1']) {
    origin = other
    const { app, log } = await appOf()
    seen.length = 0
    t.equal(await app.permit.check('ann', 'read', 'task'), true)
    t.ok(seen.includes('/access/v1/evaluation Bearer the-token'), 'the default path')
    t.match(log.lines, [{ permit: { reason: /names another URL/ } }])
  }
})
