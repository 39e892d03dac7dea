// An app as users write it, with each public thing that has types of Fastify in it: compiled with the types of each version.
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import permit, { ForbiddenError, type Annotation, type OnDecision, type OnDenied, type PermitOptions, type UserOption } from 'fastify-permit'
import { createLocalPdp } from 'fastify-permit/pdp'

const user: UserOption = request => request.headers['x-user']?.toString()
const onDenied: OnDenied = (_request: FastifyRequest, reply: FastifyReply, denial) => reply.code(404).send({ denied: denial?.action })
const onDecision: OnDecision = (event, request) => { request?.log.info({ event }) }
const options: PermitOptions = { policy: 'permit.yaml', user, onDenied, onDecision, strict: { public: ['GET /healthz'] } }
const requirement: Annotation = { action: 'retrieve', resource: 'task:{id}', tenant: request => request.headers['x-tenant']?.toString() }

const app = Fastify()
await app.register(permit, options)
app.get('/tasks/:id', { config: { permit: requirement } }, async request => request.permit.check('retrieve', 'task'))
app.get('/tasks', { preHandler: app.permit.guard('task:list') }, async request => request.permit.filter('retrieve', ['1'], key => ({ type: 'task', key })))
app.get('/healthz', { config: { permit: false } }, async () => app.permit.health())
app.setNotFoundHandler({ preHandler: app.permit.guard('task:list') }, async (_request, reply) => reply.code(404).send())
app.setErrorHandler((error, _request, reply) => reply.send(error instanceof ForbiddenError ? { denial: error.denial } : error))
await app.permit.write(app.permit.api.assignRole('ada', 'viewer', 'default'))

const pdp = createLocalPdp({ token: 'token', policy: 'permit.yaml' })
await pdp.listen({ port: 0 })
