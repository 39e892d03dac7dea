// What a person reads when Permit's API does not answer as it should. The API is a real HTTP server.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { permit } from '../cli/in-process.js'
import { environmentFor, folderFor, KEY } from './support.js'

const SCOPE = { organization_id: 'o', project_id: 'p', environment_id: 'e' }

type Handler = (request: IncomingMessage, response: ServerResponse) => void

async function api (t: Test, handler: Handler): Promise<string> {
  const server = createServer(handler)
  t.teardown(() => { server.closeAllConnections(); server.close() })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function send (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** An API that knows the scope; the rest is the handler's. */
function withScope (handler: Handler): Handler {
  return (request, response) => request.url === '/v2/api-key/scope' ? send(response, 200, SCOPE) : handler(request, response)
}

const pull = (url: string, key = KEY) => permit(['pull', '--timeout', '20'], { env: { PERMIT_API_URL: url, PERMIT_API_KEY: key } })

t.test('a wrong key', async t => {
  const { url } = await environmentFor(t)
  const { code, err } = await pull(url, 'another-key')
  t.equal(code, 1)
  t.match(err, /^fastify-permit pull: http:.* \(40[13]\)[^]*check --api-key or PERMIT_API_KEY/)
  t.notMatch(err, 'another-key')
})

t.test('the key is in no message, wherever the API quotes it', async t => {
  const quotes: Array<(text: string) => [status: number, body: unknown, headers?: Record<string, string>]> = [401, 403, 404, 409, 422, 500].flatMap(status => [
    text => [status, { message: text }], text => [status, { detail: [{ loc: ['body', text], msg: text }] }], text => [status, { title: `${'x'.repeat(590)}${text}` }]
  ])
  quotes.push(text => [200, { [text]: text }], text => [200, [{ key: text }]], text => [302, {}, { location: `/${text}` }], text => [429, {}, { 'retry-after': text }])
  for (const quote of quotes) {
    for (const hasScope of [true, false]) {
      const handler: Handler = (request, response) => send(response, ...quote(`the key ${String(request.headers.authorization)} is wrong`))
      const { code, err, out } = await pull(await api(t, hasScope ? withScope(handler) : handler), 'permit_key_that_stays_in')
      t.equal(code, 1)
      t.notMatch(err + String(out), 'permit_key', `${hasScope}, ${quote('…').join()}`)
    }
  }
  const ofScope = await api(t, (request, response) => send(response, request.url === '/v2/api-key/scope' ? 200 : 404, { ...SCOPE, project_id: request.headers.authorization?.slice('Bearer '.length) }))
  t.notMatch((await pull(ofScope, 'permit_key_that_stays_in')).err, 'permit_key')
})

t.test('a key of another scope', async t => {
  const url = await api(t, (_request, response) => send(response, 200, { ...SCOPE, environment_id: null }))
  t.match(await pull(url), { code: 1, err: /the key belongs to a project, not to one environment; use the API key of the environment/ })
  const other = await api(t, withScope((_request, response) => send(response, 403, { message: 'no access to environment e' })))
  t.match(await pull(other), { code: 1, err: /does not allow the key GET \/v2\/schema\/p\/e\/resources \(403\): no access to environment e\n/ })
})

t.test('no network', async t => {
  t.match(await pull('http://127.0.0.1:9'), { code: 1, err: /http:\/\/127\.0\.0\.1:9 cannot be reached \(ECONNREFUSED.*\n.*check --api-url or PERMIT_API_URL/ })
})

t.test('half a page', async t => {
  let tries = 0
  const url = await api(t, withScope((_request, response) => {
    tries++
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
    response.write('[{"key":"task"')
    setImmediate(() => response.destroy())
  }))
  const { code, err } = await pull(url)
  t.equal(code, 1)
  t.match(err, /closed the connection before its answer to GET \/v2\/schema\/p\/e\/resources was complete/)
  t.ok(tries > 1, 'a read is tried again')
})

t.test('a list that changes while it is read', async t => {
  const url = await api(t, withScope((_request, response) => send(response, 200, { data: [{ key: 'a', id: '1' }], total_count: 2, page_count: 1 })))
  t.match(await pull(url), { code: 1, err: /\/resources: the list changed while it was read \(2 items, then 1\); run the command again/ })
})

t.test('a list that ends long before its total is asked for no more pages', async t => {
  let asked = 0
  const full = Array.from({ length: 100 }, (_, n) => ({ key: `a${n}`, id: `${n}` }))
  for (const pages of [0, 1, 2]) {
    asked = 0
    const url = await api(t, withScope((request, response) => {
      const page = Number(new URL(request.url ?? '', 'http://localhost').searchParams.get('page'))
      if (request.url?.startsWith('/v2/schema/p/e/resources') === true) asked++
      send(response, 200, { data: page <= pages ? full.map(({ key, id }) => ({ key: `${key}-${page}`, id })) : [], total_count: 1e15, page_count: 1e13 })
    }))
    const { code, err } = await pull(url)
    t.equal(code, 1)
    t.match(err, /the list changed while it was read/)
    t.ok(asked <= pages + 5, `${asked} requests`)
  }
})

t.test('an answer of another kind, a redirect, and one that is not JSON', async t => {
  t.match(await pull(await api(t, withScope((_request, response) => send(response, 200, [{ name: 'x' }])))), { code: 1, err: /does not have the expected shape: check --api-url/ })
  t.match(await pull(await api(t, (_request, response) => send(response, 302, {}, { location: 'http://example.com' }))), { code: 1, err: /redirects GET .* \(302\), which is not followed/ })
  t.match(await pull(await api(t, (_request, response) => { response.end('<html>') })), { code: 1, err: /is not JSON: check --api-url/ })
})

t.test('too many requests: it waits as long as it is told, and goes on', async t => {
  let refused = 0
  const url = await api(t, withScope((request, response) => {
    if (refused++ === 0) return send(response, 429, {}, { 'retry-after': '1' })
    send(response, 200, request.url?.includes('/resources?') === true ? { data: [], total_count: 0, page_count: 0 } : [])
  }))
  const start = performance.now()
  t.match(await pull(url), { code: 0, out: '{}' })
  t.ok(performance.now() - start >= 990)
  const never = await api(t, withScope((_request, response) => send(response, 429, {}, { 'retry-after': '3600' })))
  t.match(await pull(never), { code: 1, err: /allows no more requests now \(429, GET .*\); it asks to wait 3600 s/ })
})

t.test('409 and 422 of a push quote the message of Permit and name the object and its place in the file', async t => {
  const file = join(await folderFor(t, { 'permit.yaml': 'resources:\n  task:\n    actions: { read: {} }\nroles:\n  viewer: { permissions: ["task:read"] }\n' }), 'permit.yaml')
  for (const [status, body, said] of [
    [409, { title: 'Conflict', message: "role 'viewer' exists already", error_code: 'DUPLICATE_ENTITY' }, "role 'viewer' exists already"],
    [422, { detail: [{ loc: ['body', 'key'], msg: 'is too long' }] }, 'body.key: is too long']
  ] as const) {
    const url = await api(t, withScope((request, response) => {
      if (request.method === 'POST' && request.url?.endsWith('/roles') === true) return send(response, status, body)
      send(response, 200, [])
    }))
    const { code, err } = await permit(['push', '--policy', file], { env: { PERMIT_API_URL: url, PERMIT_API_KEY: KEY } })
    t.equal(code, 1)
    t.match(err, `Cannot create role 'viewer' (${file}:5):\n  ${url} answered POST /v2/schema/p/e/roles with status ${status}: ${said}\n2 of 3 changes are done`)
  }
})

t.test('mistakes in arguments', async t => {
  for (const [args, message] of [
    [['push'], /--policy is missing/],
    [['diff', '--policy', 'x.yaml', '--format', 'xml'], /--format must be one of text, json, markdown/],
    [['replay', '--policy', 'x.yaml'], /--log is missing/],
    [['push', '--policy', 'x.yaml', '--to', 'spicedb'], /--to must be one of permit, openfga/],
    [['diff', '--policy', 'x.yaml', '--store', '01'], /--store is only for --to openfga/],
    [['pull'], /there is no API key; set PERMIT_API_KEY/],
    [['pull', '--api-url', 'http://user:secret@host'], /--api-url \(PERMIT_API_URL\) must be an http\(s\) URL without credentials/]
  ] as const) {
    const { code, err } = await permit(args)
    t.equal(code, 2)
    t.match(err, message)
    t.notMatch(err, 'secret')
  }
})

t.test('a push to OpenFGA refuses by name what OpenFGA cannot express, before anything is sent, and names what is missing', async t => {
  const policy = 'resources:\n  task:\n    actions: { read: {} }\nuser_attributes: { level: { type: number } }\nuser_sets:\n' +
    '  senior: { conditions: { allOf: [{ user.level: { equals: 3 } }] } }\nset_rules:\n'
  const rule = "  - { user_set: senior, permission: 'task:read', resource_set: task }\n"
  const folder = await folderFor(t, { 'with.yaml': policy + rule, 'without.yaml': policy.replace('set_rules:\n', '') })
  let requests = 0
  const url = await api(t, (_request, response) => { requests++; send(response, 400, { code: 'validation_error', message: 'invalid store id' }) })
  const run = (command: string, file: string, ...more: string[]) =>
    permit([command, '--policy', join(folder, file), '--to', 'openfga', '--api-url', url, ...more])
  const store = ['--store', '01ARZ3NDEKTSV4RRFFQ69G5FAV']
  for (const command of ['push', 'diff']) {
    const { code, err } = await run(command, 'with.yaml', ...store)
    t.equal(code, 1)
    t.match(err, /Nothing was written, because OpenFGA cannot decide this as the PDP does:\n.*with\.yaml:8: rule that 'senior' has 'task:read' on 'task': it depends/)
  }
  t.match(await run('push', 'without.yaml'), { code: 2, err: /there is no store; give --store or set FGA_STORE_ID/ })
  t.match(await run('push', 'without.yaml', '--store', 'my store'), { code: 2, err: /--store \(FGA_STORE_ID\) must be the id of a store/ })
  t.equal(requests, 0)
  t.match(await run('push', 'without.yaml', ...store), { code: 1, err: /answered GET \/stores\/01ARZ3NDEKTSV4RRFFQ69G5FAV with status 400: invalid store id/ })
  t.equal(requests, 1)
})
