// All errors of the package, with their statuses and codes.
import createFastifyError, { type FastifyError, type FastifyErrorConstructor } from '@fastify/error'
import { printableLine, printableLines } from '../kit/printable.js'
import type { MutationResult, PartlyApplied } from './mutation-result.js'

/** The properties that frameworks read from an error, in addition to `statusCode`, `code` and `message`. */
interface KnownToFrameworks {
  /** Equal to `statusCode`. Express and frameworks built on it read this property. */
  status: number
  /** Whether clients may see the message: true below 500, as in `http-errors`. NestJS 12 and Koa only send such messages. */
  expose: boolean
  /** GraphQL sends it with the message, in `errors[].extensions`. */
  extensions: { code: string }
}

const KNOWN_TO_FRAMEWORKS: { readonly [Name in keyof KnownToFrameworks]: (error: { statusCode?: number, code: string }) => unknown } = {
  status: ({ statusCode }) => statusCode,
  expose: ({ statusCode = 500 }) => statusCode < 500,
  // A new object each time: code that formats an error may write into it.
  extensions: ({ code }) => ({ code })
}

type Created<Given extends readonly unknown[]> = FastifyErrorConstructor<{ code: string } & KnownToFrameworks, [...Given]>

/** Defines them on the prototype: an error handler that sends `{ ...error }` does not send them, and logs do not repeat them. */
function createError<Given extends readonly unknown[]> (...definition: Parameters<typeof createFastifyError>): Created<Given> {
  const Class = createFastifyError(...definition)
  for (const [name, valueOf] of Object.entries(KNOWN_TO_FRAMEWORKS)) {
    Object.defineProperty(Class.prototype, name, {
      get (this: { code: string }) { return valueOf(this) },
      // An error handler may write `error.status ??= 500`.
      set (this: object, value: unknown) { Object.defineProperty(this, name, { value, writable: true, configurable: true }) }
    })
  }
  return Class as unknown as Created<Given>
}

/**
 * Creates the class of an error whose message may quote a request, a policy or a PDP's response. Some loggers print a message as it is, so
 * it is made printable: a line break in a quoted name does not start a new line.
 */
function createQuotingError<T extends [string, { cause: unknown }?]> (code: string, write = printableLine): Created<T> {
  const Class = createError<T>(code, '%s', 500, Error, false) as unknown as new (...args: unknown[]) => FastifyError
  class QuotingError extends Class {
    constructor (message: string, ...options: unknown[]) {
      super(write(message), ...options)
      if (Error.stackTraceLimit > 0) Error.captureStackTrace(this, new.target)
    }
  }
  return QuotingError as unknown as Created<T>
}

/** `Retry-After` of a 503, in seconds: long enough not to overload the service, short enough to notice a recovery. */
const RETRY_AFTER_SECONDS = 1

/** `Retry-After` of a 503 whose reason lasts until the app or the PDP is changed, in seconds. */
const LASTING_RETRY_AFTER_SECONDS = 30

/**
 * The options given to `app.register(permit, options)` cannot be used. The app does not start.
 * The message names the option, what was given and what is expected.
 */
export const OptionsError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_OPTIONS')

/**
 * A route's `config.permit`, or the argument of `app.permit.guard()`, is invalid. The app does not start. On a route that was declared
 * before the plugin, each request is rejected with it.
 */
export const AnnotationError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_ANNOTATION')

/**
 * With the option `strict`: there are routes without an annotation. The app does not start. On a route that was declared before the plugin,
 * each request is rejected with it. The message lists the routes and says what to write.
 */
export const UndeclaredRouteError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_UNDECLARED', printableLines)

/** The policy file or the inline policy is invalid. The message lists each problem with its place and how to fix it. */
export const PolicyFileError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_POLICY', printableLines)

/**
 * The `data` folder cannot be used: another process uses it, another version wrote it, it is damaged, or `lmdb` is not installed.
 * The app does not start.
 */
export const DataError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_DATA', printableLines)

/**
 * An invalid query: an action that is not a string, a resource without a type, attributes that JSON cannot represent. Thrown by `check` and
 * similar methods, and by annotations whose functions return such values. This is a mistake in the app's code, so the status is 500 and the
 * request is rejected. For a malformed value that was passed to `request.permit`, the status is 400: the value may come from the client.
 */
