// A request as the callers of the transport describe it.
import type { PdpError } from '../../contract/errors.js'

/**
 * Requests of one session, one after the other, go to the replica that answered the first of them: for what only that replica understands,
 * such as the token of a page.
 */
export interface Session {
  /** The name of the replica; undefined before the first answer. */
  replica?: string
}

/** A request, and how its response is read. */
export interface TransportRequest<T> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  /** JSON text. */
  readonly body?: string
  /** Headers in addition to those of every request. */
  readonly headers?: Readonly<Record<string, string>>
  /** A time of `performance.now()`, ms. */
  readonly deadline: number
  /** When it is aborted, the request is given up. */
  readonly signal?: AbortSignal
  /** The session that the request belongs to. */
  readonly session?: Session
  /** The statuses that are accepted; default: 200 only. Any other status is a failure. */
  readonly answers?: readonly number[]
  /**
   * Whether the result is a denial, or may be incomplete: then it only counts from a PDP that is ready. Default: it always counts.
   */
  needsReadyPdp? (result: T): boolean
  /**
   * What still counts of a result that needs a ready PDP when there is none: its denials become the error. Undefined: nothing counts.
   */
  withoutDenials? (result: T, error: PdpError): T | undefined
  /** Turns the parsed JSON of a response (undefined for an empty one) into the result, or throws when it is invalid. */
  readonly read: (answer: unknown, status: number) => T
}

/** The request that checks whether a PDP is healthy: cheap, about no user, and as similar to a real check as possible. */
export type Probe = Omit<TransportRequest<unknown>, 'deadline' | 'answers'>
