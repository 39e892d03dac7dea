// Declares the route on which the PDP reports changes.
import type { FastifyInstance } from 'fastify'
import type { AffectedUsers } from '../contract/affected-users.js'
import { affectedBy, MAX_UPDATE_SIZE, UPDATES_HEADER } from '../decision/update-reports.js'
import { type UpdatesEndpoint } from '../decision/path-options.js'
import { secretCheck } from '../kit/secret.js'
import { OWN_ROUTE } from './route-guards.js'

/**
 * Declares the route in a separate scope, so that the body is read unchanged, whatever parsers the app has. The route is public for the
 * guard. It is protected by its own secret, which is checked before the body is read.
 */
export function declareUpdatesRoute (
  app: FastifyInstance, { path, secret }: UpdatesEndpoint, changed: (affected: AffectedUsers) => void
): void {
  const isSecret = secretCheck(secret)
  app.register(async scope => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'string', bodyLimit: MAX_UPDATE_SIZE }, (_request, body, done) => done(null, body))
    scope.setErrorHandler(async (error, _request, reply) => {
      // For a body that is too large, Fastify would close the connection, and a client that is still sending would lose the answer. Without
      // this header, Node drops the rest.
      reply.removeHeader('connection')
      throw error
    })
    scope.post(path, {
      config: { permit: false, [OWN_ROUTE]: true } as object,
      // For @fastify/swagger, whose types are not needed here.
      schema: { hide: true } as object,
      bodyLimit: MAX_UPDATE_SIZE,
      onRequest: async (request, reply) => {
        const given = request.headers[UPDATES_HEADER]
        if (typeof given === 'string' && isSecret(given)) return
        return reply.code(401).send({ statusCode: 401, error: 'Unauthorized', message: 'The updates secret is missing or wrong.' })
      }
    }, async (request, reply) => {
      const affected = affectedBy(typeof request.body === 'string' ? request.body : '')
      changed(affected)
      request.log.debug({ permit: { forgotten: 'all' in affected ? 'all' : affected.users.length } }, 'permit: the PDP reported a change')
      return reply.code(204).send()
    })
  })
}
