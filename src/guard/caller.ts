// A request as the caller of a check, which is gone when the connection is closed.
import type { IncomingMessage } from 'node:http'
import type { Caller } from '../contract/point.js'

/** A request as a caller. Created only when the answer is not available at once. */
export class RequestCaller implements Caller {
  readonly #message: IncomingMessage
  readonly #id: string | undefined

  /** @param id - the request's id in the app's log, if there is one */
  constructor (message: IncomingMessage, id?: string) {
    this.#message = message
    this.#id = id
  }

  get destroyed (): boolean {
    // An HTTP/2 socket carries many requests, each on its own stream.
    const connection: Caller | undefined = (this.#message as { stream?: Caller }).stream ?? this.#message.socket
    // A request that did not come over a network may have none.
    return connection?.destroyed === true
  }

  get requestId (): string | undefined {
    return this.#id
  }
}
