// What a start and `health()` find out by a real question: a wrong token, a wrong path, a relation that is missing.
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../../src/index.js'
import { byHeader, fastifyFor, logSink } from '../../support/app.js'
import { authzenPdpFor, type AuthZenPdpOptions } from '../../support/authzen-pdp.js'

async function start (t: Test, fake: AuthZenPdpOptions, options: Partial<PermitOptions> = {}) {
  const pdp = await authzenPdpFor(t, { answersProbes: true, ...fake })
  const log = logSink()
  const app = fastifyFor(t, { logger: log.logger })
  await app.register(permit, { pdp: pdp.url, protocol: 'authzen', cache: false, user: byHeader, breaker: false, timeout: 10_000, ...options })
  app.get('/documents/:id', { config: { permit: { action: 'read', resource: 'document:{id}' } } }, async () => 'ok')
  await app.ready()
  const lines = () => log.lines.filter(({ level }) => (level as number) >= 40)
  return { app, pdp, lines, text: () => log.text() }
}

/** A PDP that reads the question first, then the token, as OpenFGA does. */
const answering = (status: number, body: object): AuthZenPdpOptions => ({
  intercept ({ url }, response) {
    if (!url.endsWith('/evaluation')) return false
    const text = JSON.stringify(body)
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
    return true
  }
})

t.test('a question of the routes is asked at boot, about nobody and nothing; yes and no are both fine', async t => {
  for (const decision of [true, false]) {
    const { app, pdp, lines } = await start(t, { decide: () => ({ decision }) })
    t.match(pdp.to('/access/v1/evaluation').map(({ body }) => body), [{ subject: { id: 'fastify-permit-probe' }, action: { name: 'read' }, resource: { type: 'document', id: 'fastify-permit-probe' } }])
    t.same(lines(), [])
    t.match(await app.permit.health(), { ok: true })
  }
})

t.test('a token that is refused after the question was read is one error at boot, and health says so', async t => {
  const { app, pdp, lines, text } = await start(t, answering(401, { message: 'invalid bearer token' }), { token: 'the-wrong-token' })
  t.match(lines(), [{ level: 50, msg: /rejects the token, so every check will get 503\. Set the option "token"/, permit: { failure: 'token' } }])
  t.equal(lines().length, 1)
  t.notMatch(text(), /the-wrong-token|PERMIT_API_KEY/)
  t.match(await app.permit.health(), { ok: false, pdp: pdp.url, reason: /401/ })
})

t.test('what the PDP says of a wrong store, path or relation is in an error at boot, and in health', async t => {
  for (const [status, message] of [[400, "relation 'document#read' not found"], [400, 'latest_authorization_model_not_found'], [404, 'undefined endpoint'], [501, 'AuthZEN endpoints are experimental']] as const) {
    const { app, lines } = await start(t, answering(status, { message }))
    t.match(lines().at(-1), { level: 50, msg: new RegExp(`cannot answer "document:read".*${status}.*${message}.*Check the option "pdp"`) }, message)
    t.match(await app.permit.health(), { ok: false, reason: new RegExp(message) }, message)
  }
})

t.test('an evaluation that is no decision is an error at boot, too', async t => {
  for (const body of [{}, { decision: 'true' }, { decision: false, context: { error: { status: 500, message: 'no model' } } }]) {
    const { app, lines } = await start(t, answering(200, body))
    t.match(lines(), [{ level: 50, msg: /cannot answer "document:read"/ }])
    t.match(await app.permit.health(), { ok: false })
  }
})

t.test('the option authzen.probe names the question; the variable that is read is named', async t => {
  process.env.PERMIT_PDP_URL = 'http://127.0.0.1:9'
  t.teardown(() => { delete process.env.PERMIT_PDP_URL })
  const fake = await authzenPdpFor(t, { answersProbes: true, ...answering(404, {}) })
  process.env.PERMIT_PDP_URL = fake.url
  const { lines } = await start(t, {}, { pdp: undefined, authzen: { probe: { action: 'create', resource: 'folder:root' } } })
  t.match(fake.to('/access/v1/evaluation')[0]?.body, { action: { name: 'create' }, resource: { type: 'folder', id: 'root' } })
  t.match(lines(), [{ msg: /cannot answer "folder:create".*Check PERMIT_PDP_URL/ }])
})
