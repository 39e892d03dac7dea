// The app of the soak, a process of its own: a guarded route, routes that write roles by the plugin, and one that tells how it is.
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import Fastify from 'fastify'
import permit from '../../src/index.js'
import { CONNECTIONS, ROLE, TIMEOUT, TTL, type Vitals } from './settings.js'

const [pdp = '', token = ''] = process.argv.slice(2)

// Counted by hand: Node tells of no socket that is idle.
let sockets = 0
subscribe('undici:client:connected', message => {
  sockets++
  const { socket } = message as { socket: Socket }
  socket.once('close', () => { sockets-- })
})

const app = Fastify()
await app.register(permit, {
  pdp, token, cache: { ttl: TTL }, timeout: TIMEOUT, connections: CONNECTIONS, user: request => request.headers['x-user']?.toString()
})

app.get('/tasks/:id', { config: { permit: { action: 'read', resource: 'task:{id}' } } }, async () => 'the secret')

interface ByUser { Params: { user: string } }
app.put<ByUser>('/roles/:user', async ({ params: { user } }) => app.permit.write(app.permit.api.assignRole(user, ROLE)))
app.delete<ByUser>('/roles/:user', async ({ params: { user } }) => app.permit.write(app.permit.api.unassignRole(user, ROLE)))

app.get('/vitals', async (): Promise<Vitals> => {
  globalThis.gc?.()
  const { checks = { allowed: 0, denied: 0, failed: 0 }, cache, pdp } = app.permit.stats()
  return {
    heap: process.memoryUsage().heapUsed,
    sockets,
    checks,
    cacheHits: cache?.hits ?? 0,
    pdpRequests: pdp?.requests ?? 0
  }
})

// What is left open after this keeps the process, and is noticed.
process.once('SIGTERM', () => { app.close().catch(error => { console.error(error) }) })
console.log(`listens on ${await app.listen({ port: 0, host: '127.0.0.1' })}`)
