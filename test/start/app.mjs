// An app that answers one request and closes: argv is the framework, and the options as JSON.
const [, , framework, json] = process.argv
const options = json === undefined ? undefined : JSON.parse(json)

if (framework === 'fastify') {
  const { default: Fastify } = await import('fastify')
  const app = Fastify()
  if (options !== undefined) {
    const { default: permit } = await import('fastify-permit')
    await app.register(permit, { ...options, user: () => 'ada' })
  }
  app.get('/tasks', options === undefined ? {} : { config: { permit: 'task:read' } }, async () => 'tasks')
  const { statusCode } = await app.inject('/tasks')
  console.log(statusCode)
  await app.close()
} else {
  const { permit } = await import('fastify-permit/express')
  const authz = permit({ ...options, user: () => 'ada' })
  await authz.ready()
  await authz.close()
}
