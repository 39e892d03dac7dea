// Whoever waits for a request's answer.
import type { IncomingMessage } from 'node:http'
import type { Caller } from '../pdp/point.js'

/** The connection of a request: when it is gone, nobody waits for the decision any more. */
export function connectionOf (message: IncomingMessage): Caller {
  // Over HTTP/2 a socket carries many requests; each has a stream of its own.
  return (message as { stream?: Caller }).stream ?? message.socket
}
