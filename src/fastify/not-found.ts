// 404 handlers: guarded like a route's, although Fastify tells no hook of them and does not run all of theirs.
import type { FastifyInstance, FastifyReply, FastifyRequest, preHandlerHookHandler, RouteOptions } from 'fastify'
import { BypassedError } from '../contract/errors.js'
import { provable, type Post } from './guarded-handler.js'
import { recordBypass, stateOf } from './held.js'
import { hasPassed } from './passes.js'
import { responseOf } from './replies.js'

/** What `setNotFoundHandler` takes besides the handler: config and hooks, as a route. */
export type NotFoundOptions = Pick<RouteOptions, 'config' | 'onRequest' | 'preParsing' | 'preValidation' | 'preHandler'>

/** Any 404 handler. */
export type NotFoundHandler = (this: unknown, request: FastifyRequest, reply: FastifyReply) => unknown

/** A {@link Post} whose guards are known as hooks. */
export interface NotFoundPost extends Post {
  readonly guards: readonly preHandlerHookHandler[]
}

/** Sees to it that a scope and those below it set no 404 handler without asking `guarded` for what is to be set instead. */
export function watchNotFound (
  app: FastifyInstance, guarded: (scope: FastifyInstance, options: NotFoundOptions, handler: NotFoundHandler) => readonly [NotFoundOptions, NotFoundHandler]
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
 * The handler, behind its guards. For `reply.callNotFound()` Fastify runs the preHandler hooks and no others: what has not been passed is
 * therefore asked here.
 */
export function notFoundBehindGuards (handler: NotFoundHandler, post: NotFoundPost): NotFoundHandler {
  const { guards, broken } = post
  return provable(function (this: unknown, first: unknown, second: unknown): unknown {
    const [request, reply] = [first as FastifyRequest, second as FastifyReply]
    // Before 5.12.2, of a URL that cannot be decoded below a prefix with a param, Fastify tells a 404 handler without a single hook. What the guards
    // depend on has not run, and whatever is returned or thrown here is lost, or ends the process.
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
        // In the promise's own try: what the handler throws is its rejection.
        if (error === undefined) resolve(Promise.resolve().then(() => handler.call(this, request, reply)).then(payload => payload === undefined ? reply : payload))
        else reject(error)
      })
    })
  }, handler, post)
}

/** Asks the guards that a request has not passed, one after the other. */
function ask (guards: readonly preHandlerHookHandler[], scope: FastifyInstance, request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
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
