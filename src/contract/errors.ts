// Every error of the package, with its status and code.
import createFastifyError, { type FastifyError, type FastifyErrorConstructor } from '@fastify/error'
import { printableLine, printableLines } from '../kit/printable.js'
import type { MutationResult, PartlyApplied } from './mutation-result.js'

/** What frameworks look for in an error besides its `statusCode`, `code` and `message`. */
interface KnownToFrameworks {
  /** Equal to `statusCode`: Express, and frameworks built on it, read this one. */
  status: number
  /** Whether clients may see the message: below 500, as `http-errors` has it. NestJS 12 and Koa send no other message. */
  expose: boolean
  /** What GraphQL puts beside the message, in `errors[].extensions`. */
  extensions: { code: string }
}

const KNOWN_TO_FRAMEWORKS: { readonly [Name in keyof KnownToFrameworks]: (error: { statusCode?: number, code: string }) => unknown } = {
  status: ({ statusCode }) => statusCode,
  expose: ({ statusCode = 500 }) => statusCode < 500,
  // A new object each time: code that formats an error may write into it.
  extensions: ({ code }) => ({ code })
}

type Created<Given extends readonly unknown[]> = FastifyErrorConstructor<{ code: string } & KnownToFrameworks, [...Given]>

/** On the prototype, so that an error handler that sends `{ ...error }` does not send it, and a log does not repeat it. */
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
 * Creates the class of an error whose message may quote a request, a policy or the answer of a PDP. Loggers
 * that print for people print a message as it is, so it is made printable: a line break in a quoted name does not start a new line.
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

/** `Retry-After` of a 503, in seconds: long enough not to hammer the service, short enough to notice a recovery. */
const RETRY_AFTER_SECONDS = 1

/**
 * The options given to `app.register(permit, options)` cannot be used. The app does not start.
 * The message names the option, what was given and what is expected.
 */
export const OptionsError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_OPTIONS')

/**
 * A route's `config.permit`, or the argument of `app.permit.guard()`, is invalid. The app does not start;
 * on a route that was declared before the plugin, each request is refused with it.
 */
export const AnnotationError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_ANNOTATION')

/**
 * With the option `strict`: routes without an annotation. The app does not start; a route that was
 * declared before the plugin is refused with it on each request. The message lists the routes and says what to write.
 */
export const UndeclaredRouteError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_UNDECLARED', printableLines)

/** The policy file or the inline policy is wrong. The message lists each problem with its place and the fix. */
export const PolicyFileError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_POLICY', printableLines)

/**
 * The folder given as `data` cannot be used: another process has it, another version wrote it, it is damaged, or `lmdb` is not installed.
 * The app does not start.
 */
export const DataError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_DATA', printableLines)

/**
 * An invalid question: an action that is not a string, a resource without a type, attributes that JSON
 * cannot carry. Raised by `check` and its siblings, and by annotations whose functions return such things. It is a
 * mistake in the app's code, hence 500: the request does not get in. Where a value was given to `request.permit`, its status is 400: the
 * value may come from the client.
 */
export const QueryError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_QUERY')

/** An invalid mutation: a key that is not a string, an unknown property. A mistake in the app's code. */
export const MutationError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_MUTATION')

/**
 * This kind of PDP cannot answer this: an AuthZEN PDP has no call for a user's permissions or for writes. A mistake in
 * the app's code. The message says what to do instead.
 */
export const UnsupportedError = createQuotingError<[string]>('FST_PERMIT_UNSUPPORTED')

/**
 * There is no exact plan: the policy's conditions on these rows cannot be said as a condition for a database, or the PDP cannot tell
 * them. The message says why, and what to do. Nothing is ever left out of a plan instead.
 */
export const PlanError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_PLAN')

/**
 * A plan cannot be said in this database, or for this mapping, so that both agree: an attribute without a column, an operator that a database
 * answers differently. A mistake in the app's code, hence 500. The message names field and operator, says why, and what to do.
 */
export const TranslationError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_TRANSLATION')

const Write = createQuotingError<[string]>('FST_PERMIT_WRITE')

/** How far a write got. */
export interface WriteProgress {
  /** Which mutation failed, from 0. */
  readonly index: number
  /** The results of those before it. */
  readonly applied: readonly MutationResult[]
  /** What was applied of the failed mutation, if anything is known to be. */
  readonly partly: PartlyApplied | undefined
  readonly cause: unknown
}

