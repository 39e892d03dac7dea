// Every error that the package raises: one place to read what can go wrong, with which status and code.
import createFastifyError, { type FastifyError, type FastifyErrorConstructor } from '@fastify/error'
import { printableLine, printableLines } from '../kit/printable.js'
import type { MutationResult, PartlyApplied } from './fact-mutation.js'

/** What frameworks look for in an error besides its `statusCode`, `code` and `message`. */
export interface KnownToFrameworks {
  /** As `statusCode`: Express, and what is built on it, reads this one. */
  status: number
  /** Whether the message is meant for clients: below 500, as `http-errors` has it. NestJS 12 and Koa send no other. */
  expose: boolean
  /** What GraphQL puts beside the message, in `errors[].extensions`. */
  extensions: { code: string }
}

const KNOWN_TO_FRAMEWORKS: { readonly [Name in keyof KnownToFrameworks]: (error: { statusCode?: number, code: string }) => unknown } = {
  status: ({ statusCode }) => statusCode,
  expose: ({ statusCode = 500 }) => statusCode < 500,
  // A new one each time: who formats an error may write into it.
  extensions: ({ code }) => ({ code })
}

type Created<Given extends readonly unknown[]> = FastifyErrorConstructor<{ code: string } & KnownToFrameworks, [...Given]>

/** On the prototype, so that an error handler that sends `{ ...error }`, and a log, have nothing of it twice. */
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
 * Creates the class of an error whose message is written for the occasion, and may quote a request, a policy or what a PDP answered. Loggers
 * that print for people print a message as it is: so it is printable, and a line break in a quoted name does not begin a new line.
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

/** Seconds that a client is asked to wait after a 503: long enough not to hammer, short enough to notice a recovery. */
export const RETRY_AFTER_SECONDS = 1

/**
 * The options given to `app.register(permit, options)` cannot be used. The app does not start.
 * The message names the option, what was given and what is expected.
 */
export const OptionsError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_OPTIONS')

/**
 * A route's `config.permit`, or the argument of `app.permit.guard()`, cannot be used. The app does not start;
 * on a route that the plugin could not see being declared, each request is refused with it.
 */
export const AnnotationError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_ANNOTATION')

/**
 * With the option `strict`: routes that say neither what they require nor that they are public. The app does not start; a route that the
 * plugin could not see being declared is refused with it, each time. The message lists them, and says what to write.
 */
export const UndeclaredRouteError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_UNDECLARED', printableLines)

/** The policy file or the inline policy is wrong. The message lists each problem with its place and the fix. */
export const PolicyFileError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_POLICY', printableLines)

/**
 * The folder given as `data` cannot be used: another process has it, another version wrote it, or `lmdb` is not installed.
 * The app does not start.
 */
export const DataError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_DATA', printableLines)

/**
 * A question that cannot be asked: an action that is not a string, a resource without a type, attributes that JSON
 * cannot carry. Raised by `check` and its siblings, and by annotations whose functions return such things. It is a
 * mistake in the app's code, hence 500: nobody gets in.
 */
export const QueryError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_QUERY')

/** A mutation that cannot be made: a key that is not a string, a property that there is not. A mistake in the app's code. */
export const MutationError = createQuotingError<[string, { cause: unknown }?]>('FST_PERMIT_MUTATION')

/**
 * The PDP that is asked cannot answer this at all, whoever asks: an AuthZEN PDP has no call for what a user may do, nor for writes. A mistake in
 * the app's code. The message says what to do instead.
 */
export const UnsupportedError = createQuotingError<[string]>('FST_PERMIT_UNSUPPORTED')

const Write = createQuotingError<[string]>('FST_PERMIT_WRITE')

/** How far a write came. */
export interface WriteProgress {
  /** Which mutation failed, from 0. */
  readonly index: number
  /** The results of those before it. */
  readonly applied: readonly MutationResult[]
  /** What was applied of the one that failed, where that is known and not nothing. */
  readonly partly: PartlyApplied | undefined
  readonly cause: unknown
}

/**
 * A write stopped at a mutation that failed. Those before it were applied; those after it were not tried.
 *
 * `cause` says why. Where it is a {@link PdpError} without a `status`, or with one of 424 or 5xx, the mutation may have been applied all the same.
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

/** Nobody is asking: the `user` option gave nothing for this request. */
export const UnauthenticatedError = createError<[]>(
  'FST_PERMIT_UNAUTHENTICATED', 'You have to be authenticated to do this.', 401, Error, false)

/**
 * A handler was reached although its guard had not let the request through, and did not run. A hook of the route has
 * gone on twice: one that calls `done` and also returns a promise does. A mistake in the app's code, hence 500.
 */
export const BypassedError = createError<[]>('FST_PERMIT_BYPASSED', 'The handler was reached before the decision.', 500)

const Forbidden = createError<[]>('FST_PERMIT_FORBIDDEN', 'You are not allowed to do this.', 403, Error, false)

const Unavailable = createError<[{ cause?: unknown }?]>(
  'FST_PERMIT_UNAVAILABLE', 'Whether you are allowed to do this cannot be decided now. Try again later.', 503, Error, false)

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
 * The decision is no. `denial` says of what; it is not enumerable, so that neither a serializer nor an error handler
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
 * No decision could be had: the PDP did not answer within the deadline, or not in a way that can be believed.
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

/** The cause of an {@link UnavailableError}. Carries no header and no body: the token and attributes stay in. */
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
