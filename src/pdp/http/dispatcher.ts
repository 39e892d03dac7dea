// A dispatcher of undici's that the app brings itself, in place of the connections that are opened here.
import type { Dispatcher } from 'undici'
import type { Carried } from './framed-client.js'

/** A request as a dispatcher takes it. */
export interface WireOptions extends Dispatcher.DispatchOptions {
  /** Of HTTP/2: the exchange, which is told its connection. */
  readonly carried?: Carried
}

/** The part of a dispatcher that is used. undici's `Agent`, `Pool` and `MockAgent` have it, and what `compose` makes of them. */
export interface WireDispatcher {
  dispatch (options: WireOptions, handler: Dispatcher.DispatchHandler): boolean
}
