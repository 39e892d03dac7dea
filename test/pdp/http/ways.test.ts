// What only some ways to a PDP have: HTTP/2, a proxy, headers by request, a dispatcher. See way-faults.test.ts for what all have.
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import t from 'tap'
import { Agent } from 'undici'
import permit, { type PermitOptions } from '../../../src/index.js'
import { fastifyFor, logSink } from '../../support/app.js'
import { YES } from './way-faults.js'
import { appFor, authority, certificate, Pdp, proxyFor, tell, TIMEOUT, ways, type Way } from './ways.js'

// Run by itself, without the runner, it would have less.
t.setTimeout(300_000)

t.test('HTTP/2 has one connection for many checks, and is not mixed with HTTP/1.1', async t => {
  const { pdp, options } = await ways['HTTP/2']?.(t) as Way
  const { ask } = await appFor(t, { ...options, connections: 1, batch: 1 })
  await Promise.all(Array.from({ length: 50 }, () => ask('ann')))
  t.ok(pdp.sockets.size <= 3, 'that of the probe, and that of the checks')
  const old = await ways['TLS']?.(t) as Way
  const { ask: askOld } = await appFor(t, { ...old.options, http2: true })
  t.equal(await askOld('ann'), 503)
})

t.test('a connection of HTTP/2 that says nothing is closed with the request that waits for it, and other requests are answered', async t => {
  const { pdp, options } = await ways['HTTP/2']?.(t) as Way
  const { ask } = await appFor(t, { ...options, batch: 1, breaker: false, retries: 0 })
  const closed = () => [...pdp.sockets].filter(({ destroyed }) => destroyed).length
  t.equal(await ask('ann'), 200)
  const before = closed()
  pdp.answer = () => {}
  t.equal(await ask('ann'), 503)
  while (closed() === before) await new Promise(resolve => setImmediate(resolve))
  pdp.answer = (text, response, request) => { if (!text.includes('eve')) tell(text, response, request) }
  t.equal(await ask('ann'), 200)
  const waiting = ask('eve')
  const others: number[] = []
  while (await Promise.race([waiting, ask('ann').then(status => { others.push(status) })]) === undefined);
  t.equal(await waiting, 503)
  t.equal(await ask('ann'), 200)
  t.ok(others.length > 1 && others.every(status => status === 200), `${others.length} requests were answered meanwhile`)
})

t.test('a proxy by the environment: https alone, unless it is excluded or turned off; it sees neither the token nor a question', async t => {
  const names = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'] as const
  const before = names.map(name => process.env[name])
  t.teardown(() => names.forEach((name, index) => { if (before[index] === undefined) delete process.env[name]; else process.env[name] = before[index] }))
  const pdp = new Pdp()
  const proxy = await proxyFor(t, await pdp.listen(t, createTlsServer(certificate, pdp.listener)))
  process.env['HTTPS_PROXY'] = proxy.url.replace('//', '//user:p%40ss@')
  process.env['HTTP_PROXY'] = proxy.url
  process.env['NO_PROXY'] = 'other.internal'
  const https = { tls: { ca: authority.cert }, pdp: 'https://pdp.internal' }
  const { ask } = await appFor(t, https)
  t.equal(await ask('ann'), 200)
  t.equal(await ask('eve'), 403)
  t.same(proxy.asked[0], { target: 'pdp.internal:443', authorization: `Basic ${Buffer.from('user:p@ss').toString('base64')}` })
  t.notMatch(proxy.bytes, /the-token|allowed|ann/)
  const asked = proxy.asked.length
  const { ask: off } = await appFor(t, { ...https, proxy: false, breaker: false })
  t.equal(await off('ann'), 503)
  process.env['NO_PROXY'] = 'other.internal,.internal'
  const { ask: excluded } = await appFor(t, { ...https, breaker: false })
  t.equal(await excluded('ann'), 503)
  process.env['NO_PROXY'] = ''
  const plain = await ways['TCP']?.(t) as Way
  const { ask: direct } = await appFor(t, plain.options)
  t.equal(await direct('ann'), 200)
  t.equal(proxy.asked.length, asked, 'the proxy was not asked')
})

