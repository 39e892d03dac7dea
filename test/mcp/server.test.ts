// `fastify-permit/mcp` with the real server, transport and client of MCP's SDK.
import { randomUUID } from 'node:crypto'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { completable } from '@modelcontextprotocol/sdk/server/completable.js'
import { McpServer, ResourceTemplate, type RegisteredTool } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { SubscribeRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { z } from 'zod'
import permit, { type PermitOptions } from '../../src/index.js'
import { guardServer, handleMcp, permitted } from '../../src/mcp/index.js'
import { byHeader, fastifyFor, logSink, pdpFor } from '../support/app.js'

const policy = {
  resources: {
    task: { actions: { read: {}, create: {}, update: {} }, roles: { owner: { permissions: ['read', 'update'] } } },
    secret: { actions: { read: {}, update: {} } }
  },
  roles: { reader: { permissions: ['task:read'] }, writer: { permissions: ['task:read', 'task:create'] } },
  tenants: { acme: {} },
  users: { ann: {}, vic: {}, eve: {} },
  resource_instances: [{ resource: 'task', key: '7' }, { resource: 'task', key: '8' }],
  role_assignments: [
    { user: 'ann', role: 'writer' }, { user: 'ann', role: 'reader', tenant: 'acme' },
    { user: 'vic', role: 'owner', resource_instance: 'task:7' }
  ]
}

/** What handlers did, in order. */
type Ran = string[]

const text = (text: string) => ({ content: [{ type: 'text' as const, text }] })

/** A server with something of every kind. */
function tasksServer (ran: Ran, strict = true): McpServer {
  const server = guardServer(new McpServer({ name: 'tasks', version: '1.0.0' }), { strict })
  const did = (what: string) => { ran.push(what); return text(what) }
  const contents = (uri: URL, what: string) => { ran.push(what); return { contents: [{ uri: uri.href, text: what }] } }
  server.registerTool('list', { description: 'Lists tasks' }, permitted('task:read', () => did('list')))
  server.registerTool('create', { inputSchema: { title: z.string() } }, permitted('task:create', async ({ title }) => did(`create ${title}`)))
  server.registerTool('update', { inputSchema: { id: z.string().trim().toLowerCase() } },
    permitted({ action: 'update', resource: 'task:{id}' }, ({ id }) => did(`update ${id}`)))
  server.registerTool('either', { inputSchema: { id: z.string() } },
    permitted({ anyOf: ['task:create', { action: 'update', resource: { type: 'task', key: '{id}' } }] }, ({ id }) => did(`either ${id}`)))
  server.registerTool('in_tenant', { inputSchema: { org: z.string() } },
    permitted({ action: 'read', resource: 'task', tenant: ({ params }) => String(params.org) }, ({ org }) => did(`in ${org}`)))
  server.registerTool('ping', {}, permitted(false, () => did('ping')))
  server.registerTool('secret', {}, permitted({ allOf: ['task:read', 'secret:read'] }, () => did('secret')))
  server.registerResource('all', 'tasks://all', { description: 'All tasks' }, permitted('task:read', uri => contents(uri, 'all')))
  server.registerResource('one', new ResourceTemplate('tasks://one/{id}', {
    list: () => ({ resources: ['7', '8'].map(id => ({ uri: `tasks://one/${id}`, name: id })) }),
    complete: { id: () => ['7', '8'] }
  }), {}, permitted({ action: 'read', resource: 'task:{id}' }, (uri, { id }) => contents(uri, `one ${id}`)))
  server.registerPrompt('review', { argsSchema: { id: completable(z.string(), () => ['7']) } },
    permitted({ action: 'update', resource: 'task:{id}' }, ({ id }) => { ran.push(`review ${id}`); return { messages: [{ role: 'user' as const, content: { type: 'text' as const, text: id } }] } }))
  server.server.registerCapabilities({ resources: { subscribe: true } })
  server.server.setRequestHandler(SubscribeRequestSchema, ({ params }) => { ran.push(`subscribed ${params.uri}`); return {} })
  return server
}

/** An app with a session for each client, and what it ran. */
async function appFor (t: Test, options: Partial<PermitOptions> = {}, serverOf: (ran: Ran) => McpServer = tasksServer) {
  const ran: Ran = []
  const { lines, logger } = logSink()
  const app = fastifyFor(t, { logger, forceCloseConnections: true })
  await app.register(permit, { user: byHeader, policy, ...options } as PermitOptions)
  const sessions = new Map<string, StreamableHTTPServerTransport>()
  const servers: McpServer[] = []
  app.route({
    method: ['GET', 'POST', 'DELETE'],
    url: '/mcp',
    config: { permit: false },
    async handler (request, reply) {
      const id = request.headers['mcp-session-id']?.toString()
      let transport = id === undefined ? undefined : sessions.get(id)
      if (transport === undefined) {
        const opened = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, enableJsonResponse: true, onsessioninitialized: id => { sessions.set(id, opened) } })
        const server = serverOf(ran)
        servers.push(server)
        await server.connect(opened)
        transport = opened
      }
      return handleMcp(request, reply, transport)
    }
  })
  const url = new URL('/mcp', await app.listen({ port: 0, host: '127.0.0.1' }))
  const connect = async (user: string | undefined) => {
    const client = new Client({ name: 'test', version: '1.0.0' })
    const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers: user === undefined ? {} : { 'x-user': user } } })
    await client.connect(transport)
    t.teardown(() => client.close())
    return { client, sessionId: transport.sessionId as string }
  }
  /** A message in a session, as any program may send it. */
  const post = async (sessionId: string, user: string | undefined, message: object, method = 'POST') => {
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-session-id': sessionId, ...user === undefined ? {} : { 'x-user': user } }
    const answer = await fetch(url, method === 'POST' ? { method, headers, body: JSON.stringify(message) } : { method, headers: Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'content-type')) })
    return { status: answer.status, body: await answer.json().catch(() => undefined) as Record<string, unknown> & unknown[] }
  }
  return { ran, lines, connect, post, servers }
}

