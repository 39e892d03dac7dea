// Registers tables of routes on an app: one handler for each route, at every address where its table is mounted.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { TSchema } from 'typebox'
import { WorkLimitError } from '../../engine/engine.js'
import { limitExceeded } from '../../kit/value-size-limit.js'
import { inTimeSlices } from '../../kit/time-slices.js'
import { answerText } from './answer-text.js'
import { CLIENT_CLOSED, Failure, invalid, sendFailure } from './error-responses.js'
import { sizeOfBody } from './json-body.js'
import { Outgoing } from './unread-answer-limit.js'
import { checkerOf } from './validation.js'
import type { Answer, Decider, Listing, Route, Wire } from './route.js'
import type { Environment } from '../../environment/environment.js'

/** A table of routes, and where it is served. */
export interface Mount {
  /** Precedes each path. Its parameters are not passed to the routes. */
  readonly prefix?: string
  readonly wire: Wire
  /** The subject of the routes, for the OpenAPI document. */
  readonly tag: string
  readonly routes: readonly Route[]
}

/** The environment that routes are served from, and the options that their handlers use. */
export interface Served {
  readonly environment: Environment
  readonly debug: boolean
  readonly userTypes?: readonly string[]
  /** What the inspector sees; undefined without one. */
  readonly watch?: Watch
}

/** Shows requests to the inspector. */
export interface Watch {
  /** What decides for a request, in place of the engine. */
  deciderOf (request: FastifyRequest): Decider
  /** Runs the handler of a plan or a search, and shows how it ended. */
  list (request: FastifyRequest, listing: Listing<unknown, unknown>, handle: () => Answer | Promise<Answer>): Promise<Answer>
}

/** Shared by all apps of the process, because they share its memory. */
const outgoing = new Outgoing()

/** Serves the tables. */
export function mount (app: FastifyInstance, { environment, debug, userTypes, watch }: Served, mounts: readonly Mount[]): void {
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
  // The schemas of answers are only for the document. As serializers they would drop unknown members.
  app.setSerializerCompiler(() => data => JSON.stringify(data))

  for (const { prefix = '', wire, routes } of mounts) {
    for (const { method, path, query, body, answer, statuses, values, listing, handle } of routes) {
      app.route({
        method,
        url: prefix + path,
        schema: {
          querystring: query,
          ...(body === undefined ? {} : { body }),
          ...(answer === undefined ? {} : { response: Object.fromEntries(statuses.map(status => [status, answer])) })
        },
        errorHandler: (error, request, reply) => sendFailure(reply, wire, error, request.log),
        // Before the schema validation, which lists every mistake.
        preValidation (request, _reply, done) {
          const excess = limitExceeded(request.body, values)
          done(excess === undefined ? undefined : invalid(`body: has more than ${values} values; send less at a time`))
        },
        async handler (request, reply) {
          const work = <R>(steps: Generator<unknown, R>): Promise<R> => inTimeSlices(steps, () => {
            if (reply.raw.destroyed) throw new Failure(CLIENT_CLOSED, 'the client has disconnected')
          })
          try {
            const { params, body } = request
            const query = request.query as object
            const decider = watch === undefined ? environment.engine : watch.deciderOf(request)
            const bytes = sizeOfBody(request)
            const input = { params, query, body, environment, decider, request, debug, userTypes, bytes, inTimeSlices: work }
            const answered = await (watch === undefined || listing === undefined
              ? handle(input)
              : watch.list(request, listing, () => handle(input)))
            reply.code(answered.status)
            if (answered.body === undefined) return reply.send()
            const text = await work(answerText(answered.body))
            outgoing.add(reply, text.length)
            return reply.type('application/json; charset=utf-8').send(text)
          } catch (error) {
            if (!(error instanceof WorkLimitError)) throw error
            environment.noteWorkLimit(error)
            // The place in the policy is only for the log.
            throw new Failure(503, `the request could not be answered: ${error.message}`)
          }
        }
      })
    }
  }
}
