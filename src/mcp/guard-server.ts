// Guards a whole MCP server: its lists, completions and subscriptions, and with `strict` everything that has no requirement.
import type { FastifyRequest } from 'fastify'
import { behind, refuseCall } from '../app/request-permit.js'
import { AnnotationError, ForbiddenError, OptionsError, UnavailableError, UndeclaredRouteError } from '../contract/errors.js'
import { describe, requireKnown } from '../decision/input-checks.js'
import { toError } from '../guard/on-denied.js'
import { isRecord } from '../kit/is-record.js'
import { shorten } from '../kit/shorten.js'
import { currentPermit } from './current-request.js'
import { declaredBy, McpRefusal, refusalOf, requireAllowed, verdictOn, withDeclaration, type Declared } from './guarded-tools.js'
import { areVisible } from './visibility.js'

/** The options of {@link guardServer}. */
export interface GuardServerOptions {
  /**
   * Refuses to register a tool, a resource or a prompt whose handler is not in `permitted()`, and refuses calls of those that were
   * registered in another way.
   * @defaultValue `false`
   */
  readonly strict?: boolean
}

/** The members of `McpServer` that are used. */
export interface McpServerLike {
  readonly server: object
  connect (transport: never): Promise<void>
}

type Anything = (...given: readonly unknown[]) => unknown
type RequestHandler = (request: Request, extra: unknown) => unknown

interface Request { readonly method: string, readonly params?: Readonly<Record<string, unknown>> }

/** What a server has registered. The name of the handler depends on the kind, and of tools on the version of the SDK. */
interface Registered {
  readonly handler?: unknown
  readonly callback?: unknown
  readonly readCallback?: unknown
  readonly resourceTemplate?: { readonly uriTemplate: UriTemplate }
}

interface UriTemplate {
  readonly variableNames?: readonly string[]
  match (uri: string): Readonly<Record<string, unknown>> | null
  toString (): string
}

type Registry = Readonly<Record<string, Registered>>

/** The parts of a server. Only the registries have the current names. */
interface Parts {
  readonly _registeredTools: Registry
  readonly _registeredResources: Registry
  readonly _registeredResourceTemplates: Registry
  readonly _registeredPrompts: Registry
  readonly server: { setRequestHandler: Anything, readonly _requestHandlers: Map<string, RequestHandler> }
}

const HANDLERS = ['handler', 'callback', 'readCallback'] as const
const REGISTERING = ['registerTool', 'tool', 'registerResource', 'resource', 'registerPrompt', 'prompt'] as const

/**
 * Guards a server: its lists have only what the user of the request may call, completions and subscriptions are decided as calls are, and a
 * handler that replaces another one keeps its requirement. Call it before the server has any handlers.
 *
 * @param server - an `McpServer` of `@modelcontextprotocol/sdk`
 * @returns the same server
 * @throws `OptionsError` when an option or the server is invalid
 * @example
 * ```ts
 * import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
 * import { guardServer } from 'fastify-permit/mcp'
 *
 * export const server = guardServer(new McpServer({ name: 'tasks', version: '1.0.0' }), { strict: true })
 * ```
 */
export function guardServer<Server extends McpServerLike> (server: Server, options: GuardServerOptions = {}): Server {
  requireKnown('the options of guardServer()', options, ['strict'])
  const { strict = false } = options
  if (typeof strict !== 'boolean') throw new OptionsError(`guardServer(): option "strict" is ${describe(strict)}; expected true or false`)
  const parts = partsOf(server)
  const guard = new ServerGuard(parts, strict)
  const { _requestHandlers: handlers } = parts.server
  for (const [method, handler] of handlers) handlers.set(method, guard.around(handler))
  const setRequestHandler = parts.server.setRequestHandler.bind(parts.server)
  parts.server.setRequestHandler = (schema, handler, ...more) => setRequestHandler(schema, guard.around(handler as RequestHandler), ...more)
  const methods = server as unknown as Record<string, Anything | undefined>
  for (const name of REGISTERING) {
    const register = methods[name]?.bind(server)
    // Older versions of the SDK do not have all of them.
    if (register === undefined) continue
    methods[name] = (...given) => {
      const handler = given.at(-1)
      const declared = declaredBy(handler)
      if (declared === undefined && strict) throw undeclared(String(given[0]))
      if (declared !== undefined) requireParams(declared, given)
      const registered = register(...given) as Registered
      for (const property of HANDLERS) if (property in registered) keepRequirement(registered, property)
      return registered
    }
  }
  return server
}