const names = (list: ReadonlyArray<{ name: string }>) => list.map(({ name }) => name).sort()

t.test('a tool runs for a user with the permission; others get a tool error that does not say why', async t => {
  const { connect, ran, lines } = await appFor(t)
  const { client: ann } = await connect('ann')
  const { client: vic } = await connect('vic')
  const { client: nobody } = await connect(undefined)
  const call = (client: Client, name: string, args: Record<string, unknown> = {}) => client.callTool({ name, arguments: args })
  t.match(await call(ann, 'create', { title: 'x' }), { content: [{ text: 'create x' }] })
  t.same(await call(vic, 'create', { title: 'x' }), { isError: true, ...text('You are not allowed to do this.') })
  t.same(await call(nobody, 'list'), { isError: true, ...text('Authentication is required.') })
  t.match(await call(nobody, 'ping'), text('ping'))
  t.match(await call(vic, 'update', { id: ' 7 ' }), text('update 7'), 'the arguments are those that the handler gets')
  t.match(await Promise.all([call(ann, 'update', { id: '7' }), call(vic, 'update', { id: '8' }), call(vic, 'update', { id: '' })]), [{ isError: true }, { isError: true }, { isError: true }])
  t.match(await Promise.all([call(vic, 'either', { id: '7' }), call(vic, 'either', { id: '8' }), call(ann, 'either', { id: '8' })]), [text('either 7'), { isError: true }, text('either 8')])
  t.match(await Promise.all([call(ann, 'in_tenant', { org: 'acme' }), call(ann, 'in_tenant', { org: 'other' }), call(ann, 'secret')]), [text('in acme'), { isError: true }, { isError: true }])
  t.same(ran.sort(), ['create x', 'either 7', 'either 8', 'in acme', 'ping', 'update 7'])
  t.ok(lines.some(({ msg }) => msg === 'permit: denied'), 'the reason is in the log')
})

