// Assembles the example app: OpenAPI, authentication, authorization and routes.
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyServerOptions } from 'fastify'
import permit from 'fastify-permit'
import auth from './auth.js'
import { asUser, decidedBy, isStateless } from './pdp.js'
import healthRoutes from './health-routes.js'
import quickstart from './quickstart.js'
import { seed } from './seed.js'
import taskRoutes from './task-routes.js'

export async function buildApp (options: FastifyServerOptions = {}) {
  const app = Fastify(options).withTypeProvider<TypeBoxTypeProvider>()

  await app.register(swagger, {
    openapi: {
      info: { title: 'Tasks', description: 'The example app of fastify-permit', version: '1.0.0' },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } } }
    }
  })
  await app.register(permit, {
    // The embedded PDP with permit.yaml, unless the environment names another PDP.
    ...decidedBy(),
    // The user is the subject of the token that auth.ts has verified. The tenant comes from the URL.
    user: ({ user }) => user ? asUser(user.sub) : undefined,
    tenant: request => (request.params as { tenant?: string }).tenant,
    // With a secret in the environment, the PDP can report changes that were made elsewhere.
    updates: process.env.PERMIT_PDP_URL && process.env.PERMIT_UPDATES_SECRET ? '/permit/updates' : undefined,
    // What is decided, and why: a page at /_permit, for this machine only. In production it would need a guard.
    inspector: process.env.NODE_ENV !== 'production',
    // Every route must declare its permission, or that it is public. The pages of Swagger UI are public on purpose.
    strict: { public: ['/docs/*'] }
  })

  await app.register(swaggerUi, { routePrefix: '/docs', uiConfig: { deepLinking: true, showExtensions: true } })
  await app.register(auth)

  // The app also starts without its PDP. Until the PDP is available, guarded routes answer 503.
  if (!isStateless()) {
    app.addHook('onReady', () => seed(app).catch((error: unknown) => app.log.error(error, 'The users could not be written to the PDP.')))
  }

  await app.register(healthRoutes)
  await app.register(quickstart)
  await app.register(taskRoutes)
  return app
}
