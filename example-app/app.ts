// The example app, put together: documents, authentication, authorization, routes.
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyServerOptions } from 'fastify'
import permit from 'fastify-permit'
import auth from './auth.js'
import { asUser, decidedBy, isStateless } from './pdp.js'
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
    // The embedded PDP by permit.yaml, unless the environment names another one.
    ...decidedBy(),
    // Who asks is the subject of the token that auth.ts has verified. The tenant is the one in the URL.
    user: ({ user }) => user ? asUser(user.sub) : undefined,
    tenant: request => (request.params as { tenant?: string }).tenant,
    // With its secret in the environment, the PDP may tell of changes that others have made.
    updates: process.env.PERMIT_PDP_URL && process.env.PERMIT_UPDATES_SECRET ? '/permit/updates' : undefined,
    // Every route says what it requires, or that it is public; the pages of Swagger UI are public on purpose.
    strict: { public: ['/docs/*'] }
  })

  await app.register(swaggerUi, { routePrefix: '/docs', uiConfig: { deepLinking: true, showExtensions: true } })
  await app.register(auth)

  // A PDP that is not there yet does not keep the app from starting: until it is, nobody gets in.
  if (!isStateless()) app.addHook('onReady', () => seed(app).catch((error: unknown) => app.log.error(error, 'The PDP could not be told who there is.')))

  await app.register(quickstart)
  await app.register(taskRoutes)
  return app
}
