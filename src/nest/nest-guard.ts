// The guard of NestJS: it decides on a request, and refuses it by NestJS's own exceptions.
import type { ServerResponse } from 'node:http'
import {
  ForbiddenException, ServiceUnavailableException, UnauthorizedException, type CallHandler, type CanActivate, type ExecutionContext,
  type HttpException, type NestInterceptor
} from '@nestjs/common'
import { RequestPermit } from '../app/request-permit.js'
import { AnnotationError, BypassedError, ForbiddenError, UnauthenticatedError, UnavailableError } from '../contract/errors.js'
import type { CompiledAnnotation } from '../guard/compile-annotation.js'
import { enforce, type Enforcement } from '../guard/enforce.js'
import { forClient, logRefusal, toError, type RefusalLog } from '../guard/on-denied.js'
import { askToComeBack } from '../guard/retry-after.js'
import type { AuditTrail } from '../observe/audit-trail.js'
import type { NestRequest } from './nest-types.js'

/** What the guard needs. */
export interface GuardParts {
  readonly enforcement: Enforcement<NestRequest>
  readonly log: RefusalLog
  readonly trail: AuditTrail<NestRequest> | undefined
  /** The requests whose response is awaited. */
  readonly awaited: WeakMap<object, ServerResponse>
  /** What a handler requires; undefined for a handler that says nothing. */
  readonly requirementOf: (type: object, handler: object) => CompiledAnnotation<NestRequest> | 'nothing' | undefined
  /** The handlers that requests may run, once the guard has let them through. */
  readonly passed: WeakMap<object, object>
}

/** The guard of all handlers. */
export class NestGuard implements CanActivate {
  readonly #parts: GuardParts

  constructor (parts: GuardParts) {
    this.#parts = parts
  }

  async canActivate (context: ExecutionContext): Promise<boolean> {
    const { enforcement, requirementOf } = this.#parts
    const required = requirementOf(context.getClass(), context.getHandler())
    if (required === undefined || context.getType() !== 'http') {
      throw new AnnotationError(`${context.getClass().name}.${context.getHandler().name} was not known when the app started`)
    }
    const http = context.switchToHttp()
    const request: NestRequest = http.getRequest()
    this.#prepare(request, http.getResponse())
    const verdict = required === 'nothing' || required.kind === 'public' || await decide(() => enforce(enforcement, required, request))
    if (verdict !== true) throw this.#refusal(verdict, request)
    this.#parts.passed.set(request, context.getHandler())
    return true
  }

  /** Adds `request.permit`, and awaits the response for the audit trail. */
  #prepare (request: NestRequest, response: ServerResponse | { readonly raw: ServerResponse }): void {
    const { awaited, trail, enforcement } = this.#parts
    if (awaited.has(request)) return
    const raw = 'raw' in response ? response.raw : response
    awaited.set(request, raw)
    if (trail !== undefined) raw.once('close', () => trail.answered(request))
    // A plugin or middleware of the app may have set it already.
    if (request.permit === undefined) {
      Object.defineProperty(request, 'permit', { configurable: true, writable: true, value: new RequestPermit(request, enforcement) })
    }
  }

  #refusal (error: Error, request: NestRequest): Error {
    const { log, awaited } = this.#parts
    logRefusal(error, log)
    const response = awaited.get(request)
    if (error instanceof UnavailableError && response !== undefined) askToComeBack(response, error)
    return exceptionOf(error) ?? forClient(error)
  }
}

/**
 * Refuses requests that reach a handler without having passed the guard: when the app has replaced the handler's function on the instance,
 * or its metadata. NestJS runs it as an interceptor of the whole app, behind the guards.
 */
export class PassedCheck implements NestInterceptor {
  readonly #passed: WeakMap<object, object>

  constructor (passed: WeakMap<object, object>) {
    this.#passed = passed
  }

  intercept (context: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
    if (context.getType() === 'http' && this.#passed.get(context.switchToHttp().getRequest()) !== context.getHandler()) {
      throw new BypassedError()
    }
    return next.handle()
  }
}

async function decide<T> (ask: () => T): Promise<Awaited<T> | Error> {
  try {
    return await ask()
  } catch (error) {
    return toError(error)
  }
}

/** The exception of NestJS for an error, with the shape of its own and our `code`. Exception filters find the error as its cause. */
function exceptionOf (error: Error): HttpException | undefined {
  if (error instanceof ForbiddenError) return new ForbiddenException(bodyOf(error, 'Forbidden'), { cause: error })
  if (error instanceof UnauthenticatedError) return new UnauthorizedException(bodyOf(error, 'Unauthorized'), { cause: error })
  if (error instanceof UnavailableError) return new ServiceUnavailableException(bodyOf(error, 'Service Unavailable'), { cause: error })
  return undefined
}

function bodyOf ({ statusCode, code, message }: Error & { statusCode?: number, code: string }, error: string): object {
  return { statusCode, code, error, message }
}
