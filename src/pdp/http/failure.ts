// What a failed attempt says: which error it is, and whether somebody else, or another try, may do better.
import { PdpError, type PdpFailure } from '../../contract/errors.js'

/** What is known of an attempt that failed. */
export interface Failed {
  /** Whether any of the request may have reached the PDP. */
  readonly sent: boolean
  /** The status that the PDP answered with, 0 when it had not answered at all. */
  readonly status: number
  /** The answer's `Retry-After` as a number of ms; undefined when it had none that can be understood. */
  readonly retryAfter: number | undefined
}

/** Statuses of a PDP, or of what stands before it, that is not able to answer now. */
const PASSING = new Set([502, 503, 504])

/** Statuses below 500 that say nothing about the question: another PDP may answer it. */
const NOT_ABOUT_THE_QUESTION = new Set([408, 421, 425, 429])

/**
 * Whether the PDP is to be suspected: it did not answer, or not as a PDP does. What it says about a question (4xx) and
 * about the token does not count, and neither does what is our own doing.
 */
export function isAgainstPdp ({ failure, status = 0 }: PdpError): boolean {
  return failure === 'network' || failure === 'timeout' || failure === 'answer' || (failure === 'status' && status >= 500)
}

/** Whether another replica may answer what this one did not. Of a question, which may be asked any number of times. */
export function mayAnotherAnswer ({ failure, status = 0 }: PdpError): boolean {
  if (failure !== 'status') return failure === 'network' || failure === 'timeout' || failure === 'answer' || failure === 'token'
  // 501 is about the question, too: whoever asks in bulk learns from it not to.
  return status < 400 || (status >= 500 && status !== 501) || NOT_ABOUT_THE_QUESTION.has(status)
}

/** How often the same PDP may be asked again after such a failure: what may pass by itself. */
export function triesAgain ({ failure }: PdpError, { status }: Failed, retries: number): number {
  if (failure === 'network') return status === 0 ? retries : 0
  if (failure !== 'status') return 0
  if (status === 429) return retries
  return PASSING.has(status) ? Math.min(retries, 1) : 0
}

/** The error for a status that is no answer. */
export function statusError (status: number): PdpError {
  if (status === 401 || status === 403) {
    return new PdpError('token', `the PDP refused the token with ${status}: check the option token or PERMIT_API_KEY`, { status })
  }
  return new PdpError('status', `the PDP answered with status ${status}`, { status })
}

/** What undici failed with, as an error that can be logged. */
export function toPdpError (error: unknown): PdpError {
  if (error instanceof PdpError) return error
  const { code, name, message } = error as { code?: unknown, name?: unknown, message?: unknown }
  const failure: PdpFailure = code === 'UND_ERR_CLOSED' || code === 'UND_ERR_DESTROYED' ? 'closed' : 'network'
  const what = [typeof code === 'string' ? code : name, message].filter(part => typeof part === 'string' && part !== '').join(': ')
  // Only the words are taken over: undici's errors can hold sockets, and with them what was sent.
  return new PdpError(failure, `the exchange with the PDP failed: ${what}`)
}
