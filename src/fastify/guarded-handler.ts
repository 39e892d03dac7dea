// A handler behind its guards, and the proof that a route runs this handler and no other.
import { BypassedError } from '../contract/errors.js'
import { recordBypass, requestAmong, stateOf } from './held.js'
import { hasPassed, type GuardIdentity } from './passes.js'

/** What guards a handler. */
export interface Post {
  readonly guards: readonly GuardIdentity[]
  /** Why the app must not have started, if so. */
  readonly broken: () => Error | undefined
  /** The Fastify instance that the handler's route belongs to. */
  readonly scope: object
  /** Called with the function that Fastify makes of the handler for this scope: the one that it runs, and shows as `request.routeOptions.handler`. */
  readonly onBound: (bound: object) => void
}

/** A route's handler, for HTTP or for a WebSocket. Its arguments are passed on unchanged. */
type Handler = (first: unknown, second: unknown) => unknown

interface Worn { readonly original: object, readonly guards: readonly GuardIdentity[] }

const worn = new WeakMap<object, Worn>()

/** The guards that a handler already has, because it was taken from a guarded route. */
export function guardsWorn (handler: unknown): readonly GuardIdentity[] {
  return (typeof handler === 'function' ? worn.get(handler)?.guards : undefined) ?? []
}

/**
 * The handler, behind its guards. Fastify runs a handler when the chain of hooks has come to its end, and a hook that
 * goes on twice (one that calls `done` and also returns a promise) brings the chain to its end while a guard still
 * waits for its decision. Hence: no pass, no handler.
 *
 * Everything of a route can be copied to another route. This function can be copied, too, and keeps its guards.
 */
export function behindGuards<T extends object> (handler: T, post: Post): T {
  // A route that is made from another one's options brings that one's wrapping along.
  const original = (worn.get(handler)?.original ?? handler) as Handler
  const { guards, broken } = post
  // The request is the first argument, or the second one behind a WebSocket.
  const guarded = function (this: unknown, first: unknown, second: unknown): unknown {
    const refusal = broken()
    if (refusal !== undefined) throw refusal
    const request = requestAmong(first, second)
    if (hasPassed(request, guards)) return original.call(this, first, second)
    // The refusal is on its way, and Fastify before 5.12.2 does not survive a second answer. A socket would be left open: it is closed by the error.
    if (request === first && stateOf(request, guards) === 'refused') return undefined
    recordBypass(request)
    throw new BypassedError()
  }
  return provable(guarded, original, post) as unknown as T
}

/** Notes what a wrapped handler is made of, and tells what Fastify makes of it. */
export function provable<T extends (this: unknown, first: unknown, second: unknown) => unknown> (guarded: T, original: object, { guards, scope, onBound }: Post): T {
  worn.set(guarded, { original, guards })
  // Fastify binds a handler to the instance that its route belongs to. In another scope, or with arguments, it is another function.
  Object.defineProperty(guarded, 'bind', {
    value (self: unknown, ...first: unknown[]): object {
      const bound: object = Reflect.apply(Function.prototype.bind, guarded, [self, ...first])
      if (self === scope && first.length === 0) onBound(bound)
      return bound
    }
  })
  return guarded
}
