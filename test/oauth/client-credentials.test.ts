// OAuth 2.0 client credentials for the token of a PDP: a real authorization server on a socket, well and unwell.
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import permit, { type PermitOptions } from '../../src/index.js'
import { clientCredentials, type ClientCredentialsOptions } from '../../src/oauth/client-credentials.js'
import { fastifyFor, logSink } from '../support/app.js'

const SECRET = '5ecret:with/odd+characters'

interface Asked { readonly url: string, readonly headers: IncomingHttpHeaders, readonly parameters: URLSearchParams }

type Answer = (asked: Asked, response: ServerResponse, origin: string) => void

function json (response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** Grants `token-1`, `token-2` and so on. */
function granting (more: object = { expires_in: 3_600 }): Answer {
  let count = 0
  return (_, response) => json(response, 200, { access_token: `token-${++count}`, token_type: 'Bearer', ...more })
}

async function serverFor (t: Test, first: Answer) {
  const server = { answer: first, asked: [] as Asked[], origin: '' }
  const http = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', text => { body += text }).on('end', () => {
      const asked = { url: request.url ?? '', headers: request.headers, parameters: new URLSearchParams(body) }
      server.asked.push(asked)
      server.answer(asked, response, server.origin)
    })
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    http.closeAllConnections()
    http.close()
  })
  server.origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  return server
}

/** A PDP that says yes to whoever has the right token, and an app that asks it. */
async function appFor (t: Test, options: ClientCredentialsOptions, { timeout = 1_000 } = {}) {
  const pdp = { accepts: (token: string) => token.startsWith('token-'), seen: [] as string[] }
  const http = createServer((request, response) => {
    const token = request.headers.authorization?.replace('Bearer ', '') ?? ''
    request.resume().on('end', () => {
      if (request.url === '/allowed') pdp.seen.push(token)
      if (pdp.accepts(token)) json(response, 200, { allow: request.url === '/allowed' ? true : [] })
      else json(response, 401, {})
    })
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    http.closeAllConnections()
    http.close()
  })
  const { lines, logger, text } = logSink('debug')
  const app = fastifyFor(t, { logger })
  const settings: PermitOptions = {
    pdp: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, token: clientCredentials(options), cache: false, timeout, user: () => 'ann'
  }
  await app.register(permit, settings)
  app.get('/', { config: { permit: 'task:read' } }, async () => 'in')
  return { pdp, lines, text, ask: async () => (await app.inject('/')).statusCode }
}

const client = { clientId: 'my-app', clientSecret: SECRET }

t.test('a token is asked for once, by HTTP Basic, with its parameters, and sent to the PDP', async t => {
  const server = await serverFor(t, granting())
  const { ask, pdp } = await appFor(t, { tokenEndpoint: `${server.origin}/token`, ...client, parameters: { scope: 'decisions', audience: 'pdp' } })
  t.same(await Promise.all([ask(), ask(), ask()]), [200, 200, 200])
  t.equal(await ask(), 200)
  t.equal(server.asked.length, 1)
  const [{ headers, parameters, url }] = server.asked as [Asked]
  t.equal(url, '/token')
  t.same(Object.fromEntries(parameters), { grant_type: 'client_credentials', scope: 'decisions', audience: 'pdp' })
  const basic = Buffer.from((headers.authorization ?? '').replace('Basic ', ''), 'base64').toString()
  t.equal(decodeURIComponent(basic.replaceAll('+', ' ')), `my-app:${SECRET}`)
  t.same(new Set(pdp.seen), new Set(['token-1']))
})

t.test('the token endpoint is found in the metadata of the issuer, and id and secret can be in the body', async t => {
  for (const discovery of ['oidc', 'oauth2'] as const) {
    const grant = granting()
    const server = await serverFor(t, (asked, response, origin) => {
      if (asked.url.startsWith('/.well-known/')) json(response, 200, { issuer: origin, token_endpoint: `${origin}/found` })
      else grant(asked, response, origin)
    })
    const { ask } = await appFor(t, { issuer: server.origin, discovery, ...client, authentication: 'post' })
    t.equal(await ask(), 200)
    t.same(server.asked.map(({ url }) => url), [`/.well-known/${discovery === 'oidc' ? 'openid-configuration' : 'oauth-authorization-server'}`, '/found'])
    t.match(Object.fromEntries(server.asked[1]?.parameters ?? []), { client_id: 'my-app', client_secret: SECRET })
  }
})

t.test('a token is renewed before it expires, and once more when the PDP rejects it', async t => {
  const server = await serverFor(t, granting({ expires_in: 1 }))
  const { ask, pdp } = await appFor(t, { tokenEndpoint: server.origin, ...client })
  t.equal(await ask(), 200)
  await delay(850)
  while (server.asked.length < 2) t.equal(await ask(), 200)
  t.equal(await ask(), 200)
  server.answer = (_, response) => json(response, 200, { access_token: 'token-new', token_type: 'bearer' })
  pdp.accepts = token => token === 'token-new'
  t.equal(await ask(), 200, 'the rejected check was sent again')
  t.equal(pdp.seen.at(-1), 'token-new')
  const before = server.asked.length
  pdp.accepts = () => false
  t.equal(await ask(), 503)
  t.equal(server.asked.length, before + 1, 'asked once')
})

