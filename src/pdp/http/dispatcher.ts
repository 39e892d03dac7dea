// A dispatcher of undici's that the app brings itself, in place of the connections that are opened here.
import type { Dispatcher } from 'undici'

/** What an exchange tells the connection that it is on. */
export interface FramedConnection {
  /** A part of a response has arrived. Returns the time, ms of `performance.now()`. */
  heard (): number
  /** A request has waited in vain since `time`. The connection is closed if nothing was heard since then. */
  silentSince (time: number): void
}

/** An exchange that is told its connection. */
export interface Carried {
  connection: FramedConnection | undefined
}

/** A request as a dispatcher takes it. */
export interface WireOptions extends Dispatcher.DispatchOptions {
  /** With HTTP/2: the exchange that gets its connection. */
  readonly carried?: Carried
}

/** The part of a dispatcher that is used. undici's `Agent`, `Pool` and `MockAgent` have it, and what `compose` makes of them. */
export interface WireDispatcher {
  dispatch (options: WireOptions, handler: Dispatcher.DispatchHandler): boolean
}
