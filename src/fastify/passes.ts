// What stands directly before a handler: a proof that its guards have let this very request through.
import { BypassedError } from '../contract/errors.js'

/** A guard, as far as proofs are concerned: its identity. */
export type GuardIdentity = object

/** The guards that a request has passed: none, one, or several. A symbol that only this file knows: nobody else can set it. */
const PASSED = Symbol('fastify-permit.passed')

/** The slot on a request, to be decorated, so that all requests keep one shape. */
export const PASSED_SLOT: symbol = PASSED

interface Passenger { [PASSED]?: GuardIdentity | GuardIdentity[] | null }

/** Records that a request has passed a guard. */
export function recordPass (request: object, guard: GuardIdentity): void {
  const passenger: Passenger = request
  const before = passenger[PASSED]
  if (before === null || before === undefined || before === guard) passenger[PASSED] = guard
  else passenger[PASSED] = Array.isArray(before) ? [...before, guard] : [before, guard]
}

function hasPassed (request: unknown, guards: readonly GuardIdentity[]): boolean {
  if (guards.length === 0) return true
  if (typeof request !== 'object' || request === null) return false
  const passed = (request as Passenger)[PASSED]
  if (passed === null || passed === undefined) return false
  for (const guard of guards) {
    if (passed !== guard && !(Array.isArray(passed) && passed.includes(guard))) return false
  }
  return true
}

/** Of a route: for HTTP, or for a WebSocket. What they are called with is Fastify's business; it is passed on as it is. */
type Handler = (first: unknown, second: unknown) => unknown

const wrapped = new WeakMap<object, object>()

/**
 * The handler, behind its guards. Fastify runs a handler when the chain of hooks has come to its end, and a hook that
 * goes on twice (one that calls `done` and also returns a promise) brings the chain to its end while a guard still
 * waits for its decision. Hence the proof: no pass, no handler.
 */
export function behindGuards<T extends object> (handler: T, guards: readonly GuardIdentity[], broken: () => Error | undefined): T {
  // A route that is made from another one's options brings that one's wrapping along.
  const original = (wrapped.get(handler) ?? handler) as Handler
  // The request is the first argument, or the second one behind a WebSocket.
  const guarded = function (this: unknown, first: unknown, second: unknown): unknown {
    const refusal = broken()
    if (refusal !== undefined) throw refusal
    if (!hasPassed(first, guards) && !hasPassed(second, guards)) throw new BypassedError()
    return original.call(this, first, second)
  }
  wrapped.set(guarded, original)
  return guarded as unknown as T
}
