// Wraps a handler so that it only runs after its guards, and proves that a route runs this wrapper.
import { BypassedError } from '../contract/errors.js'
import { recordBypass, requestAmong, stateOf } from './blocking-guards.js'
import { hasPassed, type GuardIdentity } from './passed-guards.js'

/** The guards of a handler, and its route's scope. */
export interface Post {
  readonly guards: readonly GuardIdentity[]
  /** Why the app must not have started, if so. */
  readonly broken: () => Error | undefined
  /** The Fastify instance that the handler's route belongs to. */
  readonly scope: object
  /**
   * Called with the function that Fastify creates from the handler for this scope: the function that it runs, and that
   * `request.routeOptions.handler` returns.
   */
  readonly onBound: (bound: object) => void
}

/** A route's handler, for HTTP or for a WebSocket. Its arguments are passed on unchanged. */
type Handler = (first: unknown, second: unknown) => unknown

interface Worn { readonly original: object, readonly guards: readonly GuardIdentity[] }

const worn = new WeakMap<object, Worn>()

/** The guards that a handler already has, because it comes from a guarded route. */
export function guardsWorn (handler: unknown): readonly GuardIdentity[] {
  return (typeof handler === 'function' ? worn.get(handler)?.guards : undefined) ?? []
}

/**
 * Wraps a handler with its guards. Fastify runs the handler when all hooks have finished. A hook that continues twice, because it calls
 * `done` and also returns a promise, reaches the handler while a guard still waits for its decision. So the handler runs only when the
 * request has passed all guards.
 *
 * Everything of a route can be copied to another route. A copy of this function keeps its guards.
 */
export function behindGuards<T extends object> (handler: T, post: Post): T {
  // A route that was created from the options of another route has that route's wrapper.
  const original = (worn.get(handler)?.original ?? handler) as Handler
  const { guards, broken } = post
  // The request is the first argument, or the second one behind a WebSocket.
  const guarded = function (this: unknown, first: unknown, second: unknown): unknown {
    const refusal = broken()
    if (refusal !== undefined) throw refusal
    const request = requestAmong(first, second)
    if (hasPassed(request, guards)) return original.call(this, first, second)
    // The refusal is being sent. Fastify before 5.12.2 crashes on a second answer. For a WebSocket, the error closes the socket.
    if (request === first && stateOf(request, guards) === 'refused') return undefined
    recordBypass(request)
    throw new BypassedError()
  }
  return provable(guarded, original, post) as unknown as T
}

/** Remembers what a wrapped handler consists of, and reports the function that Fastify creates from it. */
export function provable<T extends (this: unknown, first: unknown, second: unknown) => unknown> (
  guarded: T, original: object, { guards, scope, onBound }: Post
): T {
  worn.set(guarded, { original, guards })
  // Fastify binds a handler to the instance of its route. Bound to another scope, or with arguments, it is a different function.
  Object.defineProperty(guarded, 'bind', {
    value (self: unknown, ...first: unknown[]): object {
      const bound: object = Reflect.apply(Function.prototype.bind, guarded, [self, ...first])
      if (self === scope && first.length === 0) onBound(bound)
      return bound
    }
  })
  return guarded
}
