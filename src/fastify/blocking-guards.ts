// Stores on a request the guards that still wait for a decision on it, and those that have refused it.
import type { GuardIdentity } from './passed-guards.js'

const HELD = Symbol('fastify-permit.held')

/** The property of a request, decorated so that all requests have the same shape. */
export const HELD_SLOT: symbol = HELD

/** A guard is waiting for its decision, or has refused the request. */
type State = 'decides' | 'refused'

/** Most requests wait for one guard, so a map is only created for more. */
class Held {
  bypassed = false
  #guard: GuardIdentity | undefined
  #state: State | undefined
  #others: Map<GuardIdentity, State> | undefined

  /** @param request - the request itself: for a copy of it, or an object that inherits from it, the value does not count */
  constructor (readonly request: object) {}

  set (guard: GuardIdentity, state: State): void {
    if (this.#guard === undefined || this.#guard === guard) {
      this.#guard = guard
      this.#state = state
    } else {
      (this.#others ??= new Map()).set(guard, state)
    }
  }

  get (guard: GuardIdentity): State | undefined {
    return this.#guard === guard ? this.#state : this.#others?.get(guard)
  }
}

interface Carrier { [HELD]?: Held | null }

function heldOf (request: object): Held | undefined {
  const { [HELD]: held } = request as Carrier
  return held?.request === request ? held : undefined
}

function holdOf (request: object): Held {
  const known = heldOf(request)
  if (known !== undefined) return known
  const held = new Held(request)
  ;(request as Carrier)[HELD] = held
  return held
}

/** Records that a guard waits for its decision. */
export function recordWaiting (request: object, guard: GuardIdentity): void {
  holdOf(request).set(guard, 'decides')
}

/** Records that a guard refuses a request. */
export function recordRefusal (request: object, guard: GuardIdentity): void {
  holdOf(request).set(guard, 'refused')
}

/** Records that the handler was reached before the decision, and that the request is answered with this error. */
export function recordBypass (request: object): void {
  holdOf(request).bypassed = true
}

/** Whether the request was answered because its handler was reached before the decision. A guard that was waiting then stays silent. */
export function wasBypassed (request: object): boolean {
  return heldOf(request)?.bypassed === true
}

/** Why a request may not reach its handler: one of the guards has refused it, or is still waiting. */
export function stateOf (request: object, guards: readonly GuardIdentity[]): State | undefined {
  const states = guards.map(guard => heldOf(request)?.get(guard))
  return states.find(state => state === 'refused') ?? states.find(state => state !== undefined)
}

/** Finds the request among the arguments of a handler. It is the second argument for a WebSocket. */
export function requestAmong (first: unknown, second: unknown): object {
  return (typeof first === 'object' && first !== null && HELD in first ? first : second) as object
}
