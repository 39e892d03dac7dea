// Stores on a request the guards that still wait for a decision on it, and those that have refused it.
import type { GuardIdentity } from './passed-guards.js'

const GUARD_STATES = Symbol('fastify-permit.guard-states')

/** The property of a request, decorated so that all requests have the same shape. */
export const GUARD_STATES_SLOT: symbol = GUARD_STATES

/** A guard is waiting for its decision, or has refused the request. */
type State = 'decides' | 'refused'

/** Most requests wait for one guard, so a map is only created for more. */
class GuardStates {
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

interface Carrier { [GUARD_STATES]?: GuardStates | null }

function statesOf (request: object): GuardStates | undefined {
  const { [GUARD_STATES]: states } = request as Carrier
  return states?.request === request ? states : undefined
}

function statesFor (request: object): GuardStates {
  const known = statesOf(request)
  if (known !== undefined) return known
  const states = new GuardStates(request)
  ;(request as Carrier)[GUARD_STATES] = states
  return states
}

/** Records that a guard waits for its decision. */
export function recordWaiting (request: object, guard: GuardIdentity): void {
  statesFor(request).set(guard, 'decides')
}

/** Records that a guard refuses a request. */
export function recordRefusal (request: object, guard: GuardIdentity): void {
  statesFor(request).set(guard, 'refused')
}

/** Records that the handler was reached before the decision, and that the request is answered with this error. */
export function recordBypass (request: object): void {
  statesFor(request).bypassed = true
}

/** Whether the request was answered because its handler was reached before the decision. A guard that was waiting then stays silent. */
export function wasBypassed (request: object): boolean {
  return statesOf(request)?.bypassed === true
}

/** Why a request may not reach its handler: one of the guards has refused it, or is still waiting. */
export function stateOf (request: object, guards: readonly GuardIdentity[]): State | undefined {
  const states = guards.map(guard => statesOf(request)?.get(guard))
  return states.find(state => state === 'refused') ?? states.find(state => state !== undefined)
}

/** Finds the request among the arguments of a handler. It is the second argument for a WebSocket. */
export function requestAmong (first: unknown, second: unknown): object {
  return (typeof first === 'object' && first !== null && GUARD_STATES in first ? first : second) as object
}
