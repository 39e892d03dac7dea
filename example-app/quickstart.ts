// The two routes of Permit's quickstart, whose handlers check a fixed user themselves.
import { Type, type FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { asUser } from './pdp.js'

const Result = Type.Object({ result: Type.String() })
const schema = { response: { 200: Result, 403: Result } }

const quickstart: FastifyPluginAsyncTypebox = async app => {
  app.get('/', { config: { permit: false }, schema: { ...schema, summary: 'May John retrieve a task?' } }, async (_request, reply) => {
    // The tenant is `default` when the resource names none.
    const permitted = await app.permit.check(asUser('john@smith.com'), 'retrieve', 'task')
    if (!permitted) return reply.code(403).send({ result: 'John Smith is NOT PERMITTED to retrieve task!' })
    return { result: 'John Smith is PERMITTED to retrieve task!' }
  })

  const inTenant2 = { ...schema, summary: 'May John create one in tenant2?' }
  app.get('/tenant2', { config: { permit: false }, schema: inTenant2 }, async (_request, reply) => {
    const permitted = await app.permit.check(asUser('john@smith.com'), 'create', { type: 'task', tenant: 'tenant2' })
    if (!permitted) return reply.code(403).send({ result: 'John Smith is NOT PERMITTED to create task (tenant 2)!' })
    return { result: 'John Smith is PERMITTED to create task (tenant 2)!' }
  })
}

export default quickstart
