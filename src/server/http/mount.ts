// Tables of routes onto an app: one handler for each route, at every address that its table is mounted at.
import type { FastifyInstance } from 'fastify'
import type { TSchema } from 'typebox'
import { sendFailure } from './failures.js'
import { checkerOf } from './validation.js'
import type { Route, Wire } from './route.js'
import type { Environment } from '../../environment/environment.js'

/** A table of routes, and where it is served. */
export interface Mount {
  /** Before each path; may hold parameters, which the routes do not see. */
  readonly prefix?: string
  readonly wire: Wire
  /** What the routes are about, for the OpenAPI document. */
  readonly tag: string
  readonly routes: readonly Route[]
}

/** Serves the tables. */
export function mount (app: FastifyInstance, { environment, debug, userTypes }: { readonly environment: Environment, readonly debug: boolean, readonly userTypes?: readonly string[] }, mounts: readonly Mount[]): void {
  app.setValidatorCompiler<TSchema>(({ schema, httpPart }) => {
    const check = checkerOf(schema, httpPart === 'body' ? 'body' : 'query')
    return value => {
      try {
        return { value: check(value) }
      } catch (error) {
        return { error: error as Error }
      }
    }
  })
  // The schemas of answers are for documents. As filters they would drop what they do not name.
  app.setSerializerCompiler(() => data => JSON.stringify(data))

  for (const { prefix = '', wire, routes } of mounts) {
    for (const { method, path, query, body, answer, statuses, handle } of routes) {
      app.route({
        method,
        url: prefix + path,
        schema: {
          querystring: query,
          ...(body === undefined ? {} : { body }),
          ...(answer === undefined ? {} : { response: Object.fromEntries(statuses.map(status => [status, answer])) })
        },
        errorHandler: (error, request, reply) => sendFailure(reply, wire, error, request.log),
        async handler (request, reply) {
          const answered = await handle({ params: request.params, query: request.query as object, body: request.body, environment, request, debug, userTypes })
          return reply.code(answered.status).send(answered.body)
        }
      })
    }
  }
}