/**
 * A write stopped at a mutation that failed. Those before it were applied; those after it were not tried.
 *
 * `cause` says why. If it is a {@link PdpError} without a `status`, or with 424 or 5xx, the mutation may still have been applied.
 * None of it is enumerable: an error handler that sends `{ ...error }` must not tell a client who has which role.
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
 * A request reached a handler before its guard had let it through; the handler did not run. A hook of the route has
 * continued twice, for example by calling `done` and also returning a promise. A mistake in the app's code, hence 500.
 */
export const BypassedError = createError<[]>('FST_PERMIT_BYPASSED', 'The request reached the handler before its permission was decided.', 500)

const Forbidden = createError<[]>('FST_PERMIT_FORBIDDEN', 'You are not allowed to do this.', 403, Error, false)

const Unavailable = createError<[{ cause?: unknown }?]>(
  'FST_PERMIT_UNAVAILABLE', 'Your permission cannot be checked right now. Try again later.', 503, Error, false)

/** What a {@link ForbiddenError} knows beyond its message. For logs and error handlers; it is not sent. */
export interface Denial {
  readonly user: string
  readonly action: string
  /** `type` or `type:key`. */
  readonly resource: string
  readonly tenant: string
  /** The PDP's reason code, for example `no_permission`; undefined when it gave none. */
  readonly code?: string
  /** The PDP's sentence; undefined when it gave none. */
  readonly reason?: string
  /**
   * What an AuthZEN PDP sent along with its no, for example what to do to get a yes. Not enumerable: it may hold anything, so it goes
   * into a log or to a client only when the app puts it there, part by part.
   */
  readonly context?: Readonly<Record<string, unknown>>
}

/**
 * The decision is no. `denial` has the details; it is not enumerable, so that neither a serializer nor an error handler
 * that spreads the error can send it to the client.
 */
export class ForbiddenError extends Forbidden {
  declare readonly denial: Denial | undefined

  constructor (denial?: Denial) {
    super()
    Object.defineProperty(this, 'denial', { value: denial })
  }
}

/**
 * No decision: the PDP did not answer within the deadline, or its answer was invalid.
 * `cause` says which; `headers` makes Fastify send `Retry-After`.
 */
export class UnavailableError extends Unavailable {
  declare readonly headers: Record<string, string>

  constructor (cause?: unknown) {
    super({ cause })
    // Not enumerable: an error handler that sends `{ ...error }` would otherwise put them into the body.
    Object.defineProperty(this, 'headers', { value: { 'retry-after': String(RETRY_AFTER_SECONDS) } })
    Object.defineProperty(this, 'cause', { value: cause, enumerable: false })
  }
}

/** Why a PDP gave no decision, for logs and `health()`. */
export type PdpFailure =
  | 'timeout'       // the deadline of the check ran out
  | 'network'       // no connection, or it broke
  | 'token'         // the PDP refused the token: 401 or 403
  | 'status'        // any other status than 200
  | 'answer'        // 200, but not an answer that can be believed
  | 'overload'      // a bound of ours was reached
  | 'closed'        // the app is closing
  | 'abandoned'     // whoever asked is gone
  | 'circuit'       // not asked: the PDP, and each of its replicas, has failed too often in a row, and its circuit breaker is open

/** The cause of an {@link UnavailableError}. It carries no header and no body, so it leaks neither the token nor attributes. */
export class PdpError extends Error {
  override readonly name = 'PdpError'
  readonly failure: PdpFailure
  /** The HTTP status that the PDP answered with, where there was one. */
  readonly status: number | undefined

  constructor (failure: PdpFailure, message: string, options: { cause?: unknown, status?: number } = {}) {
    super(printableLine(message), options.cause === undefined ? undefined : { cause: options.cause })
    this.failure = failure
    this.status = options.status
  }
}

/** The error of the PDP behind a failed check: the cause of an {@link UnavailableError}, or the error itself; undefined for any other error. */
export function pdpErrorOf (error: unknown): PdpError | undefined {
  const cause = error instanceof UnavailableError ? error.cause : error
  return cause instanceof PdpError ? cause : undefined
}
