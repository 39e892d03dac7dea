// The guard of NestJS: it decides on requests, fields and messages, and refuses them by NestJS's own exceptions.
import type { ServerResponse } from 'node:http'
import {
  ForbiddenException, ServiceUnavailableException, UnauthorizedException, type CallHandler, type CanActivate, type ExecutionContext,
  type HttpException, type NestInterceptor
} from '@nestjs/common'
import { RequestPermit } from '../app/request-permit.js'
import { AnnotationError, BypassedError, ForbiddenError, UnauthenticatedError, UnavailableError } from '../contract/errors.js'
import type { CompiledAnnotation } from '../guard/compile-annotation.js'
import { enforce, type Enforcement, type Verdict } from '../guard/enforce.js'
import { forClient, toError, type RefusalLog } from '../guard/on-denied.js'
import { askToComeBack } from '../guard/retry-after.js'
import type { MaybePromise } from '../kit/maybe-promise.js'
import type { AuditTrail } from '../observe/audit-trail.js'
import type { HandlerKind } from './handlers.js'
import type { FieldCall, NestRequest } from './nest-types.js'

/** What the guard needs. */
export interface GuardParts {
  readonly enforcement: Enforcement<NestRequest>
  readonly log: RefusalLog
  readonly trail: AuditTrail<NestRequest> | undefined
  /** The requests whose response is awaited. */
  readonly awaited: WeakMap<object, ServerResponse>
  /** What a handler requires; undefined for a handler that was not known when the app started. */
  readonly requirementOf: RequirementOf
  /** The handlers that calls may run, once the guard has let them through. */
  readonly passed: WeakMap<object, object>
  /** The exception of gateways; undefined when the app has none. */
  readonly wsException: (new (error: object) => Error) | undefined
}

/** What a handler requires, by the class of NestJS's execution context, its handler and its type. */
export type RequirementOf = (kind: HandlerKind, type: object, handler: object) => CompiledAnnotation<NestRequest> | 'nothing' | undefined

/** The guard of all handlers. */
export class NestGuard implements CanActivate {
  readonly #parts: GuardParts
  /** For fields: what the app's options read is the request itself, as in a controller. */
  readonly #ofFields: Enforcement<NestRequest>