t.test('each denial is one line in the log, also of names that are not there and of completions', async t => {
  const { connect, lines } = await appFor(t)
  const { client } = await connect('eve')
  const denied = async (ask: () => Promise<unknown>) => {
    lines.length = 0
    await ask().catch(() => {})
    return lines.filter(({ msg }) => msg === 'permit: denied').map(({ permit }) => permit)
  }
  const long = 'n'.repeat(10_000)
  for (const [name, ask, line] of [
    ['a tool', () => client.callTool({ name: 'create', arguments: { title: 'x' } }), { user: 'eve', action: 'create', resource: 'task', code: 'no_user_roles' }],
    ['an argument', () => client.callTool({ name: 'update', arguments: { id: '' } }), { user: 'eve', action: 'update', resource: 'task', code: 'incomplete_request' }],
    ['a combination', () => client.callTool({ name: 'secret' }), { user: 'eve' }],
    ['a resource', () => client.readResource({ uri: 'tasks://all' }), { user: 'eve', action: 'read', resource: 'task' }],
    ['a template', () => client.readResource({ uri: 'tasks://one/7' }), { user: 'eve', action: 'read', resource: 'task:7' }],
    ['a prompt', () => client.getPrompt({ name: 'review', arguments: { id: '7' } }), { user: 'eve', action: 'update', resource: 'task:7' }],
    ['a subscription', () => client.subscribeResource({ uri: 'tasks://one/7' }), { user: 'eve', action: 'read', resource: 'task:7' }],
    ['a completion', () => client.complete({ ref: { type: 'ref/prompt', name: 'review' }, argument: { name: 'id', value: '' } }), { user: 'eve', action: 'completion/complete', resource: 'review', code: 'no_permission' }],
    ['no tool', () => client.callTool({ name: 'none' }), { user: 'eve', action: 'tools/call', resource: 'none', code: 'unknown_name' }],
    ['no resource', () => client.readResource({ uri: 'tasks://none' }), { user: 'eve', action: 'resources/read', resource: 'tasks://none', code: 'unknown_name' }],
    ['a long name', () => client.callTool({ name: long }), { user: 'eve', resource: /^n{200}…$/ }]
  ] as Array<[string, () => Promise<unknown>, object]>) {
    const found = await denied(ask)
    t.equal(found.length, 1, name)
    t.match(found, [line], name)
  }
  t.same(await denied(() => client.listTools()), [], 'what a list leaves out is no denial')
})

t.test('lists contain only what the user may call', async t => {
  const { connect } = await appFor(t)
  const lists = async (user: string | undefined) => {
    const { client } = await connect(user)
    const [{ tools }, { resources }, { resourceTemplates }, { prompts }] = await Promise.all([client.listTools(), client.listResources(), client.listResourceTemplates(), client.listPrompts()])
    return [names(tools), resources.map(({ uri }) => uri), names(resourceTemplates), names(prompts)]
  }
  t.same(await lists('ann'), [['create', 'either', 'in_tenant', 'list', 'ping'], ['tasks://all', 'tasks://one/7', 'tasks://one/8'], ['one'], []])
  t.same(await lists('vic'), [['either', 'in_tenant', 'ping', 'update'], ['tasks://one/7'], ['one'], ['review']], 'a permission on an instance counts')
  t.same(await lists('eve'), [['in_tenant', 'ping'], [], [], []])
  t.same(await lists(undefined), [['in_tenant', 'ping'], [], [], []])
})

t.test('resources, prompts, completions and subscriptions are decided as calls are', async t => {
  const { connect, ran } = await appFor(t)
  const { client: vic } = await connect('vic')
  const { client: eve } = await connect('eve')
  const denied = { code: -32_003, data: { code: 'FST_PERMIT_FORBIDDEN' } }
  t.match(await vic.readResource({ uri: 'tasks://one/7' }), { contents: [{ text: 'one 7' }] })
  await t.rejects(vic.readResource({ uri: 'tasks://one/8' }), denied)
  await t.rejects(vic.readResource({ uri: 'tasks://all' }), denied)
  t.match(await vic.getPrompt({ name: 'review', arguments: { id: '7' } }), { messages: [{ content: { text: '7' } }] })
  await t.rejects(vic.getPrompt({ name: 'review', arguments: { id: '8' } }), denied)
  const completions = (client: Client) => [
    client.complete({ ref: { type: 'ref/prompt', name: 'review' }, argument: { name: 'id', value: '' } }),
    client.complete({ ref: { type: 'ref/resource', uri: 'tasks://one/{id}' }, argument: { name: 'id', value: '' } })
  ]
  t.match(await Promise.all(completions(vic)), [{ completion: { values: ['7'] } }, { completion: { values: ['7', '8'] } }])
  await Promise.all(completions(eve).map(completion => t.rejects(completion, denied)))
  t.same(await vic.subscribeResource({ uri: 'tasks://one/7' }), {})
  for (const uri of ['tasks://one/8', 'tasks://all', 'tasks://unknown', 'no uri']) await t.rejects(vic.subscribeResource({ uri }), denied, uri)
  t.same(ran, ['one 7', 'review 7', 'subscribed tasks://one/7'])
})

