// Ensures that nothing after a guard runs while the guard waits for its decision. Express itself does not ensure that.
import { BypassedError } from '../contract/errors.js'
import { stackOf, type App as ExpressApp } from './router-layers.js'
import { appsOnWay } from './router-tracking.js'

/** A symbol that only this file knows. Its value describes the guards that wait, or that were bypassed. */
const WAITING = Symbol('fastify-permit.waiting')

interface Request {
  [WAITING]?: { passedBy: boolean, guards: number }
  route?: { stack?: unknown }
}

type App = ExpressApp & { parent?: App }

/**
 * Marks a request as waiting, and makes all handlers that could run in the meantime check this mark first.
 *
 * A middleware that calls `next` twice makes Express continue twice: first to the guard, and, while the guard still waits for its decision,
 * to the handlers after it. Express offers no way to prevent that, but the guard can find the layers and wrap them.
 * @param known - the stacks that this guard has wrapped already
 */
export function startWaiting (request: object, known: WeakSet<object>): void {
  const carrier = request as Request
  // Guards that an app combines with promises may wait at the same time.
  if (carrier[WAITING] === undefined) carrier[WAITING] = { passedBy: false, guards: 1 }
  else carrier[WAITING].guards++
  shield(carrier.route?.stack, known)
  for (const inside of appsOnWay(request)) {
    for (let app = inside as App | undefined; app !== undefined; app = app.parent) shield(stackOf(app), known)
  }
}

/**
 * Marks a request that was refused and is not passed on. Express still stands before the handlers after the guard, and a second call of
 * `next` would run them.
 * @param known - the stacks that this guard has wrapped already
 */
export function keepWaiting (request: object, known: WeakSet<object>): void {
  if ((request as Request)[WAITING] === undefined) startWaiting(request, known)
}

/** Ends the waiting. Returns false if the guard was bypassed meanwhile; the request has received its error already. */
export function stopWaiting (request: object): boolean {
  const carrier = request as Request
  const waiting = carrier[WAITING]
  if (waiting?.passedBy === true) return false
  if (waiting !== undefined && --waiting.guards === 0) carrier[WAITING] = undefined
  return true
}

/** @throws `BypassedError` when a guard of the request waits for its decision, or was bypassed */
export function requireNoWaiting (request: object): void {
  const waiting = (request as Request)[WAITING]
  if (waiting === undefined) return
  waiting.passedBy = true
  throw new BypassedError()
}

interface Layer { handle?: unknown, route?: { stack?: unknown } }

/** Maps each wrapper to the handler that it wraps. */
const shielded = new WeakMap<object, object>()

/** The handler of a layer, without the wrapper of a guard. */
export function unshielded (handle: unknown): unknown {
  return (typeof handle === 'function' ? shielded.get(handle) : undefined) ?? handle
}

function shield (stack: unknown, known: WeakSet<object>): void {
  if (!Array.isArray(stack) || known.has(stack)) return
  known.add(stack)
  for (const layer of stack as Layer[]) {
    shield(layer.route?.stack, known)
    const { handle } = layer
    // Error handlers have four parameters. They must run.
    if (typeof handle !== 'function' || handle.length > 3) continue
    shield((handle as { stack?: unknown }).stack, known)
    if (shielded.has(handle)) continue
    // A proxy keeps the other properties of a handler: a router has its own stack, and names may be read.
    const behind = new Proxy(handle, {
      apply (target: CallableFunction, self: unknown, args: unknown[]): unknown {
        requireNoWaiting(args[0] as object)
        return Reflect.apply(target, self, args)
      }
    })
    shielded.set(behind, handle)
    layer.handle = behind
  }
}
