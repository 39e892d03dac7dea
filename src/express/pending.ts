// As long as a guard waits for its decision, nothing behind it runs: Express itself does not see to that.
import { BypassedError } from '../contract/errors.js'
import { stackOf, type App as ExpressApp } from './stack.js'
import { appsOnWay } from './way.js'

/** A symbol that only this file knows. Its value tells of the guards that wait, or that were passed by. */
const WAITING = Symbol('fastify-permit.waiting')

interface Request {
  [WAITING]?: { passedBy: boolean, guards: number }
  route?: { stack?: unknown }
}

type App = ExpressApp & { parent?: App }

/**
 * Marks a request as one that waits, and puts what could be run in the meantime behind the question whether one does.
 *
 * A middleware that calls `next` twice makes Express go on twice: to the guard, and, while that one still waits for its
 * decision, to what comes after it. Express gives a guard no way to stop that, but where layers are they can be found.
 * @param known the stacks that this guard has put behind already
 */
export function startWaiting (request: object, known: WeakSet<object>): void {
  const carrier = request as Request
  // Guards that somebody combines by promises may wait at the same time.
  if (carrier[WAITING] === undefined) carrier[WAITING] = { passedBy: false, guards: 1 }
  else carrier[WAITING].guards++
  shield(carrier.route?.stack, known)
  for (const inside of appsOnWay(request)) {
    for (let app = inside as App | undefined; app !== undefined; app = app.parent) shield(stackOf(app), known)
  }
}

/**
 * Marks a request that has been refused, and is not handed on: Express stands where it stood, directly before what the guard is there for, and
 * whoever calls `next` once more would run that.
 * @param known the stacks that this guard has put behind already
 */
export function keepWaiting (request: object, known: WeakSet<object>): void {
  if ((request as Request)[WAITING] === undefined) startWaiting(request, known)
}

/** The decision is there. False when something has gone past the guard meanwhile: the request has got its error already. */
export function stopWaiting (request: object): boolean {
  const carrier = request as Request
  const waiting = carrier[WAITING]
  if (waiting?.passedBy === true) return false
  if (waiting !== undefined && --waiting.guards === 0) carrier[WAITING] = undefined
  return true
}

/** @throws `BypassedError` when a guard of the request waits for its decision, or was passed by. */
export function requireNoWaiting (request: object): void {
  const waiting = (request as Request)[WAITING]
  if (waiting === undefined) return
  waiting.passedBy = true
  throw new BypassedError()
}

interface Layer { handle?: unknown, route?: { stack?: unknown } }

/** What stands behind the question, by what asks it. */
const shielded = new WeakMap<object, object>()

/** What a layer had as its handle before a guard put it behind. */
export function unshielded (handle: unknown): unknown {
  return (typeof handle === 'function' ? shielded.get(handle) : undefined) ?? handle
}

function shield (stack: unknown, known: WeakSet<object>): void {
  if (!Array.isArray(stack) || known.has(stack)) return
  known.add(stack)
  for (const layer of stack as Layer[]) {
    shield(layer.route?.stack, known)
    const { handle } = layer
    // Handlers of errors have four parameters; they must run.
    if (typeof handle !== 'function' || handle.length > 3) continue
    shield((handle as { stack?: unknown }).stack, known)
    if (shielded.has(handle)) continue
    // A proxy, so that what else a handler is stays as it is: a router has its own stack, others a name that is looked at.
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
