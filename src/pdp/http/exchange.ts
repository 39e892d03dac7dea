// One attempt: a request to one PDP and its answer, of which nothing is believed that is not whole, bounded and JSON.
import { isUtf8 } from 'node:buffer'
import type { Dispatcher } from 'undici'
import { PdpError } from '../../contract/errors.js'
import type { Dated } from '../../kit/deadlines.js'
import { statusError, toPdpError, type Failed } from './failure.js'
import type { TransportRequest } from './request.js'

/** Of an answer that was refused, this much is read to keep the connection; past it the connection goes. */
const DISCARD_LIMIT = 16 * 1024

/** Answers before the answer (1xx). Each costs time, and a flood of them would keep the event loop until the deadline, and past it. */
const MAX_INTERIM = 16

type Headers = Record<string, string | string[] | undefined>

/**
 * As undici tells it. It settles once, whatever comes in whichever order, and is finished when the connection is free
 * again or gone, which may be later.
 */
export abstract class Exchange<T> implements Dispatcher.DispatchHandler, Dated, Failed {
  readonly deadline: number
  readonly request: TransportRequest<T>
  /** A time of `performance.now()`. */
  readonly start: number
  /** Whether any of the request may have reached the PDP. */
  sent = false
  /** The status of the answer; 0 before it. */
  status = 0
  retryAfter: number | undefined
  readonly #maxSize: number
  #controller: Dispatcher.DispatchController | undefined
  #interim = 0
  #chunks: Buffer[] = []
  #size = 0
  #settled = false

  constructor (request: TransportRequest<T>, start: number, maxSize: number) {
    this.deadline = request.deadline
    this.request = request
    this.start = start
    this.#maxSize = maxSize
  }

  /** The outcome, once: an error, or the result. */
  protected abstract settled (error: PdpError | undefined, result?: T): void
  /** The connection is free again, or gone: before the outcome or after it, once. */
  protected abstract finished (): void

  /** The deadline has come. */
  expire (): void {
    this.fail(new PdpError('timeout', `the PDP did not answer within ${Math.round(this.deadline - this.start)} ms`))
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Its time may have run out while it waited for a connection: then it does not travel.
    if (this.#settled) controller.abort(new Error('the deadline has passed'))
    else this.sent = true
  }

  onResponseStart (_controller: Dispatcher.DispatchController, status: number, headers: Dispatcher.DispatchController['rawHeaders']): void {
    if (status < 200) {
      if (++this.#interim > MAX_INTERIM) this.fail(new PdpError('answer', `the PDP sent more than ${MAX_INTERIM} interim answers`, { status }))
      return
    }
    this.status = status
    // Looked at before the body is: a refusal with an endless body is a refusal.
    const refusal = this.#judge(status, headers as Headers)
    if (refusal !== undefined) this.#conclude(refusal)
  }

  #judge (status: number, headers: Headers): PdpError | undefined {
    const { answers } = this.request
    if (answers === undefined ? status !== 200 : !answers.includes(status)) {
      this.retryAfter = millisecondsOf(headers['retry-after'])
      return statusError(status)
    }
    if (status === 204) return undefined
    const type = headers['content-type']
    if (typeof type !== 'string' || !/^application\/json\s*(;|$)/i.test(type)) {
      return new PdpError('answer', `the PDP answered with content type ${typeof type === 'string' ? JSON.stringify(type.slice(0, 60)) : 'none'}, not application/json`, { status })
    }
    // Without a length, an answer that was cut off cannot be told from a whole one.
    if (headers['content-length'] === undefined && !/(^|,)\s*chunked\s*$/i.test(String(headers['transfer-encoding'] ?? ''))) {
      return new PdpError('answer', 'the PDP answered without a content-length', { status })
    }
    const encoding = headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity') return new PdpError('answer', 'the PDP answered in an encoding that was not asked for', { status })
    return undefined
  }

  onResponseData (_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#size += chunk.length
    if (this.#settled) {
      if (this.#size > DISCARD_LIMIT) this.#controller?.abort(new Error('the rest of a refused answer is not wanted'))
    } else if (this.#size > this.#maxSize) {
      this.fail(new PdpError('answer', `the PDP answered with more than ${this.#maxSize} bytes`))
    } else {
      this.#chunks.push(chunk)
    }
  }

  onResponseEnd (): void {
    this.finished()
    if (this.#settled) return
    let result: T
    try {
      result = this.request.read(this.#parse(), this.status)
    } catch (error) {
      this.#conclude(error instanceof PdpError ? error : new PdpError('answer', 'the answer of the PDP could not be read'))
      return
    }
    this.#conclude(undefined, result)
  }

  onResponseError (_controller: Dispatcher.DispatchController, error: Error): void {
    this.finished()
    this.#conclude(toPdpError(error))
  }

  #parse (): unknown {
    const bytes = this.#chunks.length === 1 ? this.#chunks[0] as Buffer : Buffer.concat(this.#chunks)
    // JSON is UTF-8 (RFC 8259, 8.1). Decoding would put something else in place of what is not.
    if (!isUtf8(bytes)) throw new PdpError('answer', 'the PDP answered with something that is not UTF-8')
    const text = bytes.toString()
    if (text === '' && this.status === 204) return undefined
    try {
      return JSON.parse(text)
    } catch {
      // The parser's message quotes the text, which may hold attributes.
      throw new PdpError('answer', 'the PDP answered with something that is not JSON')
    }
  }

  /** Ends the exchange and, with it, the connection: what would still come on it is nobody's answer. */
  fail (error: PdpError): void {
    this.#conclude(error)
    this.#controller?.abort(error)
  }

  #conclude (error: PdpError | undefined, result?: T): void {
    if (this.#settled) return
    this.#settled = true
    this.#chunks = []
    this.settled(error, result)
  }
}

/** A `Retry-After` (RFC 9110, 10.2.3: seconds or a date) as ms from now. */
function millisecondsOf (header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}
