// The way to the PDP: Unix sockets, a private authority, a certificate of the app's own that is replaced while it runs, and further headers.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../../src/index.js'
import { fastifyFor } from '../../support/app.js'

/** Answers as Permit's PDP does: yes to Ann. */
const answer: RequestListener = (incoming, response) => {
  let text = ''
  incoming.setEncoding('utf8').on('data', chunk => { text += chunk }).on('end', () => {
    if (text === '') {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"ok"}')
      return
    }
    const body = JSON.parse(text)
    const allow = (question: { user: { key: string } }) => ({ allow: question.user.key === 'ann' })
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(Array.isArray(body) ? { allow: body.map(allow) } : allow(body)))
  })
}

async function listening (t: Test, server: Server, path?: string): Promise<number> {
  await new Promise<void>(resolve => path === undefined ? server.listen(0, '127.0.0.1', resolve) : server.listen(path, resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function appWith (t: Test, options: Partial<PermitOptions>) {
  const app = fastifyFor(t)
  await app.register(permit, { token: 'x', cache: false, user: request => request.headers['x-user'] as string, ...options } as PermitOptions)
  app.get('/', { config: { permit: 'task:read' } }, async () => 'in')
  await app.ready()
  return { app, ask: async (user: string) => (await app.inject({ url: '/', headers: { 'x-user': user } })).statusCode }
}

/** Certificates of an authority that no machine knows, made by OpenSSL. */
function certificates (t: Test) {
  const folder = t.testdir({})
  const openssl = (...words: string[]) => execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' })
  const file = (name: string) => join(folder, name)
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=authority', '-keyout', 'ca.key', '-out', 'ca.crt')
  const issue = (name: string) => {
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`)
    writeFileSync(file('san'), `subjectAltName=DNS:${name}`)
    openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'san', '-out', `${name}.crt`)
  }
  return { file, issue, text: (name: string) => readFileSync(file(name), 'utf8') }
}

/** Not in the project: the path of a socket has a hundred characters at most. */
function socketFor (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'permit-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'pdp.sock')
}

t.test('a PDP is asked over a Unix socket', async t => {
  const path = socketFor(t)
  await listening(t, createServer(answer), path)
  const { app, ask } = await appWith(t, { pdp: `unix:${path}` })
  t.equal(await ask('ann'), 200)
  t.equal(await ask('bob'), 403)
  t.match(app.permit.stats().pdp, { replicas: [{ url: `unix:${path}`, state: 'closed' }] })
  t.match(await app.permit.health(), { ok: true })
})

t.test('a missing Unix socket is 503', async t => {
  const { ask } = await appWith(t, { pdp: `unix:${socketFor(t)}`, timeout: 300 })
  t.equal(await ask('ann'), 503)
})

t.test('a private authority and the name of the certificate are both required, from a text or from a file', async t => {
  const { issue, text, file } = certificates(t)
  issue('pdp.internal')
  const port = await listening(t, createTlsServer({ key: text('pdp.internal.key'), cert: text('pdp.internal.crt') }, answer))
  const pdp = `https://127.0.0.1:${port}`
  for (const ca of [text('ca.crt'), file('ca.crt')]) {
    const { ask } = await appWith(t, { pdp, tls: { ca, servername: 'pdp.internal' } })
    t.equal(await ask('ann'), 200)
  }
  for (const options of [{}, { tls: { ca: file('ca.crt') } }, { tls: { ca: file('ca.crt'), servername: 'another.internal' } }, { tls: { servername: 'pdp.internal' } }]) {
    const { ask } = await appWith(t, { pdp, timeout: 300, ...options })
    t.equal(await ask('ann'), 503, JSON.stringify(Object.keys(options)))
  }
})

t.test('a certificate is verified also in a process that verifies none, of the PDP and of a proxy', async t => {
  const { issue, text, file } = certificates(t)
  issue('pdp.internal')
  let requests = 0
  const server = createTlsServer({ key: text('pdp.internal.key'), cert: text('pdp.internal.crt') }, (request, response) => {
    requests++
    answer(request, response)
  })
  server.on('connect', () => { requests++ })
  const pdp = `https://127.0.0.1:${await listening(t, server)}`
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  t.teardown(() => {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
  })
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  const ca = file('ca.crt')
  const settings = [
    {}, { http2: true }, { tls: { ca } }, { tls: { ca, servername: 'another.internal' } }, { tls: { servername: 'pdp.internal' } }, { proxy: pdp }
  ]
  for (const options of settings) {
    const { ask } = await appWith(t, { pdp, timeout: 300, ...options })
    t.equal(await ask('ann'), 503, JSON.stringify(options))
  }
  t.equal(requests, 0, 'and nobody got a token')
  const { ask } = await appWith(t, { pdp, tls: { ca, servername: 'pdp.internal' } })
  t.equal(await ask('ann'), 200)
})

t.test("without the app's own certificate there is no answer, and a new one is used after its files are replaced", async t => {
  const { issue, text, file } = certificates(t)
  for (const name of ['pdp.internal', 'app-one', 'app-two']) issue(name)
  const names: string[] = []
  const server = createTlsServer({ key: text('pdp.internal.key'), cert: text('pdp.internal.crt'), ca: text('ca.crt'), requestCert: true, rejectUnauthorized: true },
    (incoming: IncomingMessage, response) => {
      names.push(String((incoming.socket as TLSSocket).getPeerCertificate().subject.CN))
      // The next request needs a new connection.
      response.setHeader('connection', 'close')
      answer(incoming, response)
    })
  const pdp = `https://127.0.0.1:${await listening(t, server)}`
  const tls = { ca: file('ca.crt'), servername: 'pdp.internal' }
  const { ask: without } = await appWith(t, { pdp, tls, timeout: 300 })
  t.equal(await without('ann'), 503)

  const replace = (name: string, part: string) => {
    writeFileSync(file(`${part}.new`), text(`${name}.${part}`))
    renameSync(file(`${part}.new`), file(`mine.${part}`))
  }
  for (const part of ['crt', 'key']) replace('app-one', part)
  const { ask } = await appWith(t, { pdp, tls: { ...tls, cert: file('mine.crt'), key: file('mine.key') } })
  t.equal(await ask('ann'), 200)
  t.equal(names.at(-1), 'app-one')
  replace('app-two', 'crt')
  t.equal(await ask('ann'), 200, 'with one half replaced, the last pair that fits is used')
  t.equal(names.at(-1), 'app-one')
  replace('app-two', 'key')
  t.equal(await ask('ann'), 200)
  t.equal(names.at(-1), 'app-two')
})

t.test('further headers are sent with every request', async t => {
  const seen: unknown[] = []
  const port = await listening(t, createServer((incoming, response) => {
    seen.push(incoming.headers['x-gateway'], incoming.headers.authorization)
    answer(incoming, response)
  }))
  const { ask } = await appWith(t, { pdp: `http://127.0.0.1:${port}`, headers: { 'X-Gateway': 'a b' } })
  t.equal(await ask('ann'), 200)
  t.same(new Set(seen), new Set(['a b', 'Bearer x']))
})

t.test('contradicting options are refused at the start, without quoting anything that could be a secret', async t => {
  const refused: Array<[Record<string, unknown>, RegExp]> = [
    [{ pdp: 'http://unix:/run/pdp.sock' }, /unix:\/path\/of\.sock/],
    [{ pdp: 'unix:run/pdp.sock' }, /"pdp" cannot be used/],
    [{ pdp: 'unix://host/run/pdp.sock' }, /"pdp" cannot be used/],
    [{ pdp: 'http://127.0.0.1:1', tls: { ca: 'ca.pem' } }, /"tls" is given, and no URL .* https/],
    [{ pdp: 'https://127.0.0.1:1', tls: { cert: 'c.pem' } }, /"tls\.cert" is given alone/],
    [{ pdp: 'https://127.0.0.1:1', tls: { ca: '5ecret-not-there' } }, /"tls\.ca" names a file that cannot be read \(ENOENT\)/],
    [{ pdp: 'https://127.0.0.1:1', tls: { ca: '-----BEGIN CERTIFICATE-----\n5ecret\n-----END CERTIFICATE-----' } }, /"tls" cannot be used/],
    [{ pdp: 'https://127.0.0.1:1', tls: { cra: 'x' } }, /tls\.cra|"cra"/],
    [{ pdp: 'http://127.0.0.1:1', headers: { Authorization: '5ecret' } }, /"headers" contains Authorization.*"token"/],
    [{ pdp: 'http://127.0.0.1:1', headers: { 'content-length': '5' } }, /content-length/],
    [{ pdp: 'http://127.0.0.1:1', headers: { 'x-a': '5ecret\r\nx-b: 1' } }, /headers/],
    [{ pdp: 'http://127.0.0.1:1', headers: { 'x a': '1' } }, /headers/],
    [{ pdp: 'http://127.0.0.1:1', token: { path: '/run/token' } }, /"token/],
    [{ pdp: 'http://127.0.0.1:1', token: 7 }, /"token/]
  ]
  for (const [options, message] of refused) {
    const error = await fastifyFor(t).register(permit, { token: 'x', ...options } as PermitOptions).ready().then(() => undefined, (error: Error & { code?: string }) => error)
    t.match(error, { code: 'FST_PERMIT_OPTIONS', message }, JSON.stringify(options).slice(0, 60))
    t.notMatch(error?.message, '5ecret')
  }
})
