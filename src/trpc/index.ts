// The entry for tRPC: a middleware for procedures, with the checks of the request that calls them.
import { TRPCError } from '@trpc/server'
import type { ResourceInput } from '../decision/query.js'
import { describe } from '../decision/input-checks.js'
import type { CheckOptions } from '../decision/question-options.js'
import type { RequestPermit } from '../app/request-permit.js'
import { AnnotationError, ForbiddenError, QueryError, UnauthenticatedError, UnavailableError } from '../contract/errors.js'
import type { ActionOf, PermissionName, ResourceType } from '../contract/vocabulary.js'
import type { MaybePromise } from '../kit/maybe-promise.js'

export type { PermissionName, ResourceType } from '../contract/vocabulary.js'

/** What the middleware needs of the checks of a request: `request.permit`. */
export type AskingPermit = Pick<RequestPermit, 'assert'>

/** The options of {@link permitMiddleware}. */
export interface PermitMiddlewareOptions<Context> {
  /**
   * Returns the checks of the request from the context of a procedure.
   * @defaultValue `ctx.permit`, or the `permit` of `ctx.req`
   */
  readonly permit?: (context: Context) => AskingPermit | undefined
}

/** What the functions of a requirement receive. */
export interface ProcedureCall<Context, Input> { readonly ctx: Context, readonly input: Input }

/** The middleware of one procedure, as `.use()` takes it. */
export type PermitMiddleware<Context, Input> =
  <Result> (call: ProcedureCall<Context, Input> & { readonly next: () => Promise<Result> }) => Promise<Result>

/** Creates the middleware of a procedure. */
export interface Permitted<Context> {
  /**
   * @param permission - `'task:update'`, the type and the action
   * @param resource - returns the resource from the input: `'task:7'`, or `{ type, key, tenant?, attributes? }` of the permission's type.
   * Without it, the permission is on the type. It must come behind `.input()`, where the input is validated
   * @param options - returns the tenant and the context of the check
   */
  <Input>(
    permission: PermissionName,
    resource?: (call: ProcedureCall<Context, Input>) => MaybePromise<ResourceInput>,
    options?: (call: ProcedureCall<Context, Input>) => MaybePromise<CheckOptions>
  ): PermitMiddleware<Context, Input>
}

/** The part of `initTRPC.create()` from which the type of the context comes. */
export interface TrpcWithContext<Context> { readonly _config: { readonly $types: { readonly ctx: Context } } }

/**
 * Guards the procedures of tRPC 11. A denial is a `TRPCError` with `FORBIDDEN`, an unknown user `UNAUTHORIZED`, and a check without a
 * decision `SERVICE_UNAVAILABLE`. Its `cause` is the error of the plugin, and its message never says why.
 *
 * @param _t - what `initTRPC.context<Context>().create()` returned
 * @throws `AnnotationError` when a permission is invalid
 * @example
 * ```ts
 * import { initTRPC } from '@trpc/server'
 * import type { FastifyRequest } from 'fastify'
 * import { permitMiddleware } from 'fastify-permit/trpc'
 *
 * const t = initTRPC.context<{ req: FastifyRequest }>().create()
 * const permitted = permitMiddleware(t)
 *
 * export const router = t.router({
 *   create: t.procedure.use(permitted('task:create')).mutation(() => 'created')
 * })
 * ```
 */
export function permitMiddleware<Context> (
  _t: TrpcWithContext<Context>, { permit = permitIn }: PermitMiddlewareOptions<Context> = {}
): Permitted<Context> {
  return (permission, resource, options) => {
    const { type, action } = parsePermission(permission)
    return async ({ ctx, input, next }) => {
      const asking = permit(ctx)
      if (asking === undefined || typeof asking.assert !== 'function') throw mistake(NO_PERMIT)
      try {
        // A function that returns nothing is a mistake, and no check of the whole type.
        const [target, more] = await Promise.all([resource === undefined ? type : resource({ ctx, input }), options?.({ ctx, input })])
        await asking.assert(action as ActionOf<ResourceType>, ofType(type, target), more)
      } catch (error) {
        throw toTrpc(error)
      }
      return next()
    }
  }
}

const NO_PERMIT = 'fastify-permit/trpc: the context has no checks; return { req } from createContext, or pass { permit: ctx => … }'

function permitIn (context: unknown): AskingPermit | undefined {
  const { permit, req } = (context ?? {}) as { permit?: AskingPermit, req?: { permit?: AskingPermit } }
  return permit ?? req?.permit
}

function parsePermission (permission: string): { readonly type: string, readonly action: string } {
  const [type, action, ...more] = typeof permission === 'string' ? permission.split(':') : []
  if (!type || !action || more.length > 0) {
    throw new AnnotationError(`permitted(): the permission is ${describe(permission)}; expected 'type:action', such as 'task:create'`)
  }
  return { type, action }
}

/** The input fills in values: a resource of another type would be another permission. */
function ofType (type: string, resource: ResourceInput): ResourceInput {
  const given = typeof resource === 'string' ? resource.split(':', 1)[0] : (resource as { type?: unknown } | undefined)?.type
  if (given !== type) throw new QueryError(`the resource of a procedure is of the type ${describe(given)}; its permission is on '${type}'`)
  return resource
}

function toTrpc (error: unknown): TRPCError {
  if (error instanceof ForbiddenError) return new TRPCError({ code: 'FORBIDDEN', message: error.message, cause: error })
  if (error instanceof UnauthenticatedError) return new TRPCError({ code: 'UNAUTHORIZED', message: error.message, cause: error })
  if (error instanceof UnavailableError) return new TRPCError({ code: 'SERVICE_UNAVAILABLE', message: error.message, cause: error })
  if (error instanceof TRPCError) return error
  // A malformed value may come from the client.
  if (error instanceof QueryError && error.statusCode === 400) {
    return new TRPCError({ code: 'BAD_REQUEST', message: 'The input does not name a resource.', cause: error })
  }
  return mistake('The permission required for this procedure could not be determined.', error)
}

function mistake (message: string, cause?: unknown): TRPCError {
  return new TRPCError({ code: 'INTERNAL_SERVER_ERROR', message, cause })
}
