// Converts errors to responses in the format of each API, without stacks and without internal messages.
import { shorten } from '../../kit/shorten.js'
import type { FastifyBaseLogger, FastifyError, FastifyReply } from 'fastify'
import { PolicyError, formatPath } from '../../engine/policy/problems.js'
import { FactsError, type FactsErrorCode } from '../../engine/facts/fact.js'
import { printable } from '../../kit/printable.js'
import { StorageError } from '../../environment/store.js'
import type { Wire } from './route.js'

/** The most characters of a message. Messages may quote a key. */
const MAX_MESSAGE = 2_000

/** A request that cannot be served. The message is safe to send to the client. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly status: number
  /** The mistakes in the request, with their places. */
  readonly details: readonly FailureDetail[] | undefined

  constructor (status: number, message: string, details?: readonly FailureDetail[]) {
    super(shorten(message, MAX_MESSAGE))
    this.status = status
    this.details = details
  }
}

/** One mistake in a request, in the format of FastAPI. */
export interface FailureDetail {
  readonly loc: ReadonlyArray<string | number>
  readonly msg: string
  readonly type: string
}

/** The most mistakes that are reported for one request. */
export const MAX_DETAILS = 20

/** The most characters of a message, and of a step of a path, in a detail. They quote the request, which may be long. */
const MAX_TEXT = 500
const MAX_STEP = 100

/** Shortens a step of a path. */
export function shortStep (step: string | number): string | number {
  return typeof step === 'number' ? step : shorten(step, MAX_STEP)
}

/** The status of a request whose client has disconnected. Nobody reads it. */
export const CLIENT_CLOSED = 499

/** 404. */
export const notFound = (what: string) => new Failure(404, `${what} does not exist`)
/** 409. */
export const conflict = (what: string) => new Failure(409, `${what} already exists`)
/** 422. */
export const invalid = (message: string, details?: readonly FailureDetail[]) => new Failure(422, message, details)

/** The titles and codes of the REST API for each status. */
const TITLES: Readonly<Record<number, { readonly title: string, readonly code: string }>> = {
  400: { title: 'The request is malformed', code: 'BAD_REQUEST' },
  404: { title: 'The requested data could not be found', code: 'NOT_FOUND' },
  405: { title: 'The method is not allowed', code: 'METHOD_NOT_ALLOWED' },
  409: { title: 'The object already exists, or contradicts what is there', code: 'DUPLICATE_ENTITY' },
  413: { title: 'The request is too large', code: 'REQUEST_TOO_LARGE' },
  422: { title: 'The request is invalid', code: 'VALIDATION_ERROR' },
  501: { title: 'The local PDP does not have this', code: 'NOT_SUPPORTED' },
  503: { title: 'The local PDP is not available', code: 'UNAVAILABLE' }
}

const UNEXPECTED = { title: 'Unexpected error', code: 'UNEXPECTED_ERROR' }

const FACTS_STATUS: Readonly<Record<FactsErrorCode, number>> = { not_found: 404, conflict: 409, invalid: 422 }

/** Converts an error to one that can be sent to the client. An unknown error becomes a 500 without details. */
export function toFailure (error: unknown): Failure {
  if (error instanceof Failure) return error
  if (error instanceof FactsError) return new Failure(FACTS_STATUS[error.code], error.message)
  if (error instanceof PolicyError) {
    const details = error.problems.slice(0, MAX_DETAILS).map(({ path, message, hint }) => ({
      loc: ['body', ...path.map(shortStep)],
      msg: shorten(hint === '' ? message : `${message} — ${hint}`, MAX_TEXT),
      type: 'value_error'
    }))
    const [first] = error.problems
    if (first === undefined) return invalid('the schema is invalid', details)
    return invalid(`${shorten(formatPath(first.path), MAX_TEXT)}: ${details[0]?.msg}`, details)
  }
  if (error instanceof StorageError) return new Failure(503, 'the write could not be stored durably; nothing of it was applied')
  const { code, statusCode } = error as Partial<FastifyError>
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new Failure(413, 'the body is too large')
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return invalid('the content type is not JSON; send application/json')
  // An error of Fastify itself, such as a wrong content length or a malformed URL: the status is kept, the message is not.
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) return new Failure(statusCode, 'the request is malformed')
  return new Failure(500, 'unexpected error')
}

/** Sends the failure in the format of the API that was called. Only unexpected errors are logged, because they are bugs of the PDP. */
export function sendFailure (reply: FastifyReply, wire: Wire, error: unknown, log: FastifyBaseLogger): FastifyReply {
  const failure = toFailure(error)
  // A Failure was created on purpose and needs no log line.
  if (failure.status >= 500 && !(error instanceof Failure)) log.error({ err: error }, 'the local PDP failed')
  if (wire === 'authzen') {
    // AuthZEN 1.0 requires 400 for malformed requests, and plain text for the message.
    return reply.code(failure.status === 422 ? 400 : failure.status).type('text/plain; charset=utf-8').send(printable(failure.message))
  }
  return reply.code(failure.status).send(wire === 'pdp' ? pdpBody(failure) : apiBody(failure))
}

function pdpBody ({ message, details }: Failure): object {
  return { detail: details ?? message }
}

function apiBody ({ status, message, details }: Failure): object {
  const { title, code } = TITLES[status] ?? UNEXPECTED
  return { title, message, error_code: code, ...(details === undefined ? {} : { detail: details }) }
}
