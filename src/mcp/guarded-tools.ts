// Handlers with a requirement: the decision is made before the handler runs, with the handler's arguments.
import type { FastifyRequest } from 'fastify'
import { behind } from '../app/request-permit.js'
import { AnnotationError, ForbiddenError, UnauthenticatedError, UnavailableError } from '../contract/errors.js'
import { describe } from '../decision/input-checks.js'
import type { Annotation, MethodMap, UrlRequirement } from '../guard/annotation.js'
import { NO_URLS } from '../guard/url-query.js'
import { asksUrl, compileNamed, type CompiledAnnotation } from '../guard/compile-annotation.js'
import { enforce, type Enforcement, type Verdict } from '../guard/enforce.js'
import { forClient, toError } from '../guard/on-denied.js'
import type { MaybePromise } from '../kit/maybe-promise.js'
import { currentPermit } from './current-request.js'

/** A call of a tool, a resource or a prompt, as functions of a requirement receive it. */
export interface McpCall {
  /** The validated arguments of the tool or prompt, or the variables of the resource template. */
  readonly params: Readonly<Record<string, unknown>>
  /** The HTTP request that carried the call. */
  readonly request: FastifyRequest
}

/**
 * What a handler requires: every form that `config.permit` has, except URLs and requirements for each method. In templates, `{id}` is an
 * argument of the tool or prompt, or a variable of the resource template. `false` is public.
 */
export type McpAnnotation = Exclude<Annotation<McpCall>, 'url' | UrlRequirement | MethodMap<McpCall>>

/** What a handler requires, as written and as compiled. */
export interface Declared {
  readonly annotation: McpAnnotation
  readonly compiled: CompiledAnnotation<McpCall>
}

type Handler = (...given: readonly unknown[]) => unknown

const declarations = new WeakMap<object, Declared>()

/**
 * Puts a requirement before the handler of a tool, a resource or a prompt. The handler runs only for a call that is allowed, in every
 * server and under every name that it is registered with. The user is that of the HTTP request that carried the call.
 *
 * A denied tool answers with a tool error, a denied resource or prompt with an error of JSON-RPC. Neither says why; the log does.
 * @throws `AnnotationError` when the requirement is invalid
 * @example
 * ```ts
 * import { permitted } from 'fastify-permit/mcp'
 *
 * // The last argument of server.registerTool('update_task', { inputSchema: { id: z.string() } }, …)
 * export const update = permitted({ action: 'update', resource: 'task:{id}' }, async ({ id }: { id: string }) =>
 *   ({ content: [{ type: 'text' as const, text: `updated ${id}` }] }))
 * ```
 */
export function permitted<F extends (...given: never[]) => unknown> (requirement: McpAnnotation, handler: F): F {
  if (typeof handler !== 'function') throw new AnnotationError(`permitted(): the handler is ${describe(handler)}; expected a function`)
  return withDeclaration(declare(requirement), handler as unknown as Handler) as unknown as F
}

/** What a handler requires; undefined for a handler without `permitted()`. */
export function declaredBy (handler: unknown): Declared | undefined {
  return typeof handler === 'function' ? declarations.get(handler) : undefined
}

/** Puts a known requirement before a handler. */
export function withDeclaration (declared: Declared, handler: Handler): Handler {
  // The handler gets its arguments, if it has any, and what belongs to the message last.
  const guarded: Handler = async (...given) => {
    await requireAllowed(declared.compiled, given.at(-2))
    return handler(...given)
  }
  declarations.set(guarded, declared)
  return guarded
}

function declare (annotation: McpAnnotation): Declared {
  const compiled = compileNamed<McpCall>('permitted()', annotation as Annotation<McpCall>, tenantOf)
  if (compiled.kind === 'methods') throw new AnnotationError('permitted(): one requirement for each HTTP method is not supported here')
  if (asksUrl(compiled)) throw new AnnotationError(`permitted(): ${NO_URLS}`)
  return { annotation, compiled }
}

/** The option `tenant` of the plugin that serves the call's request. */
function tenantOf ({ request }: McpCall): MaybePromise<string | readonly string[] | null | undefined> {
  return behindCurrent()?.enforcement.tenant?.(request)
}

/**
 * Resolves when the current request may make a call.
 * @throws the error for the client
 */
export async function requireAllowed (compiled: CompiledAnnotation<McpCall>, params: unknown): Promise<void> {
  const verdict = await verdictOn(compiled, params)
  if (verdict === true) return
  const { request, enforcement } = behindCurrent() ?? {}
  if (request !== undefined) enforcement?.refused(request, verdict)
  throw refusalOf(verdict)
}

/** Whether the current request may make a call; otherwise the error that says why. */
export async function verdictOn (compiled: CompiledAnnotation<McpCall>, params: unknown): Promise<Verdict> {
  if (compiled.kind === 'public') return true
  const current = behindCurrent()
  if (current === undefined) return new AnnotationError(NO_REQUEST)
  const { request, enforcement } = current
  try {
    return await enforce(ofCalls(enforcement, request), compiled, { params: isParams(params) ? params : {}, request })
  } catch (error) {
    return toError(error)
  }
}

function behindCurrent (): ReturnType<typeof behind<FastifyRequest>> | undefined {
  const permit = currentPermit()
  return permit === undefined ? undefined : behind(permit)
}

const NO_REQUEST = 'fastify-permit/mcp: a message arrived without an HTTP request; pass requests to the transport with handleMcp()'

function isParams (params: unknown): params is McpCall['params'] {
  return typeof params === 'object' && params !== null
}

/** The enforcement for the calls of a request. The caller never counts as gone, because it can fetch the answer over another connection. */
function ofCalls (enforcement: Enforcement<FastifyRequest>, request: FastifyRequest): Enforcement<McpCall> {
  const { checks, user, tenant, requestId } = enforcement
  return {
    checks,
    user: () => user(request),
    tenant: tenant === undefined ? undefined : () => tenant(request),
    urls: undefined,
    caller: () => ({ destroyed: false, requestId: requestId(request) }),
    requestId: () => requestId(request),
    response: () => undefined,
    refused: (_call, error) => enforcement.refused(request, error)
  }
}

/** A JSON-RPC error, in the range for servers. For a tool, MCP's SDK converts it to a result with the message. */
export class McpRefusal extends Error {
  /** Read by MCP's SDK. */
  readonly code = -32_003
  /** Sent to the client. */
  readonly data: { readonly code: string }

  constructor (error: Error & { code?: unknown }) {
    super(error.message, { cause: error })
    this.data = { code: String(error.code) }
  }
}

/** The error for the client: it says what happened, and not why. A mistake of the app is logged. */
export function refusalOf (error: Error): McpRefusal {
  if (error instanceof ForbiddenError || error instanceof UnauthenticatedError || error instanceof UnavailableError) {
    return new McpRefusal(error)
  }
  behindCurrent()?.request.log.error({ err: error }, 'permit: the permission required for a call could not be determined')
  return new McpRefusal(forClient(new AnnotationError(error.message, { cause: error })))
}
