// Classifies failed attempts: which error it is, and whether another replica or a retry may succeed.
import { PdpError, type PdpFailure } from '../../contract/errors.js'

/** What is known about an attempt that failed. */
export interface FailedAttempt {
  /** Whether any of the request may have reached the PDP. */
  readonly sent: boolean
  /** The status of the response; 0 without one. */
  readonly status: number
  /** The response's `Retry-After`, ms; undefined when it is missing or cannot be parsed. */
  readonly retryAfter: number | undefined
}

/** Statuses of a PDP, or of a proxy before it, that is temporarily unavailable. */
const TEMPORARY = new Set([502, 503, 504])

/** Failures in which another replica may succeed. */
const MAY_BE_OTHERWISE_ELSEWHERE: ReadonlySet<PdpFailure> = new Set(['network', 'timeout', 'answer', 'token', 'unready'])

/** Statuses below 500 that are not about this request: another replica may answer it. */
const NOT_ABOUT_THE_REQUEST = new Set([408, 421, 425, 429])

/**
 * Whether the failure counts against the PDP: it sent no response or an invalid one. Errors about the request (4xx) or the token do not
 * count, and neither do failures on this side.
 */
export function countsAgainstPdp ({ failure, status = 0 }: PdpError): boolean {
  return failure === 'network' || failure === 'timeout' || failure === 'answer' || (failure === 'status' && status >= 500)
}

/** Whether another replica may succeed. Only for checks, which are safe to repeat. */
export function mayAnotherReplicaAnswer ({ failure, status = 0 }: PdpError): boolean {
  if (failure === 'undecided') return status < 400 || status >= 500 || NOT_ABOUT_THE_REQUEST.has(status)
  if (failure !== 'status') return MAY_BE_OTHERWISE_ELSEWHERE.has(failure)
  // 501 is about the request, too: the batching stage learns from it that there is no bulk endpoint.
  return status < 400 || (status >= 500 && status !== 501) || NOT_ABOUT_THE_REQUEST.has(status)
}

/** How many retries such a failure allows on the same PDP. Only temporary failures are retried. */
export function allowedRetries ({ failure }: PdpError, { status }: FailedAttempt, retries: number): number {
  if (failure === 'network') return status === 0 ? retries : 0
  if (failure !== 'status') return 0
  if (status === 429) return retries
  return TEMPORARY.has(status) ? Math.min(retries, 1) : 0
}

/** The error for an unexpected status. */
export function statusError (status: number): PdpError {
  if (status === 401 || status === 403) {
    return new PdpError('token', `the PDP rejected the token with status ${status}`, { status })
  }
  return new PdpError('status', `the PDP responded with status ${status}`, { status })
}

/**
 * An error of undici as an error that is safe to log.
 * @param sent - whether any of the request may have reached the PDP
 */
export function toPdpError (error: unknown, sent = false): PdpError {
  if (error instanceof PdpError) return error
  const { code, name, message } = error as { code?: unknown, name?: unknown, message?: unknown }
  const failure: PdpFailure = code === 'UND_ERR_CLOSED' || code === 'UND_ERR_DESTROYED' ? 'closed' : 'network'
  const what = [typeof code === 'string' ? code : name, message].filter(part => typeof part === 'string' && part !== '').join(': ')
  // Only code and message are kept: undici's errors may reference sockets, and with them the data that was sent.
  return new PdpError(failure, `the request to the PDP failed: ${what}`, { mayHaveArrived: sent })
}

/** The error for a request that is not sent, because no replica is usable. */
export function circuitOpen (): PdpError {
  return new PdpError('circuit', 'the circuit breaker is open: the PDP failed repeatedly')
}
