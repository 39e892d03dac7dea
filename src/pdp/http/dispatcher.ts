// A dispatcher of undici's that the app brings itself, in place of the connections that are opened here.
import type { Dispatcher } from 'undici'

/** A request as a dispatcher takes it. */
export type WireOptions = Dispatcher.DispatchOptions

/** The part of a dispatcher that is used. undici's `Agent`, `Pool` and `MockAgent` have it, and what `compose` makes of them. */
export interface WireDispatcher {
  dispatch (options: WireOptions, handler: Dispatcher.DispatchHandler): boolean
}