t.test('a session belongs to its user, and each message is decided for the user of its own HTTP request', async t => {
  const { connect, post, ran } = await appFor(t)
  const { sessionId } = await connect('ann')
  const list = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'list' } }
  t.match(await post(sessionId, 'ann', list), { status: 200, body: { result: { content: [{ text: 'list' }] } } })
  ran.length = 0
  for (const user of ['vic', 'eve', undefined]) {
    for (const method of ['POST', 'GET', 'DELETE']) t.match(await post(sessionId, user, list, method), { status: 404, body: { error: { message: 'Session not found' } } }, `${user} ${method}`)
    // An answer to what the server would have asked the other user.
    t.equal((await post(sessionId, user, { jsonrpc: '2.0', id: 0, result: { action: 'accept' } })).status, 404)
  }
  const batch = await post(sessionId, 'ann', ['create', 'secret', 'ping', 'nothing'].map((name, id) => ({ ...list, id, params: { name, arguments: { title: 'x' } } })))
  t.same((batch.body as Array<{ id: number, result: { isError?: boolean } }>).map(({ id, result }) => [id, result.isError]).sort(), [[0, undefined], [1, true], [2, undefined], [3, true]])
  t.same(ran.sort(), ['create x', 'ping'])
  t.match(await post(sessionId, 'ann', list), { status: 200 }, 'the session is still there')
})

t.test('a list is one batch, and without a decision there is no list', async t => {
  const pdp = await pdpFor(t, { decide: ({ action }) => action !== 'create' })
  const { connect } = await appFor(t, { policy: undefined, pdp: pdp.url, token: pdp.token, cache: false, retries: 0, readiness: false })
  const { client } = await connect('ann')
  const before = pdp.requests.length
  t.same(names((await client.listTools()).tools), ['either', 'in_tenant', 'list', 'ping', 'secret', 'update'])
  const asked = pdp.requests.slice(before).filter(({ url }) => url.startsWith('/allowed'))
  t.same(asked.map(({ url, body }) => [url, (body as unknown[]).length]), [['/allowed/bulk', 4]], 'equal checks are one')
  await pdp.close()
  await t.rejects(client.listTools(), { code: -32_003, data: { code: 'FST_PERMIT_UNAVAILABLE' } })
  t.match(await client.callTool({ name: 'list' }), { isError: true })
})

t.test('a handler that is replaced, a tool that is renamed, disabled and enabled again, and one from before the guard are guarded', async t => {
  const tools: RegisteredTool[] = []
  const { connect, ran, servers } = await appFor(t, {}, ran => {
    const server = new McpServer({ name: 'tasks', version: '1.0.0' }, { capabilities: { tools: {} } })
    const did = (what: string) => () => { ran.push(what); return text(what) }
    server.registerTool('early', {}, permitted('secret:read', did('early')))
    guardServer(server)
    tools.push(server.registerTool('tool', {}, permitted('secret:read', did('tool'))))
    server.registerTool('open', {}, did('open'))
    return server
  })
  const { client: ann } = await connect('ann')
  const [tool] = tools as [RegisteredTool]
  const outcome = async () => [names((await ann.listTools()).tools), (await ann.callTool({ name: 'tool' })).isError, (await ann.callTool({ name: 'renamed' })).isError, (await ann.callTool({ name: 'early' })).isError]
  const refused = [['open'], true, true, true]
  t.same(await outcome(), refused)
  tool.update({ callback: () => { ran.push('replaced'); return text('replaced') } })
  t.same(await outcome(), refused)
  tool.update({ name: 'renamed', enabled: false })
  tool.enable()
  t.same(await outcome(), refused)
  // Its name depends on the version of the SDK.
  Object.assign(tool, { ['handler' in tool ? 'handler' : 'callback']: () => { ran.push('assigned'); return text('assigned') } })
  t.same(await outcome(), refused)
  t.same(ran, [])
  tool.update({ callback: permitted('task:read', () => { ran.push('allowed'); return text('allowed') }) })
  t.match(await ann.callTool({ name: 'renamed' }), text('allowed'))
  servers[0]?.registerTool('later', {}, permitted('secret:read', () => text('later')))
  t.same([names((await ann.listTools()).tools), (await ann.callTool({ name: 'later' })).isError], [['open', 'renamed'], true])
})

