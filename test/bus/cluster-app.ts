// Processes for a test: a primary that starts workers, each with an instance of an app, and passes on what the test asks of each.
import cluster, { type Worker } from 'node:cluster'
import Fastify from 'fastify'
import permit from '../../src/index.js'

/** What a worker is asked. */
export interface Asked { readonly id: number, readonly worker: number, readonly what: 'health' | 'check' | 'revoke' | 'exit', readonly user: string }
export interface Answered { readonly id: number, readonly value: unknown, readonly time: number }

if (cluster.isPrimary) {
  const workers: Worker[] = []
  for (let index = 0; index < 3; index++) {
    const worker = cluster.fork()
    workers.push(worker)
    worker.on('message', answer => process.send?.(answer))
  }
  process.on('message', (asked: Asked) => workers[asked.worker]?.send(asked))
  process.on('disconnect', () => { for (const worker of workers) worker.process.kill('SIGKILL') })
} else {
  const app = Fastify()
  await app.register(permit, {
    pdp: process.env.PDP_URL,
    token: process.env.PDP_TOKEN,
    cache: { ttl: 3_600_000 },
    bus: { url: 'cluster', degradedTtl: 1_000 }
  })
  await app.ready()
  const did: Record<Asked['what'], (user: string) => unknown> = {
    health: () => app.permit.health(),
    check: user => app.permit.check(user, 'read', 'task'),
    revoke: user => app.permit.write(app.permit.api.unassignRole(user, 'reader', 'default')),
    exit: () => process.kill(process.pid, 'SIGKILL')
  }
  process.on('message', async ({ id, what, user }: Asked) => {
    const value = await did[what](user)
    process.send?.({ id, value, time: Date.now() } satisfies Answered)
  })
}
