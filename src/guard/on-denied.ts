// The refusal of a request: the log line, and the response.
import { AnnotationError, ForbiddenError, PdpError, QueryError, UnavailableError, type Denial } from '../contract/errors.js'
import type { MaybePromise } from '../kit/maybe-promise.js'

/** The log for refusals: a request's logger, with the functions of pino and Fastify. */
export interface RefusalLog {
  info (details: object, message: string): void
  debug (details: object, message: string): void
  error (details: object, message: string): void
}

/** The error for every request while the plugin has not started. */
export const NOT_STARTED = new UnavailableError(new PdpError('closed', 'fastify-permit has not started: its options are invalid'))

/** Turns anything thrown into an error: continuing with `undefined` would run the handler. */
export function toError (thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('A function of an annotation or an option threw a value that is not an Error.')
}

/** The level of the line of a denial. */
export type DenialLevel = 'info' | 'debug'

/** Logs who was refused, and why. Never throws: a failing serializer of the app must not leave the client without an answer. */
export function logRefusal (error: Error, log: RefusalLog, level: DenialLevel = 'info'): void {
  try {
    if (error instanceof ForbiddenError) {
      log[level]({ permit: error.denial }, 'permit: denied')
    } else if (error instanceof UnavailableError) {
      const { cause } = error
      // An outage is logged once, not for each request.
      log.debug({
        permit: {
          failure: cause instanceof PdpError ? cause.failure : 'unknown',
          reason: cause instanceof Error ? cause.message : undefined
        }
      }, 'permit: no decision')
    }
  } catch {}
}

/**
 * Calls the option `onDenied` for a denied request. Resolves with the error to send: the option's, or the 403. Resolves with undefined when
 * the option has sent a reply.
 * @param isAnswered - whether a reply was sent, or is being sent
 */
export async function answerToDenied<R, Reply> (
  onDenied: OnDenied<R, Reply>, request: R, reply: Reply, error: ForbiddenError, isAnswered: (reply: Reply) => boolean, log: RefusalLog
): Promise<Error | undefined> {
  try {
    const answer = await onDenied(request, reply, error.denial)
    if (answer === reply) return undefined
    if (answer instanceof Error && !isAnswered(reply)) return answer
  } catch (thrown) {
    logFailure(thrown, log)
  }
  return isAnswered(reply) ? undefined : error
}

function logFailure (thrown: unknown, log: RefusalLog): void {
  try {
    log.error({ err: toError(thrown) }, 'permit: the option onDenied threw an error; the request gets 403')
  } catch {}
}

/** Hides a mistake in the app's functions from the client. The log shows it as the cause. */
export function forClient (error: Error): Error {
  if (error instanceof QueryError) return new QueryError(NOT_THE_CLIENTS, { cause: error })
  if (error instanceof AnnotationError) return new AnnotationError(NOT_THE_CLIENTS, { cause: error })
  return error
}

const NOT_THE_CLIENTS = 'The permission required for this request could not be determined.'

/**
 * Replaces the 403 of a denied request: it returns another error, or sends a reply. When it does neither, or throws, the 403 is sent. A
 * reply that is sent later must be returned. It is not called for a 401 or a 503. Whatever it does, the handler does not run.
 */
export type OnDenied<R, Reply> = (request: R, reply: Reply, denial: Denial | undefined) => MaybePromise<Error | Reply | undefined | void>
