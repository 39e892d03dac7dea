// Apps with an inspector, and a client that reads its stream: real servers on real sockets, with the embedded PDP.
import { once } from 'node:events'
import { request, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import Fastify from 'fastify'
import type { Test } from 'tap'
import permit from '../../src/index.js'
import { guard, permit as permitFor } from '../../src/express/index.js'
import type { InspectorRow, InspectorRows } from '../../src/inspector/inspector-row.js'
import { built } from '../support/built.js'

// The page is bundled by the build.
built('inspector/page.js')

export const policy = {
  resources: { task: { actions: { read: {}, inspect: {} } } },
  roles: { reader: { permissions: ['task:read'] }, operator: { permissions: ['task:inspect'] } },
  users: { ann: {}, otto: {} },
  role_assignments: [{ user: 'ann', role: 'reader' }, { user: 'otto', role: 'operator' }]
}

export type Inspecting = boolean | { path?: string, guard?: string, attributes?: boolean }

export interface Watched {
  readonly url: string
  readonly port: number
  /** Asks once as this user: GET /tasks/:id, which requires task:read. */
  ask (user: string, id?: string): Promise<number>
  /** Asks without a request. */
  check (user: string, key: string, attributes?: Record<string, string>): Promise<boolean>
  close (): Promise<void>
}

/** The frameworks, as apps that are closed when the test is over. */
export const FRAMEWORKS: Readonly<Record<string, (t: Test, inspector: Inspecting) => Promise<Watched>>> = {
  async Fastify (t, inspector) {
    const app = Fastify()
    t.teardown(() => app.close())
    // An app that lets every site read its answers.
    app.addHook('onRequest', async (_request, reply) => { reply.header('access-control-allow-origin', '*') })
    await app.register(permit, { policy, inspector, strict: true, user: request => request.headers['x-user']?.toString() })
    app.get('/tasks/:id', { config: { permit: { action: 'read', resource: 'task:{id}' } } }, async () => 'ok')
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    return watched(port, (user, key, attributes) => app.permit.check({ key: user, attributes }, 'read', { type: 'task', key, attributes }), () => app.close())
  },

  async Express (t, inspector) {
    const app = express()
    app.set('env', 'test')
    app.use((_request, response, next) => { response.setHeader('access-control-allow-origin', '*'); next() })
    const silent = { debug () {}, info () {}, warn () {}, error () {} }
    const authz = permitFor({ policy, inspector, log: silent, user: request => request.get('x-user') })
    app.use(authz)
    app.get('/tasks/:id', guard({ action: 'read', resource: 'task:{id}' }), (_request, response) => { response.send('ok') })
    await authz.ready()
    const server = authz.closeWith(app.listen(0, '127.0.0.1'))
    await once(server, 'listening')
    const close = async () => {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      await closed
      await authz.close()
    }
    t.teardown(close)
    const { port } = server.address() as AddressInfo
    return watched(port, (user, key, attributes) => authz.permit.check({ key: user, attributes }, 'read', { type: 'task', key, attributes }), close)
  }
}

function watched (port: number, check: Watched['check'], close: Watched['close']): Watched {
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    port,
    check,
    close,
    ask: async (user, id = '1') => (await get(port, `/tasks/${encodeURIComponent(id)}`, { 'x-user': user })).status
  }
}

/** What `fetch` could not send: any header, `Host` included. */
export async function get (port: number, path: string, headers: OutgoingHttpHeaders = {}, method = 'GET') {
  const message = await opened(port, path, headers, method)
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return { status: message.statusCode ?? 0, headers: message.headers, body: Buffer.concat(chunks).toString() }
}

async function opened (port: number, path: string, headers: OutgoingHttpHeaders, method = 'GET'): Promise<IncomingMessage> {
  const asking = request({ port, host: '127.0.0.1', path, method, headers: { host: `127.0.0.1:${port}`, connection: 'keep-alive', ...headers }, agent: false })
  asking.end()
  const [message] = await once(asking, 'response') as [IncomingMessage]
  return message
}

export interface Stream {
  readonly status: number
  /** The text so far. */
  text (): string
  rows (): InspectorRow[]
  /** The id of the last event. */
  lastId (): string
  lost (): number
  /** Resolves when the condition holds; reads until then. */
  until (condition: () => boolean): Promise<void>
  /** Resolves when the app has ended the stream. */
  readonly ended: Promise<unknown>
  end (): void
  readonly message: IncomingMessage
}

/** Opens the stream; it ends when the test is over. */
export async function streamOf (t: Test, port: number, headers: OutgoingHttpHeaders = {}, path = '/_permit/stream'): Promise<Stream> {
  const message = await opened(port, path, headers)
  t.teardown(() => message.destroy())
  message.on('error', () => {})
  let text = ''
  const waiting = new Set<() => void>()
  message.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    for (const check of waiting) check()
  })
  const events = () => [...text.matchAll(/^data: (.*)\n\n/gm)].map(([, data]) => JSON.parse(data as string) as InspectorRows)
  return {
    status: message.statusCode ?? 0,
    message,
    text: () => text,
    rows: () => events().flatMap(({ rows }) => rows),
    lost: () => events().reduce((sum, { lost }) => sum + lost, 0),
    lastId: () => [...text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '',
    until: condition => new Promise(resolve => {
      const check = () => {
        if (!condition()) return
        waiting.delete(check)
        resolve()
      }
      waiting.add(check)
      check()
    }),
    ended: new Promise(resolve => message.once('close', resolve)),
    end: () => message.destroy()
  }
}
