// What an app that starts says about its PDP: a wrong token and a PDP that is not there are told apart, and neither keeps it from starting.
import { EventEmitter } from 'node:events'
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../../src/index.js'
import { httpTransport } from '../../../src/pdp/http/transport.js'
import { permitProbe } from '../../../src/pdp/permit/permit-pdp.js'
import { fastifyFor, logSink, optionsFor, pdpFor } from '../../support/app.js'
import { startFakePdp, type FakePdp, type FakePdpOptions } from '../../support/fake-pdp.js'
import { until } from '../../support/replicas.js'

/** A bus within this process. */
class EventBus extends EventEmitter {
  constructor (readonly name: string) {
    super()
  }

  publish (channel: string, message: string): boolean {
    return this.emit(channel, message)
  }

  subscribe (channel: string, listener: (message: string) => void): () => void {
    this.on(channel, listener)
    return () => this.off(channel, listener)
  }
}

const SECRET = 'token-that-stays-in'

async function start (t: Test, pdp: FakePdp, options: Partial<PermitOptions> = {}) {
  const sink = logSink()
  const app = fastifyFor(t, { logger: sink.logger })
  const began = performance.now()
  await app.register(permit, optionsFor(pdp, { token: SECRET, ...options }))
  await app.ready()
  const complaints = () => sink.lines.filter(({ level }) => Number(level) >= 40)
  return { app, ...sink, complaints, took: performance.now() - began }
}

async function firstComplaint (t: Test, pdp: FakePdp) {
  const { complaints } = await start(t, pdp)
  await until(() => complaints().length > 0)
  return complaints()
}

const fake = (t: Test, options: FakePdpOptions = {}) => pdpFor(t, { token: SECRET, decide: () => true, ...options })

t.test('a healthy PDP causes no log line, and no check', async t => {
  const pdp = await fake(t)
  const { app, complaints } = await start(t, pdp)
  t.same(complaints(), [])
  t.same([pdp.requests, pdp.questions], [[], []])
  t.match(app.permit.stats().pdp, { requests: 0, failures: 0, latency: undefined })
})

t.test('in a fleet, probes are sent at a random time within a second, and no start waits for its probe', async t => {
  const arrivals: number[] = []
  const pdp = await fake(t, { intercept: () => { arrivals.push(performance.now()); return false } })
  const bus = (name: string) => ({ client: new EventBus(name), secret: 'the secret of this fleet' })
  const began = performance.now()
  await Promise.all(Array.from({ length: 30 }, (_, index) => start(t, pdp, { cache: { ttl: 60_000 }, bus: bus(String(index)) })))
  await until(() => arrivals.length === 30)
  const [first, last] = [Math.min(...arrivals), Math.max(...arrivals)]
  // 30 random times within a second are within 300 ms once in 10^14.
  t.ok(last - first > 300 && first >= began, `${(last - first).toFixed(0)} ms apart`)
})

t.test('a transport that closes before its probes are sent sends none', async t => {
  const pdp = await fake(t)
  const transport = await httpTransport({
    url: new URL(pdp.url), token: SECRET, connections: 1, maxQueue: 1, maxResponseSize: 1_000, connectTimeout: 1_000, probe: permitProbe, probeWithin: 60_000
  })
  const results: unknown[] = []
  const probed = transport.probe(result => results.push(result))
  await transport.close(performance.now() + 1_000)
  await probed
  t.same(results, [])
})

t.test('a refused token is one error with what to do', async t => {
  const pdp = await fake(t, { token: 'another' })
  const { app, complaints, text } = await start(t, pdp)
  await until(() => complaints().length > 0)
  t.match(complaints(), [{ level: 50, msg: /rejects the token, so every check will get 503\. Set the option "token" to the token/, permit: { pdp: pdp.url, failure: 'token' } }])
  t.equal(complaints().length, 1)
  await t.rejects(app.permit.check('ann', 'read', 'task'), { cause: { failure: 'token' } })
  t.notMatch(text(), SECRET)
})

t.test('an unreachable PDP is a warning, and the app starts; it is used when it is available', async t => {
  const pdp = await startFakePdp()
  await pdp.close()
  const { app, complaints } = await start(t, pdp)
  await until(() => complaints().length > 0)
  t.match(complaints(), [{ level: 40, msg: /is unreachable\. The app starts anyway/, permit: { pdp: pdp.url, failure: 'network' } }])
  t.equal(complaints().length, 1)
  const back = await fake(t, { port: Number(new URL(pdp.url).port) })
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
  t.equal(back.questions.length, 1)
})

t.test('a PDP that hangs delays the start only briefly, and causes a warning at the deadline', async t => {
  const pdp = await fake(t, { intercept: () => new Promise(() => {}) })
  const { complaints, took } = await start(t, pdp, { timeout: 1_500 })
  t.ok(took < 1_490, `${took} ms`)
  t.same(complaints(), [])
  await until(() => complaints().length > 0)
  t.match(complaints(), [{ level: 40, msg: /is unreachable/, permit: { failure: 'timeout' } }])
})

t.test('a server that is not a PDP, and a failing PDP, cause a warning', async t => {
  const html = await fake(t, { intercept: (_request, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end('<p>hello'); return true } })
  t.match(await firstComplaint(t, html), [{ level: 40, msg: /does not respond like a PDP\. Check the option "pdp"/ }])
  const failing = await fake(t, { intercept: (_request, response) => { response.writeHead(502).end(); return true } })
  t.match(await firstComplaint(t, failing), [{ level: 40, msg: /is unreachable/, permit: { reason: /502/ } }])
})

t.test('a PDP without a bulk endpoint causes no warning', async t => {
  const pdp = await fake(t, { intercept: (request, response) => { if (request.url === '/allowed/bulk') response.writeHead(404).end(); return request.url === '/allowed/bulk' } })
  t.same((await start(t, pdp)).complaints(), [])
})

t.test('each replica is probed', async t => {
  const pdps = [await fake(t), await fake(t, { token: 'another' }), await startFakePdp()]
  await pdps[2]!.close()
  const { complaints } = await start(t, pdps[0]!, { pdp: pdps.map(pdp => pdp.url) })
  await until(() => complaints().length > 1)
  t.same(complaints().map(({ permit }) => permit as Record<string, string>).map(({ pdp, failure }) => [pdp, failure]).sort(), [[pdps[1]!.url, 'token'], [pdps[2]!.url, 'network']].sort())
})

t.test('an app that is closed before the PDP answers logs nothing more', async t => {
  const pdp = await fake(t, { intercept: () => new Promise(() => {}) })
  const { app, complaints } = await start(t, pdp, { timeout: 500 })
  await app.close()
  t.same(complaints(), [])
})