export const QueryError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_QUERY')

/** An invalid mutation: a key that is not a string, an unknown property. A mistake in the app's code. */
export const MutationError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_MUTATION')

/**
 * This kind of PDP does not support the operation: an AuthZEN PDP has no call for a user's permissions, tenants, or for writes. A mistake
 * in the app's code. The message says what to do instead.
 */
export const UnsupportedError = createQuotingError<[string]>('FST_PERMIT_UNSUPPORTED')

/**
 * There is no exact plan: the policy's conditions on these rows cannot be expressed as a condition for a database, or the PDP does not
 * return them. The message says why, and what to do. A plan never leaves out a condition instead.
 */
export const PlanError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_PLAN')

/**
 * There is no complete list: the search finds more than it may, the PDP does not tell what it asks, or its pages do not end. The message
 * says why, and what to do. A search never leaves out results instead.
 */
export const SearchError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_SEARCH')

/**
 * A plan cannot be translated exactly for this database or mapping: an attribute has no column, or the database evaluates an operator
 * differently. A mistake in the app's code, so the status is 500. The message names field and operator, says why, and what to do.
 */
export const TranslationError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_TRANSLATION')

const Write = createQuotingError<[string]>('FST_PERMIT_WRITE')

/** The progress of a write that failed. */
export interface WriteProgress {
  /** The index of the mutation that failed. */
  readonly index: number
  /** The results of the mutations before it. */
  readonly applied: readonly MutationResult[]
  /** The part of the failed mutation that was applied, if known. */
  readonly partly: PartlyApplied | undefined
  readonly cause: unknown
}

/**
 * A write stopped at a mutation that failed. The mutations before it were applied; those after it were not tried.
 *
 * `cause` is the reason. If it is a {@link PdpError} without a `status`, or with 424 or 5xx, the mutation may still have been applied.
 * The properties are not enumerable: an error handler that sends `{ ...error }` must not reveal to a client who has which role.
 */
export class WriteError extends Write {
  declare readonly index: number
  declare readonly applied: readonly MutationResult[]
  declare readonly partly: PartlyApplied | undefined
  declare readonly cause: unknown

  constructor (what: string, progress: WriteProgress) {
    super(`the write stopped at mutation ${progress.index}, ${what}; see index, applied and cause`)
    for (const [name, value] of Object.entries(progress)) Object.defineProperty(this, name, { value })
  }
}

/** The request has no user: the `user` option returned nothing for it. */
export const UnauthenticatedError = createError<[]>(
  'FST_PERMIT_UNAUTHENTICATED', 'Authentication is required.', 401, Error, false)

/**
 * A request reached a handler before its guard had allowed it; the handler did not run. A hook of the route continued twice, for example
 * by calling `done` and also returning a promise. This is a mistake in the app's code, so the status is 500.
 */
export const BypassedError = createError<[]>(
  'FST_PERMIT_BYPASSED', 'The request reached the handler before its permission was decided.', 500)

const Forbidden = createError<[]>('FST_PERMIT_FORBIDDEN', 'You are not allowed to do this.', 403, Error, false)

const Unavailable = createError<[{ cause?: unknown }?]>(
  'FST_PERMIT_UNAVAILABLE', 'Your permission cannot be checked right now. Try again later.', 503, Error, false)

/** The details of a {@link ForbiddenError}, for logs and error handlers. They are not sent. */
export interface Denial {
  readonly user: string
  readonly action: string
  /** `type` or `type:key`. */
  readonly resource: string
  readonly tenant: string
  /** The PDP's reason code, for example `no_permission`; undefined when it sent none. */
  readonly code?: string
  /** The PDP's reason as a sentence; undefined when it sent none. */
  readonly reason?: string
  /**
   * The context that an AuthZEN PDP sent with the denial, for example how to obtain access. Not enumerable: it may contain anything, so it
   * is only logged or sent when the app does so explicitly.
   */
  readonly context?: Readonly<Record<string, unknown>>
}

