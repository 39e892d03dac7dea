// The caller that waits for an answer: a request, gone when its connection is.
import type { IncomingMessage } from 'node:http'
import type { Caller } from '../contract/point.js'

/** A request as a caller. Created only for a question that is not answered at once. */
export class RequestCaller implements Caller {
  readonly #message: IncomingMessage
  readonly #id: string | undefined

  /** @param id - the request's id in the app's log, where it has one */
  constructor (message: IncomingMessage, id?: string) {
    this.#message = message
    this.#id = id
  }

  get destroyed (): boolean {
    // Over HTTP/2 a socket carries many requests; each has a stream of its own.
    return ((this.#message as { stream?: Caller }).stream ?? this.#message.socket).destroyed
  }

  get requestId (): string | undefined {
    return this.#id
  }
}