const unwell: [string, Answer, string | RegExp][] = [
  ['it does not know the client', (_, response) => json(response, 401, { error: 'invalid_client', error_description: SECRET }), 'invalid_client'],
  ['it says so in a header', (_, response) => { response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end() }, /./],
  ['its reason is no reason', (_, response) => json(response, 400, { error: `a line\nand ${SECRET}` }), /OAUTH/],
  ['it fails', (_, response) => { response.writeHead(500).end('<html>') }, /OAUTH/],
  ['it answers in HTML', (_, response) => { response.writeHead(200, { 'content-type': 'text/html' }).end('<html>') }, /OAUTH/],
  ['it answers with half a text', (_, response) => { response.writeHead(200, { 'content-type': 'application/json' }).end('{"access_token":"tok') }, /./],
  ['it grants nothing', (_, response) => json(response, 200, { token_type: 'Bearer' }), /OAUTH/],
  ['it grants a token that is no text', (_, response) => json(response, 200, { access_token: 7, token_type: 'Bearer' }), /OAUTH/],
  ['it grants another kind of token', (_, response) => json(response, 200, { access_token: 'token-mac', token_type: 'mac' }), /./],
  ['it sends elsewhere', (_, response, origin) => { response.writeHead(307, { location: `${origin}/elsewhere` }).end() }, /OAUTH/],
  ['it says too much', (_, response) => { response.writeHead(200, { 'content-type': 'application/json' }).end(`{"access_token":"${'x'.repeat(300_000)}"}`) }, 'RESPONSE_TOO_LARGE'],
  ['it resets', (_, response) => { response.socket?.resetAndDestroy() }, /ECONNRESET|UND_ERR_SOCKET/],
  ['it says nothing', () => {}, 'ETIMEDOUT'],
  ['it stops in the middle', (_, response) => { response.writeHead(200, { 'content-type': 'application/json' }).write('{') }, 'ETIMEDOUT']
]

for (const [name, answer, code] of unwell) {
  t.test(`the authorization server is unwell: ${name}`, async t => {
    const server = await serverFor(t, answer)
    const timeout = code === 'ETIMEDOUT' ? 100 : 5_000
    const { ask, pdp, text } = await appFor(t, { tokenEndpoint: server.origin, ...client, timeout }, { timeout: 400 })
    await t.rejects(clientCredentials({ tokenEndpoint: server.origin, ...client, timeout })(), { name: 'ClientCredentialsError', code })
    const asked = performance.now()
    t.equal(await ask(), 503)
    t.ok(performance.now() - asked < 2_000, 'within its deadline')
    t.same(pdp.seen, [], 'the PDP was not asked')
    t.notOk(server.asked.some(({ url }) => url === '/elsewhere'))
    t.notMatch(text(), '5ecret')
    server.answer = granting()
    let status = await ask()
    for (; status === 503; status = await ask()) await delay(10)
    t.equal(status, 200, 'and well again')
  })
}

t.test('metadata of another issuer, or with an endpoint without TLS, is not used', async t => {
  for (const metadata of [{ issuer: 'https://other.example', token_endpoint: 'https://other.example/token' }, { token_endpoint: 'http://other.example/token' }, {}]) {
    const server = await serverFor(t, (_, response, origin) => json(response, 200, { issuer: origin, ...metadata }))
    await t.rejects(clientCredentials({ issuer: server.origin, ...client })(), { name: 'ClientCredentialsError' })
    t.equal(server.asked.length, 1)
  }
})

t.test('options that cannot be used are refused, without a word of the secret', async t => {
  const refused: [object, RegExp][] = [
    [{ ...client }, /"issuer" and "tokenEndpoint"/],
    [{ ...client, issuer: 'https://a.example', tokenEndpoint: 'https://a.example/token' }, /"issuer" and "tokenEndpoint"/],
    [{ ...client, issuer: 'http://login.example' }, /"issuer" of clientCredentials.*https/],
    [{ ...client, tokenEndpoint: 'https://user:5ecret@login.example' }, /"tokenEndpoint" of clientCredentials/],
    [{ issuer: 'https://a.example', clientId: 'x' }, /clientSecret/],
    [{ ...client, issuer: 'https://a.example', timeout: 60_000 }, /"timeout" of clientCredentials.*10000/],
    [{ ...client, issuer: 'https://a.example', client_id: 'x' }, /client_id/]
  ]
  for (const [options, message] of refused) {
    try {
      clientCredentials(options as ClientCredentialsOptions)
      t.fail(JSON.stringify(options))
    } catch (error) {
      t.match(error, { code: 'FST_PERMIT_OPTIONS', message })
      t.notMatch((error as Error).message, '5ecret')
    }
  }
})
