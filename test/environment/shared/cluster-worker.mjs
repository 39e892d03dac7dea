// A worker of the cluster test: an app with the embedded PDP and a data folder, which does what its primary says.
import Fastify from 'fastify'

const [dist, policy, data] = process.argv.slice(2)
const { default: permit } = await import(dist)

const stream = {
  write (line) {
    const { msg } = JSON.parse(line)
    if (/has it now/.test(msg)) process.send({ role: 'owner' })
    if (/follows its facts/.test(msg)) process.send({ role: 'follower' })
  }
}
// A file that would pass the limit on its size: the write fails, and the process goes on.
process.on('SIGXFSZ', () => {})
const app = Fastify({ logger: { level: 'info', stream } })
await app.register(permit, { policy, data, user: request => request.headers['x-user'] })
app.get('/task', { config: { permit: 'task:read' } }, async () => 'ok')

const { api } = app.permit
const DO = {
  grant: user => app.permit.write(api.assignRole(user, 'reader')),
  revoke: user => app.permit.write(api.unassignRole(user, 'reader')),
  // A new user with the role, who takes as much space as many.
  large: user => app.permit.write(api.syncUser({ key: user, attributes: { text: 'x'.repeat(40_000) }, roles: [{ role: 'reader' }] })),
  sync: user => app.permit.write(api.syncUser({ key: user })),
  read: async user => (await app.inject({ url: '/task', headers: { 'x-user': user } })).statusCode,
  async close () {
    await app.close()
    setImmediate(() => process.disconnect())
  }
}

process.on('message', ({ id, what, user }) => {
  DO[what](user).then(result => ({ id, result }), error => ({ id, error: String(error.cause ?? error) })).then(answer => {
    if (process.connected) process.send(answer, () => {})
  })
})
process.send({ ready: true })
