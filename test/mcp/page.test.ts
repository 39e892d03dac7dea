// The app of docs/mcp.md runs, and answers the client of MCP's SDK as the page says.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import permit from '../../src/index.js'
import { byHeader } from '../support/app.js'
import { documentOf, folderWith, root, snippetsOf, sourcesOf } from '../support/documents.js'
import '../support/loader.js'

const policy = snippetsOf(await documentOf('README.md')).find(({ language }) => language === 'yaml')?.text as string
const folder = await folderWith(t, { 'permit.yaml': policy, ...await sourcesOf('docs/mcp.md') })
process.chdir(folder)
t.teardown(() => process.chdir(root))
const { app, tasksServer } = await import(pathToFileURL(join(folder, 'app.ts')).href) as { app: FastifyInstance, tasksServer: () => McpServer }
const { mcpSessions } = await import(pathToFileURL(join(folder, 'sessions.ts')).href) as { mcpSessions: (app: FastifyInstance, createServer: () => McpServer) => void }
t.teardown(() => app.close())

const withSessions = Fastify({ forceCloseConnections: true })
t.teardown(() => withSessions.close())
await withSessions.register(permit, { policy: './permit.yaml', user: byHeader })
mcpSessions(withSessions, tasksServer)

for (const [name, running] of Object.entries({ 'without sessions': app, 'with sessions': withSessions })) {
  t.test(`${name}: an administrator sees all tools, and other users see only tools that they may call`, async t => {
    const url = new URL('/mcp', await running.listen({ port: 0, host: '127.0.0.1' }))
    const outcome = async (user: string) => {
      const client = new Client({ name: 'test', version: '1.0.0' })
      await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers: { 'x-user': user } } }))
      const { tools } = await client.listTools()
      const { isError, content } = await client.callTool({ name: 'list_tasks' })
      await client.close()
      return [tools.map(({ name }) => name), isError ?? false, (content as Array<{ text: string }>)[0]?.text]
    }
    t.same(await outcome('ada@example.com'), [['list_tasks', 'delete_task', 'version'], false, 'Write the README'])
    t.same(await outcome('stranger'), [['version'], true, 'You are not allowed to do this.'])
  })
}
