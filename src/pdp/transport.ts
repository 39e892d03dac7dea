// The way to one PDP over HTTP: a pool of connections, one deadline for each request, a bounded answer, JSON or nothing.
import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks'
import { Pool, type Dispatcher } from 'undici'
import { PdpError, type PdpFailure } from '../errors.js'
import { Deadlines, type Dated } from './deadlines.js'
import type { DecisionPointStats } from './point.js'
import { Slots } from './slots.js'
import { trackedSockets, type Sockets } from './sockets.js'

export interface TransportOptions {
  /** The PDP's base URL; a path in it is a prefix. */
  readonly url: URL
  /** Sent as a bearer token to this host, and kept out of everything else; without one no such header is sent. */
  readonly token?: string
  /** Sockets at most. */
  readonly connections: number
  /** Requests that may wait for a socket; one more fails at once. */
  readonly maxQueue: number
  /** Bytes of an answer at most. */
  readonly maxResponseSize: number
  /** How long connecting may take, ms. */
  readonly connectTimeout: number
}

/** A request, and how its answer is read. */
export interface TransportRequest<T> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  /** JSON text. */
  readonly body?: string
  /** Beyond those that every request has. */
  readonly headers?: Readonly<Record<string, string>>
  /** A time of `performance.now()`, ms. */
  readonly deadline: number
  /** Which statuses are answers; default: 200 alone. Any other is a failure. */
  readonly answers?: readonly number[]
  /** Makes the result of an answer's parsed JSON (undefined for an empty one), or throws where it cannot be believed. */
  readonly read: (answer: unknown, status: number) => T
}

/** Sends JSON and gets JSON back, or rejects with a {@link PdpError}. */
export interface Transport {
  /** The PDP's URL, fit for logs. */
  readonly name: string
  /** The requests that may be on their way at a time. Who sends while none is free, waits. */
  readonly slots: Slots
  send<T> (request: TransportRequest<T>): Promise<T>
  stats (): NonNullable<DecisionPointStats['pdp']>
  close (deadline: number): Promise<void>
}

export function httpTransport (options: TransportOptions): Transport {
  return new HttpTransport(options)
}

class HttpTransport implements Transport {
  readonly name: string
  readonly slots: Slots
  readonly #pool: Pool
  readonly #sockets: Sockets
  readonly #prefix: string
  readonly #maxQueue: number
  readonly #maxResponseSize: number
  readonly #headers: Readonly<Record<string, string>>
  readonly #jsonHeaders: Readonly<Record<string, string>>
  readonly #deadlines = new Deadlines<Exchange<unknown>>(exchange => this.#expire(exchange))
  readonly #latency = createHistogram()
  /** What waits for a slot. undici's own queue stays empty: nothing in it could be taken back. */
  readonly #waiting = new Set<Exchange<unknown>>()
  #requests = 0
  #failures = 0
  #inFlight = 0
  #closed = false