t.test('strict refuses handlers without a requirement, at registration and when they were registered in another way', async t => {
  const server = guardServer(new McpServer({ name: 'tasks', version: '1.0.0' }), { strict: true })
  const undeclared = { code: 'FST_PERMIT_UNDECLARED', message: /permitted\(/ }
  t.throws(() => server.registerTool('x', {}, () => text('x')), undeclared)
  t.throws(() => server.tool('x', () => text('x')), undeclared)
  t.throws(() => server.registerResource('x', 'x://x', {}, uri => ({ contents: [{ uri: uri.href, text: '' }] })), undeclared)
  t.throws(() => server.registerPrompt('x', {}, () => ({ messages: [] })), undeclared)
  const { connect, ran } = await appFor(t, {}, ran => {
    const early = new McpServer({ name: 'tasks', version: '1.0.0' })
    early.registerTool('early', {}, () => { ran.push('early'); return text('early') })
    early.registerResource('early', 'early://all', {}, uri => { ran.push('read'); return { contents: [{ uri: uri.href, text: '' }] } })
    early.registerPrompt('early', {}, () => { ran.push('prompt'); return { messages: [] } })
    return guardServer(early, { strict: true })
  })
  const { client } = await connect('ann')
  t.same([(await client.listTools()).tools, (await client.listResources()).resources, (await client.listPrompts()).prompts], [[], [], []])
  t.match(await client.callTool({ name: 'early' }), { isError: true })
  await t.rejects(client.readResource({ uri: 'early://all' }), { code: -32_003 })
  await t.rejects(client.getPrompt({ name: 'early' }), { code: -32_003 })
  t.same(ran, [])
})

t.test('mistakes are reported: invalid requirements, unknown arguments, options, and messages without a request', async t => {
  for (const wrong of ['task', 'task.read', 'url', { GET: 'task:read' }, undefined, { anyOf: ['url'] }, true]) t.throws(() => permitted(wrong as 'task:read', () => text('')), { code: 'FST_PERMIT_ANNOTATION' }, JSON.stringify(wrong))
  t.throws(() => permitted('task:read', undefined as never), { code: 'FST_PERMIT_ANNOTATION' })
  const server = guardServer(new McpServer({ name: 'tasks', version: '1.0.0' }))
  const byId = permitted({ action: 'update', resource: 'task:{id}' }, () => text(''))
  t.throws(() => server.registerTool('x', { inputSchema: { key: z.string() } }, byId), { message: /names \{id\}.*there is \{key\}/ })
  t.throws(() => server.registerTool('x', { inputSchema: z.object({ key: z.string() }) }, byId), { message: /names \{id\}/ })
  t.throws(() => server.registerTool('x', { description: 'none' }, byId), { message: /names \{id\}/ })
  t.throws(() => server.registerResource('x', new ResourceTemplate('x://{key}', { list: undefined }), {}, byId as never), { message: /there is \{key\}/ })
  t.throws(() => server.registerResource('x', 'x://x', {}, byId as never), { message: /not one of its arguments/ })
  t.throws(() => guardServer({ server: {} } as never), { code: 'FST_PERMIT_OPTIONS' })
  t.throws(() => guardServer(server, { strict: 'yes' as never }), { code: 'FST_PERMIT_OPTIONS' })
  t.throws(() => guardServer(server, { strickt: true } as never), /strict/)
  server.registerTool('list', {}, permitted('task:read', () => text('list')))
  server.registerTool('open', {}, () => text('open'))
  const [here, there] = InMemoryTransport.createLinkedPair()
  const client = new Client({ name: 'test', version: '1.0.0' })
  await Promise.all([server.connect(there), client.connect(here)])
  t.teardown(() => client.close())
  t.match([await client.callTool({ name: 'list' }), await client.callTool({ name: 'open' }), names((await client.listTools()).tools)], [{ isError: true }, text('open'), ['open']])
})

t.test('property: whatever the arguments, a tool runs only for the resource that the user may update', async t => {
  const { connect, post, ran } = await appFor(t)
  const { sessionId } = await connect('vic')
  const values = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom<unknown>('7', '8', ' 7', '7\u0000', 'task:7', '٧', '', 7, null, ['7'], { id: '7' }))
  const args = fc.oneof(fc.record({ id: values }), fc.constantFrom<unknown>([], null, { __proto__: { id: '7' } }, '7'))
  const calls = fc.record({ name: fc.constantFrom('update', 'either', 'create', 'secret', '__proto__', 'constructor', 'Update'), arguments: args })
  let allowed = 0
  await fc.assert(fc.asyncProperty(fc.array(calls, { minLength: 1, maxLength: 4 }), async calls => {
    ran.length = 0
    await post(sessionId, 'vic', calls.map((params, id) => ({ jsonrpc: '2.0', id, method: 'tools/call', params })))
    allowed += ran.length
    for (const one of ran) if (one !== 'update 7' && one !== 'either 7') throw new Error(`ran ${JSON.stringify(one)}`)
  }), { numRuns: 60, examples: [[[{ name: 'update', arguments: { id: '7' } }]], [[{ name: 'create', arguments: { id: '7' } }]]] })
  t.ok(allowed >= 1)
})
