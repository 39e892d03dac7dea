// One HTTP exchange with a PDP. A response is accepted only if it is complete, bounded in size and JSON.
import { isUtf8 } from 'node:buffer'
import type { Dispatcher } from 'undici'
import { PdpError } from '../../contract/errors.js'
import type { Dated } from '../../kit/deadlines.js'
import { DuplicateNameError, readUnambiguousJson } from '../../kit/unambiguous-json.js'
import { BoundedBody } from './bounded-body.js'
import { errorTextOf, withoutSecret } from './pdp-error-text.js'
import { statusError, toPdpError, type FailedAttempt } from './failure.js'
import type { FramedConnection } from './dispatcher.js'
import type { TransportRequest } from './transport-request.js'

/** The largest body of an error that is read for its words, bytes, and how long it may take to arrive, ms. */
const MAX_WORDS = 4 * 1024
const WORDS_WITHIN = 50

/** The most interim (1xx) responses. A flood of them would block the event loop past the deadline. */
const MAX_INTERIM = 16

/** A response with an error status, whose body may say more about it. */
interface Rejection {
  readonly error: PdpError
  readonly isJson: boolean
  readonly timer: NodeJS.Timeout
}

type Headers = Record<string, string | string[] | undefined>

/**
 * Handles undici's events. It settles exactly once, whatever the order of events. It is finished when the connection is free again or
 * closed, which may be later.
 */
export abstract class Exchange<T> implements Dispatcher.DispatchHandler, Dated, FailedAttempt {
  readonly deadline: number
  /** Undefined when the exchange is finished, for the reason that `Flight` names. */
  #request: TransportRequest<T> | undefined
  /** A time of `performance.now()`. */
  readonly start: number
  /** Whether any of the request may have reached the PDP. */
  sent = false
  /** The status of the response; 0 before it arrives. */
  status = 0
  retryAfter: number | undefined
  /** With HTTP/2: its connection. */
  connection: FramedConnection | undefined
  /** When it was sent, or when a part of its response arrived. */
  #waitsSince: number
  readonly #body: BoundedBody
  readonly #isFramed: boolean
  #controller: Dispatcher.DispatchController | undefined
  #interim = 0
  #settled = false
  #rejection: Rejection | undefined

  /** @param isFramed - whether the protocol itself says where a response ends, as HTTP/2 does */
  constructor (request: TransportRequest<T>, start: number, maxSize: number, isFramed: boolean) {
    this.deadline = request.deadline
    this.#request = request
    this.start = start
    this.#waitsSince = start
    this.#body = new BoundedBody(maxSize)
    this.#isFramed = isFramed
  }

  /** Called once with the outcome: an error or the result. */
  protected abstract settled (error: PdpError | undefined, result?: T): void
  /** Called once when the connection is free again or closed, before or after `settled`. */
  protected abstract finished (): void