/**
 * The request was denied. `denial` has the details. It is not enumerable, so that neither a serializer nor an error handler that spreads
 * the error can send it to the client.
 *
 * @example
 * ```ts
 * import Fastify from 'fastify'
 * import { ForbiddenError } from 'fastify-permit'
 *
 * Fastify().setErrorHandler((error, _request, reply) => {
 *   // Hides that the resource exists.
 *   if (error instanceof ForbiddenError) return reply.code(404).send({ message: 'Not found' })
 *   throw error
 * })
 * ```
 */
export class ForbiddenError extends Forbidden {
  declare readonly denial: Denial | undefined

  constructor (denial?: Denial) {
    super()
    Object.defineProperty(this, 'denial', { value: denial })
  }
}

/**
 * There is no decision: the PDP did not answer within the deadline, or its answer was invalid. `cause` is the reason. `headers` makes
 * Fastify send `Retry-After`.
 *
 * @example
 * ```ts
 * import { UnavailableError, type AppPermit } from 'fastify-permit'
 *
 * // For a job that runs again: without a decision, it skips the user instead of failing.
 * export async function mayExport (permit: AppPermit, user: string): Promise<boolean | undefined> {
 *   try {
 *     return await permit.check(user, 'export', 'report')
 *   } catch (error) {
 *     if (error instanceof UnavailableError) return undefined
 *     throw error
 *   }
 * }
 * ```
 */
export class UnavailableError extends Unavailable {
  declare readonly headers: Record<string, string>

  constructor (cause?: unknown) {
    super({ cause })
    // Not enumerable: an error handler that sends `{ ...error }` would otherwise put them into the body.
    const seconds = isLasting(cause) ? LASTING_RETRY_AFTER_SECONDS : RETRY_AFTER_SECONDS
    Object.defineProperty(this, 'headers', { value: { 'retry-after': String(seconds) } })
    Object.defineProperty(this, 'cause', { value: cause, enumerable: false })
  }
}

/** The kinds of failures of a PDP, for logs and `health()`. */
export type PdpFailure =
  | 'timeout'       // the deadline of the check passed
  | 'network'       // there was no connection, or it broke
  | 'token'         // the PDP rejected the token: 401 or 403
  | 'status'        // any other status than 200
  | 'answer'        // 200, but an invalid answer
  | 'unready'       // the PDP denied, and its health says that it has not loaded everything
  | 'undecided'     // the PDP says that it could not decide this question
  | 'unsendable'    // not sent: the question is too large, nested too deep, or no Unicode text
  | 'overload'      // a limit of this package was reached
  | 'closed'        // the app is closing
  | 'abandoned'     // the caller is gone
  | 'circuit'       // not sent: the circuit breaker of the PDP, or those of all replicas, is open

/** The cause of an {@link UnavailableError}. It contains no header and no body, so it reveals neither the token nor attributes. */
export class PdpError extends Error {
  override readonly name = 'PdpError'
  readonly failure: PdpFailure
  /** The HTTP status of the PDP's response, if there was one. */
  readonly status: number | undefined
  /** Whether a request that failed for the network may have reached the PDP, which may have ended the connection because of it. */
  readonly mayHaveArrived: boolean

  constructor (failure: PdpFailure, message: string, options: { cause?: unknown, status?: number, mayHaveArrived?: boolean } = {}) {
    super(printableLine(message), options.cause === undefined ? undefined : { cause: options.cause })
    this.failure = failure
    this.status = options.status
    this.mayHaveArrived = options.mayHaveArrived === true
  }
}

/** Statuses below 500 that are not about the request. */
const PASSING: ReadonlySet<number> = new Set([408, 421, 425, 429])

/** Whether a failure is permanent until the configuration changes: the PDP rejects the token or the question. */
export function isLasting (error: unknown): boolean {
  if (!(error instanceof PdpError)) return false
  const { failure, status = 0 } = error
  if (failure === 'token' || failure === 'unsendable') return true
  return (failure === 'status' || failure === 'undecided') && status >= 400 && status < 500 && !PASSING.has(status)
}

/** The PDP's error behind a failed check: the cause of an {@link UnavailableError}, or the error itself; undefined for other errors. */
export function pdpErrorOf (error: unknown): PdpError | undefined {
  const cause = error instanceof UnavailableError ? error.cause : error
  return cause instanceof PdpError ? cause : undefined
}

/** The code of one of this package's errors, and of other errors that have one. */
export function codeOf (error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}
