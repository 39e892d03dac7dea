// What a request carries besides its passes: the guards that still decide on it, and those that have refused it.
import type { GuardIdentity } from './passes.js'

const HELD = Symbol('fastify-permit.held')

/** The slot on a request, to be decorated, so that all requests keep one shape. */
export const HELD_SLOT: symbol = HELD

/** A guard has no answer yet; or its answer was no, and is on its way to the client. */
type State = 'decides' | 'refused'

interface Held {
  /** Copied to another request, or found on what inherits from it, this says nothing. */
  readonly request: object
  readonly guards: Map<GuardIdentity, State>
  bypassed: boolean
}

interface Carrier { [HELD]?: Held | null }

function heldOf (request: object): Held | undefined {
  const { [HELD]: held } = request as Carrier
  return held?.request === request ? held : undefined
}

function holdOf (request: object): Held {
  const held = heldOf(request) ?? { request, guards: new Map(), bypassed: false }
  ;(request as Carrier)[HELD] = held
  return held
}

/** Records that a guard needs time for its decision. */
export function recordWaiting (request: object, guard: GuardIdentity): void {
  holdOf(request).guards.set(guard, 'decides')
}

/** Records that a guard refuses a request, and answers it. */
export function recordRefusal (request: object, guard: GuardIdentity): void {
  holdOf(request).guards.set(guard, 'refused')
}

/** Records that the handler was reached before the decision, and that this is the answer. */
export function recordBypass (request: object): void {
  holdOf(request).bypassed = true
}

/** Whether a request was answered because its handler was reached before the decision: a guard that has waited meanwhile says nothing more. */
export function wasBypassed (request: object): boolean {
  return heldOf(request)?.bypassed === true
}

/** What keeps a request from its handler: of the guards in front of it, one that has refused it, or one that still decides. */
export function stateOf (request: object, guards: readonly GuardIdentity[]): State | undefined {
  const states = guards.map(guard => heldOf(request)?.guards.get(guard))
  return states.find(state => state === 'refused') ?? states.find(state => state !== undefined)
}

/** Which of a handler's arguments is the request: for a WebSocket it is the second. */
export function requestAmong (first: unknown, second: unknown): object {
  return (typeof first === 'object' && first !== null && HELD in first ? first : second) as object
}