const unwell: Record<string, (socket: Socket) => void> = {
  'it wants a password': socket => { socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n') },
  'it fails': socket => { socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n') },
  'it resets': socket => { socket.resetAndDestroy() },
  'it says nothing': () => {},
  'it sends a byte now and then': socket => { const timer = setInterval(() => socket.write('H'), 50); socket.on('close', () => clearInterval(timer)) },
  'it answers in place of the PDP': socket => { socket.write(`HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${YES.length}\r\n\r\n${YES}`) },
  'it answers in place of TLS': socket => { socket.write('HTTP/1.1 200 OK\r\n\r\n'); socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${YES.length}\r\n\r\n${YES}`)) }
}

for (const [fault, refuse] of Object.entries(unwell)) {
  t.test(`a proxy is unwell: ${fault}`, async t => {
    const pdp = new Pdp()
    const proxy = await proxyFor(t, await pdp.listen(t, createTlsServer(certificate, pdp.listener)))
    proxy.refuse = refuse
    const { lines, logger, text } = logSink('debug')
    const secret = proxy.url.replace('//', '//user:5ecret@')
    const { app, ask } = await appFor(t, { tls: { ca: authority.cert }, pdp: 'https://pdp.internal', proxy: secret, breaker: false, retries: 0 }, logger)
    const begun = performance.now()
    t.same(await Promise.all(['ann', 'eve'].map(user => ask(user))), [503, 503])
    t.ok(performance.now() - begun < TIMEOUT + 2_000, 'in time')
    t.ok(lines.length > 0)
    t.notMatch(text(), '5ecret')
    proxy.refuse = undefined
    let status = await ask('ann')
    for (let n = 0; status === 503 && n < 20; n++) status = await ask('ann')
    t.equal(status, 200, 'and well again')
    await app.close()
  })
}

t.test('headers by request: those of the first in a batch, none for what is kept, and never one of the plugin\'s own', async t => {
  const { pdp, options } = await ways['TCP']?.(t) as Way
  const { lines, logger } = logSink('warn')
  const headers: NonNullable<PermitOptions['headers']> = ({ headers }) => {
    if (headers['x-fails'] !== undefined) throw new Error('no trace')
    if (headers['x-own'] !== undefined) return { Authorization: 'Bearer other' }
    return headers['traceparent'] === undefined ? undefined : { Traceparent: headers['traceparent'] as string }
  }
  const { app, ask } = await appFor(t, { ...options, headers, connections: 1, cache: { ttl: 60_000 } }, logger)
  const checks = () => pdp.seen.filter(({ url }) => url.startsWith('/allowed')).slice(-2)
  t.equal(await ask('ann', { traceparent: 'one' }), 200)
  t.equal(checks().at(-1)?.headers['traceparent'], 'one')
  t.same(await Promise.all([undefined, 'b', 'c'].map(id => ask('ann', id === undefined ? {} : { traceparent: id }))), [200, 200, 200])
  t.same(checks().map(({ url, headers }) => [url, headers['traceparent']]).at(-1), ['/allowed/bulk', 'b'])
  const count = pdp.seen.length
  t.equal((await app.inject({ url: '/1', headers: { 'x-user': 'ann', traceparent: 'kept' } })).statusCode, 200)
  t.equal(pdp.seen.length, count, 'a kept decision is not asked for')
  for (const name of ['x-own', 'x-fails', 'x-own']) {
    t.equal(await ask('ann', { [name]: '1' }), 200)
    t.equal(checks().at(-1)?.headers.authorization, 'Bearer the-token')
  }
  t.equal(lines.filter(({ msg }) => /option "headers" failed/.test(String(msg))).length, 1, 'logged once')
  t.equal(await app.permit.check('ann', 'read', 'task'), true)
})

t.test('a dispatcher of the app gets all requests, and is not closed', async t => {
  const { options } = await ways['TCP']?.(t) as Way
  const agent = new Agent()
  t.teardown(() => agent.destroy())
  let count = 0
  const dispatcher = agent.compose(dispatch => (options, handler) => {
    count++
    return dispatch(options, handler)
  })
  const { app, ask } = await appFor(t, { ...options, dispatcher })
  t.equal(await ask('ann'), 200)
  t.ok(count >= 2, 'the probe and the check')
  await app.close()
  t.notOk(agent.destroyed || agent.closed)
})

t.test('ways that exclude each other are refused at the start', async t => {
  const dispatcher = new Agent()
  t.teardown(() => dispatcher.destroy())
  const refused: [object, RegExp][] = [
    [{ pdp: 'http://127.0.0.1:1', http2: true }, /"http2" is given.*https/],
    [{ pdp: 'https://127.0.0.1:1', dispatcher, http2: true }, /"dispatcher" is given with option "http2"/],
    [{ pdp: 'https://127.0.0.1:1', dispatcher, proxy: false }, /"dispatcher" is given with option "proxy"/],
    [{ pdp: 'unix:/run/pdp.sock', dispatcher }, /"dispatcher" is given with a Unix socket/],
    [{ pdp: 'https://127.0.0.1:1', dispatcher: {} }, /dispatcher/],
    [{ pdp: 'https://127.0.0.1:1', proxy: 'proxy:3128' }, /"proxy"/],
    [{ pdp: 'https://127.0.0.1:1', proxy: 'http://:5ecret@' }, /"proxy"/],
    [{ pdp: 'unix:/run/pdp.sock', protocol: 'authzen', authzen: { discovery: true } }, /"authzen\.discovery" is true/]
  ]
  for (const [options, message] of refused) {
    const error = await fastifyFor(t).register(permit, { token: 'x', ...options } as PermitOptions).ready().then(() => undefined, (error: Error) => error)
    t.match(error, { code: 'FST_PERMIT_OPTIONS', message }, String(message))
    t.notMatch(error?.message, '5ecret')
  }
})
