// Guards 404 handlers like routes, although Fastify reports them to no hook and does not always run their hooks.
import type { FastifyInstance, FastifyReply, FastifyRequest, preHandlerHookHandler, RouteOptions } from 'fastify'
import { BypassedError } from '../contract/errors.js'
import { provable, type Post } from './guarded-handler.js'
import { recordBypass, stateOf } from './blocking-guards.js'
import { hasPassed } from './passed-guards.js'
import { responseOf } from './reply-of-request.js'

/** The options of `setNotFoundHandler`: config and hooks, like those of a route. */
export type NotFoundOptions = Pick<RouteOptions, 'config' | 'onRequest' | 'preParsing' | 'preValidation' | 'preHandler'>

/** Any 404 handler. */
export type NotFoundHandler = (this: unknown, request: FastifyRequest, reply: FastifyReply) => unknown

/** A {@link Post} whose guards are hooks. */
export interface NotFoundPost extends Post {
  readonly guards: readonly preHandlerHookHandler[]
}

/** Calls `guarded` for each 404 handler that a scope or its descendants set, and sets the returned one instead. */
export function watchNotFound (
  app: FastifyInstance,
  guarded: (scope: FastifyInstance, options: NotFoundOptions, handler: NotFoundHandler) => readonly [NotFoundOptions, NotFoundHandler]
): void {
  const set = app.setNotFoundHandler as unknown as (this: unknown, ...args: unknown[]) => unknown
  Object.defineProperty(app, 'setNotFoundHandler', {
    configurable: true,
    writable: true,
    value (this: FastifyInstance, ...args: unknown[]): unknown {
      const [options, handler] = typeof args[0] === 'function' ? [{}, args[0]] : args
      if (typeof handler !== 'function') return set.apply(this, args)
      return set.apply(this, [...guarded(this, (options ?? {}) as NotFoundOptions, handler as NotFoundHandler)])
    }
  })
}

/**
 * Wraps a 404 handler with its guards. For `reply.callNotFound()`, Fastify runs only the preHandler hooks, so guards that were not passed
 * are called here.
 */
export function notFoundBehindGuards (handler: NotFoundHandler, post: NotFoundPost): NotFoundHandler {
  const { guards, broken } = post
  return provable(function (this: unknown, first: unknown, second: unknown): unknown {
    const [request, reply] = [first as FastifyRequest, second as FastifyReply]
    // Before 5.12.2, Fastify calls the 404 handler without any hook for a URL that cannot be decoded, below a prefix with a param. The
    // guards lack the data of those hooks, and a returned value or a thrown error is lost or ends the process.
    if (responseOf(request) === undefined) {
      const { method, url } = request.raw
      reply.code(404).send({ message: `Route ${method}:${url} not found`, error: 'Not Found', statusCode: 404 })
      return undefined
    }
    const refusal = broken()
    if (refusal !== undefined) throw refusal
    if (hasPassed(request, guards)) return handler.call(this, request, reply)
    const state = stateOf(request, guards)
    if (state === 'refused') return undefined
    if (state === 'decides') {
      recordBypass(request)
      throw new BypassedError()
    }
    return new Promise((resolve, reject) => {
      ask(guards, this as FastifyInstance, request, reply, error => {
        // The handler runs inside of the promise, so that its errors reject the promise.
        const run = (): Promise<unknown> => Promise.resolve().then(() => handler.call(this, request, reply))
        if (error === undefined) resolve(run().then(payload => payload === undefined ? reply : payload))
        else reject(error)
      })
    })
  }, handler, post)
}

/** Calls the guards that the request has not passed, one after the other. */
function ask (
  guards: readonly preHandlerHookHandler[], scope: FastifyInstance, request: FastifyRequest, reply: FastifyReply,
  done: (error?: Error) => void
): void {
  const guard = guards.find(guard => !hasPassed(request, [guard]))
  if (guard === undefined) {
    done()
    return
  }
  guard.call(scope, request, reply, error => {
    if (error === undefined || error === null) ask(guards, scope, request, reply, done)
    else done(error)
  })
}