function partsOf (server: unknown): Parts {
  const parts = server as Partial<Parts> | undefined
  const registries = [parts?._registeredTools, parts?._registeredResources, parts?._registeredResourceTemplates, parts?._registeredPrompts]
  if (!registries.every(isRecord) || !(parts?.server?._requestHandlers instanceof Map)) {
    throw new OptionsError("guardServer(): the server is not an McpServer of a supported version of '@modelcontextprotocol/sdk'")
  }
  return parts as Parts
}

function undeclared (name: string): Error {
  return new UndeclaredRouteError(`strict: the handler of ${JSON.stringify(name)} has no requirement. ` +
    "Write permitted('type:action', handler), or permitted(false, handler) if it is public on purpose.")
}

/** The params of a template must be arguments, where the arguments are known. */
function requireParams ({ compiled }: Declared, [name, what, config]: readonly unknown[]): void {
  if (compiled.kind === 'public') return
  const known = argumentsOf(what, config)
  const missing = known === undefined ? undefined : compiled.params.find(param => !known.includes(param))
  if (missing === undefined) return
  throw new AnnotationError(`permitted() of ${JSON.stringify(name)}: the resource names {${missing}}, which is not one of its arguments` +
    (known?.length === 0 ? '' : `; there is ${known?.map(one => `{${one}}`).join(', ')}`))
}

/** The names of the arguments of what is registered, if they are known. */
function argumentsOf (what: unknown, config: unknown): readonly string[] | undefined {
  // A resource: at a fixed URI, or a template with variables.
  if (typeof what === 'string') return isRecord(config) ? [] : undefined
  if (!isRecord(what)) return undefined
  if ('uriTemplate' in what) return (what.uriTemplate as UriTemplate).variableNames
  if (typeof config !== 'function') return undefined
  const schema = what.inputSchema ?? what.argsSchema
  if (schema === undefined) return 'inputSchema' in what || 'description' in what || 'title' in what ? [] : undefined
  if (!isRecord(schema)) return undefined
  if (!('_def' in schema) && !('_zod' in schema)) return Object.keys(schema)
  return isRecord(schema.shape) ? Object.keys(schema.shape) : undefined
}

/** A handler that replaces one with a requirement, by `update()` or directly, has the same requirement unless it has its own. */
function keepRequirement (registered: Registered, property: typeof HANDLERS[number]): void {
  let current: unknown = registered[property]
  if (declaredBy(current) === undefined) return
  Object.defineProperty(registered, property, {
    configurable: true,
    enumerable: true,
    get: () => current,
    set (next: unknown) {
      const declared = declaredBy(current) as Declared
      current = declaredBy(next) === undefined ? withDeclaration(declared, next as Anything) : next
    }
  })
}

/** The tool, resource or prompt of a request, and its arguments. */
interface Target { readonly registered: Registered | undefined, readonly params?: unknown }

class ServerGuard {
  readonly #parts: Parts
  readonly #strict: boolean

  constructor (parts: Parts, strict: boolean) {
    this.#parts = parts
    this.#strict = strict
  }

  /** A handler of requests, with the guard for the methods that it serves. */
  around (handler: RequestHandler): RequestHandler {
    return async (request, extra) => {
      const { method, params = {} } = request
      if (method in LISTS) return this.#filtered(method as keyof typeof LISTS, await handler(request, extra))
      const target = this.#targetOf(method, params)
      if (target !== undefined) {
        try {
          await this.#require(method, target, params)
        } catch (error) {
          if (method === 'tools/call') return { content: [{ type: 'text', text: toError(error).message }], isError: true }
          throw error
        }
      }
      return handler(request, extra)
    }
  }

