// Callers whose request adds headers to the request to the PDP.
import type { Caller } from '../contract/point.js'
import { readHeaders } from './options/resolve.js'
import type { HeadersFunction } from './options/schema.js'

/**
 * Returns a function that makes callers whose headers are those of the option. The option's function is called when a check is sent, at
 * most once for each caller. Its first error is logged; the request to the PDP is sent without its headers then.
 * @param fixed - headers of every request to the PDP, which the function cannot change
 */
export function callerWithHeaders<R> (
  callerOf: (request: R) => Caller | undefined, headersOf: HeadersFunction<R>, log: { warn (details: object, message: string): void },
  fixed?: Readonly<Record<string, string>>
): (request: R) => Caller {
  let isFirst = true
  return request => new CallerWithHeaders(callerOf(request), () => {
    try {
      return readHeaders(headersOf(request), fixed)
    } catch (error) {
      if (isFirst) {
        log.warn({ err: error }, 'permit: the function in the option "headers" failed; requests to the PDP are sent without its headers')
      }
      isFirst = false
      return undefined
    }
  })
}

class CallerWithHeaders implements Caller {
  readonly #caller: Caller | undefined
  readonly #read: () => Caller['headers']
  #headers: Caller['headers']
  #isRead = false

  constructor (caller: Caller | undefined, read: () => Caller['headers']) {
    this.#caller = caller
    this.#read = read
  }

  get destroyed (): boolean {
    return this.#caller?.destroyed === true
  }

  get requestId (): string | undefined {
    return this.#caller?.requestId
  }

  get headers (): Caller['headers'] {
    if (!this.#isRead) {
      this.#isRead = true
      this.#headers = this.#read()
    }
    return this.#headers
  }
}