  constructor ({ url, token, connections, maxQueue, maxResponseSize, connectTimeout }: TransportOptions) {
    this.#prefix = url.pathname.replace(/\/+$/, '')
    this.name = url.origin + this.#prefix
    this.#maxQueue = maxQueue
    this.#maxResponseSize = maxResponseSize
    this.#headers = { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), accept: 'application/json' }
    this.#jsonHeaders = { ...this.#headers, 'content-type': 'application/json' }
    this.#sockets = trackedSockets(connectTimeout)
    this.#pool = new Pool(url.origin, {
      connections,
      pipelining: 1,
      connect: this.#sockets.connect,
      // The deadline of each request is the only clock: undici's own timers are coarse, and two clocks disagree.
      headersTimeout: 0,
      bodyTimeout: 0
    })
    this.slots = new Slots(connections)
    this.slots.onFree(() => this.#startNext())
  }

  send<T> (request: TransportRequest<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const refusal = this.#refuse(request.deadline)
      if (refusal !== undefined) {
        reject(refusal)
        return
      }
      this.#requests++
      const exchange = new Exchange<T>(request, this.#maxResponseSize, this.#latency, (error, result) => {
        if (error === undefined) {
          resolve(result as T)
        } else {
          this.#failures++
          reject(error)
        }
      }, () => this.#finish(exchange as Exchange<unknown>)) as Exchange<unknown>
      this.#deadlines.add(exchange)
      if (this.slots.free > 0) this.#start(exchange)
      else this.#waiting.add(exchange)
    })
  }

  #start (exchange: Exchange<unknown>): void {
    this.slots.take()
    this.#inFlight++
    const { method, path, body, headers } = exchange.request
    const own = body === undefined ? this.#headers : this.#jsonHeaders
    this.#pool.dispatch({
      method,
      path: this.#prefix + path,
      headers: headers === undefined ? own : { ...own, ...headers },
      body
    }, exchange)
  }

  #finish (exchange: Exchange<unknown>): void {
    this.#inFlight--
    this.#deadlines.delete(exchange)
    this.slots.release()
  }

  #startNext (): void {
    const [next] = this.#waiting
    if (next === undefined) return
    this.#waiting.delete(next)
    this.#start(next)
  }

  #expire (exchange: Exchange<unknown>): void {
    this.#waiting.delete(exchange)
    exchange.expire()
  }

  #refuse (deadline: number): PdpError | undefined {
    if (this.#closed) return new PdpError('closed', 'the app is closing')
    if (this.slots.free === 0 && this.#waiting.size >= this.#maxQueue) {
      return new PdpError('overload', `${this.#waiting.size} requests wait for a connection to the PDP, which is the bound`)
    }
    if (deadline <= performance.now()) return new PdpError('timeout', 'the deadline had passed before the PDP could be asked')
    return undefined
  }

  stats (): NonNullable<DecisionPointStats['pdp']> {
    const { count, mean, max } = this.#latency
    return {
      requests: this.#requests,
      failures: this.#failures,
      inFlight: this.#inFlight,
      latency: count === 0
        ? undefined
        : { mean: mean / 1000, p50: this.#latency.percentile(50) / 1000, p99: this.#latency.percentile(99) / 1000, max: max / 1000 }
    }
  }

  async close (deadline: number): Promise<void> {
    this.#closed = true
    for (const exchange of this.#waiting) exchange.fail(new PdpError('closed', 'the app is closing'))
    this.#waiting.clear()
    let timer: NodeJS.Timeout | undefined
    // A close that is overtaken by a destroy never settles: whichever comes first ends the wait.
    const destroyed = new Promise<void>(resolve => {
      timer = setTimeout(() => { this.#pool.destroy().then(resolve, resolve) }, Math.max(0, deadline - performance.now()))
    })
    await Promise.race([this.#pool.close(), destroyed])
    clearTimeout(timer)
    this.#sockets.destroy()
    this.#deadlines.clear()
  }
}

/** Of an answer that was refused, this much is read to keep the connection; past it the connection goes. */
const DISCARD_LIMIT = 16 * 1024

/**
 * One request and its answer, as undici tells it. It settles once, whatever comes in whichever order, and is finished
 * when the connection is free again or gone, which may be later.
 */
class Exchange<T> implements Dispatcher.DispatchHandler, Dated {
  readonly deadline: number
  readonly request: TransportRequest<T>
  readonly #maxSize: number
  readonly #latency: RecordableHistogram
  readonly #settle: (error: PdpError | undefined, result?: T) => void
  readonly #finish: () => void
  readonly #start = performance.now()
  #controller: Dispatcher.DispatchController | undefined
  #status = 0
  #chunks: Buffer[] = []
  #size = 0
  #settled = false

  constructor (
    request: TransportRequest<T>, maxSize: number, latency: RecordableHistogram,
    settle: (error: PdpError | undefined, result?: T) => void, finish: () => void
  ) {
    this.deadline = request.deadline
    this.request = request
    this.#maxSize = maxSize
    this.#latency = latency
    this.#settle = settle
    this.#finish = finish
  }

  /** The deadline has come. */
  expire (): void {
    this.fail(new PdpError('timeout', `the PDP did not answer within ${Math.round(this.deadline - this.#start)} ms`))
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Its time may have run out while it waited for a connection: then it does not travel.
    if (this.#settled) controller.abort(new Error('the deadline has passed'))
  }

  onResponseStart (_controller: Dispatcher.DispatchController, status: number, headers: Dispatcher.DispatchController['rawHeaders']): void {
    if (status < 200) return
    this.#status = status
    // Looked at before the body is: a refusal with an endless body is a refusal.
    const refusal = this.#judge(status, headers as Record<string, string | string[] | undefined>)
    if (refusal !== undefined) this.#conclude(refusal)
  }

  #judge (status: number, headers: Record<string, string | string[] | undefined>): PdpError | undefined {
    const { answers } = this.request
    if (answers === undefined ? status !== 200 : !answers.includes(status)) return statusError(status)
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
    this.#finish()
    if (this.#settled) return
    let result: T
    try {
      result = this.request.read(this.#parse(), this.#status)
    } catch (error) {
      this.#conclude(error instanceof PdpError ? error : new PdpError('answer', 'the answer of the PDP could not be read'))
      return
    }
    this.#latency.record(Math.max(1, Math.round((performance.now() - this.#start) * 1000)))
    this.#conclude(undefined, result)
  }

  onResponseError (_controller: Dispatcher.DispatchController, error: Error): void {
    this.#finish()
    this.#conclude(toPdpError(error))
  }

  #parse (): unknown {
    const text = (this.#chunks.length === 1 ? this.#chunks[0] as Buffer : Buffer.concat(this.#chunks)).toString()
    if (text === '' && this.#status === 204) return undefined
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
    this.#settle(error, result)
  }
}

function statusError (status: number): PdpError {
  if (status === 401 || status === 403) {
    return new PdpError('token', `the PDP refused the token with ${status}: check the option token or PERMIT_API_KEY`, { status })
  }
  return new PdpError('status', `the PDP answered with status ${status}`, { status })
}

function toPdpError (error: unknown): PdpError {
  if (error instanceof PdpError) return error
  const { code, name, message } = error as { code?: unknown, name?: unknown, message?: unknown }
  const failure: PdpFailure = code === 'UND_ERR_CLOSED' || code === 'UND_ERR_DESTROYED' ? 'closed' : 'network'
  const what = [typeof code === 'string' ? code : name, message].filter(part => typeof part === 'string' && part !== '').join(': ')
  // Only the words are taken over: undici's errors can hold sockets, and with them what was sent.
  return new PdpError(failure, `the exchange with the PDP failed: ${what}`)
}