  #targetOf (method: string, params: Readonly<Record<string, unknown>>): Target | undefined {
    const { _registeredTools: tools, _registeredPrompts: prompts, _registeredResourceTemplates: templates } = this.#parts
    if (method === 'tools/call') return { registered: named(tools, params.name) }
    if (method === 'prompts/get') return { registered: named(prompts, params.name) }
    if (method === 'resources/read' || method === 'resources/subscribe') return this.#resourceAt(params.uri)
    if (method !== 'completion/complete' || !isRecord(params.ref)) return undefined
    const { type, name, uri } = params.ref
    if (type === 'ref/prompt') return { registered: named(prompts, name) }
    return { registered: Object.values(templates).find(({ resourceTemplate }) => resourceTemplate?.uriTemplate.toString() === uri) }
  }

  /** The resource at a URI, as the server finds it. */
  #resourceAt (uri: unknown): Target {
    const { _registeredResources: resources, _registeredResourceTemplates: templates } = this.#parts
    const text = typeof uri === 'string' && URL.canParse(uri) ? new URL(uri).toString() : ''
    const fixed = named(resources, text)
    if (fixed !== undefined) return { registered: fixed }
    for (const template of Object.values(templates)) {
      const params = template.resourceTemplate?.uriTemplate.match(text)
      if (params) return { registered: template, params }
    }
    return { registered: undefined }
  }

  async #require (method: string, { registered, params }: Target, asked: Readonly<Record<string, unknown>>): Promise<void> {
    const declared = declarationOf(registered)
    if (declared === undefined) {
      if (!this.#strict) return
      if (registered !== undefined) {
        requestOf()?.log.error({ err: undeclared(method) }, 'permit: refused a request for something that has no requirement')
        throw new McpRefusal(new ForbiddenError())
      }
      throw await refusalOfCall(method, asked, 'unknown_name', 'strict: the server has nothing with this name')
    }
    if (method === 'resources/subscribe') await requireAllowed(declared.compiled, params)
    if (method === 'completion/complete' && !(await this.#visible([declared]))[0]) {
      throw await refusalOfCall(method, asked, 'no_permission', 'the user may not call what it completes')
    }
    // The others are decided before their handlers, with validated arguments.
  }

  /** The answer to a list request, reduced to what the user may call. */
  async #filtered (method: keyof typeof LISTS, answer: unknown): Promise<unknown> {
    const property = LISTS[method]
    const items = isRecord(answer) ? answer[property] : undefined
    if (!Array.isArray(items)) return answer
    const list = items as ReadonlyArray<{ readonly name?: unknown, readonly uri?: unknown }>
    const shown = method === 'resources/list'
      ? await this.#readable(list)
      : await this.#visible(list.map(({ name }) => this.#listed(method, name)))
    return { ...answer as object, [property]: list.filter((_, index) => shown[index] === true) }
  }

  #listed (method: string, name: unknown): Declared | undefined {
    const { _registeredTools: tools, _registeredPrompts: prompts, _registeredResourceTemplates: templates } = this.#parts
    return declarationOf(named(method === 'tools/list' ? tools : method === 'prompts/list' ? prompts : templates, name))
  }

  async #visible (declared: ReadonlyArray<Declared | undefined>): Promise<boolean[]> {
    if (declared.every(one => one === undefined || one.annotation === false)) return declared.map(one => one !== undefined || !this.#strict)
    const permit = currentPermit()
    if (permit === undefined) return declared.map(one => one === undefined ? !this.#strict : one.annotation === false)
    try {
      const visible = await areVisible(declared.map(one => one?.annotation), permit)
      return visible.map((isVisible, index) => isVisible && (declared[index] !== undefined || !this.#strict))
    } catch (error) {
      throw refusalOf(toError(error))
    }
  }

  /** Which resources can be read: each is decided as a call would be, all in one turn, so that they are one batch. */
  async #readable (list: ReadonlyArray<{ readonly uri?: unknown }>): Promise<boolean[]> {
    return Promise.all(list.map(async ({ uri }) => {
      const { registered, params } = this.#resourceAt(uri)
      const declared = declarationOf(registered)
      if (declared === undefined) return !this.#strict
      const verdict = await verdictOn(declared.compiled, params)
      if (verdict instanceof UnavailableError) throw refusalOf(verdict)
      return verdict === true
    }))
  }
}

/** By method, the property of the answer that has the list. */
const LISTS = {
  'tools/list': 'tools', 'resources/list': 'resources', 'resources/templates/list': 'resourceTemplates', 'prompts/list': 'prompts'
} as const

function named (registry: Registry, name: unknown): Registered | undefined {
  return typeof name === 'string' && Object.hasOwn(registry, name) ? registry[name] : undefined
}

function declarationOf (registered: Registered | undefined): Declared | undefined {
  return declaredBy(registered?.handler ?? registered?.callback ?? registered?.readCallback)
}

/** The refusal of a call without a check of its own, which is in the log like every denial. */
async function refusalOfCall (
  method: string, { name, uri, ref }: Readonly<Record<string, unknown>>, code: string, reason: string
): Promise<McpRefusal> {
  const called = isRecord(ref) ? ref.name ?? ref.uri : name ?? uri
  const resource = typeof called === 'string' ? shorten(called, 200) : ''
  return new McpRefusal(await refuseCall(currentPermit(), { action: method, resource, code, reason }))
}

function requestOf (): FastifyRequest | undefined {
  const permit = currentPermit()
  return permit === undefined ? undefined : behind(permit).request
}
