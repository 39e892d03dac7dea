// Passes an HTTP request of Fastify to an MCP transport, with the checks of the request. Each session belongs to one user.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { behind, type RequestPermit } from '../app/request-permit.js'
import { OptionsError } from '../contract/errors.js'
import { normaliseUser } from '../decision/query.js'
import { withRequest } from './current-request.js'

/** The members of `StreamableHTTPServerTransport` that are used. */
export interface McpTransport {
  readonly sessionId?: string | undefined
  handleRequest (request: IncomingMessage, response: ServerResponse, body?: unknown): Promise<void>
}

/** By transport, the key of the session's user; undefined without a login. */
const owners = new WeakMap<McpTransport, { readonly user: string | undefined }>()

/**
 * Hands a request to a transport of Streamable HTTP, for POST, GET and DELETE. Its messages are decided for the user of this request. A
 * session belongs to the user who started it. For other users it does not exist, so that they can neither read its stream nor end it.
 *
 * @throws `OptionsError` when the plugin is not registered
 * @example
 * ```ts
 * import type { FastifyInstance } from 'fastify'
 * import { handleMcp, type McpTransport } from 'fastify-permit/mcp'
 *
 * export function mcpRoute (app: FastifyInstance, connect: () => Promise<McpTransport>): void {
 *   app.post('/mcp', { config: { permit: false } }, async (request, reply) => handleMcp(request, reply, await connect()))
 * }
 * ```
 */
export async function handleMcp (request: FastifyRequest, reply: FastifyReply, transport: McpTransport): Promise<FastifyReply> {
  const permit = request.permit as RequestPermit<FastifyRequest> | undefined
  if (permit === undefined) {
    throw new OptionsError('handleMcp(): there is no request.permit; register fastify-permit before the route')
  }
  const user = await keyOf(permit)
  // Of one session, the requests are several; without a session, each request has a transport of its own, or nothing to be kept apart.
  const owner = owners.get(transport)
  if (owner === undefined) owners.set(transport, { user })
  else if (transport.sessionId !== undefined && owner.user !== user) return reply.code(404).send(NOT_FOUND)
  reply.hijack()
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) reply.raw.setHeader(name, value)
  await withRequest(permit, () => transport.handleRequest(request.raw, reply.raw, request.body))
  return reply
}

/** The answer of a transport that has another session. */
const NOT_FOUND = { jsonrpc: '2.0', error: { code: -32_001, message: 'Session not found' }, id: null }

async function keyOf (permit: RequestPermit<FastifyRequest>): Promise<string | undefined> {
  const { request, enforcement } = behind(permit)
  const user = await enforcement.user(request)
  return user === undefined || user === null || user === '' ? undefined : normaliseUser(user).key
}
