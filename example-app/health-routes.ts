// Routes for probes: whether the process is alive, and whether it can decide. Public, and without details.
import type { FastifyPluginAsync } from 'fastify'

const healthRoutes: FastifyPluginAsync = async app => {
  const options = { config: { permit: false }, schema: { hide: true } } as const

  app.get('/healthz', options, async () => ({ ok: true }))

  // Without decisions every guarded route answers 503, so the load balancer should ask another instance.
  app.get('/readyz', options, async (_request, reply) => {
    const { ok } = await app.permit.health()
    return reply.code(ok ? 200 : 503).send({ ok })
  })
}

export default healthRoutes