  constructor (parts: GuardParts) {
    this.#parts = parts
    const { user, caller, requestId, response } = parts.enforcement
    this.#ofFields = {
      ...parts.enforcement,
      user: field => user(requestBehind(field)),
      caller: field => caller(requestBehind(field)),
      requestId: field => requestId(requestBehind(field)),
      response: field => response(requestBehind(field))
    }
  }

  async canActivate (context: ExecutionContext): Promise<boolean> {
    const kind = kindOf(context)
    const required = this.#parts.requirementOf(kind, context.getClass(), context.getHandler())
    if (required === undefined) {
      throw new AnnotationError(`${context.getClass().name}.${context.getHandler().name} was not known when the app started`)
    }
    const verdict = kind === 'http' ? await this.#decideOnRequest(required, context) : await this.#decideOnCall(kind, required, context)
    if (verdict !== true) throw this.#refusal(verdict, kind, context)
    this.#parts.passed.set(callOf(kind, context), context.getHandler())
    return true
  }

  #decideOnRequest (required: CompiledAnnotation<NestRequest> | 'nothing', context: ExecutionContext): MaybePromise<Verdict> {
    const http = context.switchToHttp()
    const request: NestRequest = http.getRequest()
    this.#prepare(request, http.getResponse())
    if (required === 'nothing' || required.kind === 'public') return true
    return decide(() => enforce(this.#parts.enforcement, required, request))
  }

  #decideOnCall (
    kind: HandlerKind, required: CompiledAnnotation<NestRequest> | 'nothing', context: ExecutionContext
  ): MaybePromise<Verdict> {
    if (kind === 'graphql') this.#addChecks(requestOfField(context))
    if (required === 'nothing' || required.kind === 'public') return true
    return kind === 'graphql'
      ? decide(() => enforce(this.#ofFields, required, asField(context)))
      : decide(() => enforce(this.#parts.enforcement, required, asMessage(context)))
  }

  /** Adds `request.permit`, and awaits the response for the audit trail. */
  #prepare (request: NestRequest, response: ServerResponse | { readonly raw: ServerResponse }): void {
    const { awaited, trail } = this.#parts
    if (awaited.has(request)) return
    const raw = 'raw' in response ? response.raw : response
    awaited.set(request, raw)
    if (trail !== undefined) raw.once('close', () => trail.answered(request))
    this.#addChecks(request)
  }

  #addChecks (request: NestRequest | undefined): void {
    // A plugin or middleware of the app may have set it already.
    if (request === undefined || request.permit !== undefined) return
    const value = new RequestPermit(request, this.#parts.enforcement)
    Object.defineProperty(request, 'permit', { configurable: true, writable: true, value })
  }

  #refusal (error: Error, kind: HandlerKind, context: ExecutionContext): Error {
    const { enforcement, awaited, wsException } = this.#parts
    // Its log is that of the module, for every request.
    enforcement.refused({} as NestRequest, error)
    const body = bodyOf(error)
    if (body === undefined) return forClient(error)
    if (kind === 'ws') return wsException === undefined ? error : messageExceptionOf(error, body, wsException)
    if (kind === 'http') {
      const response = awaited.get(context.switchToHttp().getRequest<object>())
      if (error instanceof UnavailableError && response !== undefined) askToComeBack(response, error)
    }
    return exceptionOf(error, body, kind)
  }
}

/**
 * Refuses calls that reach a handler without having passed the guard: when the app has replaced the handler's function on the instance,
 * or its metadata. NestJS runs it as an interceptor of the whole app, behind the guards.
 *
 * What a handler's own check refuses becomes NestJS's exception, as what the guard refuses: NestJS would log every other error once more.
 */
export class PassedCheck implements NestInterceptor {
  readonly #passed: WeakMap<object, object>
  readonly #known: KnownCheck
  readonly #logged: WeakSet<object>

  /** @param logged - the denials that are in the log already */
  constructor (passed: WeakMap<object, object>, known: KnownCheck, logged: WeakSet<object>) {
    this.#passed = passed
    this.#known = known
    this.#logged = logged
  }

  intercept (context: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
    const kind = kindOf(context)
    const isFree = kind !== 'http' && this.#known.isFree(context)
    if (!isFree && this.#passed.get(callOf(kind, context)) !== context.getHandler()) throw new BypassedError()
    const result = next.handle()
    return kind === 'http' || kind === 'graphql' ? mapError(result, error => this.#exception(error, kind)) : result
  }

  #exception (error: unknown, kind: HandlerKind): unknown {
    const body = error instanceof Error ? bodyOf(error) : undefined
    if (body === undefined || (error instanceof ForbiddenError && !this.#logged.has(error))) return error
    return exceptionOf(error as Error, body, kind)
  }
}

type Result = ReturnType<CallHandler['handle']>

/** `catchError` of RxJS, which only NestJS depends on. */
function mapError (source: Result, map: (error: unknown) => unknown): Result {
  type Observer = Parameters<Result['subscribe']>[0] & { next (value: unknown): void, error (error: unknown): void, complete (): void }
  // NestJS wraps whatever a handler or another interceptor returns into a plain Observable.
  const Observable = source.constructor as new (subscribe: (to: Observer) => unknown) => Result
  return new Observable(to => source.subscribe({
    next (value: unknown) { to.next(value) },
    error (error: unknown) { to.error(map(error)) },
    complete () { to.complete() }
  }))
}

/**
 * Refuses calls of functions that are no known handlers, on classes that have some. NestJS runs it as a guard of the classes of resolvers
 * and gateways, because no interceptor runs for a field, and in NestJS 11 none of the app for a message.
 */
export class KnownCheck implements CanActivate {
  readonly #requirementOf: RequirementOf
  readonly #classes: ReadonlySet<object>

  constructor (requirementOf: RequirementOf, classes: ReadonlySet<object>) {
    this.#requirementOf = requirementOf
    this.#classes = classes
  }

  canActivate (context: ExecutionContext): boolean {
    if (this.#requirement(context) === undefined && this.#classes.has(context.getClass())) throw new BypassedError()
    return true
  }

  /** Whether a call needs no decision. */
  isFree (context: ExecutionContext): boolean {
    const required = this.#requirement(context)
    if (required === undefined) return !this.#classes.has(context.getClass())
    return required === 'nothing' || required.kind === 'public'
  }

  #requirement (context: ExecutionContext): ReturnType<RequirementOf> {
    return this.#requirementOf(kindOf(context), context.getClass(), context.getHandler())
  }
}

function kindOf (context: ExecutionContext): HandlerKind {
  return context.getType<HandlerKind>()
}

/** What stands for one call of a handler: guards and interceptors get the same array of arguments. */
function callOf (kind: HandlerKind, context: ExecutionContext): object {
  return kind === 'http' ? context.switchToHttp().getRequest<object>() : context.getArgs()
}

/** The arguments of a resolver. A reference resolver has no arguments of a field. */
function fieldCallOf (context: ExecutionContext): FieldCall {
  const given: unknown[] = context.getArgs()
  const [root, args, ofServer, info] = given.length === 3 ? [given[0], undefined, given[1], given[2]] : given
  return { root, args, context: ofServer, info }
}

function requestOfField (context: ExecutionContext): NestRequest | undefined {
  type Carrier = { req?: unknown, request?: unknown, reply?: { request?: unknown } } | null | undefined
  const ofServer = fieldCallOf(context).context as Carrier
  const places = [ofServer?.req, ofServer?.request, ofServer?.reply?.request]
  return places.find(request => typeof request === 'object' && request !== null) as NestRequest | undefined
}

/** The request of a field, with the field's arguments as `params`. */
function asField (context: ExecutionContext): NestRequest {
  const request = requestOfField(context)
  if (request === undefined) throw new AnnotationError('the context of GraphQL has no request; put { req } into the context')
  const call = fieldCallOf(context)
  return Object.create(request, {
    params: { value: call.args ?? {}, enumerable: true },
    graphql: { value: call, enumerable: true }
  }) as NestRequest
}

/** The request that `asField` has put a field on. */
export function requestBehind (field: NestRequest): NestRequest {
  return Object.getPrototypeOf(field) as NestRequest
}

/** A message to a gateway as a request. Who the user is, the app has said on the socket; nothing here is what a message says. */
function asMessage (context: ExecutionContext): NestRequest {
  type Handshake = { readonly url?: string, readonly headers?: NestRequest['headers'], readonly query?: unknown, readonly address?: string }
  type Socket = { readonly user?: unknown, readonly data?: { readonly user?: unknown }, readonly handshake?: Handshake }
  const client: Socket = context.switchToWs().getClient()
  const data: unknown = context.switchToWs().getData()
  const { url = '', headers = {}, query = {}, address } = client.handshake ?? {}
  return { method: 'GET', url, headers, query, ip: address, user: client.user ?? client.data?.user, params: data, ws: { client, data } }
}

async function decide<T> (ask: () => T): Promise<Awaited<T> | Error> {
  try {
    return await ask()
  } catch (error) {
    return toError(error)
  }
}

/** What clients are told of a refusal. */
interface RefusalBody { readonly statusCode: number | undefined, readonly code: string, readonly error: string, readonly message: string }

/** Undefined for a mistake of the app. */
function bodyOf (error: Error): RefusalBody | undefined {
  const isRefusal = error instanceof ForbiddenError || error instanceof UnauthenticatedError || error instanceof UnavailableError
  if (!isRefusal) return undefined
  const { statusCode, code, message } = error
  if (error instanceof ForbiddenError) return { statusCode, code, error: 'Forbidden', message }
  return { statusCode, code, error: error instanceof UnauthenticatedError ? 'Unauthorized' : 'Service Unavailable', message }
}

/** The exception of NestJS for an error, with the shape of its own and our `code`. Exception filters find the error as its cause. */
function exceptionOf (error: Error, body: RefusalBody, kind: HandlerKind): HttpException {
  const exception = httpExceptionOf(error, body)
  // A controller's exception has none: an exception filter may send all of its properties.
  return kind === 'graphql' ? Object.assign(exception, { extensions: { code: body.code } }) : exception
}

function httpExceptionOf (error: Error, body: RefusalBody): HttpException {
  if (error instanceof ForbiddenError) return new ForbiddenException(body, { cause: error })
  if (error instanceof UnauthenticatedError) return new UnauthorizedException(body, { cause: error })
  return new ServiceUnavailableException(body, { cause: error })
}

/** The exception of NestJS for clients of a gateway, which get an event `exception` with it. */
function messageExceptionOf (error: Error, { code, message }: RefusalBody, Exception: new (error: object) => Error): Error {
  const exception = new Exception({ status: 'error', code, message })
  return Object.defineProperty(exception, 'cause', { value: error, configurable: true, writable: true })
}