  /** The deadline has passed. */
  expire (): void {
    this.connection?.silentSince(this.#waitsSince)
    this.fail(new PdpError('timeout', `the PDP did not answer within ${Math.round(this.deadline - this.start)} ms`))
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // The deadline may have passed while undici was connecting: then the request is not sent.
    if (this.#settled) controller.abort(new Error('the deadline has passed'))
    else this.sent = true
    if (this.connection !== undefined) this.#waitsSince = performance.now()
  }

  onResponseStart (_controller: Dispatcher.DispatchController, status: number, headers: Dispatcher.DispatchController['rawHeaders']): void {
    if (status < 200) {
      if (++this.#interim > MAX_INTERIM) {
        this.fail(new PdpError('answer', `the PDP sent more than ${MAX_INTERIM} interim (1xx) responses`, { status }))
      }
      return
    }
    this.status = status
    if (this.connection !== undefined) this.#waitsSince = this.connection.heard()
    // Checked before the body arrives: an error status with an endless body is still an error.
    const error = this.#checkHead(status, headers as Headers)
    if (error === undefined) return
    const length = Number((headers as Headers)['content-length'])
    const type = String((headers as Headers)['content-type'] ?? '')
    const isJson = /^application\/(?:[a-z.-]+\+)?json\b/i.test(type)
    // The error itself waits for a short body only, and only for a moment.
    if (error.failure === 'answer' || !(length > 0 && length <= MAX_WORDS) || !(isJson || /^text\/plain\b/i.test(type))) {
      this.#conclude(error)
    } else {
      this.#body.limit = MAX_WORDS
      this.#rejection = { error, isJson, timer: setTimeout(() => this.#conclude(error), WORDS_WITHIN).unref() }
    }
  }

  /** The secret that must not be quoted from a response. */
  protected abstract get secret (): string | undefined

  #rejectWithWords ({ error, isJson }: Rejection, request: string | undefined): void {
    const words = errorTextOf(this.#body.bytes().toString(), isJson, request, this.secret)
    const { failure, message, status } = error
    this.#conclude(words === undefined ? error : new PdpError(failure, `${message}: ${words}`, status === undefined ? {} : { status }))
  }

  #checkHead (status: number, headers: Headers): PdpError | undefined {
    const answers = this.#request?.answers
    if (answers === undefined ? status !== 200 : !answers.includes(status)) {
      this.retryAfter = millisecondsOf(headers['retry-after'])
      return statusError(status)
    }
    if (status === 204) return undefined
    const type = headers['content-type']
    if (typeof type !== 'string' || !/^application\/json\s*(;|$)/i.test(type)) {
      const found = typeof type === 'string' ? JSON.stringify(withoutSecret(type, this.secret).slice(0, 60)) : 'none'
      return new PdpError('answer', `the PDP's response has content type ${found}; expected application/json`, { status })
    }
    // Without a length, a truncated response cannot be told from a complete one.
    const hasEnd = this.#isFramed || headers['content-length'] !== undefined
    if (!hasEnd && !/(^|,)\s*chunked\s*$/i.test(String(headers['transfer-encoding'] ?? ''))) {
      return new PdpError('answer', "the PDP's response has no content-length", { status })
    }
    const encoding = headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity') {
      return new PdpError('answer', "the PDP's response has a content-encoding that was not requested", { status })
    }
    return undefined
  }

  onResponseData (_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.connection !== undefined) this.#waitsSince = this.connection.heard()
    if (this.#body.add(chunk)) return
    if (this.#settled) this.#controller?.abort(new Error('the rest of a rejected response is discarded'))
    else if (this.#rejection !== undefined) this.#conclude(this.#rejection.error)
    else this.fail(new PdpError('answer', `the PDP's response is larger than ${this.#body.limit} bytes`))
  }

  onResponseEnd (): void {
    const request = this.#request
    this.#request = undefined
    this.finished()
    if (this.#settled || request === undefined) return
    if (this.#rejection !== undefined) {
      this.#rejectWithWords(this.#rejection, request.body)
      return
    }
    let result: T
    try {
      result = request.read(this.#parse(), this.status)
    } catch (error) {
      this.#conclude(error instanceof PdpError ? error : new PdpError('answer', "the PDP's response could not be read"))
      return
    }
    this.#conclude(undefined, result)
  }

  onResponseError (_controller: Dispatcher.DispatchController, error: Error): void {
    this.#request = undefined
    this.finished()
    this.#conclude(toPdpError(error, this.sent))
  }

  #parse (): unknown {
    const bytes = this.#body.bytes()
    // JSON is UTF-8 (RFC 8259, 8.1). Decoding would silently replace invalid bytes.
    if (!isUtf8(bytes)) throw new PdpError('answer', "the PDP's response is not valid UTF-8")
    const text = bytes.toString()
    if (text === '' && this.status === 204) return undefined
    try {
      return readUnambiguousJson(text)
    } catch (error) {
      // Whoever reads the other one of the two sees another decision.
      if (error instanceof DuplicateNameError) throw new PdpError('answer', "the PDP's response has a name twice in one object")
      // The parser's message is not used: it quotes the text, which may contain attributes.
      throw new PdpError('answer', "the PDP's response is not valid JSON")
    }
  }

  /** Fails the exchange and closes its connection, on which the late response could still arrive. */
  fail (error: PdpError): void {
    this.#conclude(error)
    this.#controller?.abort(error)
  }

  #conclude (error: PdpError | undefined, result?: T): void {
    if (this.#settled) return
    this.#settled = true
    this.#body.discard()
    const rejection = this.#rejection
    if (rejection !== undefined) clearTimeout(rejection.timer)
    // What happens to the body of an error does not change the error.
    this.settled(rejection === undefined || error?.status === rejection.error.status ? error : rejection.error, result)
  }
}

/** A `Retry-After` header (RFC 9110, 10.2.3: seconds or a date) as ms from now. */
function millisecondsOf (header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}
