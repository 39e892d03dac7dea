// The option `roles` behind the entries that guard what Fastify does not know as a route: roles of a token decide there for their own request only.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { initTRPC } from '@trpc/server'
import { fastifyTRPCPlugin } from '@trpc/server/adapters/fastify'
import type { FastifyRequest } from 'fastify'
import mercurius from 'mercurius'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { permissionsRoute } from '../../src/browser/index.js'
import { guardSchema, PERMIT_DIRECTIVES } from '../../src/graphql/index.js'
import permit from '../../src/index.js'
import { guardServer, handleMcp, permitted } from '../../src/mcp/index.js'
import { permitMiddleware } from '../../src/trpc/index.js'
import { byHeader, fastifyFor } from '../support/app.js'

const policy = {
  resources: { task: { actions: { read: {}, update: {} } } },
  roles: { viewer: { permissions: ['task:read'] }, editor: { permissions: ['task:read', 'task:update'] } },
  tenants: { acme: {}, beta: {} }
}

interface Claims { readonly user?: string, readonly roles?: unknown, readonly tenant?: string }

const headersOf = ({ user = 'zoe', roles, tenant = 'acme' }: Claims) =>
  ({ 'x-user': user, 'x-tenant': tenant, ...roles === undefined ? {} : { 'x-roles': JSON.stringify(roles) } })

const trpc = initTRPC.context<{ req: FastifyRequest }>().create()

async function appFor (t: Test) {
  const app = fastifyFor(t)
  const rolesOf = ({ headers: { 'x-roles': roles } }: FastifyRequest) => typeof roles === 'string' ? JSON.parse(roles) as string[] : undefined
  await app.register(permit, { policy, user: byHeader, tenant: (request: FastifyRequest) => request.headers['x-tenant'], roles: rolesOf } as never)
  await app.register(permissionsRoute, { path: '/permissions', tenant: (request: FastifyRequest) => String(request.headers['x-tenant']) })
  const router = trpc.router({ update: trpc.procedure.use(permitMiddleware(trpc)('task:update')).query(() => 'in') })
  await app.register(fastifyTRPCPlugin, { prefix: '/trpc', trpcOptions: { router, createContext: ({ req }: { req: FastifyRequest }) => ({ req }) } } as never)
  const schema = `${PERMIT_DIRECTIVES} type Query { update(id: ID!): String @permit(requires: "task:update", resource: "task:{id}") }`
  await app.register(mercurius, { schema, resolvers: { Query: { update: () => 'in' } }, context: (request: object) => ({ request }), schemaTransforms: (schema: never) => guardSchema(schema) } as never)
  app.post('/mcp', { config: { permit: false } }, async (request, reply) => {
    const server = guardServer(new McpServer({ name: 'tasks', version: '1.0.0' }), { strict: true })
    server.registerTool('update', { inputSchema: { id: z.string() } }, permitted({ action: 'update', resource: 'task:{id}' }, () => ({ content: [{ type: 'text', text: 'in' }] })))
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true })
    reply.raw.once('close', () => { server.close().catch(() => {}) })
    await server.connect(transport)
    return handleMcp(request, reply, transport)
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const body = async (path: string, claims: Claims, payload?: object) => (await app.inject({ url: path, method: payload === undefined ? 'GET' : 'POST', headers: headersOf(claims), payload })).body
  return {
    tRPC: async (claims: Claims) => (await body('/trpc/update', claims)).includes('"in"'),
    GraphQL: async (claims: Claims) => (await body('/graphql', claims, { query: '{ update(id: "7") }' })).includes('"in"'),
    MCP: async (claims: Claims) => {
      const client = new Client({ name: 'test', version: '1.0.0' })
      await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers: headersOf(claims) } }))
      const [{ tools }, { isError }] = await Promise.all([client.listTools(), client.callTool({ name: 'update', arguments: { id: '7' } })])
      await client.close()
      if ((tools.length === 1) !== (isError !== true)) throw new Error('the list says something else than the call')
      return isError !== true
    },
    browser: async (claims: Claims) => (JSON.parse(await body('/permissions?action=update&resource=task', claims)) as { permitted: boolean }).permitted,
    'a list for the browser': async (claims: Claims) => (JSON.parse(await body('/permissions', claims)) as { permissions: string[] }).permissions.includes('task:update')
  }
}

t.test('roles of a token decide on every entry, for their tenant and their request only', async t => {
  const entries = await appFor(t)
  for (const [name, ask] of Object.entries(entries)) {
    for (const [claims, expected] of [
      [{ roles: ['editor'] }, true], [{ roles: ['viewer'] }, false], [{}, false], [{ roles: [] }, false], [{ roles: ['editor'] }, true],
      [{ roles: { acme: ['editor'] } }, true], [{ roles: { beta: ['editor'] } }, false], [{ roles: { beta: ['editor'] }, tenant: 'beta' }, true], [{ user: '', roles: ['editor'] }, false]
    ] as Array<[Claims, boolean]>) {
      const answer = await ask(claims).catch((error: unknown) => { if (claims.user === '') return false; throw error })
      t.equal(answer === true, expected, `${name}: ${JSON.stringify(claims)}`)
    }
    // The same user with two tokens, at the same time.
    t.same(await Promise.all([{ roles: ['editor'] }, { roles: ['viewer'] }, {}, { roles: ['editor'] }].map(ask)), [true, false, false, true], name)
  }
})
