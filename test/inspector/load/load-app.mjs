// The app of the load test, from the built package: argv is whether it has an inspector. Sends its port, and on a message, what it cost.
import Fastify from 'fastify'
import permit from 'fastify-permit'
import { monitorEventLoopDelay } from 'node:perf_hooks'

const users = Array.from({ length: 1_000 }, (_, index) => `user${index}`)
const policy = {
  resources: { task: { actions: { read: {}, write: {} } } },
  roles: { reader: { permissions: ['task:read'] } },
  users: Object.fromEntries(users.map(user => [user, {}])),
  // Every other one.
  role_assignments: users.filter((_, index) => index % 2 === 0).map(user => ({ user, role: 'reader' }))
}

const app = Fastify()
await app.register(permit, { policy, inspector: process.argv[2] === 'on', user: request => request.headers['x-user'] })
app.get('/tasks/:id', { config: { permit: { action: 'read', resource: 'task:{id}' } } }, async () => 'ok')
await app.listen({ port: 0, host: '127.0.0.1' })

const delay = monitorEventLoopDelay({ resolution: 5 })
let start = process.cpuUsage()
process.on('message', message => {
  if (message === 'begin') {
    start = process.cpuUsage()
    delay.reset()
    delay.enable()
    process.send({})
  } else if (message === 'end') {
    delay.disable()
    const { user, system } = process.cpuUsage(start)
    process.send({ cpu: (user + system) / 1_000, delay: delay.percentile(99) / 1e6 })
  }
})
process.on('disconnect', () => process.exit())
process.send({ port: app.server.address().port })
